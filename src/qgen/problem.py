"""What a problem is: the parts it has, how it is written as text, and how text is read back.

`parse` is the one place that decides whether a text is a problem. Rewards, metrics, validation and
generation all call it, so that a completion cannot be a problem to one of them and not to another.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

LABELS = {
    "en": {"statement": "Problem:", "solution": "Solution:", "answer": "Answer:"},
    "zh": {"statement": "题目：", "solution": "解答：", "answer": "答案："},
}
STATEMENT_CHARS = (20, 1500)  # 99 % of CHAMP's and of MATH's statements lie inside
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


@dataclass(frozen=True)
class Fault:
    """Why a text is not a problem. `kind` is one of a few stable words, for counting; `detail` is for people."""

    kind: str
    detail: str = ""


def render(problem: Problem, language: str = "en", solution: bool = False) -> str:
    """Write a problem as the text that the policy is trained to write. `parse` reads it back."""
    labels = LABELS[language]
    parts = [f"{labels['statement']} {problem.statement}"]
    if solution:
        parts.append(f"{labels['solution']} {problem.solution}")
    parts.append(f"{labels['answer']} {problem.answer}")
    return "\n".join(parts)


@lru_cache(maxsize=8192)  # every reward term parses the same completions
def parse(text: str) -> Problem | Fault:
    """Read a problem from text, or say what is wrong with it. Never raises, whatever the text."""
    if len(text) > 20_000:
        return Fault("too long", f"{len(text)} characters")
    found = [(m["label"], m.start(), m.end()) for m in _LABEL.finditer(text)]
    names = [_PART[label.lower().rstrip(" \t:：")] for label, _, _ in found]
    if "statement" not in names:
        return Fault("no statement", "no 'Problem:' begins a line")
    if text[: found[0][1]].strip():
        return Fault("preamble", "text before the first label")
    if names.count("statement") > 1:
        return Fault("two problems", "'Problem:' begins more than one line")
    if "answer" not in names:
        return Fault("no answer", "no 'Answer:' begins a line")
    if names not in (["statement", "answer"], ["statement", "solution", "answer"]):
        return Fault("disorder", "parts are repeated or out of order: " + ", ".join(names))
    ends = [start for _, start, _ in found[1:]] + [len(text)]
    parts = {n: text[b:e].strip() for n, (_, _, b), e in zip(names, found, ends, strict=True)}
    problem = Problem(parts["statement"], parts["answer"], parts.get("solution", ""))
    return fault(problem) or problem


def fault(problem: Problem) -> Fault | None:
    """The first thing that is wrong with a problem's statement, answer or solution, or None."""
    low, high = STATEMENT_CHARS
    if not low <= len(problem.statement) <= high:
        return Fault("length", f"a statement of {len(problem.statement)} characters, outside {low} to {high}")
    if not problem.answer or problem.answer.lower().strip(".") in ("none", "n/a", "unknown", "?"):
        return Fault("no answer", "the answer is empty")
    if "\n" in problem.answer or len(problem.answer) > ANSWER_CHARS:
        return Fault("runs on", "the answer is longer than a line")
    for name in ("statement", "solution", "answer"):
        if wrong := unbalanced(getattr(problem, name)):
            return Fault("unbalanced", f"{name}: {wrong}")
    if not _COMPLETE.search(problem.statement):
        return Fault("cut off", "the statement does not end in a mark of punctuation or in mathematics")
    prose = _MATH.sub(" x ", problem.statement)
    if not _ASK.search(prose):
        return Fault("no question", "nothing is asked")
    if len(_QUESTION.findall(prose)) > 1 or len(_ITEM.findall(prose)) > 1:
        return Fault("two questions", "more than one thing is asked")
    if _leaked(problem.statement, problem.answer):
        return Fault("leak", "the statement gives its answer")
    if _repeats(problem.statement):
        return Fault("repeats", "the statement repeats itself")
    return None


def unbalanced(text: str) -> str | None:
    """What does not balance in a text's LaTeX (dollars, braces, environments, \\left and \\right), or None."""
    bare = text.replace("\\\\", "  ").replace("\\$", "  ").replace("\\{", "  ").replace("\\}", "  ")
    if bare.count("$$") % 2 or bare.replace("$$", "").count("$") % 2:
        return "a $ is not closed"
    depth = 0
    for char in bare:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return "a } was never opened"
    if depth:
        return "a { is not closed"
    for opening, closing in (("\\(", "\\)"), ("\\[", "\\]")):
        if bare.count(opening) != bare.count(closing):
            return f"{opening} and {closing} differ in number"
    if len(re.findall(r"\\left(?![a-zA-Z])", bare)) != len(re.findall(r"\\right(?![a-zA-Z])", bare)):
        return "\\left and \\right differ in number"
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([^{}]*)\}", bare):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return f"\\end{{{name}}} without its \\begin"
    return f"\\begin{{{opened[-1]}}} is not ended" if opened else None


def _leaked(statement: str, answer: str) -> bool:
    """Whether the statement says what its answer is: 'the answer is 5', or an equation that ends with it."""
    plain = _squash(answer)
    told = re.search(
        r"(?:the\s+)?(?:final\s+)?(?:answer|solution|result)\s+(?:is|equals|=|:)\s*(.{1,200})", statement, re.I
    )
    if told and _squash(told[1]).startswith(plain):
        return True
    tail = statement.rstrip(" .?!。？$)]").rsplit("=", 1)
    return len(tail) == 2 and _squash(tail[1]) == plain and len(plain) > 1 and "?" not in tail[0]


def _squash(text: str) -> str:
    return re.sub(r"[\s$\\]|boxed|text|mathrm|[{}]", "", text).lower().rstrip(".")


def _repeats(text: str) -> bool:
    """Whether a text loops: a run of eight words stands in it three times or more."""
    words = text.lower().split()
    runs: dict[tuple[str, ...], int] = {}
    for i in range(len(words) - 7):
        run = tuple(words[i : i + 8])
        runs[run] = runs.get(run, 0) + 1
        if runs[run] >= 3:
            return True
    return False


_PART = {
    **dict.fromkeys(("problem", "question", "题目", "问题"), "statement"),
    **dict.fromkeys(("solution", "解答", "解"), "solution"),
    **dict.fromkeys(("answer", "final answer", "答案"), "answer"),
}
_LABEL = re.compile(r"^[ \t]*(?:\*\*)?(?P<label>(?:" + "|".join(_PART) + r")[ \t]*[:：])(?:\*\*)?", re.I | re.M)
_MATH = re.compile(r"\$\$.*?\$\$|\$[^$]*\$|\\\[.*?\\\]|\\\(.*?\\\)", re.S)
_COMPLETE = re.compile(r"""[.?!。？！:$)\]}"'”’]\s*$|\\\]\s*$|\[/?asy\]\s*$""")
_ASK = re.compile(
    r"\?|？|\b(?:find|compute|determine|evaluate|calculate|simplify|solve|prove|show|express|factor(?:i[sz]e)?|expand|give|"
    r"what|how (?:many|much|far|long|large|small)|which|name|state|count|estimate|write|convert|round|rationalize|"
    r"list|graph|complete|enter|describe|let us know|add|subtract|multiply|divide|remove|identify|classify|match)\b"
    r"|求|证明|计算|确定|试问|多少|是否",
    re.I,
)
_QUESTION = re.compile(r"\?|？")
_ITEM = re.compile(r"(?:^|\s)\((?:[a-d]|i{1,3}|[1-4])\)\s", re.I)
