"""Text that models, files and servers wrote, made fit to be shown: on a page, in a terminal, in a file for people."""

import json
import re
from typing import Any

from markupsafe import Markup

# What is shown wrongly or not at all, or acts on a terminal: controls, ESC among them, lone surrogates, marks that turn
# the direction of what follows
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Text in which what cannot be shown stands as its number."""
    return _UNPRINTABLE.sub(lambda found: f"⟨{ord(found.group()):04X}⟩", text.replace("\r\n", "\n"))


def json_line(row: dict[str, Any]) -> str:
    """Plain data as a line of JSON in which all that `clean` would change is escaped: it reads back as it was."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(row, ensure_ascii=False))


def shown(value: object) -> object:
    """What a template writes for a value."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else clean(str(value))
