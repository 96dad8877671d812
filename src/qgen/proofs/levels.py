"""How hard a problem is, by its text and by how easily a solver answers it, and how hard a level is."""

import numpy as np
from scipy.stats import spearmanr

from qgen.mathematics.problem import Problem
from qgen.metrics import difficulty
from qgen.proofs.calibration import CHANCE, LEVELS, Calibration, chosen

ENOUGH = 20  # real problems that are answered clearly, from which a line is drawn
LEAST = 0.1  # levels on either side of a band's middle


class LevelModel:
    """A level for problems whose answers are clear: least squares on what a regressor makes of the text
    (metrics/difficulty.py) and on the ease, the share of a solver's attempts that agree.

    It is fitted to the real problems that the solver was calibrated on and answers clearly, with the regressor's
    held-out predictions. Of qwen_coder's clear ones at MATH (79 of 240) the rank correlation with the real level is .51
    for the text, .38 for the ease and .57 for both; for the length of its attempts in words it is .29
    (benchmarks/solver.py, "levels").

    Args:
        corpus: the training problems, of which the calibration tried `chosen`.
        calibration: of the solver.

    Attributes:
        spearman: rank correlation of estimated and real levels of those problems, -1 to 1; 0 where nothing is known.
        tells: whether harder levels are estimated harder, more than chance makes them.
    """

    def __init__(self, corpus: list[Problem], calibration: Calibration):
        self.spearman, self.tells, self.reach = 0.0, False, LEAST
        self._text = difficulty.levels(corpus)
        if self._text is None:
            return
        known = dict(zip(map(id, corpus), self._text.held_out, strict=True))
        tried = zip(chosen(corpus, len(calibration.tried)), calibration.tried, strict=False)
        rows = [(known[id(p)], one.agree, one.level) for p, one in tried if one.clear and one.level is not None]
        if len(rows) < ENOUGH or len({level for _, _, level in rows}) < 2:
            return
        texts, eases, levels = np.array(rows, dtype=float).T
        self._weights = np.linalg.lstsq(_columns(texts, eases), levels, rcond=None)[0]
        estimates = _columns(texts, eases) @ self._weights
        found = spearmanr(estimates, levels, alternative="greater")
        self.spearman, self.tells = float(np.nan_to_num(found.statistic)), bool(found.pvalue < CHANCE)
        self._middle = np.polyfit(levels, estimates, 1)  # a level's estimates, which lie nearer to the mean than levels
        off = np.abs(estimates - np.polyval(self._middle, levels))
        self.reach = max(LEAST, float(np.quantile(off, 0.75)))

    def estimates(self, statements: list[str], eases: list[float]) -> np.ndarray:
        """The estimated levels of problems, of shape (problems,)."""
        assert self._text is not None
        return _columns(self._text.predict(statements), np.array(eases)) @ self._weights

    def band(self, level: int) -> tuple[float, float]:
        """The estimates, from and to, of three quarters of the real problems of a level. The easiest level's has no end
        where problems are easier, nor has the hardest's where they are harder."""
        middle = float(np.polyval(self._middle, min(max(level, LEVELS[0]), LEVELS[-1])))
        low = -np.inf if level <= LEVELS[0] else middle - self.reach
        return low, np.inf if level >= LEVELS[-1] else middle + self.reach

    def outside(self, estimate: float, level: int) -> float:
        """How far an estimate lies outside of a level's band, in widths of half a band: 0 inside of it."""
        low, high = self.band(level)
        return max(low - estimate, estimate - high, 0.0) / self.reach

    def asked(self, estimate: float) -> float:
        """The level, between 1 and 5, whose real problems are estimated so in the mean."""
        rise, start = self._middle
        return float(np.clip((estimate - start) / rise, LEVELS[0], LEVELS[-1]))


def _columns(texts: np.ndarray, eases: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(texts)), texts, eases])
