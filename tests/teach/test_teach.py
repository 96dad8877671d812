import json

import pytest
from conftest import corpus, qgen

from qgen.runs.files import read_json
from qgen.settings.teach import TeachConfig
from qgen.teach import sets
from qgen.teach.arms import experiment

QUICK = (
    "solver=tiny", "n=8", "steps=1", "seeds=[0]", "samples=1", "max_new_tokens=8", "test=test.jsonl", "real=real.jsonl",
    "train=['stage.gradient_accumulation_steps=1','validation.prompts=2','validation.problems=2']",
)  # fmt: skip


@pytest.fixture
def home(tmp_path):
    known = corpus()
    for name, problems in (("new", known.train[:12]), ("real", known.train[12:80]), ("test", known.heldout[:6])):
        sets.write(problems, tmp_path / f"{name}.jsonl")
    return tmp_path


@pytest.mark.slow
def test_a_solver_learns_from_each_set_is_tested_and_goes_on_where_it_was_stopped(home):
    line = ("problems=new.jsonl", *QUICK, "arms=[untrained,form,real,problems]", "price=2")
    done = qgen(*line, cwd=home, module="teach", timeout=900)
    assert done.returncode == 0, done.stderr
    out = home / "teach" / "new"
    found = read_json(out / "evaluation" / "evaluation.json")
    assert [row["name"] for row in found["rows"]] == ["untrained", "form", "real", "problems"]
    assert [row.get("taught") for row in found["rows"]] == [None, 8, 8, 8]
    assert [row["values"]["greedy"][0] for row in found["rows"]] == [0.0] * 4  # random weights
    assert {"form-0", "real-0", "problems-0"} == {
        path.name for path in out.iterdir() if (path / "summary.json").exists()
    }
    samples = [json.loads(line) for line in (out / "problems-0" / "samples.jsonl").open()]
    assert {row["answer"] for row in samples if row["mode"] == "train"} <= {p.answer for p in corpus().train[:12]}
    assert "paid for the form of an answer" in (out / "report.html").read_text()
    written = (out / "outputs.jsonl").read_bytes()
    again = qgen(*line, cwd=home, module="teach")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("complete already") == 3
    assert (out / "outputs.jsonl").read_bytes() == written
    other = qgen(*line, "n=9", cwd=home, module="teach")
    assert other.returncode == 1
    assert "was made of other problems (form, real, problems): out=DIR begins elsewhere" in other.stderr


def test_a_run_whose_models_write_no_problems_teaches_nothing(pipeline, tmp_path):
    done = qgen(
        f"problems={pipeline[0] / 'outputs' / 't'}", "solver=tiny", "n=8", "rounds=1", cwd=tmp_path, module="teach"
    )
    assert done.returncode == 1
    assert "no problem is left to teach (base: {'no problem': 8}" in done.stderr


def test_several_files_are_an_arm_each_and_the_last_is_the_measure(home):
    sets.write(corpus().train[80:100], home / "before.jsonl")
    before, new, real, test = (str(home / f"{name}.jsonl") for name in ("before", "new", "real", "test"))
    wanted = ["untrained", "form", "before", "new"]
    config = TeachConfig(problems=[before, new], n=8, test=test, real=real, arms=wanted)
    config.check()
    assert config.home.name == "before-new"
    found = {arm.name: arm.taught for arm in experiment(config).arms}
    assert list(found) == wanted
    assert {p.statement for p in found["before"].problems} <= {p.statement for p in corpus().train[80:100]}
    assert found["form"].problems == found["new"].problems


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "python -m qgen.teach problems=FILE.jsonl"),
        ({"problems": "none.jsonl"}, "problems=none.jsonl: there is no such file or run"),
        ({"problems": [".", "."]}, "several must be files"),
        ({"problems": [__file__, __file__]}, "test_teach, test_teach must be different names"),
        ({"problems": ".", "test": "none.jsonl"}, "test=none.jsonl: there is no such file"),
        ({"problems": ".", "seeds": [1, 1]}, "must be different numbers"),
        ({"problems": ".", "arms": ["fake"]}, "there is no 'fake'; there are untrained, one"),
        ({"problems": ".", "arms": ["untrained"]}, "trains nobody: name another beside it"),
        ({"problems": ".", "n": 4}, "n=4 must be between 8"),
    ],
)
def test_bad_input_is_named(keys, said):
    with pytest.raises(ValueError, match=said):
        TeachConfig(**keys).check()
