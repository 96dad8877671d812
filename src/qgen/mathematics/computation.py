"""A problem whose answer is computed from its parameters: the formula, and the answer for others.

Parameters are numbers of the statement, where the formula stands there ("Compute $\\dbinom{9}{4}$.") or is read off
the solution: the last expression that equals the answer, if its numbers are the statement's. "Four of ten digits:
$\\binom{10}{4}=210$" has one; "$10\\cdot 9\\cdot 8$" for "three of ten" is none, because 9 and 8 are not in the
statement and would not change with it. Or they are letters, where the answer is asked for as an expression of them
(symbols.py). Nothing is guessed: what could be read in two ways is left alone, and so are statements whose numbers are
bound to something else (names in a list, variables, units).
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd

from qgen.mathematics import symbols
from qgen.mathematics.answers import bare
from qgen.mathematics.latex import MATH
from qgen.mathematics.problem import Problem, fault

CONSTANTS = (1, 2)  # numbers that stay as they are: n(n+1)/2, a square, two arrangements
LARGEST = 10_000  # of a parameter: beyond it powers and factorials take too long
TRIES = 60  # draws of new parameters for one variation
_NAMES = {
    2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven",
    12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen",
    19: "nineteen", 20: "twenty",
}  # fmt: skip
_WORDS = {name: number for number, name in _NAMES.items()}
_NUMBER = re.compile(rf"(?<![\d.\\])(?P<digits>\d+)(?!\.?\d)|\b(?P<word>{'|'.join(_WORDS)})\b", re.I)
_FRACTIONAL = re.compile(r"\d\.\d|\d,\d{3}")  # decimals and thousands' commas: their digits are no numbers of their own
# Numbers that mean something by themselves: angles, percentages, dates, money, ordinals, digits of other bases
_FIXED = re.compile(
    r"\\circ|degree|percent|\\?%|\\\$|\bcents?\b|\bdollars?\b|\b(?:19|20)\d\d\b|\d(?:st|nd|rd|th)\b|_\{?\d|a\.m\.|p\.m\.|"
    r"o'clock|\b(?:once|twice|thrice|half|halves|thirds?|quarters?|fourths?|dozen|hundreds?|thousands?|million|pairs?|"
    r"double|triple|multiple|divisor|divisible|factors?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|square|cube|cubes|di[ce]e?|week|month|year|"
    r"triangle|pentagon|hexagon|octagon|\w*gon)\b|\\dots|\\ldots|\\cdots|\[asy\]",
    re.I,
)
_DIRECT = re.compile(
    r"(?:compute|evaluate|calculate|simplify|find|determine|what is)(?: the (?:exact )?value of)?(?: the expression)?"
    r"(?: without using a calculator)?:?\s*(?P<expression>\$[^$a-zA-Z\\]*(?:\\[a-zA-Z]+[^$a-zA-Z\\]*)*\$)\s*[.?]?",
    re.I,
)
_BOUND = re.compile(r"\w+, (?:\w+ )?\w+,? and |--|:|\b(?:first|second|each other|itself)\b", re.I)  # lists, and more
_LETTERS = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]")  # of mathematics: variables
_PRODUCT = re.compile(r"[*/^!]|\\(?:frac|dfrac|tfrac|binom|dbinom|sqrt|cdot|times)")
_NESTED = re.compile(r"\\sqrt\{[^{}]*\\sqrt")  # what SymPy leaves so may have a simpler form
_SETTING = re.compile(
    r"^\$+|\$+$|^\\[\[(]|\\[\])]$|\\boxed|\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\\\|&|\\left(?![a-z])|\\right(?![a-z])|\\[,;!]"
)


@dataclass(frozen=True)
class Computation:
    """How a problem's answer follows from its parameters.

    Attributes:
        formula: LaTeX with {0}, {1}, ... where the parameters stand, its own braces doubled.
        parameters: numbers of the statement as it is, or letters; each once.
        direct: whether the statement is the formula itself.
    """

    formula: str
    parameters: tuple[int, ...] | tuple[str, ...]
    direct: bool = False

    def value(self, parameters: tuple[int, ...]):
        """The answer for these parameters, as SymPy's number; None where there is none."""
        return value_of(self.written(parameters))

    def written(self, parameters: tuple[int, ...]) -> str:
        """The formula as LaTeX, with these parameters in it."""
        return self.formula.format(*(f"{{{p}}}" if p > 9 else str(p) for p in parameters))


def find(problem: Problem) -> Computation | None:
    """The computation that gives a problem's answer, checked on its own numbers; None where none is found.

    It takes SymPy, and on text that a model wrote SymPy can take for ever: call it where it can be killed.
    """
    if (found := symbols.formula(problem)) is not None:
        return Computation(*found)
    text = problem.statement
    if _FIXED.search(text) or _FRACTIONAL.search(text) or _FRACTIONAL.search(problem.answer):
        return None
    answer, values = value_of(_bare(problem.answer)), _parameters(text)
    if answer is None or not values or max(values) > LARGEST:
        return None
    for expression, direct in _expressions(problem):
        if direct or _accounts(expression, values, text):
            computation = Computation(_slots(expression, values), values, direct)
            found = computation.value(values)
            if found is not None and _equal(found, answer) and _depends(computation):
                return computation
    return None


def vary(problem: Problem, computation: Computation, rng: random.Random) -> Problem | None:
    """The problem with other parameters and the answer that they give; None where no draw gives a valid one.

    New numbers keep the order of the old, which of them divide which, and which have no common factor. The new answer
    is of the old one's kind: whole, rational or irrational, of its sign, not it, and no more than a little longer.
    """
    from sympy import latex

    by_letter = isinstance(computation.parameters[0], str)
    old = None if by_letter else value_of(_bare(problem.answer))
    room = symbols.ROOM if old is None else 2 * len(latex(old)) + 2
    worded = not by_letter and not any(v in _numerals(problem.statement) for v in computation.parameters)
    for _ in range(TRIES):
        new = _draw(computation, rng)
        if new is None or (worded and max(new) > max(_NAMES)):
            continue
        value = computation.value(new)
        if value is None or not _alike(value, old) or len(latex(value)) > room or _NESTED.search(latex(value)):
            continue
        changed = dict(zip(computation.parameters, new, strict=True))
        varied = replace(
            problem,
            statement=(symbols.with_numbers if by_letter else _with)(problem.statement, changed),
            answer=f"${latex(value)}$" if "$" in problem.answer or not value.is_Integer else str(value),
            solution=f"${computation.written(new)}={latex(value)}$",
            source=f"{problem.source}, other numbers",
            id=f"{problem.id}/" + ",".join(map(str, new)),
        )
        told = not value.is_Integer and latex(value) in varied.statement  # Simplify $\\sqrt{193}$
        if fault(varied) is None and not told:
            return varied
    return None


def agrees(original: Problem, varied: Problem) -> bool | None:
    """Whether a parameter change has the answer that its numbers give by its original's computation; None where that
    has none, or more than its parameters changed. As for `find`, call it where it can be killed."""
    computation, before, after = find(original), numbers(original.statement), numbers(varied.statement)
    if computation is None or isinstance(computation.parameters[0], str) or len(before) != len(after):
        return None
    changed: dict[int, int] = {}
    for (_, _, old), (_, _, new) in zip(before, after, strict=True):
        if changed.setdefault(old, new) != new or (new != old and old not in computation.parameters):
            return None
    value = computation.value(tuple(changed[parameter] for parameter in computation.parameters))
    answer = value_of(_bare(varied.answer))
    return value is not None and answer is not None and _equal(value, answer)


def value_of(text: str):
    """The SymPy value of a closed LaTeX expression that is a finite real number; None where it is none."""
    from math_verify import parse
    from sympy import Float, Integer, nsimplify

    if len(text) > 200 or "mod" in text or any(int(n) > LARGEST**2 for n in re.findall(r"\d{5,}", text)):
        return None  # the parser passes over \bmod
    try:
        found = parse(f"${text}$", parsing_timeout=None)
        value = found[0] if found else None
        if value is None or not getattr(value, "is_number", False):
            return None
        value = value.doit()
        if value.has(Float):
            value = nsimplify(value, rational=True)
        return Integer(value) if value.is_Integer else value if value.is_real and value.is_finite else None
    except Exception:  # sympy and its parser on text of any kind: what they cannot read is no computation
        return None


def numbers(text: str) -> list[tuple[int, int, int]]:
    """The numbers of a text: (start, end, value), digits and words from two to twenty."""
    return [
        (m.start(), m.end(), int(m["digits"]) if m["digits"] else _WORDS[m["word"].lower()])
        for m in _NUMBER.finditer(text)
    ]


def _numerals(text: str) -> list[int]:
    return [value for start, end, value in numbers(text) if text[start:end].isdigit() and value not in CONSTANTS]


def _parameters(text: str) -> tuple[int, ...]:
    """The numbers that may change: those in digits; where there are none, those in words, which are as often part of
    what things are (three points determine a plane)."""
    found = _numerals(text) or [value for _, _, value in numbers(text) if value not in CONSTANTS]
    return tuple(dict.fromkeys(found)) if 0 not in found else ()


def _expressions(problem: Problem) -> Iterator[tuple[str, bool]]:
    """What may be the formula: the statement's own expression where it asks for that alone (then True), else sides of
    the last two formulas of the solution, the last first, that are more than a sum, which too much is by chance."""
    if direct := _DIRECT.fullmatch(problem.statement.strip()):
        yield _inside(direct["expression"]), True
        return
    if _BOUND.search(problem.statement) or any(_LETTERS.search(m.group()) for m in MATH.finditer(problem.statement)):
        return
    for span in [m.group() for m in MATH.finditer(problem.solution)][:-3:-1]:
        for side in reversed(re.split(r"=|\\equiv|\\approx", _inside(span))):
            if re.search(r"\d", side) and not _LETTERS.search(side) and _PRODUCT.search(side):
                yield side.strip().strip(".,").strip(), False


def _accounts(expression: str, values: tuple[int, ...], statement: str) -> bool:
    """Whether it is clear where an expression's numbers come from: all the statement's, and constants, none of which
    could be made of the parameters (the 2 of 6!/(4!2!) is 6 - 4)."""
    inside = {int(n) for n in re.findall(r"\d+", expression)}
    stated = {value for _, _, value in numbers(statement)}
    if _FRACTIONAL.search(expression) or (inside ^ stated) - set(CONSTANTS):
        return False
    constants = inside - set(values)
    differences = {a - b for a in values for b in values if a > b}
    made = differences | {a - b for a in values for b in CONSTANTS}
    sums = {a + b for a in values for b in values if a != b}
    return not (made & constants or (differences | sums) & set(values))


def _slots(expression: str, values: tuple[int, ...]) -> str:
    """The expression with its parameters as slots, for str.format."""
    escaped = expression.replace("{", "{{").replace("}", "}}")
    slot = {str(value): f"{{{i}}}" for i, value in enumerate(values)}
    return re.sub(r"\d+", lambda m: slot.get(m.group(), m.group()), escaped)


def _depends(computation: Computation) -> bool:
    """Whether each parameter changes the answer by itself."""
    old, values = computation.value(computation.parameters), computation.parameters
    for i in range(len(values)):
        moved = [tuple(v + d if j == i else v for j, v in enumerate(values)) for d in (1, 2, 3)]
        if all((new := computation.value(others)) is not None and _equal(new, old) for others in moved):
            return False
    return True


def _draw(computation: Computation, rng: random.Random) -> tuple[int, ...] | None:
    """New parameters, or None where the draw does not keep what may matter of the old."""
    old = computation.parameters
    if isinstance(old[0], str):
        return tuple(rng.sample(range(3, 13), len(old)))
    moved = rng.sample(range(len(old)), rng.randint(1, len(old)))
    new = tuple(
        rng.randint(max(3, value // 2), max(value + 4, 3 * value // 2)) if i in moved else value
        for i, value in enumerate(old)
    )

    def shape(numbers: tuple[int, ...]) -> list[tuple[bool, ...]]:
        return [(a < b, a % b == 0, gcd(a, b) == 1) for a in numbers for b in (*numbers, 2)]

    return new if new != old and (computation.direct or shape(new) == shape(old)) else None


def _alike(new, old) -> bool:
    if old is None:  # for letters: nothing to compare with
        return bool(new.is_Rational) and bool(new > 0)
    return (
        not _equal(new, old)
        and bool(new.is_Integer) == bool(old.is_Integer)
        and bool(new.is_Rational) == bool(old.is_Rational)
        and bool(new > 0) == bool(old > 0)
    )


def _equal(a, b) -> bool:
    if a == b:
        return True
    if a.is_Rational and b.is_Rational:
        return False
    return abs(float(a) - float(b)) <= 1e-9 * max(1.0, abs(float(a)))


def _with(statement: str, changed: dict[int, int]) -> str:
    """The statement with its parameters replaced, each written the way it was; other numbers, and words beside
    numerals, stay."""
    words = not any(value in changed for value in _numerals(statement))
    written, at = "", 0
    for start, end, value in numbers(statement):
        old, written = statement[start:end], written + statement[at:start]
        new = changed[value] if value in changed and (words or old.isdigit()) else value
        written += old if new == value else _as_written(new, old, written)
        at = end
    return written + statement[at:]


def _as_written(value: int, old: str, before: str) -> str:
    """A number the way the old one was written, in digits or as a word; in braces where an exponent has two digits."""
    if old.isdigit():
        return f"{{{value}}}" if before.endswith(("^", "_")) and value > 9 else str(value)
    word = _NAMES.get(value, str(value))
    return word.capitalize() if old[0].isupper() else word


def _inside(span: str) -> str:
    """A piece of mathematics without delimiters and what only sets it."""
    return _SETTING.sub(" ", span).strip()


def _bare(answer: str) -> str:
    return re.sub(r"(?<=\d),\\!(?=\d{3})", "", bare(answer))
