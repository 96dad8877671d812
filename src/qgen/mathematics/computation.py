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
from typing import Any

from qgen.mathematics import symbols
from qgen.mathematics.answers import bare
from qgen.mathematics.latex import MATH
from qgen.mathematics.numerals import (
    FIXED,
    FRACTIONAL,
    NAMES,
    accounted,
    changes,
    drawn,
    numerals,
    parameters,
    with_numbers,
)
from qgen.mathematics.problem import Problem, fault

LARGEST = 10_000  # of a parameter: beyond it powers and factorials take too long
TRIES = 60  # draws of new parameters for one variation
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
    if any(p.search(t) for p, t in ((FIXED, text), (FRACTIONAL, text), (FRACTIONAL, problem.answer))):
        return None
    answer, values = value_of(_bare(problem.answer)), parameters(text)
    if answer is None or not values or max(values) > LARGEST:
        return None
    for expression, direct in _expressions(problem):
        if direct or _accounts(expression, values, text):
            computation = Computation(_slots(expression, values), values, direct)
            found = computation.value(values)
            if found is not None and _equal(found, answer) and _depends(computation, values):
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
    worded = not by_letter and not any(v in numerals(problem.statement) for v in computation.parameters)
    for _ in range(TRIES):
        new = _draw(computation, rng)
        if new is None or (worded and max(new) > max(NAMES)):
            continue
        value = computation.value(new)
        if value is None or not _alike(value, old) or len(latex(value)) > room or _NESTED.search(latex(value)):
            continue
        changed: dict[Any, int] = dict(zip(computation.parameters, new, strict=True))  # of letters, or of old numbers
        varied = replace(
            problem,
            statement=(symbols.with_numbers if by_letter else with_numbers)(problem.statement, changed),
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
    computation, changed = find(original), changes(original.statement, varied.statement)
    if computation is None or isinstance(computation.parameters[0], str) or changed is None:
        return None
    if any(new != old and old not in computation.parameters for old, new in changed.items()):
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
    inside = {int(n) for n in re.findall(r"\d+", expression)}
    return not FRACTIONAL.search(expression) and accounted(inside, values, statement)


def _slots(expression: str, values: tuple[int, ...]) -> str:
    """The expression with its parameters as slots, for str.format."""
    escaped = expression.replace("{", "{{").replace("}", "}}")
    slot = {str(value): f"{{{i}}}" for i, value in enumerate(values)}
    return re.sub(r"\d+", lambda m: slot.get(m.group(), m.group()), escaped)


def _depends(computation: Computation, values: tuple[int, ...]) -> bool:
    """Whether each parameter changes the answer by itself."""
    old = computation.value(values)
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
    return drawn(old, rng, beside=None if computation.direct else ())


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


def _inside(span: str) -> str:
    """A piece of mathematics without delimiters and what only sets it."""
    return _SETTING.sub(" ", span).strip()


def _bare(answer: str) -> str:
    return re.sub(r"(?<=\d),\\!(?=\d{3})", "", bare(answer))
