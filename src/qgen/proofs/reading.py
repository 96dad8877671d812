"""What a text that a model wrote is: a problem with the answer that its program computes, or why it is none.

Rewards, validation, distillation, evaluation and papers read here, so that what is stated beside a program is believed
by none of them. Programs are run once: every reward term reads the same completions.
"""

from collections.abc import Sequence
from functools import cache

from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import PROGRAM, Fault, Problem, misread, parse, render
from qgen.mathematics.programmed import Computed, compute
from qgen.programs import NoWallError
from qgen.runtime import ranks

KEPT = 8192  # programs whose results are remembered, as many as problem.parse remembers texts
_known: dict[Problem, Computed] = {}


def read(texts: Sequence[str]) -> list[Problem | Fault]:
    """What each text is. With several ranks, all call this with the same texts, and each runs a share of the programs.

    Raises NoWallError where this machine cannot hold programs.
    """
    return [ran.problem if ran else found for found, ran in _each(texts)]


def computed(texts: Sequence[str]) -> list[Computed | None]:
    """What became of each text's program; None where it is no problem with one. As `read` in all else."""
    return [ran for _, ran in _each(texts)]


def computed_text(text: str, language: str) -> str:
    """A text as its writer should have written it: an answer other than the one that its program computes is replaced
    by that one. The text stays as it is where the new one would be read back as something else."""
    (ran,) = computed([text])
    if (
        ran is None
        or ran.same is not False
        or isinstance(ran.problem, Fault)
        or misread(ran.problem, language, PROGRAM)
    ):
        return text
    return render(ran.problem, language, PROGRAM)


def _each(texts: Sequence[str]) -> list[tuple[Problem | Fault, Computed | None]]:
    found = [parse(text) for text in texts]
    with_program = [p for p in found if isinstance(p, Problem) and p.program is not None]
    if new := [problem for problem in dict.fromkeys(with_program) if problem not in _known]:
        for old in list(_known)[: max(0, len(_known) + len(new) - KEPT)]:
            if old not in with_program:
                del _known[old]
        _known.update(zip(new, ranks.spread(_run, new), strict=True))
    return [(p, _known.get(p) if isinstance(p, Problem) else None) for p in found]


def _run(problems: list[Problem]) -> list[Computed]:
    try:
        return compute(problems, _comparer())
    except NoWallError as error:
        raise NoWallError(f"{error}\nleave prompt.solution=program out: then no model is asked for programs") from error


@cache
def _comparer() -> AnswerComparer:
    return AnswerComparer()
