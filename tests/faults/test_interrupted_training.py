"""A stage that goes on from its checkpoint, as one that was never interrupted."""

import functools
import shutil
from types import SimpleNamespace

import pytest
from conftest import LETTERS, TINY, composed

from qgen import data
from qgen.rewards import registry, text
from qgen.runs.files import rows, steps
from qgen.runs.rundir import Claim
from qgen.stages import run as stages
from qgen.stages.guard import steps_per_rollout

SIZE = (*TINY, "stage.max_steps=4", "stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=2",
        "stage.learning_rate=1e-2", "validation.every=0", "~reward.terms.difficulty")  # fmt: skip
CORPUS = functools.cache(lambda: data.load(composed("data=champ").data))


def letters(completions, **_):
    return [sum(ch.isalpha() for ch in text(c)) / (1 + len(text(c))) for c in completions]


@pytest.mark.parametrize(
    ("batches", "iterations", "accumulation", "lasts"),
    [(8, 1, 8, 1), (4, 1, 8, 1), (16, 1, 8, 2), (8, 2, 8, 2), (3, 1, 8, 3), (6, 2, 8, 3), (None, 1, 8, 1)],
)
def test_fault_7_how_long_a_rollout_lasts(batches, iterations, accumulation, lasts):
    given = SimpleNamespace(
        steps_per_generation=batches, num_iterations=iterations, gradient_accumulation_steps=accumulation
    )
    assert steps_per_rollout(given) == lasts


@pytest.mark.parametrize("more", ["steps_per_generation=4", "num_iterations=2"])
def test_fault_7_a_rollout_that_spans_steps_is_saved_between_rollouts(tmp_path, monkeypatch, capsys, more):
    monkeypatch.setattr(registry, "TERMS", {**registry.TERMS, "letters": letters})
    config = composed("stage=grpo", *SIZE, *LETTERS, "stage.save_steps=1", f"+stage.trl.{more}")
    whole, killed = begun(config, tmp_path)
    assert "a checkpoint every 2 steps instead of stage.save_steps=1" in capsys.readouterr().out
    assert sorted(path.name for path in whole.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]
    go_on(config, killed, 2)
    for name in ("loss", "reward", "grad_norm", "num_tokens"):
        theirs, ours = ([row.get(name) for row in steps(home / "metrics.jsonl")] for home in (whole, killed))
        assert ours == theirs
    assert completions(killed) == completions(whole)


def test_fault_11_tokens_are_counted_on_and_the_last_validation_is_shown_once(tmp_path):
    config = composed("stage=sft", *SIZE, "stage.save_steps=2", "reward.gate=null")
    whole, killed = begun(config, tmp_path)
    go_on(config, killed, 2)
    theirs, ours = ([row["num_tokens"] for row in steps(home / "metrics.jsonl")] for home in (whole, killed))
    assert ours == theirs == sorted(set(theirs))
    assert completions(killed) == completions(whole)
    go_on(config, whole, 4)  # as if it had been killed after its last validation
    assert completions(whole) == completions(killed)


def begun(config, tmp_path):
    """A whole run, and a copy of it without its last checkpoint."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    stages.run(config, CORPUS(), whole, None, Claim(), {})
    shutil.copytree(whole, killed)
    for last in ("checkpoint-4", "adapter"):  # best/adapter, which an earlier step wrote, stays
        shutil.rmtree(killed / last, ignore_errors=True)
    (killed / "summary.json").unlink()
    return whole, killed


def go_on(config, out, step):
    stages.run(config, CORPUS(), out, None, Claim(checkpoint=out / f"checkpoint-{step}"), {})


def completions(out):
    return [(row["mode"], row["step"], row["completion"]) for row in rows(out / "samples.jsonl")]
