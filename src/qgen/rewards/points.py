"""points: does a problem use the knowledge points that were asked for?"""

from qgen.data.terms import TERMS
from qgen.data.topics import knowledge_points
from qgen.mathematics.problem import Problem
from qgen.rewards.registry import Completion, readable, term

KNOWN = {way.partition("|")[0] for ways in TERMS.values() for way in ways}  # points that can be found in a text


@term("points")
class Points:
    """(1 + k) / (1 + n), where k of the n knowledge points that the request names stand in the statement, by themselves
    or in a longer term ("prime" in "prime factorization"). In [0, 1]: 1 where the request names none, 1/2 where it
    names one that is missing.

    Requests that name different concepts keep problems varied only as long as they are heeded (MathScale,
    arXiv:2403.02884, asks so). Points that are not among those of data/terms.py cannot be found, and do not count.

    Args:
        corpus: the training problems, whose points requests name.
    """

    def __init__(self, corpus: list[Problem]):
        named = [point for problem in corpus for point in problem.points]
        if not KNOWN.intersection(named):
            self.weightless = True
            self.note = "without weight, as none of the corpus's knowledge points can be looked for in a text"

    def __call__(self, completions: list[Completion], points: list[list[str]] | None = None, **_) -> list[float]:
        scores = [0.0] * len(completions)
        for i, problem in readable(completions).items():
            named = {point for point in points[i] if point in KNOWN} if points else set()
            found = " | ".join(knowledge_points(problem.statement))
            used = [point for point in named if f" {point} " in f" {found} "]
            scores[i] = (1 + len(used)) / (1 + len(named))
        return scores
