"""How a problem is asked for, and the chat rows that this makes. Templates stand in conf/prompt/."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

from qgen.mathematics.problem import PROGRAM, Problem, render
from qgen.settings.choices import Kind, Task
from qgen.settings.prompt import PromptConfig

Message = dict[str, str]


def ask(prompt: PromptConfig, topic: str, level: int, points: tuple[str, ...] = ()) -> list[Message]:
    """The messages that ask for a new problem of a topic and a level (1 to 5), perhaps on knowledge points."""
    about = prompt.about.format(points=", ".join(points)) if points else ""
    text = prompt.ask.format(topic=_topic(prompt, topic), level=level, about=about, worked=_worked(prompt))
    return _messages(prompt, text)


def vary(prompt: PromptConfig, original: Problem, kind: Kind | None = None) -> list[Message]:
    """The messages that ask for a variation of a problem, of its level and perhaps of a kind."""
    return _messages(prompt, _about(prompt, prompt.vary, original, prompt.kinds.get(kind.value, "") if kind else ""))


def improve(prompt: PromptConfig, original: Problem) -> list[Message]:
    """The messages that ask for a better problem in a problem's place."""
    return _messages(prompt, _about(prompt, prompt.improve, original))


def ask_like(prompt: PromptConfig, problem: Problem) -> list[Message]:
    """The messages that ask for a problem of this one's topic and level, and perhaps on its knowledge points (`named`,
    drawn by the problem's id)."""
    return request(prompt, problem)["prompt"]


def named(points: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
    """The knowledge points of a problem that a request names: the first and another one in half of the requests, the
    first in three eighths, none in an eighth, so that a model learns all forms. What is asked for by its concepts is
    more varied and nearer to its topic than what is asked for by the topic alone (MathScale, arXiv:2403.02884)."""
    count = min(rng.choice((0, 1, 1, 1, 2, 2, 2, 2)), len(points))
    return (*points[: min(1, count)], *rng.sample(points[1:], max(0, count - 1)))


def request(prompt: PromptConfig, problem: Problem) -> dict[str, Any]:
    """A row that only asks: the prompt, and the columns that rewards may read."""
    return _asking(prompt, problem, named(problem.points, random.Random(problem.id)))


def _asking(prompt: PromptConfig, problem: Problem, points: tuple[str, ...]) -> dict[str, Any]:
    asked = ask(prompt, problem.topic, problem.rated, points)
    return {"prompt": asked, "topic": problem.topic, "level": problem.level, "points": list(points)}


def variation(prompt: PromptConfig, problem: Problem, kind: Kind) -> dict[str, Any]:
    """A row that asks for a variation: `request`'s columns, the `original` as `render` writes it (with its program
    where programs are asked for), and the `kind` of variation.

    A harder or easier variation is asked for one level up or down, if there is such a level.
    """
    rated = problem.rated
    level = {Kind.harder: min(5, rated + 1), Kind.easier: max(1, rated - 1)}.get(kind, rated)
    return {
        "prompt": vary(prompt, replace(problem, level=level), kind),
        "topic": problem.topic,
        "level": level,
        "points": [],
        "original": render(problem, prompt.language.value, solution=prompt.solution == PROGRAM and PROGRAM),
        "kind": kind.value,
    }


def of_task(prompt: PromptConfig, problem: Problem, task: Task, turn: int) -> dict[str, Any]:
    """A row of a task: the kinds take turns, and problems with them where both are asked for. Where variations are
    among the rows, a problem's has the columns of one, empty."""
    if task is Task.problem:
        return request(prompt, problem)
    if task is Task.solve:
        asked = {"prompt": solve(prompt, problem.statement), "statement": problem.statement, "answer": problem.answer}
        return asked | {"topic": problem.topic, "level": problem.level}
    if task is Task.both:
        if turn % 2 == 0:
            return request(prompt, problem) | {"original": "", "kind": ""}
        turn //= 2
    kinds = list(Kind)
    return variation(prompt, problem, kinds[turn % len(kinds)])


def epochs(
    prompt: PromptConfig, problems: list[Problem], task: Task, seed: int, count: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """Rows of a task, and the order in which `count` of them are asked: one seeded order of all problems after another.
    What the epochs have in common is one row, so that a long run takes little more memory than a short one."""
    # after which `of_task` begins again
    turns = {Task.variation: len(Kind), Task.both: 2 * len(Kind)}.get(task, 1)
    rows: list[dict[str, Any]] = []
    known: dict[tuple[int, int], int] = {}  # where the row of a problem's turn is
    order: list[int] = []
    for epoch in range(-(-count // len(problems))):
        shuffled = list(range(len(problems)))
        random.Random(f"{seed}/{epoch}").shuffle(shuffled)
        for number in shuffled[: count - len(order)]:
            turn = len(order) % turns
            if (number, turn) not in known:
                known[number, turn] = len(rows)
                rows.append(of_task(prompt, problems[number], task, turn))
            order.append(known[number, turn])
    return rows, order


def spread(problems: list[Problem], count: int, seed: int) -> list[Problem]:
    """`count` of the problems, as evenly as can be from each topic and level, in an order that is the seed's; some of
    them again where there are fewer."""
    cells: dict[tuple[str, int | None], list[Problem]] = {}
    for problem in random.Random(seed).sample(problems, len(problems)):
        cells.setdefault((problem.topic, problem.level), []).append(problem)
    rows = list(cells.values())
    once = [p for turn in range(max(map(len, rows), default=0)) for cell in rows for p in cell[turn : turn + 1]]
    return [once[i % len(once)] for i in range(count)]


def requests(
    prompt: PromptConfig, problems: list[Problem], count: int, seed: int, task: Task = Task.problem
) -> list[dict[str, Any]]:
    """`count` requests for problems like these, spread over topics and levels.

    A problem that is asked like again is asked for on the next of its knowledge points, so that as few requests as
    can be are the same.
    """
    if task is not Task.problem:
        return [of_task(prompt, p, task, i) for i, p in enumerate(spread(problems, count, seed))]
    turns: Counter[str] = Counter()
    rows = []
    for problem in spread(problems, count, seed):
        turn = turns[problem.id]
        again = _asking(prompt, problem, problem.points[turn - 1 : turn]) if turn else request(prompt, problem)
        turns[problem.id] += 1
        rows.append(again)
    return rows


def lesson(prompt: PromptConfig, problem: Problem, task: Task = Task.problem) -> dict[str, Any]:
    """A row to train on: the request, and the problem as its completion, or its solution where that is the task. A
    problem without a program is asked for without one."""
    if task is Task.solve:
        solved = f"{problem.solution}\n\n\\boxed{{{problem.answer.strip('$')}}}".lstrip()
        return {"prompt": solve(prompt, problem.statement), "completion": [{"role": "assistant", "content": solved}]}
    if prompt.solution == PROGRAM and problem.program is None:
        prompt = replace(prompt, solution=False)
    return {"prompt": ask_like(prompt, problem), "completion": reply(prompt, problem)}


def solve(prompt: PromptConfig, statement: str) -> list[Message]:
    """The messages that ask for a problem's solution, its final answer boxed."""
    return [{"role": "user", "content": prompt.solve.replace("{statement}", statement)}]


def compute(prompt: PromptConfig, statement: str) -> list[Message]:
    """The messages that ask for a program that computes a problem's answer and prints it."""
    return [{"role": "user", "content": prompt.compute.replace("{statement}", statement)}]


def reply(prompt: PromptConfig, problem: Problem) -> list[Message]:
    """The assistant's turn that answers a request: one message with the problem in the form that is trained on."""
    return [{"role": "assistant", "content": render(problem, prompt.language.value, solution=prompt.solution)}]


def _messages(prompt: PromptConfig, text: str) -> list[Message]:
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": text}]


def _about(prompt: PromptConfig, template: str, original: Problem, kind: str = "") -> str:
    return template.format(
        kind=kind,
        topic=_topic(prompt, original.topic),
        level=original.level,
        original=render(original, prompt.language.value),
        worked=_worked(prompt),
    )


def _worked(prompt: PromptConfig) -> str:
    if prompt.solution == PROGRAM:
        return prompt.programmed
    return prompt.worked if prompt.solution else ""


def _topic(prompt: PromptConfig, topic: str) -> str:
    return prompt.topics.get(topic, topic)
