import pytest

from qgen.runtime.strict import hub, require


def test_a_missing_package_names_its_command():
    with pytest.raises(ImportError, match="pip install nothing"):
        require("no_such_package_anywhere", "pip install nothing")
    assert require("json", "never").__name__ == "json"


def test_an_unreachable_hub_names_the_mirror_setting(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    with pytest.raises(RuntimeError, match=r"some/model .*https://mirror\.example.*Set HF_ENDPOINT"), hub("some/model"):
        raise OSError("no route")
