"""What a problem is: the parts it has, how it is written as text, and how text is read back.

`parse` is the one place that decides whether a text is a problem. Rewards, metrics, validation and
generation all call it, so that a completion cannot be a problem to one of them and not to another.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from qgen.mathematics import asked, escapes, latex, leaks
from qgen.mathematics import statement as statements
from qgen.mathematics.answers import declined, nothing, several

LABELS = {
    "en": {"statement": "Problem:", "solution": "Solution:", "program": "Program:", "answer": "Answer:"},
    "zh": {"statement": "题目：", "solution": "解答：", "program": "程序：", "answer": "答案："},
}
PROGRAM = "program"  # what stands between statement and answer, where it is no solution: prompt.solution=program
STATEMENT_CHARS = (20, 1500)  # 99 % of CHAMP's and of MATH's lie inside; a Chinese character counts as three
ANSWER_CHARS = 200


@dataclass(frozen=True)
class Problem:
    """A competition problem. `level` runs from 1 (easy) to 5; `quality` from 0 to 1; both None where unknown."""

    statement: str
    answer: str
    solution: str = ""
    topic: str = ""
    level: int | None = None
    points: tuple[str, ...] = ()  # knowledge points: what it takes to solve it
    quality: float | None = None
    source: str = ""
    licence: str = ""
    id: str = ""
    program: str | None = None  # Python that computes the answer and prints it (mathematics/programmed.py)

    @property
    def rated(self) -> int:
        """The level, as every problem of a corpus has one (data/curate.py). Raises ValueError where it is unknown."""
        if self.level is None:
            raise ValueError(f"the level of problem {self.id!r} is not known")
        return self.level


@dataclass(frozen=True)
class Fault:
    """Why a text is not a problem. `kind` is one of a few stable words, for counting; `detail` is for people."""

    kind: str
    detail: str = ""


def render(problem: Problem, language: str = "en", solution: bool | str = False) -> str:
    """Write a problem as the text that the policy is trained to write. `parse` reads it back.

    Args:
        solution: True: with its solution; "program": with its program, where it has one.
    """
    labels = LABELS[language]
    parts = [f"{labels['statement']} {problem.statement}"]
    if solution == PROGRAM:
        parts += [f"{labels['program']}\n```python\n{problem.program}\n```"] if problem.program is not None else []
    elif solution:
        parts.append(f"{labels['solution']} {problem.solution}")
    parts.append(f"{labels['answer']} {problem.answer}")
    return "\n".join(parts)


def misread(problem: Problem, language: str = "en", solution: bool | str = False) -> str | None:
    """What `parse` makes of what `render` writes, where that is not the problem: the kind of fault, or None.

    A part that holds a line such as "Answer: 6" is read as two.
    """
    read = parse(render(problem, language, solution))
    if isinstance(read, Fault):
        return read.kind
    parts = ("statement", "answer", "solution") if solution is True else ("statement", "answer")
    same = all(getattr(read, part) == getattr(problem, part).strip() for part in parts)
    same = same and read.program == (problem.program if solution == PROGRAM else None)
    return None if same and (solution is True or not read.solution) else "other parts"


@lru_cache(maxsize=8192)  # every reward term parses the same completions
def parse(text: str) -> Problem | Fault:
    """Read a problem from text, or say what is wrong with it. Never raises, whatever the text."""
    if len(text) > 20_000:
        return Fault("too long", f"{len(text)} characters")
    if odd := escapes.foreign(text):  # before strip, which takes a form feed for a blank
        return Fault("control character", f"the text holds {odd}")
    code = [(m.start(), m.end()) for m in _FENCED.finditer(text)]  # a program may have a line such as "answer: int = 3"
    found = [
        (m["label"], m.start(), m.end())
        for m in _LABEL.finditer(text)
        if not any(begin < m.start() < end for begin, end in code)
    ]
    names = [_PART[label.lower().rstrip(" \t:：")] for label, _, _ in found]
    if "statement" not in names:
        return Fault("no statement", "no 'Problem:' begins a line")
    if text[: found[0][1]].strip():
        return Fault("preamble", "text before the first label")
    if names.count("statement") > 1:
        return Fault("two problems", "'Problem:' begins more than one line")
    if "answer" not in names:
        return Fault("no answer", "no 'Answer:' begins a line")
    if names not in (["statement", "answer"], *(["statement", part, "answer"] for part in ("solution", "program"))):
        return Fault("disorder", "parts are repeated or out of order: " + ", ".join(names))
    ends = [start for _, start, _ in found[1:]] + [len(text)]
    parts = {n: text[b:e].strip() for n, (_, _, b), e in zip(names, found, ends, strict=True)}
    program = None
    if "program" in parts and (program := _block(parts["program"])) is None:
        return Fault("no program", "after 'Program:' stands no ```python block alone")
    problem = Problem(parts["statement"], parts["answer"], parts.get("solution", ""), program=program)
    return fault(problem, answer=program is None) or problem


def fault(problem: Problem, answer: bool = True) -> Fault | None:
    """The first thing that is wrong with a problem's statement, answer or solution, or None.

    Args:
        answer: False: what is stated is no answer yet, for the program's takes its place (programmed.py), and may be
            any text.
    """
    if odd := escapes.foreign(problem.solution):
        return Fault("control character", f"the text holds {odd}")
    if wrong := _fault(problem.statement, problem.answer, answer):
        return wrong
    if unbalanced := latex.unbalanced(problem.solution):
        return Fault("latex", unbalanced)
    return None


@lru_cache(maxsize=8192)  # a corpus's problem is judged as it is read, as it is written, and for its quality
def _fault(statement: str, answer: str, judged: bool) -> Fault | None:
    """The first thing that is wrong with a statement or its answer, or None."""
    for part in (statement, answer):
        if odd := escapes.foreign(part):
            return Fault("control character", f"the text holds {odd}")
    low, high = STATEMENT_CHARS
    if not low <= (length := len(statement) + 2 * len(_CHINESE.findall(statement))) <= high:
        return Fault("length", f"a statement of {length} characters, outside {low} to {high}")
    if nothing(answer):
        return Fault("no answer", "the answer is empty")
    if declined(answer):
        return Fault("no answer", "the answer declines to answer")
    if _LABEL.match(answer):
        return Fault("disorder", "the answer begins with a label")
    if judged and ("\n" in answer or len(answer) > ANSWER_CHARS):
        return Fault("runs on", "the answer is longer than a line")
    if judged and several(answer):
        return Fault("two answers", "more than one answer is given")
    if latex.FIGURE.search(statement):
        return Fault("figure", "it needs a figure, which is drawn by code that nothing here runs")
    bare = "$" not in answer and re.search(r"[\\^_]", answer)  # LaTeX that some write without dollars
    given = (f"${answer}$" if bare else answer) if judged else ""
    if wrong := latex.fault(statement) or latex.fault(given):
        return Fault("latex", wrong)
    if not _COMPLETE.search(statement):
        return Fault("cut off", "the statement does not end in a mark of punctuation or in mathematics")
    if statements.repeats(statement):
        return Fault("repeats", "the statement repeats itself")
    count = statements.questions(statement)
    if count == 0 or not re.search(r"[^\W\d_]{2}|[一-鿿]", latex.prose(statement)):
        return Fault("no question", "nothing is asked")
    if statements.programming(statement):
        return Fault("programming", "a program is asked for, and no mathematics")
    if count > 1:
        return Fault("two questions", "more than one thing is asked")
    if judged and leaks.echoed(statement, answer):
        return Fault("no answer", "the answer repeats the question")
    if judged and leaks.leaked(statement, answer):
        return Fault("leak", "the statement gives its answer")
    if judged and (kind := asked.unlike(statement, answer)):
        return Fault("another kind", f"the answer is not {kind}, which is asked for")
    return None


def _block(text: str) -> str | None:
    """What stands in the one block of code that a text is; None where it is anything else."""
    found = _FENCED.fullmatch(text)
    return found["body"].strip("\n") if found and found["body"].strip() else None


_FENCED = re.compile(r"^```[ \t]*(?:python3?|py)?[ \t]*\n(?P<body>(?:(?!```).*\n)*?)[ \t]*```[ \t]*$", re.I | re.M)
_PART = {
    **dict.fromkeys(("problem", "question", "题目", "问题"), "statement"),
    **dict.fromkeys(("solution", "解答", "解"), "solution"),
    **dict.fromkeys(("program", "code", "程序", "代码"), "program"),
    **dict.fromkeys(("answer", "final answer", "答案"), "answer"),
}
_LABEL = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*)?(?:\*\*)?(?P<label>(?:" + "|".join(_PART) + r")[ \t]*[:：])(?:\*\*)?", re.I | re.M
)
_COMPLETE = re.compile(r"""[.．?!。？！:：$)）\]}"'”’」_]\s*$|\\\]\s*$""")
_CHINESE = re.compile("[一-鿿]")  # a character says what three letters do
