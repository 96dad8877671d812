"""Who earns a reward without having written a good problem: real problems spoiled in known ways, and junk made afresh.

What a text earns is not known here: a search is handed a function that says so. What is made of the figures belongs to
rewards.attack, rewards.check and evaluation.
"""

from dataclasses import dataclass

from qgen.mathematics.problem import Problem


@dataclass(frozen=True)
class Junk:
    """A text that is certainly no good answer to its request.

    Attributes:
        problem: its topic and level are those that it is handed in for, whatever it is about.
        why: what makes it junk, so that anybody can check it.
    """

    problem: Problem
    why: str


@dataclass(frozen=True)
class Material:
    """What junk is made of.

    Attributes:
        known: the problems that the rewards were made of.
        unseen: real problems that the rewards have not seen.
        asked: topic and level that each text is to be handed in for; those of one group stand together.
        size: texts in a group.
    """

    known: list[Problem]
    unseen: list[Problem]
    asked: list[tuple[str, int]]
    size: int
