"""Curated problems, and what is fitted to them, come from the cache where nothing has changed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import composed

from qgen import data
from qgen.metrics import fitted
from qgen.metrics.difficulty import DifficultyModel
from qgen.metrics.prose import Prose
from qgen.runtime import cache


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("QGEN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def made(monkeypatch):
    """How often problems were curated."""
    counted = []
    curating = data.curate
    monkeypatch.setattr(data, "curate", lambda *rest: (counted.append(1), curating(*rest))[1])
    return counted


def mine(tmp_path, count=40, more=()):
    rows = [
        {"problem": f"A box of {i + 3} red and {7 * i + 2} blue balls is emptied. How many balls were in it?",
         "answer": str(8 * i + 5), "solution": f"There were {i + 3} and {7 * i + 2}, so that is {8 * i + 5} in all.",
         "topic": ("Algebra", "Geometry")[i % 2], "level": 1 + i % 5}
        for i in range(count)
    ]  # fmt: skip
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *more]))
    return composed("data=jsonl", f"data.path={file}", "data.near_duplicate=1.0", "data.min_quality=0.1").data


def test_the_second_time_is_the_first(made, tmp_path):
    config = mine(tmp_path, more=[{"problem": "Lone \ud800 text?", "answer": "7"}, {"problem": 3, "answer": "4"}])
    first, second = data.load(config), data.load(config)
    assert first == second
    assert second.dropped
    assert second.reasons() == first.reasons()
    assert len(made) == 1


def test_other_files_settings_or_code_are_curated_anew(made, tmp_path, monkeypatch):
    data.load(mine(tmp_path))
    assert len(data.load(mine(tmp_path, count=41)).train) > 0  # the same path
    data.load(mine(tmp_path, count=41), composed("prompt.language=zh").prompt)
    data.load(replace(mine(tmp_path, count=41), split_seed=1))
    monkeypatch.setattr(cache, "code", lambda *packages: "another")
    data.load(mine(tmp_path, count=41))
    assert len(made) == 5


def test_half_a_file_or_no_room_for_one_is_no_reason_to_stop(made, tmp_path, monkeypatch):
    first = data.load(mine(tmp_path))
    (file,) = (tmp_path / "cache" / "problems").iterdir()
    file.write_bytes(file.read_bytes()[:99])
    assert data.load(mine(tmp_path)) == first
    monkeypatch.setenv("QGEN_CACHE", "/dev/null/none")
    assert data.load(mine(tmp_path)) == first
    assert len(made) == 3


def test_a_folder_of_the_cache_holds_so_many_files(tmp_path):
    for i in range(5):
        cache.keep(tmp_path / f"{i}.json", b"{}", 3)
    assert len(list(tmp_path.iterdir())) == 3


def test_what_others_keep_in_a_folder_of_that_name_stays(tmp_path):
    for i in range(5):
        (tmp_path / f"contest_{i}.json").write_text("{}")
    cache.keep(tmp_path / ("a" * 24 + ".json"), b"{}", 3)
    assert len(list(tmp_path.iterdir())) == 6


def test_a_file_that_changes_while_it_is_read_is_not_kept(made, tmp_path, monkeypatch):
    config = mine(tmp_path)
    counted = data.curate
    monkeypatch.setattr(data, "curate", lambda *rest: (counted(*rest), mine(tmp_path, count=41))[0])
    data.load(config)
    assert not (tmp_path / "cache" / "problems").exists()


def test_another_users_pickle_is_not_opened(monkeypatch):
    corpus = data.load(composed().data).train[:60]
    fitted.fitted(DifficultyModel, corpus)
    monkeypatch.setattr(fitted.os, "getuid", lambda: -1)
    monkeypatch.setattr(fitted.pickle, "loads", lambda _: pytest.fail("opened"))
    fitted.fitted(DifficultyModel, corpus)


def test_what_was_fitted_judges_alike(monkeypatch):
    corpus = data.load(composed().data).train[:60]
    texts = [p.statement for p in corpus[:9]]
    for make, judge in ((DifficultyModel, lambda m: m.predict(texts)), (Prose, lambda m: [m.fault(t) for t in texts])):
        first = fitted.fitted(make, corpus)
        with monkeypatch.context() as patched:
            patched.setattr(make, "__init__", lambda *_: pytest.fail("it was fitted again"))
            again = fitted.fitted(make, corpus)
        np.testing.assert_array_equal(judge(first), judge(again))
        other = fitted.fitted(make, corpus[:40])
        assert vars(other).keys() == vars(first).keys()
