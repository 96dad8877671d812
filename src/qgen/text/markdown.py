"""Text of models and of data in Markdown that people open: it shows what was written, and does nothing else."""

import re

from qgen.mathematics.latex import MATH
from qgen.text.visible import clean


def line(text: str) -> str:
    """Text for a line that has begun, as Markdown that shows it as it is."""
    return _marked(" ".join(text.split()))


def block(text: str) -> str:
    """Text for lines of its own, none of which Markdown takes for the beginning of a list, a heading or code."""
    return _marked(f"\n{text}").removeprefix("\n")


def _marked(text: str) -> str:
    """Text without HTML, links and images, and outside of mathematics without any markup."""
    parts, at = [], 0
    text = clean(text).replace("\\$", _DOLLAR)
    for found in MATH.finditer(text):
        # where a reader does not know the delimiters either: a space, which TeX does not see, keeps links apart
        parts += [_prose(text[at : found.start()]), re.sub(r"\](?=[(:])", "] ", found.group())]
        at = found.end()
    parts.append(_prose(text[at:]))
    return "".join(parts).replace("&", "&amp;").replace("<", "&lt;").replace(_DOLLAR, "\\$")


def _prose(text: str) -> str:
    text = re.sub(r"[\\`*\[\]~|$>]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.", r"\\\g<0>", text)
    return re.sub(r"(?<=\n)[ \t]*(\d+(?=[.)])|)([#+=.)-]?)", lambda m: m[1] + (m[2] and "\\" + m[2]), text)


_DOLLAR = "\ue000"  # stands for \\$ while mathematics is looked for
