"""What a float means, where it is a fraction, a root of one or a fraction of pi to its last digit.

Programs write `math.sqrt(3) / 2` where an answer key has a root. Of 1,116 problems of qwen_coder whose program printed
a long decimal, 762 meant one of these: 323 a root, 272 a fraction, 167 a multiple of pi (counted in two runs of GRPO).
"""

import math
from fractions import Fraction

DIGITS = 12  # significant digits from which a number can be told from its neighbours
ULPS = 8  # by how many of a float's last places it may be off: a program rounds a few times
FRACTIONS = 1000, 10**7  # the largest denominator, and numerator times denominator: beyond, every number is near one
OTHERS = 200, 10**6  # the same under a root, and of pi


def closed_form(printed: str) -> str | None:
    """The fraction, or the LaTeX of the root or of the multiple of pi, that a printed float is to its last digits; None
    where it is none of these, or has too few digits to tell."""
    number, size = float(printed), abs(float(printed))
    digits, _, power = printed.lstrip("-").lower().partition("e")
    if len(digits.replace(".", "").strip("0")) < DIGITS or not 1e-6 < size < 1e6:
        return None
    off = max(ULPS * math.ulp(size), 10.0 ** (int(power or 0) - len(digits.partition(".")[2])))
    sign = "-" if number < 0 else ""
    if found := _near(size, FRACTIONS, off):
        return f"{sign}{found}"
    if found := _near(size * size, OTHERS, 2 * size * off):
        square, rest = _square(found.numerator * found.denominator)
        return sign + _over(Fraction(square, found.denominator), rf"\sqrt{{{rest}}}")
    if found := _near(size / math.pi, OTHERS, off / math.pi):
        return sign + _over(found, r"\pi")
    return None


def _near(value: float, most: tuple[int, int], off: float) -> Fraction | None:
    """The fraction with a denominator, and a product with its numerator, up to `most` that a positive number, which may
    be off by so much, means."""
    denominator, product = most
    found = Fraction(value).limit_denominator(denominator)
    near = abs(float(found) - value) <= off
    return found if near and 0 < found.numerator * found.denominator <= product else None


def _square(number: int) -> tuple[int, int]:
    """The largest a and the rest b with a^2 b = number."""
    a, rest, factor = 1, number, 2
    while factor * factor <= rest:
        while rest % (factor * factor) == 0:
            rest //= factor * factor
            a *= factor
        factor += 1
    return a, rest


def _over(share: Fraction, what: str) -> str:
    top = what if share.numerator == 1 else f"{share.numerator} {what}"
    return top if share.denominator == 1 else rf"\frac{{{top}}}{{{share.denominator}}}"
