"""What a teacher is asked, and what counts as an answer: JSON that these classes accept. Anything else is invalid."""

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from qgen.mathematics.escapes import restored
from qgen.mathematics.problem import ANSWER_CHARS, STATEMENT_CHARS, Problem, render
from qgen.settings.choices import Kind, Structured

Mark = Field(ge=1, le=5)
Text = Annotated[str, AfterValidator(restored)]  # a teacher forgets to double a backslash now and then
Short = Annotated[str, AfterValidator(partial(restored, bare=True))]


class Reply(BaseModel):
    """What any reply is: an object of these keys and no others, of their own types."""

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
        """The mean of the marks, 1 to 5."""
        marks = self.model_dump().values()
        return sum(marks) / len(marks)


class Written(Reply):
    """A problem that the teacher writes."""

    statement: Text = Field(min_length=STATEMENT_CHARS[0], max_length=STATEMENT_CHARS[1])
    answer: Short = Field(min_length=1, max_length=ANSWER_CHARS)


class Worked(Written):
    solution: Text = Field(min_length=1)


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

_TAG = re.compile(  # of reasoning; [THINK] is Magistral's, ◁think▷ Kimi's
    r"<\s*(/?)\s*(?:\w+:)?(?:think|thinking|thoughts?|reason|reasoning)\b(?:\s[^<>]*)?>|\[(/?)think\]|◁(/?)think▷",
    re.IGNORECASE,
)
# An object without objects in it, as every reply is. Found by its quotes and braces, for most braces in mathematics are
# no JSON, and a reader that began at each of them would not know where to go on.
_OBJECT = re.compile(r'(?=(\{\s*"[^"\\{}]*"\s*:(?:[^{}"]|"(?:[^"\\]|\\.)*+")*+\}))', re.DOTALL)


R = TypeVar("R", bound=Reply)


@dataclass(frozen=True)
class Question(Generic[R]):
    """What is sent, and the class that its reply must be of."""

    name: str  # score, improve, or a kind of variation
    messages: tuple[dict[str, str], ...]
    reply: type[R]

    def read(self, text: str) -> R:
        """The reply in a text: of the objects outside its reasoning that the class accepts the last, for what comes
        before it are drafts and examples. Prose, fences and other braces may stand around it.

        Raises ValueError saying what is wrong with it.
        """
        error = ValueError("the reply holds no JSON object")
        for found in reversed(_OBJECT.findall(_outside(text))):
            try:
                reply = self.reply.model_validate_json(found)
            except ValidationError as wrong:
                error = wrong if not isinstance(error, ValidationError) else error  # of the last
                continue
            json.loads(found, object_pairs_hook=_once)
            return reply
        raise error

    def format(self, structured: Structured) -> dict[str, Any] | None:
        """OpenAI's response_format, where the server takes one."""
        if structured is Structured.none:
            return None
        if structured is Structured.json_object:
            return {"type": "json_object"}
        schema = {"name": self.reply.__name__.lower(), "strict": True, "schema": self.reply.model_json_schema()}
        return {"type": "json_schema", "json_schema": schema}


def short(error: ValueError) -> str:
    """What is wrong with a reply in a line, without the reply."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'JSON'}: {e['msg']}" for e in error.errors()[:2])[:200]
    return str(error)[:200]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Raises ValueError where it gives a key two values, of which pydantic would take the last."""
    found = dict(pairs)
    if twice := [key for key, value in pairs if found[key] != value]:
        raise ValueError(f"{twice[0]} is given twice")
    return found


def _outside(text: str) -> str:
    """A text without its reasoning, whose opening tag is often in the prompt, so that only the closing one is seen.

    Raises ValueError where the reasoning does not end.
    """
    outside, since, inside = [], 0, False
    for tag in _TAG.finditer(text):
        closing = bool(tag[1] or tag[2] or tag[3])
        if not inside:
            outside.append(text[since : tag.start()])
            if closing:
                outside.clear()
        since, inside = tag.end(), not closing
    if inside:
        raise ValueError("the reasoning does not end")
    return "\n".join([*outside, text[since:]])


def score(problem: Problem, language: str = "en") -> Question[Scores]:
    """Ask for Scores of a problem, for its topic and level where these are known."""
    return _question("score", Scores, _SCORE, problem, language)


def improve(problem: Problem, language: str, solution: bool) -> Question[Written]:
    """Ask for a better problem in a problem's place; with `solution`, a worked one too."""
    task = _IMPROVE.format(rules=_RULES.format(language=_LANGUAGES[language]))
    return _question("improve", Worked if solution else Written, task, problem, language)


def vary(problem: Problem, kind: Kind, language: str, solution: bool) -> Question[Written]:
    """Ask for a variation of a problem."""
    task = _VARY.format(how=KINDS[kind], rules=_RULES.format(language=_LANGUAGES[language]))
    return _question(kind.value, Worked if solution else Written, task, problem, language)


def _question(name: str, reply: type[R], task: str, problem: Problem, language: str) -> Question[R]:
    """What is the same for all problems comes first: servers charge less for a beginning that they know."""
    fields = ", ".join(f'"{n}": {"<1-5>" if f.annotation is int else "..."}' for n, f in reply.model_fields.items())
    topic = f", in {problem.topic}" if problem.topic else ""
    level = f", meant to be of difficulty {problem.level} out of 5" if problem.level else ""
    written = render(problem, language, solution=bool(problem.solution))
    text = f"{task}\nReply with a JSON object {{{fields}}}\n\nThe problem{topic}{level}:\n\n{written}"
    return Question(name, ({"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}), reply)
