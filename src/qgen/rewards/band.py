"""band: is a problem as hard as real problems of the level that was asked for?"""

from typing import TYPE_CHECKING

from qgen.mathematics.problem import Problem
from qgen.metrics.difficulty import LEVELS
from qgen.rewards.registry import Completion, readable, term

if TYPE_CHECKING:
    from qgen.rewards.base import Base

DEPTH = 0.65  # of the base's layers, from which levels are read; qgen.evaluate reads them from deeper ones


@term("band")
class Band:
    """1 where a problem's estimated level lies in the band of the level that was asked for, falling to 0 in a straight
    line, half the band's width beyond it. In [0, 1].

    The estimate is read out of what the frozen base makes of the statement (metrics/levels.py). The band is where three
    quarters of the real problems of that level lie. Being harder or easier than those earns nothing, except on the
    hardest and the easiest level. The band's shape matters less than that it multiplies what is valid (VHG,
    arXiv:2605.06660).

    Where the bands of the first and the last level overlap, the term is shown, and has no weight. Whether there is an
    answer at all is for other terms to say: it multiplies what they let through.

    Args:
        corpus: the training problems.
        base: the frozen base model.
    """

    def __init__(self, corpus: list[Problem], base: "Base"):
        self.levels = base.levels(corpus, DEPTH)
        self.weightless, self.spearman = not self.levels.tells, self.levels.spearman
        if self.weightless:
            self.note = (
                f"without weight, as what the base makes of real problems hardly tells their levels (rank correlation "
                f"{self.spearman:.2f})"
            )
        else:
            bands = [self.levels.band(int(level)) for level in LEVELS]
            told = ", ".join(f"{max(1.0, low):.1f} to {min(5.0, high):.1f}" for low, high in bands)
            self.note = (
                f"read out of what the base makes of a statement; its estimates of real problems have a rank "
                f"correlation of {self.levels.spearman:.2f} with their levels; levels 1 to 5 are estimated {told}"
            )

    def __call__(self, completions: list[Completion], level: list[int], **_) -> list[float]:
        good = readable(completions)
        scores = [0.0] * len(completions)
        if self.weightless:
            return [float(i in good) for i in range(len(completions))]
        estimates = self.levels.estimates([problem.statement for problem in good.values()])
        for i, estimate in zip(good, estimates, strict=True):
            scores[i] = max(0.0, 1.0 - self.levels.outside(float(estimate), level[i]))
        return scores
