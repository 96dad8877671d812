"""rigor: is a problem complete, so that there is something to solve and one thing to answer?"""

import re

from qgen.problem import Problem
from qgen.rewards.registry import Completion, parsed, term


@term("rigor")
def rigor(completions: list[Completion], **_) -> list[float]:
    """The share of three checks that a problem passes. In [0, 1]. Neither length nor vocabulary counts.

    - defined: every letter that the question is about stands in mathematics before the question, or is bound in it.
    - given: besides the question there is a quantity, a relation or an expression to work from.
    - fits: the answer's form is one that the question can have (a number where it asks how many, and so on).
    """
    return [_score(p) if isinstance(p, Problem) else 0.0 for p in parsed(completions)]


def _score(problem: Problem) -> float:
    checks = (defined(problem.statement), given(problem.statement), fits(problem.statement, problem.answer))
    return sum(checks) / len(checks)


def defined(statement: str) -> bool:
    """Whether the letters asked about ('find $x$') are introduced somewhere else in the statement."""
    asked = _ASKED.search(statement)
    if asked is None:
        return True
    letters = set(_LETTER.findall(_COMMAND.sub(" ", asked["what"])))
    rest = statement[: asked.start("what")] + " " + statement[asked.end("what") :]
    known = set(_LETTER.findall(_COMMAND.sub(" ", " ".join(_SPAN.findall(rest)))))
    return letters <= known


def given(statement: str) -> bool:
    """Whether a number or a relation stands in the statement: without one there is nothing to work from."""
    return bool(_QUANTITY.search(statement))


def fits(statement: str, answer: str) -> bool:
    """Whether the answer has a form that the question can have."""
    plain = answer.strip().strip("$").strip()
    words = len(re.findall(r"[A-Za-z]{3,}", _COMMAND.sub(" ", plain)))
    if _HOW_MANY.search(statement):
        return bool(re.search(r"\d|[a-zA-Z]\b|\\infty|infinite|none|no|one|two|zero", plain, re.I)) and words <= 6
    if _YES_NO.search(statement):
        return bool(re.match(r"(?:yes|no|always|never|it |there|the|\d|\\?[a-z$(])", plain, re.I))
    if _NUMBER_ASKED.search(statement):
        return words <= 6 and plain.lower() not in ("yes", "no", "true", "false")
    return True


_SPAN = re.compile(r"\$[^$]+\$|\\\[.+?\\\]|\\\(.+?\\\)", re.S)
_COMMAND = re.compile(r"\\[a-zA-Z]+(?:\{[a-zA-Z]+\})?")
_LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_ASKED = re.compile(
    r"\b(?:find|compute|determine|what is|evaluate)\s+(?:the\s+values?\s+of\s+)?\$(?P<what>[A-Za-z])\$(?=[.?,\s])", re.I
)
_QUANTITY = re.compile(
    r"\d|[=<>^]|\\(?:frac|sqrt|le|ge|leq|geq|sum|int|pi|binom)|\b(?:two|three|four|five|six|seven|eight|nine|ten|half|twice|prime|square|integer)\b|[一二三四五六七八九十]",
    re.I,
)
_HOW_MANY = re.compile(r"\bhow many\b|\bnumber of\b|多少个|几个", re.I)
_YES_NO = re.compile(r"(?:^|[.,]\s+)(?:is|are|does|do|can|could|will)\b[^.?]*\?\s*$|是否", re.I)
_NUMBER_ASKED = re.compile(
    r"\b(?:value|sum|product|area|probability|remainder|perimeter|length|maximum|minimum|largest|smallest)\b", re.I
)
