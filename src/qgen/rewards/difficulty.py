"""difficulty: is a problem as hard as it was asked to be?"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics.difficulty import LEVELS, DifficultyModel, ease
from qgen.metrics.fitted import fitted
from qgen.rewards.registry import Completion, readable, term

if TYPE_CHECKING:
    from qgen.proofs.solver import Solver


@term("difficulty")
class Difficulty:
    """1 - |s - t| / max(t, 1 - t), in [0, 1]: how near a problem's ease s is to the ease t that was asked for.

    The formula is DARC's (arXiv:2601.13761). With a solver that can solve real problems and finds harder levels harder,
    s is the share of its attempts that agree with the problem's answer, t that share at real problems of the level that
    was asked for (proofs/calibration.py), and a problem that it does not find solvable (proofs/votes.py) has difficulty
    0. A solver that cannot tell real problems' levels apart says nothing of difficulty: the term is shown, and has no
    weight.

    Without a solver, or one that can hardly solve real problems, the value is the formula's expectation over the levels
    that a regressor holds possible (metrics/difficulty.py; levels 1 to 5 are .9, .7, .5, .3 and .1), whose rank
    correlation with real levels is `spearman`: the less it knows, the less the value varies.

    Args:
        corpus: the training problems, to whose levels the regressor is fitted.
        solver: what solves problems, or None.
    """

    def __init__(self, corpus: list[Problem], solver: "Solver | None" = None):
        known = solver.calibration if solver is not None and solver.usable else None
        self.solver = None
        self.weightless = False
        self.spearman = None
        if known is not None and known.tells_levels:
            self.solver, self.known = solver, known
            asked = ", ".join(f"{ease:.2f}" for ease in known.eases.values())
            self.note = f"by the solver, which asks for an ease of {asked} (levels {_span(known.eases)})"
            return
        self.model = fitted(DifficultyModel, corpus)
        self.spearman = self.model.spearman
        self.note = f"an estimate; its rank correlation with real levels is {self.spearman:.2f}"
        if solver is not None:
            self.weightless = known is not None
            self.note += f"; without weight, for {solver.note}" if self.weightless else f", used because {solver.note}"

    def __call__(self, completions: list[Completion], level: list[int], **_) -> list[float]:
        good = readable(completions)
        scores = [0.0] * len(completions)
        asked = [level[i] for i in good]
        if self.solver is not None:
            votes = self.solver.votes(list(good.values()))
            values = [v.solvable * _match(v.agree, self.known.ease(t)) for v, t in zip(votes, asked, strict=True)]
        else:
            known = self.model.distribution([p.statement for p in good.values()])
            values = [row @ _match(ease(LEVELS), float(ease(t))) for row, t in zip(known, asked, strict=True)]
        for i, value in zip(good, values, strict=True):
            scores[i] = float(np.clip(value, 0.0, 1.0))
        return scores


def _span(levels: Iterable[int]) -> str:
    return f"{min(levels)} to {max(levels)}"


def _match(ease: Any, target: float) -> Any:
    return 1.0 - np.abs(ease - target) / max(target, 1.0 - target)
