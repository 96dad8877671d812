"""The adapter of the best validation is what a stage leaves, and a stage that gets worse can be ended."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import TINY, composed

from qgen import data
from qgen.rewards import registry, term
from qgen.runs.files import rows, steps
from qgen.runs.rundir import Claim
from qgen.stages import run as stages
from qgen.stages.best import Best

SIZE = ("stage.per_device_train_batch_size=2", "stage.gradient_accumulation_steps=1", "stage.max_steps=6",
        "stage.save_steps=1", "stage.save_total_limit=9", "validation.every=1")  # fmt: skip
REWARD = ("reward.gate=null", "~reward.terms.difficulty", "+reward.terms.course.weight=1")


@pytest.fixture
def course(monkeypatch):
    """A term that gives what the test says at each validation, in their order."""
    monkeypatch.setattr(registry, "TERMS", dict(registry.TERMS))
    values: list[float] = []

    @term("course")
    def course(completions, **columns):
        value = values.pop(0)
        return [value for _ in completions]

    return values


def train(out, *overrides, claim=None):
    config = composed("stage=sft", *SIZE, *TINY, *REWARD, *overrides)
    out.mkdir(exist_ok=True)
    return stages.run(config, data.load(config.data), out, None, claim or Claim(), {})


def weights(folder):
    return (folder / "adapter_model.safetensors").read_bytes()


def test_the_best_validation_is_kept_also_after_a_resume(tmp_path, course):
    course[:] = [0.1, 0.4, 0.3, 0.9, 0.2, 0.2, 0.5]
    whole = tmp_path / "whole"
    summary = train(whole)
    assert [row["reward"] for row in steps(whole / "validation.jsonl")] == [0.1, 0.4, 0.3, 0.9, 0.2, 0.2, 0.5]
    assert summary["kept_step"] == 3
    assert summary["steps"] == 6
    assert summary["reward"] == [0.1, 0.9]
    assert weights(whole / "adapter") == weights(whole / "checkpoint-3") != weights(whole / "checkpoint-6")
    assert not (whole / "best").exists()

    resumed = tmp_path / "resumed"  # killed after step 4 and its checkpoint
    shutil.copytree(whole, resumed, ignore=shutil.ignore_patterns("summary.json", "checkpoint-[56]"))
    shutil.rmtree(resumed / "adapter")
    kept = (resumed / "validation.jsonl").read_text().splitlines(True)[:5]
    (resumed / "validation.jsonl").write_text("".join(kept))
    course[:] = [0.2, 0.5]
    again = train(resumed, claim=Claim(checkpoint=resumed / "checkpoint-4"))
    assert again["kept_step"] == 3
    assert weights(resumed / "adapter") == weights(whole / "adapter")
    assert [row["step"] for row in rows(resumed / "validation.jsonl")] == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_of_validations_that_chance_may_tell_apart_the_last_is_kept(tmp_path):
    best = Best(tmp_path, SimpleNamespace(save_pretrained=lambda folder, **_: Path(folder).mkdir(parents=True)))
    course = [(0.045, 0.029), (0.020, 0.012), (0.012, 0.007)]  # of qwen_coder under reward=proved, steps 0, 20 and 40
    for step, (quality, error) in enumerate(course):
        best.offer(step, quality, error)
    assert (best.step, best.quality) == (1, 0.045)  # the third is 1.1 standard errors below
    best.offer(3, -0.01, 0.001)  # a little worse each time is worse than the best after all
    assert best.step == 1
    best.offer(5, 0.3, 0.01)
    best.offer(6, 0.29, 0.01)
    best.offer(7, 0.2, 0.01)
    assert (best.step, best.quality) == (6, 0.3)


def test_the_last_step_is_kept_where_that_is_asked_for_or_nothing_tells_them_apart(tmp_path, course):
    course[:] = [0.1, 0.4, 0.3, 0.9, 0.2, 0.2, 0.5]
    last = train(tmp_path / "last", "validation.keep_best=false")
    assert last["kept_step"] == 6
    assert weights(tmp_path / "last/adapter") == weights(tmp_path / "last/checkpoint-6")
    course[:] = [0.5] * 7
    assert train(tmp_path / "same")["kept_step"] == 6


@pytest.mark.parametrize(
    ("override", "course_of", "steps_done", "says"),
    [
        ("validation.patience=2", [0.1, 0.5, 0.4, 0.4], 3, "no better quality since step 1 (validation.patience=2)"),
        ("validation.stop_below=0.3", [0.1, 0.5, 0.4, 0.2], 3, "quality 0.200 is under validation.stop_below=0.3"),
        ("validation.patience=5", [0.1, 0.5, 0.4, 0.4, 0.3, 0.6, 0.5], 6, None),
    ],
)
def test_a_stage_that_gets_worse_ends(tmp_path, course, override, course_of, steps_done, says):
    course[:] = list(course_of)
    summary = train(tmp_path / "out", override)
    assert summary["stopped"] == says
    assert summary["steps"] == steps_done
    assert course == []  # the last step's validation is not made twice


@pytest.mark.slow
def test_a_stop_survives_a_kill_and_another_config_goes_on(tmp_path, course):
    course[:] = [0.1, 0.5, 0.4, 0.4]
    whole = tmp_path / "whole"
    train(whole, "validation.patience=2")
    (whole / "summary.json").unlink()
    shutil.rmtree(whole / "adapter")
    course[:] = [0.4]
    again = train(whole, "validation.patience=2", claim=Claim(checkpoint=whole / "checkpoint-3"))
    assert again["steps"] == 3
    assert again["stopped"] == "no better quality since step 1 (validation.patience=2)"
    course[:] = [0.6, 0.7, 0.3]
    (whole / "summary.json").unlink()
    more = train(whole, claim=Claim(checkpoint=whole / "checkpoint-3", changed=True))
    assert more["steps"] == 6
    assert more["kept_step"] == 5


@pytest.mark.slow
def test_qualities_of_another_ruler_do_not_count(tmp_path, course):
    course[:] = [0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]
    whole = tmp_path / "whole"
    assert train(whole)["kept_step"] == 1
    (whole / "summary.json").unlink()
    course[:] = [0.1, 0.4, 0.3]
    claim = Claim(checkpoint=whole / "checkpoint-4", changed=True)
    again = train(whole, "reward.terms.course.weight=0.5", claim=claim)
    assert again["kept_step"] == 5  # of steps 4, 5 and 6, measured anew
    assert again["reward"][1] == 0.2


@pytest.mark.slow
def test_a_stage_that_changes_nothing_for_the_better_leaves_what_it_started_from(tmp_path, course):
    course[:] = [0.1, 0.4, 0.3, 0.9, 0.2, 0.2, 0.5]
    config = composed("stage=sft", *SIZE, *TINY, *REWARD)
    corpus = data.load(config.data)
    for name in ("sft", "next"):
        (tmp_path / name).mkdir()
    stages.run(config, corpus, tmp_path / "sft", None, Claim(), {})
    course[:] = [0.1] * 6  # the first validation is taken over
    summary = stages.run(config, corpus, tmp_path / "next", tmp_path / "sft" / "adapter", Claim(), {})
    assert summary["kept_step"] == 0
    assert summary["reward"] == [0.9, 0.9]
    assert len(summary["samples"]) == 3
    assert weights(tmp_path / "next/adapter") == weights(tmp_path / "sft/adapter")


def test_held_out_problems_that_do_not_fit_are_left_out_and_counted(tmp_path, course, capsys):
    course += [0.0] * 2
    train(tmp_path / "sft", "model.max_length=150", "stage.max_steps=1")
    assert "of 36 held-out problems, over model.max_length=150" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match=r"no held-out problem fits into model\.max_length=20"):
        train(tmp_path / "short", "model.max_length=20")
