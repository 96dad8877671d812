"""solvable: do independent attempts at a problem arrive at the answer that its writer gave?"""

from typing import TYPE_CHECKING, Any

from qgen.mathematics.problem import Problem
from qgen.rewards.registry import Completion, parsed, term

if TYPE_CHECKING:
    from qgen.rewards.solver import Solver


@term("solvable")
class Solvable:
    """s / (s + q) where the votes are clear, else 0. In [0, 1].

    Of m attempts by the frozen base, s is the share that agree with the problem's own answer (math-verify), q that of
    the most frequent other answer, u that without any. The votes are clear where s >= 2/m, s >= q + 1/m and
    u <= 1/4 (rewards/solver.py). `facts` holds them for samples.jsonl.

    Args:
        solver: what solves problems.
    """

    def __init__(self, solver: "Solver"):
        self.solver = solver
        self.note = solver.note
        self.facts: list[dict[str, Any]] = []

    def __call__(self, completions: list[Completion], **_) -> list[float]:
        problems = parsed(completions)
        good = [i for i, p in enumerate(problems) if isinstance(p, Problem)]
        scores = [0.0] * len(completions)
        self.facts = [{} for _ in completions]
        for i, votes in zip(good, self.solver.votes([problems[i] for i in good]), strict=True):
            if votes.solvable:
                scores[i] = votes.agree / (votes.agree + votes.runner_up)
            shown = {"agree": votes.agree, "runner_up": votes.runner_up, "unanswered": votes.unanswered}
            self.facts[i] = {"votes": {**shown, "other": votes.other, "samples": votes.samples}}
        return scores
