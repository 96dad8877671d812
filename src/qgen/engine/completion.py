"""What an engine writes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Completion:
    """What was written in answer to one prompt."""

    text: str
    tokens: int  # written, the end of the turn included
    finished: bool  # ended by itself, rather than at max_new_tokens
