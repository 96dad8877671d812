"""How hard a problem is, estimated from its text by a regressor fitted to the levels of real problems.

An estimate is worth what its rank correlation with the levels of held-out problems says: it is kept beside
every figure that rests on it.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from qgen.mathematics.problem import Problem
from qgen.metrics.fitted import fitted
from qgen.metrics.similarity import tokens

LEVELS = np.arange(1, 6)


def ease(level: np.ndarray | int) -> np.ndarray | float:
    """The share of solvers that a problem of a level from 1 to 5 is meant for: .9, .7, .5, .3, .1."""
    return 1.1 - 0.2 * level


class DifficultyModel:
    """Ridge regression on word TF-IDF and six counts of a statement.

    Args:
        problems: real problems with levels; at least 20.

    Attributes:
        spearman: rank correlation of predicted and true levels in five-fold cross-validation, -1 to 1.
        held_out: the expected levels of its own problems there, of shape (problems,).
    """

    def __init__(self, problems: Sequence[Problem]):
        statements = [p.statement for p in problems]
        levels = np.array([p.level for p in problems], dtype=float)
        if len(problems) < 20 or len(set(levels)) < 2:
            raise RuntimeError(
                f"difficulty is learned from at least 20 problems of two levels or more, and there are {len(problems)} "
                f"of {len(set(levels))}: add data, or leave the term out with ~reward.terms.difficulty"
            )
        self._model = make_pipeline(
            make_union(
                TfidfVectorizer(tokenizer=tokens, token_pattern=None, sublinear_tf=True, min_df=2),
                make_pipeline(FunctionTransformer(_counts), StandardScaler()),
            ),
            Ridge(alpha=3.0),
        )
        folds = KFold(5, shuffle=True, random_state=0)
        held_out = cross_val_predict(self._model, statements, levels, cv=folds)
        self.spearman = float(np.nan_to_num(spearmanr(held_out, levels).statistic))
        self._model.fit(statements, levels)
        # what a prediction says of the level: the levels of the problems that were predicted alike, held out
        order = np.argsort(held_out, kind="stable")
        self._predicted, self._levels = held_out[order], levels[order]
        self.held_out = self._like(held_out) @ LEVELS

    def predict(self, statements: list[str]) -> np.ndarray:
        """Expected levels, from 1 to 5, of shape (len(statements),)."""
        return self.distribution(statements) @ LEVELS

    def distribution(self, statements: list[str]) -> np.ndarray:
        """The probability of each level from 1 to 5, of shape (len(statements), 5); rows sum to 1.

        It is the share of each level among the fifth of the real problems whose held-out predictions lie nearest:
        a poor regressor gives flat distributions, instead of certainty that it does not have.
        """
        return self._like(self._model.predict(statements)) if statements else np.zeros((0, len(LEVELS)))

    def _like(self, predicted: np.ndarray) -> np.ndarray:
        """The shares of the levels among the real problems whose predictions lie nearest to each of these."""
        count = len(self._levels)
        width = max(10, count // 5)
        at = np.searchsorted(self._predicted, predicted)
        start = np.clip(at - width // 2, 0, max(0, count - width))
        near = self._levels[start[:, None] + np.arange(min(width, count))]
        return (near[:, :, None] == LEVELS).mean(axis=1)


def levels(problems: list[Problem]) -> DifficultyModel | None:
    """The estimator, where there are problems and levels enough to fit it to."""
    try:
        return fitted(DifficultyModel, problems)
    except RuntimeError:  # which says what is lacking: here nothing more than an estimate is
        return None


def _counts(statements: list[str]) -> np.ndarray:
    return np.array(
        [
            [
                np.log1p(len(s)),
                s.count("$"),
                s.count("\\"),
                sum(c.isdigit() for c in s) / (1 + len(s)),
                len(set(tokens(s))),
                s.count("=") + s.count("<") + s.count(">"),
            ]
            for s in statements
        ],
        dtype=float,
    )
