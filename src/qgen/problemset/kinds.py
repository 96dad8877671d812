"""Kinds of variation, and how each is asked for."""

from enum import Enum

from qgen.prompts import Message


class Kind(Enum):
    parameter = "parameter"
    context = "context"
    application = "application"
    harder = "harder"
    easier = "easier"


def level_of(kind: Kind | None, level: int) -> int:
    """The level that is asked for, of a variation of a problem of a level (1 to 5)."""
    return min(5, max(1, level + {Kind.harder: 1, Kind.easier: -1}.get(kind, 0)))


def asked(messages: list[Message], kind: Kind | None, language: str) -> list[Message]:
    """The messages that ask for a variation, with what may change in it."""
    if kind is None:
        return messages
    *before, last = messages
    return [*before, {**last, "content": f"{last['content']}\n\n{_ASKED[language][kind]}"}]


_ASKED = {
    "en": {
        Kind.parameter: "Change only its numbers, and work out the new answer.",
        Kind.context: "Tell it of other things; keep its numbers and its answer.",
        Kind.application: "Make it a practical application of the same mathematics.",
        Kind.harder: "Make it harder.",
        Kind.easier: "Make it easier.",
    },
    "zh": {
        Kind.parameter: "只改变其中的数，并求出新的答案。",
        Kind.context: "换一个情境，数与答案保持不变。",
        Kind.application: "改成同一数学内容的实际应用题。",
        Kind.harder: "把它改得更难。",
        Kind.easier: "把它改得更容易。",
    },
}
