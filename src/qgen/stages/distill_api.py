"""teacher=api: what a teacher makes of the student's best problems, as rows to train on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from statistics import mean

from qgen.data.prompts import reply
from qgen.mathematics.problem import Problem, misread
from qgen.proofs import reading
from qgen.runs.files import Row, write_rows
from qgen.runs.rundir import DRAFTS, VERDICTS, once
from qgen.runtime import ranks
from qgen.stages.context import Context
from qgen.teachers.client import Client
from qgen.teachers.lessons import Lesson, TeacherVerdict, teach
from qgen.teachers.questions import Scores


def lessons(context: Context, write: Callable[[Context], list[Row]]) -> list[Row]:
    """Rows to train on. What the teacher writes passes through the parser and the run's gate, as the student's does.

    The student's problems are written to drafts.jsonl first: a run that is stopped while the teacher replies asks about
    the same ones again, and the replies that it has paid for are in teacher.cache. With several ranks each asks, one
    after the other, and all but the first find every reply there.

    Args:
        write: has the student write problems, one a request at most, each of which passes the gate.

    Raises RuntimeError where the teacher cannot be used, or gives fewer lessons than a batch on one device takes.
    """
    client = Client(context.config.teacher)  # before the student begins to write: the environment may lack something
    written = once(context.out / DRAFTS, lambda: write(context))
    drafts = reading.read([row["completion"][0]["content"] for row in written])
    problems = [
        (row["prompt"], replace(draft, topic=row["topic"], level=row["level"], points=tuple(row.get("points", ()))))
        for row, draft in zip(written, drafts, strict=True)
        if isinstance(draft, Problem)
    ]
    verdicts = teach(client, context.config, problems)
    found = [_verdict(problem, verdict) for (_, problem), verdict in zip(problems, verdicts, strict=True)]
    if ranks.first():
        write_rows(context.out / VERDICTS, found)
    asked = [lesson for verdict in verdicts for lesson in verdict.lessons]
    passed = _gated(context, asked)
    _tell(client, verdicts, asked, passed)
    if len(passed) < context.config.stage.per_device_train_batch_size:
        raise RuntimeError(
            f"{len(passed)} of the teacher's lessons pass the gate, fewer than a batch of "
            f"{context.config.stage.per_device_train_batch_size}: raise stage.num_prompts, raise teacher.budget where "
            f"it is spent, or set QGEN_TEACHER_MODEL to a model that gives valid replies (perhaps with another "
            f"teacher.structured); then resume=true"
        )
    return passed


def _gated(context: Context, asked: list[Lesson]) -> list[Row]:
    """The lessons that pass the parser and the gate; all of them go to samples.jsonl with their scores."""
    config = context.config
    if not asked:
        return []
    completions = [reply(config.prompt, lesson.problem) for lesson in asked]
    texts = [completion[0]["content"] for completion in completions]
    columns = {name: [getattr(lesson.problem, name) for lesson in asked] for name in ("topic", "level", "points")}
    scores = context.rewards.score([lesson.prompt for lesson in asked], texts, **columns)
    context.keep("teacher", 0, columns, texts, scores)
    gate = scores.terms[config.reward.gate] if config.reward.gate else [1.0] * len(asked)
    return [
        {"prompt": lesson.prompt, "completion": completion, "task": lesson.task, "reward": reward}
        for lesson, completion, reward, ok in zip(asked, completions, scores.total, gate, strict=True)
        if ok and not misread(lesson.problem, config.prompt.language.value, config.prompt.solution)
    ]


def _verdict(problem: Problem, verdict: TeacherVerdict) -> Row:
    return {
        "statement": problem.statement,
        "answer": problem.answer,
        "topic": problem.topic,
        "level": problem.level,
        "scores": verdict.scores.model_dump() if verdict.scores else None,
        "lessons": [lesson.task for lesson in verdict.lessons],
        "whole": verdict.whole,
    }


def _tell(client: Client, verdicts: list[TeacherVerdict], asked: list[Lesson], passed: list[Row]) -> None:
    """Print what the teacher made of the problems, and what it came to."""
    judged = [verdict.scores for verdict in verdicts if verdict.scores]
    marks = ", ".join(f"{name} {mean(getattr(s, name) for s in judged):.1f}" for name in Scores.model_fields if judged)
    ledger, cut = client.ledger, sum(not verdict.whole for verdict in verdicts)
    given, taken = Counter(lesson.task for lesson in asked), Counter(row["task"] for row in passed)
    kinds = ", ".join(f"{taken[task]} of {number} {task}" for task, number in given.items())
    print(f"teacher: {len(judged)} of {len(verdicts)} problems scored{': ' if marks else ''}{marks}")
    print(f"teacher: {len(passed)} of {len(asked)} lessons pass the gate{': ' if kinds else ''}{kinds}")
    print(
        f"teacher: {client.asked} requests now; {len(ledger.failed)} without a valid reply; {ledger.spent.tokens} "
        f"tokens and {ledger.spent.money:.4f} spent in all, of {client.budget.tokens} and {client.budget.money:g}"
    )
    if cut:
        print(f"teacher: the budget ended {cut} problems early; overwrite=true with a larger one asks about the rest")
