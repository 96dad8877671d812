"""teacher: what does a teacher behind an API think of the problem?"""

from dataclasses import replace

from qgen.mathematics.problem import Problem
from qgen.rewards.registry import Completion, readable, term
from qgen.settings.teacher import TeacherConfig


@term("teacher")
class TeacherScore:
    """The mean of the teacher's five scores (teachers/questions.py), 1 to 5, put on [0, 1].

    A problem is paid for once, whoever asks again: scores are kept in teacher.cache. What is no problem is worth 0
    without being asked about. A teacher that cannot be reached, gives no valid scores or has used up its budget is a
    broken judge, which raises.

    Args:
        teacher: which teacher, and what it may cost (teacher=api).
    """

    def __init__(self, teacher: TeacherConfig):
        from qgen.teachers.client import Client  # only those who ask it need its packages

        self.client = Client(teacher)

    def __call__(
        self, completions: list[Completion], topic: list[str] | None = None, level: list[int] | None = None, **_
    ) -> list[float]:
        from qgen.teachers.questions import score

        async def judge(problem: Problem) -> float:
            scores = await self.client.ask(score(problem))
            if scores is None:
                raise RuntimeError("the teacher gave no valid scores for a problem; set QGEN_TEACHER_MODEL to another")
            return (scores.mean - 1) / 4

        good = readable(completions)
        known = [
            replace(p, topic=topic[i] if topic else "", level=level[i] if level else None) for i, p in good.items()
        ]
        found = dict(zip(good, self.client.run(judge, known), strict=True)) if known else {}
        return [found.get(i, 0.0) for i in range(len(completions))]
