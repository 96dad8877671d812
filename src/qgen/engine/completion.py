"""What an engine writes."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Completion:
    """What was written in answer to one prompt."""

    text: str
    tokens: int  # written, the end of the turn included
    finished: bool  # ended by itself, rather than at max_new_tokens


Wrote = Callable[[int, Completion], None]  # is called with a prompt's number and its completion


def silent(number: int, completion: Completion) -> None:
    """Called with a completion that nobody waits for."""
