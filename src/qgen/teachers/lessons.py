"""From a student's problems to what a teacher has it learn: improve this, write one like this, vary this."""

from dataclasses import dataclass, field, replace

from qgen.data.prompts import Message, improve, variation
from qgen.mathematics import programmed
from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Problem, fault
from qgen.settings.choices import Kind
from qgen.settings.config import Config
from qgen.teachers import questions
from qgen.teachers.client import Client, OutOfBudgetError
from qgen.teachers.questions import Scores, Written


@dataclass(frozen=True)
class Lesson:
    """One row to train on, before the gate has seen it.

    Attributes:
        task: keep (the student's own problem, that the teacher found good), like (the request for it, with the better
            problem), improve, or a kind of variation.
        prompt: messages to the student.
        problem: what it should have replied; its points are those that the prompt names.
        original: what a variation is one of.
    """

    task: str
    prompt: list[Message]
    problem: Problem
    original: Problem | None = None


@dataclass
class TeacherVerdict:
    """What the teacher made of one problem. `whole` is False where the budget ended it."""

    scores: Scores | None = None
    lessons: list[Lesson] = field(default_factory=list)
    whole: bool = True


def teach(client: Client, config: Config, drafts: list[tuple[list[Message], Problem]]) -> list[TeacherVerdict]:
    """A verdict on each of the student's problems.

    A problem that scores teacher.keep or more on average is taught as it is; any other is improved, and what the
    teacher writes in its place is taught as a reply to the same request and as an improvement. Variations are of the
    better one, their kinds in turn. Where the teacher gives no valid reply, there is no lesson. Where only numbers of a
    problem with a program change, the program has the answer, whatever the teacher says (programmed.recomputed).

    Args:
        drafts: requests and the problems that answer them, with topic and level.
    """
    prompt, wanted = config.prompt, config.teacher.variations
    language, solution = prompt.language.value, prompt.solution is True  # a teacher writes no programs
    kinds = list(Kind)

    async def learn(index: int, request: list[Message], problem: Problem, verdict: TeacherVerdict) -> None:
        verdict.scores = await client.ask(questions.score(problem, language))
        if verdict.scores is None:
            return
        best = problem
        if verdict.scores.mean >= config.teacher.keep:
            verdict.lessons.append(Lesson("keep", request, problem))
        else:
            better = await client.ask(questions.improve(problem, language, solution))
            if better is None:
                return
            best = _problem(better, problem)
            verdict.lessons.append(Lesson("like", request, best))
            if prompt.improve:
                verdict.lessons.append(Lesson("improve", improve(prompt, problem), replace(best, points=())))
            if fault(best):  # which the gate will refuse, and nothing is to be made of it
                return
        for turn in range(wanted):
            kind = kinds[(index * wanted + turn) % len(kinds)]
            if varied := await client.ask(questions.vary(best, kind, language, solution)):
                asked = variation(prompt, best, kind)
                made = replace(_problem(varied, best), level=asked["level"], points=())
                verdict.lessons.append(Lesson(kind.value, asked["prompt"], made, best))

    async def one(draft: tuple[int, tuple[list[Message], Problem]]) -> TeacherVerdict:
        verdict = TeacherVerdict()
        try:
            await learn(draft[0], *draft[1], verdict)
        except OutOfBudgetError:
            verdict.whole = False
        return verdict

    verdicts = client.run(one, list(enumerate(drafts)), "teacher")
    _recompute(verdicts)
    return verdicts


def _recompute(verdicts: list[TeacherVerdict]) -> None:
    """Put the answers in that parameter changes of problems with programs have by these."""
    places = [(v, i) for v in verdicts for i, lesson in enumerate(v.lessons) if lesson.task == Kind.parameter.value]
    pairs = [(v.lessons[i].original or v.lessons[i].problem, v.lessons[i].problem) for v, i in places]
    agreement = AnswerComparer()
    for (verdict, i), computed in zip(places, programmed.recomputed(pairs, agreement), strict=True):
        if computed and isinstance(computed.problem, Problem):
            verdict.lessons[i] = replace(verdict.lessons[i], problem=computed.problem)
    agreement.close()


def _problem(written: Written, original: Problem) -> Problem:
    """What the teacher wrote as a problem of the original's topic and level; the original's program is another's."""
    statement, answer = written.statement.strip(), written.answer.strip()
    return replace(
        original, statement=statement, answer=answer, solution=getattr(written, "solution", ""), program=None
    )
