"""How hard a problem is, read out of what a language model makes of its statement, and how hard a level is."""

import hashlib
import io
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qgen.mathematics.problem import Problem
from qgen.metrics.difficulty import LEVELS
from qgen.runtime import cache, ranks

States = Callable[[list[str]], list[np.ndarray]]  # of statements: a hidden state of shape (hidden,) each

PROBLEMS = 2000  # that the readout is fitted to, at most
ENOUGH = 20  # from which on it is fitted
LEAST = 0.1  # levels on either side of a band's middle
ALPHA = 1000.0  # of the ridge: of 30, 100, 300, 1,000 and 3,000 the best for qwen_coder's states of 1,200 problems
FOLDER, MOST = "states", 16  # in the cache, and files there


class LevelModel:
    """A level for a statement: ridge regression on the hidden state from which a model would begin to solve it.

    Language models hold how difficult a problem is in states that a linear readout finds (Lugoloobi and Russell,
    arXiv:2510.18147). The readout knows what is asked, where word counts (metrics/difficulty.py) know how it is worded
    (benchmarks/levels.py compares both).

    Args:
        problems: real problems; those that have levels are read, PROBLEMS of them at most.
        states: what gives the states, those of one frozen model. With several ranks, all call it together.
        identity: of that model, and of how it is asked: states of real problems are kept in the cache under it. None:
            they are not kept.

    Attributes:
        spearman: rank correlation of estimated and real levels in five-fold cross-validation, -1 to 1; 0 where nothing
            is known.
        tells: whether the first level's band and the last one's have nothing in common, which takes a correlation of
            about .6. Else nothing is told of levels that overlap so far.
        reach: how far three quarters of the real problems' estimates lie from the middle of their level's, at most.
    """

    def __init__(self, problems: Sequence[Problem], states: States, identity: str | None = None):
        self.spearman, self.tells, self.reach = 0.0, False, LEAST
        self._states = states
        levelled = [p for p in problems if p.level is not None]
        chosen = random.Random(0).sample(levelled, min(PROBLEMS, len(levelled)))
        levels = np.array([p.level for p in chosen], dtype=float)
        if len(chosen) < ENOUGH or len(set(levels)) < 2:
            return
        read = _kept(states, [p.statement for p in chosen], identity).astype(np.float64)
        self._readout = make_pipeline(StandardScaler(), Ridge(alpha=ALPHA))
        estimates = cross_val_predict(self._readout, read, levels, cv=KFold(5, shuffle=True, random_state=0))
        self._readout.fit(read, levels)
        self.spearman = float(np.nan_to_num(spearmanr(estimates, levels).statistic))
        self._middle = np.polyfit(levels, estimates, 1)  # a level's estimates, which lie nearer to the mean than levels
        off = np.abs(estimates - np.polyval(self._middle, levels))
        self.reach = max(LEAST, float(np.quantile(off, 0.75)))
        self.tells = self.band(LEVELS[0])[1] < self.band(LEVELS[-1])[0]

    def estimates(self, statements: list[str]) -> np.ndarray:
        """The estimated levels of problems, of shape (problems,). Not to be asked where levels are not told apart."""
        if not statements:
            return np.zeros(0)
        return self._readout.predict(np.array(self._states(statements), dtype=np.float64))

    def band(self, level: int) -> tuple[float, float]:
        """The estimates, from and to, of three quarters of the real problems of a level. The easiest level's has no end
        where problems are easier, nor has the hardest's where they are harder."""
        middle = float(np.polyval(self._middle, np.clip(level, LEVELS[0], LEVELS[-1])))
        low = -np.inf if level <= LEVELS[0] else middle - self.reach
        return low, np.inf if level >= LEVELS[-1] else middle + self.reach

    def outside(self, estimate: float, level: int) -> float:
        """How far an estimate lies outside of a level's band, in widths of half a band: 0 inside of it."""
        low, high = self.band(level)
        return max(low - estimate, estimate - high, 0.0) / self.reach


def _kept(states: States, statements: list[str], identity: str | None) -> np.ndarray:
    """The states of statements, of shape (statements, hidden), from the cache where they were found out before. With
    several ranks, all take what the first one has."""
    if identity is None:
        return np.array(states(statements))
    digest = hashlib.sha256("\0".join([identity, *statements]).encode(errors="surrogatepass")).hexdigest()
    file, known = cache.directory() / FOLDER / f"{digest[:24]}.npy", None
    if ranks.first():
        with suppress(OSError, ValueError):  # not there, or cut short by a full disk
            known = np.load(file, allow_pickle=False)
    if (known := ranks.gather([known])[0]) is None:
        known = np.array(states(statements), dtype=np.float32)
        if ranks.first():
            buffer = io.BytesIO()
            np.save(buffer, known, allow_pickle=False)
            cache.keep(file, buffer.getvalue(), MOST)
    return known
