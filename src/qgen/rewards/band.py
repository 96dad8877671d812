"""band: is a problem as hard as real problems of the level that was asked for?"""

from typing import TYPE_CHECKING

from qgen.mathematics.problem import Problem
from qgen.proofs.calibration import LEVELS
from qgen.proofs.levels import LevelModel
from qgen.rewards.registry import Completion, readable, term

if TYPE_CHECKING:
    from qgen.proofs.solver import Solver


@term("band")
class Band:
    """1 where a problem's estimated level lies in the band of the level that was asked for, falling to 0 in a straight
    line, half the band's width beyond it. In [0, 1].

    The estimate rests on the problem's text and on its ease, the share of the solver's attempts that agree with its
    answer; the band is where three quarters of the real problems of that level lie whose votes are as clear
    (proofs/levels.py). Being harder or easier than those earns nothing, except on the hardest and the easiest level.
    The band's shape matters less than that it multiplies what is valid (VHG, arXiv:2605.06660).

    Where estimates of real problems do not tell their levels apart, the term is shown, and has no weight.

    Args:
        corpus: the training problems.
        solver: what solves problems.

    Raises RuntimeError where the solver cannot be believed: it hardly solves real problems.
    """

    def __init__(self, corpus: list[Problem], solver: "Solver"):
        known = solver.calibration
        if known is None or not solver.usable:
            raise RuntimeError(
                f"{solver.note}: too few to say anything of a problem. Name a solver that can with "
                "reward.solver.model=NAME, or choose reward=seed, which knows a problem's form alone"
            )
        self.solver, self.levels = solver, LevelModel(corpus, known)
        self.weightless, self.spearman = not self.levels.tells, self.levels.spearman
        if self.weightless:
            self.note = f"without weight, as real problems' levels cannot be told apart; {solver.note}"
        else:
            bands = [self.levels.band(level) for level in LEVELS]
            told = ", ".join(f"{max(1.0, low):.1f} to {min(5.0, high):.1f}" for low, high in bands)
            self.note = (
                f"by text and solver, whose estimates of real problems have a rank correlation of "
                f"{self.levels.spearman:.2f} with their levels; levels 1 to 5 are estimated {told}"
            )

    def __call__(self, completions: list[Completion], level: list[int], **_) -> list[float]:
        good = readable(completions)
        scores = [0.0] * len(completions)
        eases = [votes.agree for votes in self.solver.votes(list(good.values()))]
        if self.weightless:
            return [float(i in good) for i in range(len(completions))]
        estimates = self.levels.estimates([problem.statement for problem in good.values()], eases)
        for i, estimate in zip(good, estimates, strict=True):
            scores[i] = max(0.0, 1.0 - self.levels.outside(float(estimate), level[i]))
        return scores
