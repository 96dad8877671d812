"""format: is the completion a problem at all? The gate of the shipped reward groups."""

from qgen.problem import Problem
from qgen.rewards.registry import Completion, parsed, term


@term("format")
def format_(completions: list[Completion], **_) -> list[float]:
    """1 where `problem.parse` finds a problem (one question, an answer, balanced LaTeX, not cut off, ...), else 0."""
    return [float(isinstance(p, Problem)) for p in parsed(completions)]
