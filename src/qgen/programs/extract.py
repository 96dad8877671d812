"""The program in what a model wrote."""

import re

_BLOCK = re.compile(r"^[ \t]*```[ \t]*(?P<language>[\w+-]*)[^\n]*\n(?P<body>.*?)^[ \t]*```[ \t]*$", re.S | re.M)
_OURS = {"python", "py", "python3", ""}


def program_in(text: str) -> str | None:
    """The last fenced block that is Python and prints, or the last that is Python; None without a closed one.

    A block that says nothing of its language counts as Python where no other does; a block without an end was cut off.
    """
    blocks = [(m["language"].lower(), m["body"]) for m in _BLOCK.finditer(text)]
    ours = [body for name, body in blocks if name and name in _OURS] or [b for name, b in blocks if name in _OURS]
    return next((body for body in reversed(ours) if "print(" in body), ours[-1] if ours else None)
