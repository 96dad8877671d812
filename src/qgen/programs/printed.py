"""What a program prints, kept with its values, and the answer that the last line of it is.

printed                       answer
Fraction(6, 4)                3/2
sqrt(8)/2                     \\sqrt{2}
[5], {5}                      5
[3, 1], {3, 1}                3, 1          (solutions: order means nothing to qgen.answers)
(3, 1)                        (3, 1)        (a point)
    "x**2 + 1"                    x^{2} + 1
{x: 2, y: 3}                  x=2, y=3
[{x: 2}, {x: 3}]              x=2; x=3
"The area is:", 12            12
"The area is 12."             12
420 / 2                       210
0.5                           0.5           (not exact)
"""

import decimal
import re
from fractions import Fraction
from numbers import Number
from typing import Any

_SAID = re.compile(r"[^\d\n]*[a-zA-Z][^\n]*?(?::|=| is| are)\s+(?P<answer>[^\s:=][^:=]{0,80}?)\.?")
WHOLE = 1e9  # a whole float below is an integer
_NOTHING = {"", "None", "nan", "[]", "{}", "set()"}
_OBJECT = re.compile(r"<[a-zA-Z].* at 0x[0-9a-f]+>")  # a generator, a function: another text every time
_POWER = re.compile(r"\*\*\s*(-?\w+|\([^()]*\))")
_FRACTION = re.compile(r"Fraction\((-?\d+), (\d+)\)")
_FLOAT = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.])|(?<![\w.])\d+e[+-]?\d+\b")


class TooMuch(BaseException):
    """More was printed than may be."""


class Printer:
    """A program's print() is its method `show`; itself it stands for sys.stdout.

    Args:
        room: characters that may be printed; TooMuch is raised beyond, and `full` stays.
    """

    def __init__(self, room: int):
        self.room, self.full, self.open = room, False, ""
        self.lines: list[str] = []
        self.values: list[tuple[str, tuple]] = []  # the last print: its line, its values

    def show(self, *values: Any, sep: str | None = " ", end: str | None = "\n", flush: bool = False) -> None:
        """What a program calls as print: its line is kept, and its values where it is the last."""
        text = (" " if sep is None else sep).join(map(str, values))
        if text.strip():
            self.values = [(text, values)]
        self.write(text + ("\n" if end is None else end))

    def write(self, text: str) -> int:
        """Keep a text, and return its length. Raises TooMuch beyond the characters that are allowed."""
        self.room -= len(text)
        if self.room < 0:
            self.full = True
            raise TooMuch
        self.lines.append(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def printed(self) -> str:
        """All that was printed."""
        return "".join(self.lines)

    def answer(self) -> tuple[str, bool]:
        """The last line that is not empty as an answer, and whether it is exact."""
        line = next((line.strip() for line in reversed(self.printed().split("\n")) if line.strip()), "")
        text, values = self.values[-1] if self.values else ("", ())
        if line in _NOTHING or _OBJECT.search(line):
            return "", False
        if text.strip() != line:  # printed in pieces, by end='' or another function
            return _spelled(line), _exact((line,))
        shown = [value for value in values if not isinstance(value, str)]
        if len(values) > 1 and len(shown) == 1 and _label(values):
            return spelled(shown[0]), _exact(shown)
        if len(values) == 1:
            return spelled(values[0]), _exact(values)
        return _spelled(line), _exact(values)


def spelled(value: Any, inside: bool = False) -> str:
    """A value in the spelling that answers are compared in."""
    if isinstance(value, str):
        return _spelled(value.strip())
    if isinstance(value, float) and whole(value):
        return str(int(value))
    if isinstance(value, type):
        return str(value)
    if isinstance(value, bool | Number) and not hasattr(value, "free_symbols"):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{spelled(key, True)}={spelled(item, True)}" for key, item in value.items()) or "{}"
    if isinstance(value, list | set | frozenset) and not inside:
        joint = "; " if all(isinstance(item, dict) for item in value) else ", "
        return joint.join(spelled(item, True) for item in value) or str(value)
    if isinstance(value, tuple | list | set | frozenset) and type(value).__module__ == "builtins":
        return "(" + ", ".join(spelled(item, True) for item in value) + ")"
    if hasattr(value, "free_symbols") or type(value).__module__.startswith("sympy"):
        return _symbolic(value, inside)
    return _spelled(str(value))


def _symbolic(value: Any, inside: bool) -> str:
    from sympy import FiniteSet, MatrixBase, Poly, latex

    if isinstance(value, Poly):
        value = value.as_expr()
    if getattr(value, "is_Rational", False):
        return str(value)
    if isinstance(value, FiniteSet) and not inside and value.args:
        return ", ".join(_symbolic(item, True) for item in value.args)
    try:
        if isinstance(value, MatrixBase):
            rows = (" & ".join(_symbolic(item, True) for item in row) for row in value.tolist())
            return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"
        return latex(value)
    except Exception:  # what has no LaTeX has a text
        return str(value)


def _label(values: tuple) -> bool:
    words = [value for value in values if isinstance(value, str)]
    return isinstance(values[0], str) and not any(re.search(r"\d", word) for word in words[1:])


def _spelled(text: str) -> str:
    """A line as an answer: what follows its last 'is', colon or equals sign where words precede that."""
    text = _FRACTION.sub(lambda found: found[1] if found[2] == "1" else f"{found[1]}/{found[2]}", text)
    text = _POWER.sub(lambda found: f"^{{{found[1].strip('()')}}}", text)
    found = _SAID.fullmatch(text) if len(text) < 300 else None
    return found["answer"] if found else text


def whole(value: float) -> bool:
    """Whether a float is an integer and not by rounding: 420 / 2, but no result of a size at which neighbouring floats
    are more than 10^-7 apart."""
    return value.is_integer() and abs(value) < WHOLE


def _exact(values: Any) -> bool:
    """Whether no value of them, or within them, is a float that is not whole, or was rounded."""
    for value in values:
        if isinstance(value, str):
            fine = not _FLOAT.search(value)
        elif isinstance(value, decimal.Decimal):
            fine = not decimal.getcontext().flags[decimal.Inexact]
        elif isinstance(value, dict):
            fine = _exact(value.keys()) and _exact(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            fine = _exact(value)
        elif isinstance(value, int | Fraction) or value is None or (isinstance(value, float) and whole(value)):
            fine = True
        elif not isinstance(value, type) and hasattr(value, "has") and hasattr(value, "free_symbols"):
            from sympy import Float

            fine = not value.has(Float)
        else:
            fine = False
        if not fine:
            return False
    return True
