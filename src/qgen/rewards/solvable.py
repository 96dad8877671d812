"""solvable: do independent attempts at a problem arrive at the answer that its writer gave?"""

from typing import TYPE_CHECKING, Any

from qgen.rewards.registry import Completion, readable, term

if TYPE_CHECKING:
    from qgen.proofs.solver import Solver


@term("solvable")
class Solvable:
    """2c - 1 where the votes are clear, else 0. In [0, 1].

    Of m attempts by the solver, in words and as programs, s agree with the problem's own answer and q are for the most
    frequent other one; c is the probability that the problem's own is the more frequent one of the two, the mass of
    Beta(s + 1, q + 1) above 1/2 (Adaptive-Consistency, arXiv:2305.11860). The votes are clear where c >= .8 and at most
    half of the attempts end without an answer (proofs/votes.py). 2 votes against none are worth .75, 4 against none
    .94, 5 against 1 .88, 3 against 2 nothing. `facts` holds the votes for samples.jsonl.

    Args:
        solver: what solves problems.
    """

    def __init__(self, solver: "Solver"):
        self.solver = solver
        self.note = solver.note
        self.facts: list[dict[str, Any]] = []

    def __call__(self, completions: list[Completion], **_) -> list[float]:
        good = readable(completions)
        scores = [0.0] * len(completions)
        self.facts = [{} for _ in completions]
        for i, votes in zip(good, self.solver.votes(list(good.values())), strict=True):
            if votes.solvable:
                scores[i] = 2 * votes.confidence - 1
            self.facts[i] = {"votes": votes.plain()}
        return scores
