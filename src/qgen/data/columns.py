"""What a column of somebody else's row may hold: what is harmless becomes text, anything else is refused."""

import math
from decimal import Decimal
from typing import Any

from qgen.data import files
from qgen.mathematics import answers, escapes

NEEDED = ("statement", "answer")
EXACT = 2**53  # below it a float holds every integer, and no other is read as one of them

DIGITS = 17  # of a decimal number, from which a float may hold another


class ColumnError(ValueError):
    """A column holds what it may not: the message names the column and what it holds, in few words, for counting."""


def text(name: str, value: Any, mathematics: bool = False) -> str:
    """A string, or a list of one; empty for a null or a word for nothing ("N/A"), where a problem can do without.

    Its LaTeX is restored where JSON's escapes ate backslashes.

    Args:
        mathematics: all of a text without dollars is mathematics, as an answer may be.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None and name not in NEEDED:
        return ""
    if not isinstance(value, str):
        raise ColumnError(f"{name} is {_kind(value)}")
    try:
        found = escapes.restored(value, mathematics).strip()
    except ValueError as error:
        raise ColumnError(f"{name} {error}") from None
    return "" if name not in NEEDED and answers.nothing(found) else found


def code(name: str, value: Any) -> str | None:
    """A program's text as it is: nothing in it is LaTeX. None for a null, or where nothing stands in it."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ColumnError(f"{name} is {_kind(value)}")
    found = value.replace("\r\n", "\n").replace("\t", "    ").strip("\n")
    if odd := escapes.foreign(found):
        raise ColumnError(f"{name} holds {odd}")
    return found if found.strip() else None


def short(name: str, value: Any) -> str:
    """A text as above, an integer, or a float that can be written in one way: 239.0 is 239, and 0.5 is 0.5."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text(name, value, mathematics=True)
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, float) and (not math.isfinite(value) or value.is_integer() or "e" in repr(value)):
        raise ColumnError(f"{name} is {_kind(value)}")
    return str(value)


def names(name: str, value: Any) -> tuple[str, ...]:
    """A text, or a list of texts; empty ones are left out."""
    listed = value if isinstance(value, list) else [value]
    return tuple(found for each in listed if (found := text(name, each)))


def level(name: str, value: Any) -> int | None:
    """An integer from 1 to 5: 3, 3.0, "3" or "Level 3"; None for a null or an empty text."""
    if isinstance(value, str):
        digits = value.lower().strip().removeprefix("level").strip()
        if not digits:
            return None
        try:
            value = float(digits)
        except ValueError:
            raise ColumnError(f"{name} is no number from 1 to 5") from None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in range(1, 6):
        raise ColumnError(f"{name} is no number from 1 to 5")
    return int(value)


def _kind(value: Any) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        return "no exact number" if math.isfinite(value) else "infinite"
    if value is None:
        return "null"
    if isinstance(value, Decimal):  # out of Parquet; or out of JSON, where no number of Python's has so many digits
        digits = len(value.as_tuple().digits)
        return "a decimal number" if digits < DIGITS else "too many digits" if digits < 1000 else "thousands of digits"
    if value is files.TWICE:
        return "given twice"
    kinds = {bool: "true or false", int: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), f"of type {type(value).__name__}")
