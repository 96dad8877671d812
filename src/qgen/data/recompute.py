"""Parameter changes of problems as training data: other numbers, and the answers that SymPy finds for them.

Computer algebra runs in processes of its own that are killed when they hang, as in mathematics/equivalence.py.
"""

import logging
import os
import random
from collections.abc import Callable
from concurrent.futures import TimeoutError
from itertools import pairwise
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from pebble import ProcessPool
from tqdm import tqdm

from qgen.mathematics import computation
from qgen.mathematics.problem import Problem, render
from qgen.settings.choices import Kind

EACH = 8  # variations made of one problem, at most
SECONDS = 20.0  # for one problem


def lines(problems: list[Problem], seed: int) -> list[tuple[int, dict[str, Any]]]:
    """Numbered rows {original, statement, answer, solution, topic, level, kind} in the order of the problems.

    Raises RuntimeError where no problem's answer can be recomputed.
    """
    found = pairs(problems, seed)
    rows = [
        {
            "original": render(original),
            **{name: getattr(new, name) for name in ("statement", "answer", "solution", "topic", "level", "id")},
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


def pairs(problems: list[Problem], seed: int) -> list[list[tuple[Problem, Problem]]]:
    """For each problem its parameter changes: each with what it is one of. That is the problem, or, where the
    parameters are letters, the problem with other numbers for them. Empty where it has none."""
    found = bounded(_pairs, [(p, f"{seed}/{p.id}/{p.statement}") for p in problems], "recomputing")
    return [of_one or [] for of_one in found]


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

    Thread(target=lambda: (parent_process().join(), os._exit(1)), daemon=True).start()
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that nobody stops it: the caller does
