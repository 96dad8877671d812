"""How hard problems and levels are, read out of a model's states."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import composed, corpus

from qgen.metrics.levels import ENOUGH, LevelModel
from qgen.metrics.states import states
from qgen.models.model import load_plain

CORPUS = corpus()


def told(noise=0.5):
    """States that hold the level of each real problem and say nothing beside it."""
    dice = np.random.default_rng(0)
    levels = {p.statement: p.level + noise * dice.normal() for p in CORPUS.train}
    return lambda statements: [np.array([levels.get(s, 3.0), *dice.normal(size=3)]) for s in statements]


def test_levels_are_read_and_every_level_has_a_band():
    model = LevelModel(CORPUS.train, told())
    assert model.tells
    assert 0.8 < model.spearman < 1.0
    for level in range(1, 5):
        low, high = model.band(level)
        assert model.outside((max(low, 0) + high) / 2, level) == 0.0
        assert model.outside(high + model.reach, level) == pytest.approx(1.0)
        assert high <= model.band(level + 1)[1]
    assert (model.band(1)[0], model.band(5)[1]) == (-np.inf, np.inf)
    assert model.estimates([]).shape == (0,)


def test_three_quarters_of_real_problems_lie_in_the_band_of_their_level():
    model = LevelModel(CORPUS.train, told())
    estimates = model.estimates([p.statement for p in CORPUS.train])
    inside = [model.outside(e, p.level) == 0 for e, p in zip(estimates, CORPUS.train, strict=True)]
    assert 0.7 < np.mean(inside) < 0.95  # the first and the last level have no outer end


@pytest.mark.parametrize(
    "problems",
    [
        CORPUS.train[: ENOUGH - 1],
        [replace(p, level=3) for p in CORPUS.train],
        [replace(p, level=None) for p in CORPUS.train],
        [replace(p, level=1 + i % 5) for i, p in enumerate(CORPUS.train)],  # whatever the states hold
    ],
)
def test_levels_that_nothing_tells_are_not_told(problems):
    assert not LevelModel(problems, told()).tells


def test_a_state_is_that_of_the_prompts_last_token_however_it_is_batched():
    model, tokenizer = load_plain(composed("stage=grpo", "model=tiny").model, 0)
    prompts = [
        [{"role": "user", "content": text}] for text in ("How many?", "Find $x$ if $x + 1 = 2$ and no more.", "\ud83d")
    ]
    together = states(model, tokenizer, prompts, 0.5)
    alone = [states(model, tokenizer, [prompt], 0.5)[0] for prompt in prompts]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert together[0].shape == (model.config.hidden_size,)
    assert not np.allclose(together[0], states(model, tokenizer, prompts[:1], 1.0)[0])
    assert not np.allclose(together[0], together[1])
