"""The numbers of a statement: where they stand, which of them may change, and the statement with others (pure)."""

import random
import re
from math import gcd

CONSTANTS = (1, 2)  # numbers that stay as they are: n(n+1)/2, a square, two arrangements
NAMES = {
    2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven",
    12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen",
    19: "nineteen", 20: "twenty",
}  # fmt: skip
_WORDS = {name: number for number, name in NAMES.items()}
_NUMBER = re.compile(rf"(?<![\d.\\])(?P<digits>\d+)(?!\.?\d)|\b(?P<word>{'|'.join(_WORDS)})\b", re.I)
FRACTIONAL = re.compile(r"\d\.\d|\d,\d{3}")  # decimals and thousands' commas: their digits are no numbers of their own
# Numbers that mean something by themselves: angles, percentages, dates, money, ordinals, digits of other bases
FIXED = re.compile(
    r"\\circ|degree|percent|\\?%|\\\$|\bcents?\b|\bdollars?\b|\b(?:19|20)\d\d\b|\d(?:st|nd|rd|th)\b|_\{?\d|a\.m\.|p\.m\.|"
    r"o'clock|\b(?:once|twice|thrice|half|halves|thirds?|quarters?|fourths?|dozen|hundreds?|thousands?|million|pairs?|"
    r"double|triple|multiple|divisor|divisible|factors?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|square|cube|cubes|di[ce]e?|week|month|year|"
    r"triangle|pentagon|hexagon|octagon|\w*gon)\b|\\dots|\\ldots|\\cdots|\[asy\]",
    re.I,
)


def numbers(text: str) -> list[tuple[int, int, int]]:
    """The numbers of a text: (start, end, value), digits and words from two to twenty."""
    return [
        (m.start(), m.end(), int(m["digits"]) if m["digits"] else _WORDS[m["word"].lower()])
        for m in _NUMBER.finditer(text)
    ]


def numerals(text: str) -> list[int]:
    """The values of the numbers in digits, but for CONSTANTS."""
    return [value for start, end, value in numbers(text) if text[start:end].isdigit() and value not in CONSTANTS]


def parameters(text: str) -> tuple[int, ...]:
    """The numbers that may change: those in digits; where there are none, those in words, which are as often part of
    what things are (three points determine a plane)."""
    found = numerals(text) or [value for _, _, value in numbers(text) if value not in CONSTANTS]
    return tuple(dict.fromkeys(found)) if 0 not in found else ()


def accounted(inside: set[int], values: tuple[int, ...], statement: str) -> bool:
    """Whether it is clear where the numbers in a formula or program come from: all the statement's, and constants, none
    of which could be made of the parameters (the 2 of 6!/(4!2!) is 6 - 4)."""
    stated = {value for _, _, value in numbers(statement)}
    if (inside ^ stated) - set(CONSTANTS):
        return False
    constants = inside - set(values)
    differences = {a - b for a in values for b in values if a > b}
    made = differences | {a - b for a in values for b in CONSTANTS}
    sums = {a + b for a in values for b in values if a != b}
    return not (made & constants or (differences | sums) & set(values))


def drawn(old: tuple[int, ...], rng: random.Random, beside: tuple[int, ...] | None = ()) -> tuple[int, ...] | None:
    """Other numbers in the place of these, or None where the draw does not keep what may matter of the old: their
    order, which of them divide which, and which have no common factor.

    Args:
        beside: numbers that stay, and matter in the same way; None: nothing matters.
    """
    moved = rng.sample(range(len(old)), rng.randint(1, len(old)))
    new = tuple(
        rng.randint(max(3, value // 2), max(value + 4, 3 * value // 2)) if i in moved else value
        for i, value in enumerate(old)
    )
    return new if new != old and (beside is None or _shape(new, beside) == _shape(old, beside)) else None


def changes(before: str, after: str) -> dict[int, int] | None:
    """What became of the value of each number of a statement; None where there are more or fewer numbers, or one value
    became two."""
    old, new = numbers(before), numbers(after)
    if len(old) != len(new):
        return None
    changed: dict[int, int] = {}
    for (_, _, was), (_, _, now) in zip(old, new, strict=True):
        if changed.setdefault(was, now) != now:
            return None
    return changed


def with_numbers(statement: str, changed: dict[int, int]) -> str:
    """The statement with its parameters replaced, each written the way it was; other numbers, and words beside
    numerals, stay."""
    words = not any(value in changed for value in numerals(statement))
    written, at = "", 0
    for start, end, value in numbers(statement):
        old, written = statement[start:end], written + statement[at:start]
        new = changed[value] if value in changed and (words or old.isdigit()) else value
        written += old if new == value else _as_written(new, old, written)
        at = end
    return written + statement[at:]


def _shape(values: tuple[int, ...], beside: tuple[int, ...]) -> list[tuple[bool, ...]]:
    return [(a < b, a % b == 0, gcd(a, b) == 1) for a in values for b in (*values, *beside, 2)]


def _as_written(value: int, old: str, before: str) -> str:
    """A number the way the old one was written, in digits or as a word; in braces where an exponent has two digits."""
    if old.isdigit():
        return f"{{{value}}}" if before.endswith(("^", "_")) and value > 9 else str(value)
    word = NAMES.get(value, str(value))
    return word.capitalize() if old[0].isupper() else word
