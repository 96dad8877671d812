"""Other words for a problem: what a copyist changes, so that a copy is not one word for word."""

import random
import re
from dataclasses import replace

from qgen.mathematics import latex
from qgen.mathematics.problem import Problem

# what means the same in a statement's prose: any of a row stands for any other
SAME: tuple[tuple[str, ...], ...] = (
    ("Find", "Determine", "Compute"),
    ("how many", "what number of"),
    ("How many", "What number of"),
    ("such that", "so that", "with the property that"),
    ("Suppose that", "Assume that"),
    ("Suppose", "Assume that"),
    ("is equal to", "equals"),
    ("the value of", "the numerical value of"),
    ("integers", "whole numbers"),
    ("integer", "whole number"),
    ("non-negative", "nonnegative"),
    ("real numbers", "reals"),
    ("smallest", "least"),
    ("largest", "greatest"),
    ("maximum", "greatest"),
    ("minimum", "least"),
    ("different", "distinct"),
    ("is divisible by", "is a multiple of"),
    ("are divisible by", "are multiples of"),
    ("prime number", "prime"),
    ("exactly", "precisely"),
    ("Given that", "It is known that"),
    ("Given", "We are given"),
    ("there are", "there exist"),
    ("Consider", "Let us consider"),
    ("Let", "Now let"),
    ("with integer coefficients", "whose coefficients are integers"),
    ("with real coefficients", "whose coefficients are real"),
    ("for all", "for every choice of"),
    ("has", "possesses"),
    ("if", "provided that"),
    ("sum of", "total of"),
    ("an expression of", "a function of"),
    ("in terms of", "as an expression in"),
    ("denote", "stand for"),
    ("satisfies", "fulfils"),
    ("satisfy", "fulfil"),
    ("perfect square", "square of an integer"),
    ("Evaluate", "Calculate"),
    ("chosen", "selected"),
    ("Express your answer", "Give your answer"),
    ("common fraction", "fraction in lowest terms"),
)
LEAST = 2  # places that are worded otherwise


def paraphrase(problem: Problem, rng: random.Random) -> Problem | None:
    """The problem in other words, what its condition says before or after what it asks; None where fewer than LEAST
    places of it are worded otherwise."""
    spans: list[str] = []

    def keep(found: re.Match) -> str:
        spans.append(found.group())
        return f"\x00{len(spans) - 1}\x00"

    text = latex.MATH.sub(keep, problem.statement)
    text, turned = _TURN.subn(r"\g<ask>, if \g<condition>\g<end>", text, count=1)
    if turned:
        text = text[:1].upper() + text[1:]
    changed = turned

    def other(found: re.Match) -> str:
        nonlocal changed
        row = rng.choice([row for row in SAME if found.group() == row[0]])
        changed += 1
        return rng.choice(row[1:])

    text = _WORDS.sub(other, _WHAT.sub(r"Find \g<rest>.", text))
    if changed < LEAST:
        return None
    return replace(problem, statement=re.sub(r"\x00(\d+)\x00", lambda found: spans[int(found[1])], text))


_FIRST = sorted({re.escape(row[0]) for row in SAME}, key=len, reverse=True)
_WORDS = re.compile(r"\b(?:" + "|".join(_FIRST) + r")\b(?! of\b)")
_WHAT = re.compile(r"\bWhat is (?P<rest>[^.?!]*)\?")
_TURN = re.compile(
    r"^If (?P<condition>[^.?!]*?), (?:then )?(?P<ask>(?:find|what|how|determine|compute)\b[^.?!]*)(?P<end>[.?])"
)
