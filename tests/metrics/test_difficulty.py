import numpy as np
import pytest
from conftest import DIGITS, composed

from qgen import data
from qgen.metrics.difficulty import DifficultyModel


def test_it_knows_something_of_real_levels():
    corpus = data.load(composed().data)
    model = DifficultyModel(corpus.train)
    assert model.spearman > 0.2
    levels = model.predict([p.statement for p in corpus.heldout])
    assert ((levels >= 1) & (levels <= 5)).all()
    assert np.std(levels) > 0.2
    shares = model.distribution([p.statement for p in corpus.heldout])
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert shares.max() < 0.8  # it knows little, and says so


def test_too_few_problems():
    with pytest.raises(RuntimeError, match="at least 20 problems"):
        DifficultyModel([DIGITS])
