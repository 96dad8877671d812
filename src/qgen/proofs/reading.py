"""What a text that a model wrote is: a problem with the answer that its program computes, or why it is none.

Rewards, validation, distillation, evaluation and papers read here, so that what is stated beside a program is believed
by none of them. Programs are run once: every reward term reads the same completions. They may be begun while others are
still written.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cache

from qgen.engine.completion import Completion
from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import PROGRAM, Fault, Problem, misread, parse, render
from qgen.mathematics.programmed import LIMITS, Computed, compute
from qgen.programs import Limits, NoWallError, Outcome, silent, submit
from qgen.runtime import ranks

SILENT = Fault("program", "silent: it prints nothing")
KEPT = 8192  # programs whose results are remembered, as many as problem.parse remembers texts
_known: dict[Problem, Computed] = {}
_begun: dict[str, Future[Outcome]] = {}
os.register_at_fork(after_in_child=_begun.clear)  # nobody runs them there


def begin(text: str) -> None:
    """Run the program of a text that is about to be read, beside what is still written. Nothing happens where several
    ranks read: each then runs a share of all programs, which need not be of its own texts."""
    found = parse(text)
    if isinstance(found, Problem) and found.program is not None and found not in _known and ranks.size() == 1:
        if len(_begun) >= KEPT:  # of texts that were never read
            _begun.clear()
        if found.program not in _begun:
            _begun[found.program] = submit(found.program, LIMITS)


def wrote(_: int, completion: Completion) -> None:
    """`begin`, as an engine calls it (engine/completion.py)."""
    begin(completion.text)


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
    """What became of problems that a model wrote. Its program must print: of a program that a solver or a file brings,
    the last statement's value would do, but where GRPO paid for that, half of a run's programs left `print` out, and
    whoever runs one sees nothing."""
    try:
        found = compute(problems, _comparer(), run=_outcomes)
    except NoWallError as error:
        raise NoWallError(
            f"{error}\nset prompt.solution=false and reward=seed: then no model is asked for programs"
        ) from error
    return [
        replace(ran, problem=SILENT) if isinstance(ran.problem, Problem) and silent(problem.program or "") else ran
        for problem, ran in zip(problems, found, strict=True)
    ]


def _outcomes(programs: Sequence[str], limits: Limits) -> list[Outcome]:
    futures = [_begun.pop(p) if p in _begun else submit(p, limits) for p in programs]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:  # on Ctrl-C, those that have not begun
            future.cancel()


@cache
def _comparer() -> AnswerComparer:
    return AnswerComparer()
