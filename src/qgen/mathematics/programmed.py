"""A problem with a program: the answer is what the program prints. What its writer states beside it is compared and
kept for the log, never believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Fault, Problem, fault
from qgen.programs import Limits, Outcome, run

LIMITS = Limits(seconds=5.0)
PLACES = 10  # of a float that is no integer, in an answer


@dataclass(frozen=True)
class Computed:
    """A problem whose program was run.

    Attributes:
        problem: with the program's answer in the place of the stated one; a Fault where there is none.
        outcome: of the program.
        stated: the answer that stood there.
        same: whether that means what the program printed; None where it printed nothing.
    """

    problem: Problem | Fault
    outcome: Outcome
    stated: str
    same: bool | None


def compute(problems: list[Problem], agreement: AnswerComparer, limits: Limits = LIMITS) -> list[Computed]:
    """Each of these problems, all of which have a program, with the answer that it computes.

    A Fault of the kind "program" says why a program gives none: it was refused, failed, or took too long. Where the
    stated answer means the same, its spelling is kept; a float that is an integer is written as one, and stays inexact.
    What is wrong with the problem under its new answer (it may stand in the statement) is a Fault as anywhere.

    Raises NoWallError where this machine cannot hold programs.
    """
    outcomes = run([problem.program for problem in problems], limits)
    results = [_written(outcome) for outcome in outcomes]
    ran = [i for i, outcome in enumerate(outcomes) if outcome.ran]
    counted = agreement.count([problems[i].answer for i in ran], [[results[i]] for i in ran])
    same = {i: count[0] > 0 for i, count in zip(ran, counted, strict=True)}
    found = []
    for i, (problem, outcome, result) in enumerate(zip(problems, outcomes, results, strict=True)):
        if not outcome.ran:
            told = ": ".join(part for part in (outcome.reason, outcome.detail) if part)
            found.append(Computed(Fault("program", told), outcome, problem.answer, None))
            continue
        answered = problem if same[i] else replace(problem, answer=result)
        found.append(Computed(fault(answered) or answered, outcome, problem.answer, same[i]))
    return found


def compute_where(problems: Sequence[Problem], agreement: AnswerComparer) -> list[Computed | None]:
    """What `compute` finds of each problem that has a program; None for one without."""
    found = iter(compute([problem for problem in problems if problem.program is not None], agreement))
    return [next(found) if problem.program is not None else None for problem in problems]


def _written(outcome: Outcome) -> str:
    """A program's answer as an answer key has it."""
    if outcome.exact or not outcome.ran:
        return outcome.answer
    try:
        value = float(outcome.answer)
    except ValueError:
        return outcome.answer
    nearest = round(value) if abs(value) < 2**53 else None
    if nearest is not None and abs(value - nearest) <= 1e-9 * max(1.0, abs(value)):
        return str(nearest)
    return f"{value:.{PLACES}g}" if abs(value) < 1e16 else outcome.answer
