"""difficulty: is a problem as hard as it was asked to be?"""

from typing import TYPE_CHECKING

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics.difficulty import LEVELS, DifficultyModel, ease
from qgen.rewards.registry import Completion, parsed, term

if TYPE_CHECKING:
    from qgen.rewards.solver import Solver


@term("difficulty")
class Difficulty:
    """1 - |s - t| / max(t, 1 - t), in [0, 1]: how near a problem's ease s is to the ease t that was asked for.

    The formula is DARC's (arXiv:2601.13761). Levels 1 to 5 ask for t = .9, .7, .5, .3 and .1. With a solver that
    can solve real problems, s is the share of its solutions that agree with the problem's answer, and a problem
    that it does not find solvable (rewards/solver.py) has difficulty 0. Without one, the value is the formula's
    expectation over the levels that a regressor holds possible (metrics/difficulty.py), whose rank correlation with
    real levels is `spearman`: the less it knows, the less the value varies.

    Args:
        corpus: the training problems, to whose levels the regressor is fitted.
        solver: what solves problems, or None.
    """

    def __init__(self, corpus: list[Problem], solver: "Solver | None" = None):
        self.solver = solver if solver is not None and solver.usable else None
        self.spearman = None
        if self.solver is None:
            self.model = DifficultyModel(corpus)
            self.spearman = self.model.spearman
            self.note = f"an estimate; its rank correlation with real levels is {self.spearman:.2f}"
            if solver is not None:
                self.note += f", used because {solver.note}"
        else:
            self.note = f"by the solver; {solver.note}"

    def __call__(self, completions: list[Completion], level: list[int], **_) -> list[float]:
        problems = parsed(completions)
        good = [i for i, p in enumerate(problems) if isinstance(p, Problem)]
        scores = [0.0] * len(completions)
        asked = np.array([level[i] for i in good])
        if self.solver is not None:
            votes = self.solver.votes([problems[i] for i in good])
            values = [v.solvable * _match(v.agree, ease(t)) for v, t in zip(votes, asked, strict=True)]
        else:
            known = self.model.distribution([problems[i].statement for i in good])
            values = [row @ _match(ease(LEVELS), ease(t)) for row, t in zip(known, asked, strict=True)]
        for i, value in zip(good, values, strict=True):
            scores[i] = float(np.clip(value, 0.0, 1.0))
        return scores


def _match(ease: np.ndarray | float, target: float) -> np.ndarray | float:
    return 1.0 - np.abs(ease - target) / max(target, 1.0 - target)
