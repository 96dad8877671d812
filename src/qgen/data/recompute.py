"""Parameter changes of problems: other numbers, and the answers that follow from them. They are training data, and
other variations are checked by them. The new answer comes from the problem's program; a problem without one has its
formula computed, if SymPy can read that.

Computer algebra runs in processes of its own that are killed when they hang, as in mathematics/equivalence.py.
"""

import logging
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from multiprocessing import get_context
from threading import Thread
from typing import Any

from pebble import ProcessPool
from tqdm import tqdm

from qgen.mathematics import computation, programmed
from qgen.mathematics.answers import plain
from qgen.mathematics.equivalence import AnswerComparer, end_with_parent
from qgen.mathematics.numerals import drawn, numbers, parameters, with_numbers
from qgen.mathematics.problem import Problem, render
from qgen.settings.choices import Kind

EACH = 8  # variations made of one problem, at most
SECONDS = 20.0  # for one problem
DRAWS = 24  # of new numbers for a problem with a program
COLUMNS = ("statement", "answer", "solution", "program", "topic", "level", "id")
Pair = tuple[Problem, Problem]  # a problem, and a parameter change of it


def lines(problems: list[Problem], seed: int) -> list[tuple[int, dict[str, Any]]]:
    """Numbered rows {original, statement, answer, solution, topic, level, kind} in the order of the problems.

    Raises RuntimeError where no problem's answer can be recomputed.
    """
    found = pairs(problems, seed)
    rows = [
        {
            "original": render(original),
            **{
                name: getattr(new, name)
                for name in ("statement", "answer", "solution", "program", "topic", "level", "id")
            },
            "kind": Kind.parameter.value,
        }
        for of_one in found
        for original, new in of_one
    ]
    several = sum(bool(of_one) for of_one in found)
    print(f"recomputed: {len(rows)} parameter changes of {several} of {len(problems)} problems")
    if not rows:
        raise RuntimeError("data.variations_path=recomputed: none of the problems has an answer that can be recomputed")
    return list(enumerate(rows, start=1))


def pairs(problems: list[Problem], seed: int) -> list[list[Pair]]:
    """For each problem its parameter changes, each paired with its original. The original is the problem itself or,
    where the parameters are letters, the problem with other numbers for them. An empty list where there are none."""
    seeds = {i: f"{seed}/{p.id}/{p.statement}" for i, p in enumerate(problems)}
    of_programs = _programmed([(problems[i], seeds[i]) for i in seeds if problems[i].program is not None])
    others = [(problems[i], seeds[i]) for i in seeds if problems[i].program is None]
    made, found = iter(of_programs), iter(bounded(_pairs, others, "recomputing"))
    return [next(found if p.program is None else made) or [] for p in problems]


def agree(changed: Sequence[Pair], agreement: AnswerComparer) -> list[bool | None]:
    """Whether each parameter change has the answer that its numbers give by its problem's program or formula; None
    where neither says."""
    answered = programmed.recomputed(changed, agreement)
    found = [computed.same if computed else None for computed in answered]
    left = [i for i, (problem, _) in enumerate(changed) if problem.program is None]
    for i, same in zip(left, bounded(computation.agrees, [changed[i] for i in left], "checking answers"), strict=True):
        found[i] = same
    return found


def bounded(function: Callable, arguments: list[tuple], what: str, seconds: float = SECONDS) -> list[Any]:
    """function(*a) for each of the arguments, in processes that are killed after `seconds`; None where one was.

    What the function raises is raised.
    """
    if not arguments:
        return []
    workers = min(8, os.cpu_count() or 1, len(arguments))
    with ProcessPool(max_workers=workers, context=get_context("spawn"), initializer=_ready) as pool:
        tasks = [pool.schedule(function, args=a, timeout=seconds) for a in arguments]
        return [_result(task) for task in tqdm(tasks, desc=what, unit="problem", leave=False, disable=None)]


def _result(task: Any) -> Any:
    try:
        return task.result()
    except TimeoutError:
        return None


def _programmed(problems: list[tuple[Problem, str]]) -> list[list[Pair]]:
    """The parameter changes of problems with programs, all of whose draws are run in one go."""
    draws = []
    for number, (problem, seed) in enumerate(problems):
        rng, held = random.Random(seed), parameters(problem.statement)
        beside = tuple(value for _, _, value in numbers(problem.statement) if value not in (0, *held))
        drawings = {values: None for _ in range(DRAWS) if held and (values := drawn(held, rng, beside))}
        draws += [(number, _renumbered(problem, held, values)) for values in drawings]
    agreement = AnswerComparer()
    found = programmed.recomputed([(problems[number][0], new) for number, new in draws], agreement)
    agreement.close()
    of: list[list[Pair]] = [[] for _ in problems]
    for (number, _), computed in zip(draws, found, strict=True):
        old, new = problems[number][0], computed.problem if computed else None
        if isinstance(new, Problem) and len(of[number]) < EACH and _alike(new, old):
            of[number].append((old, new))
    return of


def _renumbered(problem: Problem, old: tuple[int, ...], new: tuple[int, ...]) -> Problem:
    """The problem with other parameters; its answer and program are still the old ones."""
    return replace(
        problem,
        statement=with_numbers(problem.statement, dict(zip(old, new, strict=True))),
        solution="",
        source=f"{problem.source}, other numbers",
        id=f"{problem.id}/" + ",".join(map(str, new)),
    )


def _alike(new: Problem, old: Problem) -> bool:
    """Whether an answer is of another's kind, whole, a fraction or neither, of its sign, and hardly longer; and no part
    of its statement, as what $\\sqrt{193}$ comes to is."""
    told = _kind(new.answer) is None and new.answer in new.statement
    return _kind(new.answer) == _kind(old.answer) and len(new.answer) <= 2 * len(old.answer) + 2 and not told


def _kind(answer: str) -> tuple[bool, bool] | None:
    try:
        value = Fraction(plain(answer))
    except (ValueError, ZeroDivisionError):
        return None
    return value.denominator == 1, value > 0


def _pairs(problem: Problem, seed: str) -> list[tuple[Problem, Problem]]:
    found = computation.find(problem)
    if found is None:
        return []
    rng, made = random.Random(seed), {}
    for _ in range(EACH):
        if (new := computation.vary(problem, found, rng)) is None:
            break
        made[new.statement] = new
    changes = list(made.values())
    if isinstance(found.parameters[0], str):
        return list(pairwise(changes))
    return [(problem, new) for new in changes]


def _ready() -> None:
    """Import what takes seconds before the first problem's time begins; end when the parent does."""
    import math_verify  # noqa: F401

    Thread(target=end_with_parent, daemon=True).start()
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that nobody stops it: the caller does
