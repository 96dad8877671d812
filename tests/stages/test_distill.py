"""Which completions a model teaches itself by."""

from types import SimpleNamespace

import pytest
from conftest import CUBES, composed

from qgen.engine.completion import Completion
from qgen.rewards import RewardScores
from qgen.stages import distill

SIZE = ("stage=distill", "stage.num_prompts=3", "stage.num_generations=2", "stage.per_device_train_batch_size=1")


def drawn(monkeypatch, totals, *overrides):
    """The winners of three requests with two completions each, which are worth this."""
    monkeypatch.setattr(distill, "whole", lambda model: monkeypatch.context())
    monkeypatch.setattr(
        distill, "generate", lambda m, t, prompts, *_, **__: [Completion(f"c{i}", 1, True) for i in range(len(prompts))]
    )
    config = composed(*SIZE, *overrides)
    terms = {"format": [1.0] * len(totals)}
    scores = RewardScores(terms, totals, [{}] * len(totals), 0.0)
    context = SimpleNamespace(
        config=config, model=None, tokenizer=None, writer=None, corpus=SimpleNamespace(train=[CUBES]),
        rewards=SimpleNamespace(score=lambda *_, **__: scores), keep=lambda *_: None,
    )  # fmt: skip
    return [row["completion"][0]["content"] for row in distill.best_of_n(context)]


def test_what_is_worth_nothing_is_no_lesson(monkeypatch):
    totals = [0.0, 0.2, 0.0, 0.0, 0.7, 0.1]
    assert drawn(monkeypatch, totals, "reward=proved") == ["c1", "c4"]
    assert drawn(monkeypatch, totals) == ["c1", "c2", "c4"]  # a sum of terms may be 0 and the best there is


def test_a_model_that_writes_nothing_of_worth_cannot_teach_itself(monkeypatch):
    with pytest.raises(RuntimeError, match="0 of 3 requests have a completion to learn from"):
        drawn(monkeypatch, [0.0] * 6, "reward=proved")
