"""A problem's quality, 0 to 1: the share of the rules below that it keeps. Each rule can be read and argued with."""

import re
from collections.abc import Callable

from qgen.mathematics import latex
from qgen.mathematics.problem import Problem, fault

_FIGURE = re.compile(
    r"\[asy\]|\\includegraphics|(?:figure|diagram|graph|picture|table) (?:above|below|shown|at right)", re.I
)
_ELSEWHERE = re.compile(r"previous (?:problem|question|part)|problem \d+ above|see (?:above|below)|https?://", re.I)
_CHOICES = re.compile(r"\([A-E]\)\s*[}\\]|\\text(?:bf)?\{\s*\(?[A-E]\)|(?:^|\n)\s*\(?[A-E][).]\s", re.M)
_PROOF = re.compile(r"\b(?:prove|show) that\b|证明", re.I)

RULES: dict[str, Callable[[Problem], bool]] = {
    "well formed": lambda p: fault(p) is None,
    "self-contained": lambda p: not _FIGURE.search(p.statement) and not _ELSEWHERE.search(p.statement),
    "open answer": lambda p: not _CHOICES.search(p.statement),
    "checkable": lambda p: not _PROOF.search(p.statement) and 0 < len(p.answer) <= 60,
    "solved": lambda p: len(p.solution) >= 40 and latex.unbalanced(p.solution) is None,
    "solution reaches the answer": lambda p: _core(p.answer) in _core(p.solution),
    "stated at length": lambda p: 40 <= len(p.statement) <= 800,
}


def quality(problem: Problem) -> float:
    """The share of RULES that a problem keeps; one that is not well formed has quality 0."""
    kept = {name: rule(problem) for name, rule in RULES.items()}
    return sum(kept.values()) / len(RULES) if kept["well formed"] else 0.0


def _core(text: str) -> str:
    return re.sub(r"[\s$\\{}]|cdot|text|boxed|dfrac|tfrac|frac", "", text).lower()
