r"""Whether an answer is of the kind that the question asks for (pure). English and Chinese.

    How many ways are there ...?                    a whole number, not negative
    Find the smallest positive integer ...          whole numbers
    Solve ... for n, where n is an integer.         whole numbers
    What is the probability that ...?               from 0 to 1
    the remainder when ... is divided by 7          a whole number from 0 to 6
    the units digit of ...                          a digit
    Find the smallest three-digit number ...        of so many digits

An answer that cannot be read as numbers is of any kind: only what is certain counts, as the gate refuses by it.
rewards/rigor.py, a term, asks the same of more questions and is wrong about some real ones.
"""

import re
from fractions import Fraction
from math import isqrt

from qgen.mathematics import latex
from qgen.mathematics.answers import measured, parts, plain
from qgen.mathematics.statement import question


def unlike(statement: str, answer: str) -> str | None:
    """What is asked for that the answer is not ("a whole number", "a probability"); None where it may be that.

    None of MATH's 8,000 answers is refused, nor one of the packaged corpus.
    """
    values = _values(answer)
    if not values or _ELSEWHERE.search(statement):
        return None
    asked = question(statement)
    known = [value for value in values if value is not None]
    whole = all(value is not None and value.denominator == 1 for value in values)
    if not whole and (_WAYS.search(asked) or _WHOLE.search(asked) or _IN_INTEGERS.search(asked)):
        return "a whole number"
    if _WAYS.search(asked) and min(known) < 0:
        return "a number of ways"
    if _PROBABILITY.search(asked) and not _SCALED.search(statement + answer) and not _within(known, 1):
        return "a probability"
    if (found := _REMAINDER.search(asked)) and not (whole and _within(known, int(found["by"]) - 1)):
        return f"a remainder of a division by {found['by']}"
    if _DIGIT.search(asked) and not (whole and _within(known, 9)):
        return "a digit"
    if whole and (found := _SIZED.search(asked)):
        digits = _SIZES.index(found["size"].lower()) + 1
        if any(len(str(abs(value.numerator))) != digits for value in known):
            return f"a number of {digits} digits"
    return None


def _within(values: list[Fraction], most: int) -> bool:
    return all(0 <= value <= most for value in values)


def _values(answer: str) -> list[Fraction | None]:
    """The numbers that an answer lists, None for each that is irrational or not real; [] where it is something else."""
    if "_" in answer or "\\cup" in answer or "(" in latex.bare(answer).replace("\\(", ""):
        return []  # in another base, an interval, or pairs
    found: list[Fraction | None] = []
    for part in parts(plain(answer)):
        number = _NAME.sub("", measured(part)[0])
        if read := _RATIONAL.fullmatch(number):
            sign, above, below = read["sign"], read["above"] or read["number"], read["below"] or "1"
            if not int(below):
                return []
            found.append((-1 if sign else 1) * Fraction(above) / int(below))
        elif _SURD.fullmatch(number) and not any(isqrt(int(n)) ** 2 == int(n) for n in _ROOT.findall(number)):
            found.append(None)
        else:
            return []
    return found


_NAME = re.compile(r"^[a-zA-Z]=")
_RATIONAL = re.compile(
    r"(?P<sign>-?)(?:\\[dt]?frac\{(?=\d)|(?=\d))(?:(?P<above>\d{1,30})(?:\}\{|/)(?P<below>\d{1,30})\}?|"
    r"(?P<number>\d{1,30}(?:\.\d{1,30})?))"
)
_SURD = re.compile(r"(?=.*(?:\\sqrt|\\pi|\di$|^-?i$))(?:\\[dt]?frac|\\sqrt|\\pi|[\d{}+\-*/\[\].i ])+")
_ROOT = re.compile(r"\\sqrt\{?(\d+)")
_ELSEWHERE = re.compile(
    r"\bbase\b|\bleading zeros?\b|进制", re.I
)  # digits that are none of ten, or numbers that are strings
_WANTED = r"\b(?:what is|find|compute|determine|calculate) the "
_VERB = r"\b(?:what (?:is|are)|find|determine|compute|calculate)\s+"
_SORTS = r"(?:(?:positive|negative|non-?negative|non-?zero|possible|distinct|odd|even|prime)\s+)*"
_MOST = r"(?:the\s+)?(?:smallest|largest|least|greatest|only|unique)\s+"
_SIZES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_WHOLE = re.compile(
    rf"{_VERB}{_MOST}{_SORTS}(?:\w+-digit\s+)?{_SORTS}(?:integers?|whole numbers?)\b"
    r"(?![- ](?:sided|valued)| multiples?| powers?)"
    rf"|\bhow many\s+{_SORTS}integers\b|求(?:最小|最大|唯一)的?(?:正|负|奇|偶|质|素)?整数[。？]?$",
    re.I,
)
_LETTER = r"(?:\$|\\\()?(?P<letter>[a-z])(?:\$|\\\))?"
_IN_INTEGERS = re.compile(
    r"\b(?:find|determine|list|what are) (?:all|the)(?: of the)? integer (?:solutions?|roots?)\b"
    r"(?!.*\b(?:and|mean|average|sum)\b)"
    rf"|\bsolve\b.{{0,200}}\bfor {_LETTER}, where (?:\$|\\\()?(?P=letter)(?:\$|\\\))? "
    r"is an? (?:positive |negative )?integer\s*[.?]?\s*$",
    re.I,
)
_WAYS = re.compile(
    r"\bhow many\s+(?:(?:different|distinct|possible)\s+)*ways\b"
    rf"|{_WANTED}(?:total )?number of\s+(?:(?:different|distinct|possible)\s+)*ways\b|多少种[^，。；]*[？?]\s*$",
    re.I,
)
_PROBABILITY = re.compile(
    rf"{_WANTED}probability\b(?! (?:density|mass|ratio|distribution|generating)|['’]s|, multiplied)"
    r"|概率(?:是|为)?多少[。？]?$|求[^，。；？]*概率[。．？]?$",
    re.I,
)
# an answer that is made of the probability's own: a percentage, 36 times it, the sum of numerator and denominator
_SCALED = re.compile(r"%|percent|百分|out of|[a-z]\s*\+\s*[a-z]", re.I)
_REMAINDER = re.compile(
    rf"{_WANTED}remainder (?:when|if|of)\b(?:(?!divided by|division by|least absolute)[^?])*(?:divided by|division by) "
    r"(?:\$|\\\()?\s*(?P<by>\d{1,9})\s*(?:\\\)|\.?\$)?\s*[.?]?\s*$",
    re.I,
)
_DIGIT = re.compile(
    rf"{_WANTED}(?:units|ones|last|tens|hundreds|unit's) digit (?:of|in)\b|个位数字?(?:是|为)(?:多少|几)", re.I
)
_SIZED = re.compile(
    rf"{_VERB}{_MOST}{_SORTS}(?P<size>{'|'.join(_SIZES)})-digit {_SORTS}(?:number|integer|perfect square)\b(?! of)",
    re.I,
)
