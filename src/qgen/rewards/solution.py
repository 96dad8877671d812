"""What a solution of a problem is worth whose answer is known: right, or at least in the form of an answer."""

from qgen.mathematics.equivalence import AnswerComparer, final_answer
from qgen.rewards.registry import Completion, term, text


@term("right")
class Right:
    """1 where a solution ends with its problem's answer, in whatever spelling (mathematics/equivalence.py), else 0."""

    truth = True

    def __init__(self):
        self.comparer = AnswerComparer()
        self.facts: list[dict[str, str]] = []

    def __call__(self, completions: list[Completion], answer: list[str], **_) -> list[float]:
        said = [final_answer(text(completion)) for completion in completions]
        self.facts = [{} if found is None else {"said": found} for found in said]
        return [float(count) for count, _, _ in self.comparer.count(answer, [[found] for found in said])]


@term("boxed")
def boxed(completions: list[Completion], **_) -> list[float]:
    """1 where a solution ends with an answer at all, right or wrong, else 0."""
    return [float(final_answer(text(completion)) is not None) for completion in completions]
