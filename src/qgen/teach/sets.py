"""The sets of problems that arms are trained on."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qgen.data.curate import levelled
from qgen.mathematics.answers import plain
from qgen.mathematics.problem import Problem
from qgen.proofs import verification
from qgen.runs.files import Row, write_rows
from qgen.settings.verify import ColumnsConfig, VerifyConfig

COLUMNS = {"statement": "problem", "topic": "subject"}  # of data=jsonl; the others bear their own names
GROUPS = 8  # problems that a step of GRPO takes, at least


@dataclass(frozen=True)
class ProblemSet:
    """What an arm is trained on, and what was left out before."""

    problems: list[Problem]
    texts: int | None = None  # that were written for them; None where none were
    left_out: Counter[str] = field(default_factory=Counter)
    note: str = ""


def read(path: str, fields: ColumnsConfig) -> ProblemSet:
    """The problems of a file, and how many rows are none, for what.

    Raises RuntimeError where a row has no column for what is needed, or no row is a problem with an answer.
    """
    entries = list(verification.read(VerifyConfig(file=path, fields=fields)))
    problems = [entry.problem for entry in entries if entry.problem]
    if not problems:
        raise RuntimeError(f"{path}: none of {len(entries)} rows is a problem with an answer ({entries[0].why})")
    return ProblemSet(levelled(problems), left_out=Counter(entry.why for entry in entries if not entry.problem))


def write(problems: Sequence[Problem], path: Path) -> None:
    """Problems as a file that data=jsonl reads; few of them several times over, so that they fill a step."""
    times = -(-GROUPS // len(problems))
    write_rows(path, [_row(problem, f"{i}-{turn}") for turn in range(times) for i, problem in enumerate(problems)])


def chosen(problems: Sequence[Problem], n: int) -> list[Problem]:
    """n of the problems, by chance but always the same; all where there are fewer."""
    return list(problems) if len(problems) <= n else random.Random(0).sample(list(problems), n)


def matched(wanted: Sequence[Problem], real: Sequence[Problem]) -> tuple[list[Problem], int]:
    """For each wanted problem a real one of its topic and level, else of its level, else of its topic, else any; none
    twice. Returns them, and how many have both."""
    pool = random.Random(0).sample(list(real), len(real))
    keys: list[Callable[[Problem], object]] = [lambda p: (p.topic, p.level), lambda p: p.level, lambda p: p.topic,
                                               lambda p: None]  # fmt: skip
    found: dict[int, Problem] = {}
    exact = 0
    for turn, key in enumerate(keys):
        left: dict[object, list[Problem]] = {}
        for problem in pool:
            left.setdefault(key(problem), []).append(problem)
        for i, problem in enumerate(wanted):
            if i not in found and left.get(key(problem)):
                found[i] = left[key(problem)].pop()
        taken = {id(problem) for problem in found.values()}
        pool = [problem for problem in pool if id(problem) not in taken]
        exact = len(found) if turn == 0 else exact
    return [found[i] for i in sorted(found)], exact


def shuffled(problems: Sequence[Problem]) -> list[Problem]:
    """The problems with one another's answers: each has another's, as far as there are different ones."""
    order = sorted(range(len(problems)), key=lambda i: plain(problems[i].answer))  # of one answer beside one another
    most = max(Counter(plain(p.answer) for p in problems).values())
    found = list(problems)
    for at, i in enumerate(order):
        found[i] = replace(problems[i], answer=problems[order[(at + most) % len(order)]].answer, solution="")
    return found


def _row(problem: Problem, number: str) -> Row:
    values = {name: getattr(problem, name) for name in ("statement", "answer", "solution", "topic", "level")}
    return {COLUMNS.get(name, name): value for name, value in values.items()} | {"id": f"{number}-{problem.id}"}
