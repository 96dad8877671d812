"""Texts that should earn no reward: controls (real problems, spoiled in a known way) and junk (newly made bad answers).

Scoring them does not belong here: the search for junk is passed a function that scores. What the scores mean is decided
in rewards.attack, rewards.check and evaluation.
"""

from dataclasses import dataclass

from qgen.mathematics.problem import Problem


@dataclass(frozen=True)
class Junk:
    """A text that is certainly no good answer to its request.

    Attributes:
        problem: with the topic and level of the request, whatever the text is about.
        why: what makes it junk, so that anybody can check it.
    """

    problem: Problem
    why: str


@dataclass(frozen=True)
class Material:
    """What junk is made of.

    Attributes:
        known: the problems that the rewards were fitted to.
        unseen: real problems that the rewards have not seen.
        asked: topic and level of the request that each text answers; the requests of a group follow one another.
        size: texts in a group.
    """

    known: list[Problem]
    unseen: list[Problem]
    asked: list[tuple[str, int]]
    size: int
