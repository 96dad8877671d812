"""band: is a problem as hard for the solver as real problems of the level that was asked for?"""

from typing import TYPE_CHECKING

from qgen.rewards.registry import Completion, readable, term

if TYPE_CHECKING:
    from qgen.proofs.solver import Solver


@term("band")
class Band:
    """1 where a problem's ease lies in the band of the level that was asked for, falling to 0 in a straight line, half
    the band's width beyond it. In [0, 1].

    The ease is the share of the solver's attempts that agree with the problem's answer. The band is where it lies for
    real problems of that level whose votes are as clear (proofs/calibration.py): being harder or easier than those
    earns nothing. A problem that all attempts solve is worth little where level 5 was asked for, and everything on the
    easiest level. The band's shape matters less than that it multiplies what is valid (VHG, arXiv:2605.06660).

    A solver that cannot tell real problems' levels apart says nothing here: the term is shown, and has no weight.

    Args:
        solver: what solves problems.

    Raises RuntimeError where the solver cannot be believed: it hardly solves real problems.
    """

    def __init__(self, solver: "Solver"):
        known = solver.calibration
        if known is None or not solver.usable or not known.middles:
            raise RuntimeError(
                f"{solver.note}: too few to say anything of a problem. Name a solver that can with "
                "reward.solver.model=NAME, or choose reward=seed, which knows a problem's form alone"
            )
        self.solver, self.known, self.weightless = solver, known, not known.tells_levels
        if self.weightless:
            self.note = f"without weight, for {solver.note}"
        else:
            bands = [known.band(level) for level in known.middles]
            told = ", ".join(f"{max(0, low):.2f} to {min(1, high):.2f}" for low, high in bands)
            self.note = f"by the solver, which asks for an ease of {told} (levels 1 to 5)"

    def __call__(self, completions: list[Completion], level: list[int], **_) -> list[float]:
        good = readable(completions)
        scores = [0.0] * len(completions)
        for i, votes in zip(good, self.solver.votes(list(good.values())), strict=True):
            low, high = self.known.band(level[i])
            outside = max(low - votes.agree, votes.agree - high, 0.0)
            scores[i] = max(0.0, 1.0 - outside / self.known.reach)
        return scores
