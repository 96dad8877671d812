"""What a teacher is asked, and what counts as an answer: JSON that these classes accept. Anything else is invalid."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from qgen.choices import Kind, Structured
from qgen.problem import ANSWER_CHARS, STATEMENT_CHARS, Problem, render

Mark = Field(ge=1, le=5)


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Scores(Reply):
    """Whole numbers from 1 (poor) to 5 (excellent)."""

    rigor: int = Mark
    difficulty: int = Mark
    innovation: int = Mark
    clarity: int = Mark
    educational_value: int = Mark

    @property
    def mean(self) -> float:
        marks = self.model_dump().values()
        return sum(marks) / len(marks)


class Written(Reply):
    """A problem that the teacher writes."""

    statement: str = Field(min_length=STATEMENT_CHARS[0], max_length=STATEMENT_CHARS[1])
    answer: str = Field(min_length=1, max_length=ANSWER_CHARS)


class Worked(Written):
    solution: str = Field(min_length=1)


KINDS = {  # what the teacher is told of each
    Kind.parameter: "change its numbers or parameters alone, keep its wording and method, and work out the new answer",
    Kind.context: "tell it with other objects and in another setting, and keep its numbers, its method and its answer",
    Kind.application: "turn it into a practical application with plausible quantities, solved by the same method",
    Kind.harder: "make it harder: it should take a further idea or step",
    Kind.easier: "make it easier: it should take an idea or a step less",
}
_LANGUAGES = {"en": "English", "zh": "Chinese"}
_SYSTEM = (
    "You set and judge problems of mathematics competitions. You reply with one JSON object and nothing else. "
    "Write LaTeX between dollar signs, and backslashes doubled, as JSON wants them."
)
_SCORE = """\
Judge a problem. Give whole numbers from 1 (poor) to 5 (excellent) for:
rigor: is it well posed, complete and free of contradiction, and is its answer right?
difficulty: does it suit the difficulty that it is meant for?
innovation: is it more than an exercise that everybody knows?
clarity: is it worded clearly and briefly?
educational_value: does solving it teach something?"""
_IMPROVE = "Improve a problem: mend what is wrong, and make it clearer, more rigorous and more original. {rules}"
_VARY = "Write a variation of a problem: {how}. {rules}"
_RULES = (
    "Write in {language}. The statement asks exactly one question, in at most 120 words, and does not give its answer "
    "away. The answer is short, on one line, and right: solve the problem before you reply."
)


@dataclass(frozen=True)
class Question:
    """What is sent, and the class that its reply must be of."""

    name: str  # score, improve, or a kind of variation
    messages: tuple[dict[str, str], ...]
    reply: type[Reply]

    def read(self, text: str) -> Reply:
        """The reply in a text. Reasoning in <think> tags and fences around the JSON are left out.

        Raises ValueError saying what is wrong with it.
        """
        bare = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)
        if "<think>" in bare:
            raise ValueError("the reasoning does not end")
        start, end = bare.find("{"), bare.rfind("}")
        return self.reply.model_validate_json(bare[start : end + 1] if 0 <= start < end else bare)

    def format(self, structured: Structured) -> dict[str, Any] | None:
        """OpenAI's response_format, where the server takes one."""
        if structured is Structured.none:
            return None
        if structured is Structured.json_object:
            return {"type": "json_object"}
        schema = {"name": self.reply.__name__.lower(), "strict": True, "schema": self.reply.model_json_schema()}
        return {"type": "json_schema", "json_schema": schema}


def score(problem: Problem, language: str = "en") -> Question:
    """Ask for Scores of a problem, for its topic and level where these are known."""
    return _question("score", Scores, _SCORE, problem, language)


def improve(problem: Problem, language: str, solution: bool) -> Question:
    """Ask for a better problem in a problem's place; with `solution`, a worked one too."""
    task = _IMPROVE.format(rules=_RULES.format(language=_LANGUAGES[language]))
    return _question("improve", Worked if solution else Written, task, problem, language)


def vary(problem: Problem, kind: Kind, language: str, solution: bool) -> Question:
    """Ask for a variation of a problem."""
    task = _VARY.format(how=KINDS[kind], rules=_RULES.format(language=_LANGUAGES[language]))
    return _question(kind.value, Worked if solution else Written, task, problem, language)


def _question(name: str, reply: type[Reply], task: str, problem: Problem, language: str) -> Question:
    """What is the same for all problems comes first: servers charge less for a beginning that they know."""
    fields = ", ".join(f'"{n}": {"<1-5>" if f.annotation is int else "..."}' for n, f in reply.model_fields.items())
    topic = f", in {problem.topic}" if problem.topic else ""
    level = f", meant to be of difficulty {problem.level} out of 5" if problem.level else ""
    written = render(problem, language, solution=bool(problem.solution))
    text = f"{task}\nReply with a JSON object {{{fields}}}\n\nThe problem{topic}{level}:\n\n{written}"
    return Question(name, ({"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}), reply)
