"""The evaluation as a command, and the metrics' own tests on real problems under the embedded model."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import composed, qgen
from safetensors.torch import load_file, save_file

from qgen import data
from qgen.data.prompts import requests
from qgen.evaluation.outputs import candidates, outputs
from qgen.evaluation.protocol import Protocol
from qgen.evaluation.results import results
from qgen.evaluation.sets import OutputSet, controls, real
from qgen.mathematics.problem import render
from qgen.models import model
from qgen.rewards.base import Base
from qgen.runs.files import rows
from qgen.settings.choices import Rollout
from qgen.settings.evaluate import EvaluateConfig


@pytest.fixture(scope="module")
def home(pipeline, tmp_path_factory):
    """Two runs of a model with random weights."""
    home = tmp_path_factory.mktemp("evaluate")
    for name, stage in (("a", "sft"), ("b", "grpo")):
        shutil.copytree(pipeline[0] / "outputs/t" / stage, home / "outputs" / name / stage)
    return home


def evaluate(home, *arguments):
    done = qgen(*arguments, cwd=home, module="evaluate")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_measures_what_a_run_writes_once(home):
    said = evaluate(home, "run=outputs/a", "n=12", "seeds=[0,1]", "max_new_tokens=6")
    result = json.loads((home / "outputs/a/evaluation/evaluation.json").read_text())
    found = {row["name"]: row for row in result["rows"]}
    assert list(found)[:3] == ["base", "sft", "real"]
    assert found["sft"]["outputs"] == 24
    assert found["sft"]["values"]["format_yield"][0] == 0.0  # random weights write no problems
    assert 0.1 < found["sft"]["values"]["format_yield"][2] < 0.35
    assert found["real"]["values"]["format_yield"][0] == 1.0
    assert found["copy"]["values"]["copies"][0] == 1.0
    assert found["numbers"]["values"]["copies_masked"][0] == 1.0
    tests = {metric["name"]: metric for metric in result["metrics"]}
    assert tests["copies"]["passed"]
    assert tests["format_yield"]["passed"]
    assert tests["naturalness"]["passed"] is False  # random weights are no judge, and that is told
    assert "natural ↑ ✗" in said
    assert "[dim]" not in said
    assert max(map(len, said.splitlines())) <= 80
    assert "can the metrics be believed?" in said

    path = home / "outputs/a/evaluation/outputs.jsonl"
    before = path.read_text()
    assert [(row["writer"], row["seed"]) for row in rows(path)] == [("base", 0), ("base", 1), ("sft", 0), ("sft", 1)]
    path.write_text(before[:-40])  # a kill in the middle of the last block
    again = evaluate(home, "run=outputs/a/sft", "n=12", "seeds=[0,1]", "max_new_tokens=6")
    assert "written" not in again or "sft" in again
    fresh = rows(home / "outputs/a/sft/evaluation/outputs.jsonl")
    texts = {(row["writer"], row["seed"]): row["texts"] for row in fresh}
    whole = {(row["writer"], row["seed"]): row["texts"] for row in map(json.loads, before.splitlines())}
    assert texts == whole  # the same seed writes the same problems
    marked = before.replace(json.dumps(whole["base", 0][0])[1:-1], "kept as it was", 1)
    path.write_text(marked[: marked.rindex("{")])
    evaluate(home, "run=outputs/a", "n=12", "seeds=[0,1]", "max_new_tokens=6")
    reread = {(row["writer"], row["seed"]): row["texts"] for row in rows(path)}
    assert reread["base", 0][0] == "kept as it was"  # a whole block is not written twice
    assert reread["sft", 1] == whole["sft", 1]  # one that was cut short is

    summary = home / "outputs/a/sft/summary.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"learned": False}))
    said = evaluate(home, "run=outputs/a", "n=12", "seeds=[0,1]", "max_new_tokens=6", "model.rollout=compiled")
    assert "sft LEARNED NOTHING" in said
    assert said.count("rollout: compiled (a copy in torch.float32 fits)") == 1  # one for base and adapter
    by = [(row["writer"], row["seed"], row["rollout"], len(row["texts"])) for row in rows(path)]
    assert by[-4:] == [("base", 0, "compiled", 12), ("base", 1, "compiled", 12), ("sft", 0, "compiled", 12),
                       ("sft", 1, "compiled", 12)]  # fmt: skip
    assert {hand for _, _, hand, _ in by[:-4]} == {"generate"}
    compiled = json.loads((home / "outputs/a/evaluation/evaluation.json").read_text())
    assert [row["name"] for row in compiled["rows"]] == list(found)


def test_a_copy_writes_each_policys_own_problems(home, tmp_path):
    """Greedily: what a seed draws is another's by another hand, the likeliest tokens are not."""
    loud = tmp_path / "sft"
    shutil.copytree(home / "outputs/a/sft", loud)
    weights = load_file(loud / "adapter/adapter_model.safetensors")
    noise = torch.Generator().manual_seed(0)  # whatever was learned, it writes other texts than the base
    weights = {name: w + 0.3 * torch.randn(w.shape, generator=noise) for name, w in weights.items()}
    save_file(weights, loud / "adapter/adapter_model.safetensors")
    writers, _ = candidates(EvaluateConfig(run=str(loud)))
    config = writers[0].config
    loaded = model.load_plain(config.model, config.seed)
    asked = requests(config.prompt, data.load(config.data).heldout, 6, 0)
    sampling = composed("sampling.temperature=1e-6", "sampling.max_new_tokens=12", "sampling.batch_size=4").sampling
    found = {}
    for rollout in (Rollout.generate, Rollout.compiled):
        for writer in writers:
            writer.config.model.rollout = rollout
        order = writers if rollout is Rollout.generate else [writers[1], writers[0]]  # the adapter is to leave no trace
        blocks = outputs(order, loaded, asked, sampling, [0], tmp_path / "outputs.jsonl")
        found[rollout] = {name: block["texts"] for name, (block,) in blocks.items()}
    assert found[Rollout.compiled] == found[Rollout.generate]
    assert found[Rollout.generate]["base"] != found[Rollout.generate]["sft"]
    assert [row["rollout"] for row in rows(tmp_path / "outputs.jsonl")] == ["generate"] * 2 + ["compiled"] * 2


def test_variations_are_measured_by_kind_beside_controls(home):
    said = evaluate(home, "run=outputs/a/sft", "task=variation", "n=10", "max_new_tokens=6")
    result = json.loads((home / "outputs/a/sft/evaluation/variations.json").read_text())
    found = {row["name"]: row["kinds"] for row in result["rows"]}
    assert list(found)[:2] == ["base", "sft"]
    assert {"copy", "numbers", "unrelated"} <= set(found)
    assert result["semantic"] == "MiniLM"
    assert found["sft"]["context"]["outputs"] == 2
    assert found["sft"]["all"]["faults"] == {"no problem": 10}  # of random weights
    assert found["copy"]["all"]["yield"][0] == found["numbers"]["all"]["yield"][0] == 0.0
    assert 0.1 < found["copy"]["all"]["yield"][2] < 0.35
    assert "parameter" in said
    assert max(map(len, said.splitlines())) <= 80


def test_two_runs_are_compared_on_the_same_prompts(home):
    said = evaluate(home, "run=outputs/b", "compare=outputs/a", "n=12", "max_new_tokens=6")
    result = json.loads((home / "outputs/b/evaluation/against-a-sft.json").read_text())
    (pair,) = result["differences"]
    assert (pair["before"], pair["after"]) == ("a/sft", "b/grpo")
    value, low, high = pair["values"]["format_yield"]
    assert low < value == 0.0 < high
    assert "b/grpo − a/sft" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "run says whose problems are measured"),
        (["run=nowhere"], "run=nowhere: there is no such directory"),
        (["run=outputs"], "holds no finished stage"),
        (["run=outputs/a", "n=0"], "n=0 must be"),
        (["run=outputs/a", "seeds=[1,1]"], "must be different numbers"),
        (["run=outputs/a", "compare=outputs/a"], "is the run itself"),
        (["run=outputs/a", "task=both"], "one after the other"),
        (["run=outputs/a", "task=variation", "compare=outputs/b"], "knows neither compare"),
        (["run=outputs/a", "evaluate.solvr=x"], "did you mean evaluate.solver?"),
        (["run=outputs/a", "evaluate.solver=/no/model", "n=2"], "/no/model"),
    ],
)
def test_mistakes_are_named(home, arguments, says):
    done = qgen(*arguments, cwd=home, module="evaluate")
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_other_problems_than_those_trained_on_are_refused(home):
    shutil.copytree(home / "outputs/a/sft", home / "outputs/changed/sft")
    path = home / "outputs/changed/sft/environment.json"
    path.write_text(path.read_text().replace(json.loads(path.read_text())["heldout"], "another"))
    done = qgen("run=outputs/changed", "n=2", cwd=home, module="evaluate")
    assert done.returncode == 1
    assert "are not those that it was trained with" in done.stderr
    assert not (home / "outputs/changed/evaluation").exists()


@pytest.mark.slow
def test_a_solver_adds_its_metrics(home):
    for part in model.load_plain(composed("model=tiny").model, 0):
        part.save_pretrained(home / "solver")
    evaluate(home, "run=outputs/a", "n=10", "max_new_tokens=6", "evaluate.solver=solver", "evaluate.max_new_tokens=4")
    result = json.loads((home / "outputs/a/evaluation/evaluation.json").read_text())
    found = {row["name"]: row["values"] for row in result["rows"]}
    assert found["real"]["solvable"][0] == 0.0  # random weights solve nothing
    assert found["real"]["key"] == [0.0, 0.0, 0.0]
    assert found["real"]["sound"][0] == found["base"]["sound"][0] == 0.0
    assert result["seconds"]["a sound problem"] == {"base": None, "sft": None}
    assert any("solver answers 0% of real problems: too few" in note for note in result["notes"])


@pytest.mark.slow
def test_each_metric_tells_its_control_from_real_problems_or_is_marked():
    config = composed()
    corpus = data.load(config.data)
    judge = Base(*model.load_plain(config.model, 0), config.prompt)
    authors = real(corpus.heldout[:26], "en")
    spoiled = controls(corpus.heldout[:26], corpus.train, "en")
    rng = np.random.default_rng(0)
    half = [render(p, "en") if rng.random() < 0.5 else "no problem" for p in corpus.heldout[:26]]
    writer = OutputSet("half", "model", authors.requests, authors.prompts, half)
    protocol = Protocol(corpus.train, authors, judge.losses)
    result = results(protocol, [writer, authors, *spoiled], [("real", "half")])
    tests = {metric["name"]: metric for metric in result["metrics"]}
    failed = {name for name, metric in tests.items() if metric["passed"] is False}
    assert failed <= {"topic_coverage", "topic_entropy"}  # whose gaps subsets of 13 problems cannot tell from chance
    assert tests["diversity"]["gap"][1] > 0.2  # how far the interval of the gap to `collapse` is from 0
    found = {row["name"]: row["values"] for row in result["rows"]}
    low, high = found["half"]["format_yield"][1:]
    assert low < 0.5 < high
    assert result["differences"][0]["values"]["format_yield"][2] < 0
    assert found["collapse"]["diversity"][0] < 0.7 < found["real"]["diversity"][0]
    assert found["topics"]["topic"][0] < 0.3 < found["real"]["topic"][0]


def test_evaluate_answers_help_without_torch(tmp_path):
    code = "import sys; import qgen.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
    done = qgen("--help", cwd=tmp_path, module="evaluate")
    assert done.returncode == 0
    assert "python -m qgen.evaluate run=outputs/quickstart" in done.stdout
