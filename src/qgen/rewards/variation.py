"""variation: is the completion a variation of the problem that it was asked to vary, and of the kind?"""

from collections.abc import Sequence

from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Fault, Problem, parse
from qgen.mathematics.programmed import recomputed
from qgen.metrics.similarity import SimilarityIndex, mask
from qgen.metrics.variations import Judge
from qgen.rewards.registry import Completion, parsed, term
from qgen.runtime import ranks
from qgen.settings.choices import Kind


def _problem(text: str) -> Problem:
    """What was to be varied. Raises ValueError where a dataset's column holds none."""
    found = parse(text)
    if isinstance(found, Fault):
        raise ValueError(f"an original is no problem: {found.kind}")
    return found


@term("variation")
class Variation:
    """1 where metrics/variations.py finds nothing wrong, else 0; None where no variation was asked for.

    Nearness in meaning is measured by TF-IDF here, with numbers and letters masked: training must not use the measure
    that evaluation uses. A variation's answer is compared with the original's. If the original has a program, it is
    also compared with what the program gives for the new numbers (mathematics/programmed.py). `facts` says what was
    wrong.

    Args:
        corpus: the training problems.
    """

    def __init__(self, corpus: list[Problem]):
        index = SimilarityIndex((mask(p.statement) for p in corpus), start=False)
        agreement = AnswerComparer()

        def check(pairs: list[tuple[Problem, Problem]]) -> list[bool | None]:
            return ranks.spread(lambda part: [c and c.same for c in recomputed(part, agreement)], pairs)

        self.judge = Judge(corpus, lambda texts: index.vectors([mask(text) for text in texts]), check)
        self.facts: list[dict] = []

    def __call__(
        self, completions: list[Completion], original: Sequence[str] = (), kind: Sequence[str] = (), **_
    ) -> list[float | None]:
        scores: list[float | None] = [None] * len(completions)
        self.facts = [{} for _ in completions]
        asked = [i for i, text in enumerate(original) if text]
        originals, written = [_problem(original[i]) for i in asked], parsed(completions)
        verdicts = self.judge.verdicts(originals, [written[i] for i in asked], [Kind[kind[i]] for i in asked])
        for i, verdict in zip(asked, verdicts, strict=True):
            scores[i] = float(verdict.fault is None)
            self.facts[i] = {"variation": verdict.fault or "valid"}
        return scores
