"""A stage that runs out of memory: a real limit of the operating system on a real run, and what is set after it."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from conftest import LETTERS, TINY, composed, letters, qgen
from trl import GRPOTrainer

from qgen import data
from qgen.rewards import registry, text
from qgen.runs.files import append, read_json, rows, steps
from qgen.runs.rundir import OOM, Claim, differences
from qgen.settings.config import to_yaml
from qgen.stages import oom
from qgen.stages import run as stages
from qgen.stages.grpo import in_parts

STEPS = (*TINY, *LETTERS, "stage=grpo", "stage.max_steps=2", "stage.per_device_train_batch_size=64",
         "stage.gradient_accumulation_steps=1", "sampling.max_new_tokens=64", "validation.every=0",
         "validation.prompts=1", "validation.problems=1", "~reward.terms.difficulty")  # fmt: skip
ROOM = 2.25  # GiB of data: Python and its libraries take .8, the logits of 64 completions thrice that


def capped(home, *arguments: str) -> subprocess.CompletedProcess:
    """Run a stage in a process that may hold so much, and no more."""
    env = os.environ | {"PYTHONPATH": str(home / "site"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "qgen.train", *STEPS, f"runtime.memory.cap={ROOM}", *arguments]
    return subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.slow
def test_a_stage_goes_on_with_a_smaller_batch_and_the_same_losses(tmp_path, monkeypatch):
    home = letters(tmp_path)
    ended = capped(home)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    out = home / "outputs/t/grpo"
    events = rows(out / OOM)
    assert events
    assert {row["phase"] for row in events} == {"forward-backward"}
    last = {key: value for row in events for key, value in row["set"].items()}
    batch = last["stage.per_device_train_batch_size"]
    assert batch < 64
    assert batch * last["stage.gradient_accumulation_steps"] == 64
    assert f"went on with stage.per_device_train_batch_size={batch}" in " ".join(ended.stdout.split())
    assert read_json(out / "summary.json")["out_of_memory"] == events
    assert "per_device_train_batch_size: 64" in (out / "config.yaml").read_text()  # the run's config stays its own
    assert "per_device_train_batch_size" in (out / "report.html").read_text()
    monkeypatch.setenv("PYTHONPATH", str(home / "site"))
    assert qgen(*STEPS, "run_name=free", cwd=home).returncode == 0
    theirs, ours = (steps(home / "outputs" / name / "grpo/metrics.jsonl") for name in ("free", "t"))
    for name in ("loss", "reward", "grad_norm"):
        assert [row[name] for row in ours] == pytest.approx([row[name] for row in theirs], rel=1e-3, abs=1e-6)
    again = qgen(*STEPS, f"runtime.memory.cap={ROOM}", cwd=home)
    assert "complete" in again.stdout


@pytest.mark.parametrize(
    ("method", "call", "dropout", "lower"),
    [
        ("_calculate_rewards", 3, 0.2, {"sampling.batch_size": 4}),  # one call a step
        ("_compute_loss", 6, 0.0, {"stage.per_device_train_batch_size": 2, "stage.gradient_accumulation_steps": 4}),
    ],
)
def test_a_step_that_failed_is_done_again_as_if_it_had_not_begun(tmp_path, monkeypatch, method, call, dropout, lower):
    """The error ends the third step, far from any checkpoint; what the step had changed by then is taken back."""
    monkeypatch.setattr(registry, "TERMS", {**registry.TERMS, "letters": few_letters})
    config = composed(*TINY, *LETTERS, "stage=grpo", "stage.max_steps=5", "stage.per_device_train_batch_size=4",
                      "stage.gradient_accumulation_steps=2", "stage.learning_rate=1e-2", "validation.every=2",
                      f"model.lora.dropout={dropout}", "~reward.terms.difficulty")  # fmt: skip
    corpus = data.load(config.data)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    stages.run(config, corpus, whole, None, Claim(), {})
    original, calls = getattr(GRPOTrainer, method), itertools.count(1)

    def fails_once(*arguments, **more):
        found = original(*arguments, **more)
        if next(calls) == call:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return found

    monkeypatch.setattr(GRPOTrainer, method, fails_once)
    with pytest.raises(oom.Again):
        stages.run(config, corpus, broken, None, Claim(), {})
    assert [row["set"] for row in rows(broken / OOM)] == [lower]
    stages.run(config, corpus, broken, None, Claim(checkpoint=broken / "checkpoint-2"), {})
    near = pytest.approx if method == "_compute_loss" else lambda values, **_: values
    for name in ("reward", "grad_norm", "entropy", "num_tokens"):  # the loss is near 0 by construction
        theirs, ours = ([row[name] for row in steps(home / "metrics.jsonl")] for home in (whole, broken))
        assert len(set(theirs)) > 2  # the comparison can fail; random weights' entropy hardly moves
        assert ours == near(theirs, rel=1e-3, abs=1e-6)
    theirs, ours = ([(r["mode"], r["step"], r["completion"]) for r in rows(home / "samples.jsonl")]
                    for home in (whole, broken))  # fmt: skip
    assert ours == theirs
    theirs, ours = (steps(home / "validation.jsonl") for home in (whole, broken))
    assert [row["fingerprint"] for row in ours] == [row["fingerprint"] for row in theirs]


def few_letters(completions, **_):
    return [sum(ch.isalpha() for ch in text(c)) / (1 + len(text(c))) for c in completions]


@pytest.mark.slow
def test_without_retries_it_ends_and_says_what_to_lower(tmp_path):
    ended = capped(letters(tmp_path), "runtime.oom.retries=0")
    assert ended.returncode == 1
    assert "\nqgen: out of memory in forward-backward after step 0" in ended.stderr  # not at the end of the bar
    assert "qgen.doctor" in ended.stderr


@pytest.mark.parametrize(
    ("words", "phase", "lower"),
    [
        ((), "forward-backward", {"stage.per_device_train_batch_size": 4, "stage.gradient_accumulation_steps": 16}),
        (("stage.per_device_train_batch_size=9", "stage.num_generations=9"), "optimizer",
         {"stage.per_device_train_batch_size": 3, "stage.gradient_accumulation_steps": 24}),
        (("stage.per_device_train_batch_size=1",), "forward-backward", {}),
        (("+stage.trl.steps_per_generation=16",), "forward-backward",
         {"stage.per_device_train_batch_size": 4, "stage.gradient_accumulation_steps": 16,
          "stage.trl.steps_per_generation": 32}),
        ((), "rollout", {"stage.rollout_batch_size": 32}),
        (("+stage.trl.steps_per_generation=16",), "rollout", {"stage.rollout_batch_size": 64}),
        (("stage.rollout_batch_size=3",), "rollout", {"stage.rollout_batch_size": 2}),
        (("stage.rollout_batch_size=1",), "rollout", {}),
        (("validation.prompts=4", "validation.problems=4"), "validation", {"sampling.batch_size": 2}),
        ((), "rewards", {"sampling.batch_size": 16}),
        (("stage.gradient_accumulation_steps=1",), "rewards", {"sampling.batch_size": 4}),
        ((), None, {"sampling.batch_size": 16}),
    ],
)  # fmt: skip
def test_what_takes_less(words, phase, lower):
    assert oom.smaller(composed("stage=grpo", *words), phase) == lower


def test_a_resumed_stage_keeps_what_was_set_and_a_new_one_does_not(tmp_path):
    config = composed("stage=grpo")
    append(tmp_path / OOM, [{"set": {"stage.per_device_train_batch_size": 4, "stage.gradient_accumulation_steps": 16}}])
    append(tmp_path / OOM, [{"set": {"stage.rollout_batch_size": 32}}])
    found = oom.adjusted(config, tmp_path, Claim())
    assert (found.stage.per_device_train_batch_size, found.stage.gradient_accumulation_steps) == (4, 16)
    assert found.stage.rollout_batch_size == 32
    assert config.stage.per_device_train_batch_size == 8
    assert oom.adjusted(config, tmp_path / "none", Claim()) == config
    assert oom.adjusted(config, tmp_path, Claim(changed=True)) == config
    anew = replace(config, overwrite=True)
    assert oom.adjusted(anew, tmp_path, Claim()) == anew


def test_how_often_is_no_other_config():
    one, two = (to_yaml(composed(f"runtime.oom.retries={n}")) for n in (0, 3))
    assert differences(one, two) == {}


def test_parts_of_a_rollout_are_the_whole():
    asked = []

    def generate(prompt_ids, images, fields):
        asked.append(len(prompt_ids))
        return [[*ids, 0] for ids in prompt_ids], None

    ids, logprobs = in_parts(generate, 2)([[1], [2], [3], [4], [5]], None, {})
    assert (ids, logprobs, asked) == ([[1, 0], [2, 0], [3, 0], [4, 0], [5, 0]], None, [2, 2, 1])
