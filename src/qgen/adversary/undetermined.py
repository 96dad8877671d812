"""Statements whose answer is not determined. Two models of each show it: both fit, and they answer otherwise."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import gcd, isqrt
from typing import Any

from qgen.adversary import Junk, Material
from qgen.mathematics.problem import Problem

Model = tuple[Any, ...]  # what would make a statement true: numbers


@dataclass(frozen=True)
class Family:
    """Statements that differ in their numbers, and ask for what these do not fix.

    Attributes:
        draw: two models, whose givens are the same.
        given: the numbers that the statement tells of a model, as they stand in it.
        asked: what it asks for.
        texts: statements; {0}, {1}, ... stand for the givens.
    """

    draw: Callable[[random.Random], tuple[Model, Model]]
    given: Callable[[Model], tuple[Any, ...]]
    asked: Callable[[Model], Fraction | int]
    texts: tuple[str, ...]


def written(value: Fraction | int) -> str:
    """A number in LaTeX, without dollars."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value)
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def _two(rng: random.Random, low: int, high: int) -> list[int]:
    return rng.sample(range(low, high), 2)


def _rectangle(rng: random.Random) -> tuple[Model, Model]:
    w, h = rng.randint(3, 40), rng.randint(45, 90)
    return (w, h), (w + 1, h - 1)


def _sides(rng: random.Random) -> tuple[Model, Model]:  # two sides and twice the sine of the angle between them
    a, b = _two(rng, 3, 50)
    return (a, b, 2), (a, b, 1)


def _cubic(rng: random.Random) -> tuple[Model, Model]:  # values at 0, 1 and 2, which three numbers fix no further
    p, q = _two(rng, 2, 60)
    first, second = _two(rng, 2, 90)
    return (p, q, first), (p, q, second)


def _box(rng: random.Random) -> tuple[Model, Model]:
    a, b, c = rng.sample(range(2, 12), 3)
    return (a, b, c), (a * b, 1, c)


def _sets(rng: random.Random) -> tuple[Model, Model]:  # sizes of two sets, and of what they share
    a, b = _two(rng, 8, 60)
    return (a, b, rng.randint(1, 3)), (a, b, rng.randint(4, 7))


def _urn(rng: random.Random) -> tuple[Model, Model]:  # red balls, and others
    red = rng.randint(2, 9)
    other = rng.choice([n for n in range(2, 12) if gcd(n, red) == 1])
    return (red * 2, other * 2), (red * 3, other * 3)


def _trip(rng: random.Random) -> tuple[Model, Model]:  # two speeds, and the hours at each
    slow, fast = rng.randint(20, 50), rng.randint(55, 90)
    return (slow, fast, 1, 1), (slow, fast, 1, rng.randint(2, 4))


def _rising(rng: random.Random) -> tuple[Model, Model]:  # the first, third and fifth term, the third being open
    low, gap = rng.randint(1, 20), rng.randint(12, 40)
    first, second = _two(rng, 3, gap - 3)
    return (low, low + first, low + gap), (low, low + second, low + gap)


def _mean(rng: random.Random) -> tuple[Model, Model]:  # five numbers of one sum
    rest = sorted(rng.sample(range(1, 20), 4))
    most = rest[-1] + rng.randint(6, 30)
    most += -(sum(rest) + most) % 5
    return (*rest, most), (*rest[:-1], rest[-1] + 1, most - 1)


def _cevian(rng: random.Random) -> tuple[Model, Model]:  # the parts of a side, and the square of what is drawn to it
    a, b = _two(rng, 2, 30)
    first, second = _two(rng, 5, 90)
    return (a, b, first), (a, b, second)


FAMILIES: dict[str, Family] = {
    "perimeter and area": Family(
        _rectangle, lambda m: (2 * (m[0] + m[1]),), lambda m: m[0] * m[1],
        ("A rectangle has perimeter ${0}$. What is its area?",
         "The sides of a rectangle are integers, and its perimeter is ${0}$. Find the area of the rectangle.",
         "A farmer fences a rectangular field with exactly ${0}$ metres of wire. How many square metres is the field?"),
    ),
    "two sides of a triangle": Family(
        _sides, lambda m: m[:2], lambda m: Fraction(m[0] * m[1] * m[2], 4),
        ("In triangle $ABC$, $AB = {0}$ and $AC = {1}$. Find the area of triangle $ABC$.",
         "Two sides of a triangle have lengths ${0}$ and ${1}$. What is the area of the triangle?",
         "Let $ABC$ be a triangle with $AB = {0}$ and $AC = {1}$, and let $K$ be its area. Compute $K$."),
    ),
    "two values of a cubic": Family(
        _cubic, lambda m: m[:2], lambda m: m[2],
        ("Let $P(x)$ be a cubic polynomial with rational coefficients, $P(0) = {0}$ and $P(1) = {1}$. Find $P(2)$.",
         "A polynomial $P$ of degree three satisfies $P(0) = {0}$ and $P(1) = {1}$. What is the value of $P(2)$?"),
    ),
    "volume and surface": Family(
        _box, lambda m: (m[0] * m[1] * m[2],), lambda m: 2 * (m[0] * m[1] + m[1] * m[2] + m[0] * m[2]),
        ("A rectangular box with integer edge lengths has volume ${0}$. What is its surface area?",
         "The volume of a rectangular prism is ${0}$ cubic units. Find the number of square units in its surface."),
    ),
    "sizes of two sets": Family(
        _sets, lambda m: m[:2], lambda m: m[0] + m[1] - m[2],
        ("The sets $A$ and $B$ have ${0}$ and ${1}$ elements, and they are not disjoint. How many elements does "
         "$A \\cup B$ have?",
         "In a school, ${0}$ students play chess and ${1}$ students play football, and some students play both. "
         "How many students play at least one of the two?"),
    ),
    "chance and number": Family(
        _urn, lambda m: (written(Fraction(m[0], m[0] + m[1])),), sum,
        ("An urn holds red and blue balls. A ball is drawn at random, and the probability that it is red is ${0}$. How "
         "many balls does the urn hold?",
         "When one marble is drawn at random from a bag, it is red with probability ${0}$. Find the number of marbles "
         "in the bag."),
    ),
    "two speeds": Family(
        _trip, lambda m: m[:2], lambda m: Fraction(m[0] * m[2] + m[1] * m[3], m[2] + m[3]),
        ("A train covers part of its journey at ${0}$ kilometres per hour and the rest at ${1}$ kilometres per hour. "
         "What is its average speed, in kilometres per hour, over the whole journey?",
         "Maria cycles at ${0}$ km/h until she is tired and then takes a bus that drives at ${1}$ km/h. Find her "
         "average speed in km/h."),
    ),
    "a rising sequence": Family(
        _rising, lambda m: (m[0], m[2]), lambda m: m[1],
        ("A strictly increasing sequence of integers satisfies $a_1 = {0}$ and $a_5 = {1}$. Find $a_3$.",
         "The integers $a_1 < a_2 < a_3 < a_4 < a_5$ satisfy $a_1 = {0}$ and $a_5 = {1}$. What is the value of $a_3$?"),
    ),
    "a mean": Family(
        _mean, lambda m: (sum(m) // 5,), max,
        ("Five distinct positive integers have mean ${0}$. What is the largest of them?",
         "The average of five different test scores is ${0}$. Find the highest score."),
    ),
    "a cevian": Family(
        _cevian, lambda m: m[:2], lambda m: m[2],
        ("Point $D$ lies on side $BC$ of triangle $ABC$ with $BD = {0}$ and $DC = {1}$. Find $AD^2$.",
         "In triangle $ABC$ the point $D$ divides side $BC$ into segments $BD = {0}$ and $DC = {1}$. Compute $AD^2$."),
    ),
}  # fmt: skip


def underdetermined(material: Material, rng: random.Random) -> list[Junk]:
    """Statements that ask for what their numbers do not fix, each with an answer that would be possible.

    Junk: two models with the same givens have other values of what is asked for.
    """
    made = []
    for topic, level in material.asked:
        family = FAMILIES[rng.choice(list(FAMILIES))]
        one, other = family.draw(rng)
        statement = rng.choice(family.texts).replace("{", "{{").replace("}", "}}")
        for i, value in enumerate(family.given(one)):
            statement = statement.replace(f"{{{{{i}}}}}", str(value))
        statement = statement.replace("{{", "{").replace("}}", "}")
        values = [written(family.asked(model)) for model in (one, other)]
        why = f"{one} and {other} both fit, and answer {values[0]} and {values[1]}"
        made.append(Junk(Problem(statement, values[0], topic=topic, level=level), why))
    return made


Condition = tuple[str, Callable[..., bool]]


def _of_one(n: int, *, rng: random.Random) -> list[Condition]:
    """Things that are true of a positive integer, in words after 'n is such that'."""
    m, k = _two(rng, 3, 14)
    digits, divisors = sum(map(int, str(n))), _divisors(n)
    root = isqrt(n) + rng.randint(1, 3)
    return [
        (f"$n$ leaves a remainder of ${n % m}$ when divided by ${m}$", lambda x: x % m == n % m),
        (f"$n$ leaves a remainder of ${n % k}$ when divided by ${k}$", lambda x: x % k == n % k),
        (f"the sum of the digits of $n$ is ${digits}$", lambda x: sum(map(int, str(x))) == digits),
        (f"$n$ has exactly ${divisors}$ positive divisors", lambda x: _divisors(x) == divisors),
        (f"$n + {root**2 - n}$ is a perfect square", lambda x: isqrt(x + root**2 - n) ** 2 == x + root**2 - n),
        (f"the last digit of $n$ is ${n % 10}$", lambda x: x % 10 == n % 10),
    ]


def _of_two(x: int, y: int, *, rng: random.Random) -> list[Condition]:
    """Things that are true of two positive integers."""
    a, b = _two(rng, 2, 8)
    m = rng.randint(3, 9)
    shared = gcd(x, y)
    return [
        (f"$x + y = {x + y}$", lambda p, q: p + q == x + y),
        (f"$xy = {x * y}$", lambda p, q: p * q == x * y),
        (f"${a}x + {b}y = {a * x + b * y}$", lambda p, q: a * p + b * q == a * x + b * y),
        (f"$x^2 - y = {x * x - y}$", lambda p, q: p * p - q == x * x - y),
        (f"$\\gcd(x, y) = {shared}$", lambda p, q: gcd(p, q) == shared),
        (f"$x$ leaves a remainder of ${x % m}$ when divided by ${m}$", lambda p, q: p % m == x % m),
    ]


def _divisors(n: int) -> int:
    return sum(1 + (d * d != n) for d in range(1, isqrt(n) + 1) if n % d == 0)


_ONE = (
    "Let $n$ be a positive integer less than ${0}$ such that {1}. Find $n$.",
    "The positive integer $n < {0}$ is such that {1}. What is the value of $n$?",
    "Suppose that $n$ is a positive integer below ${0}$ and that {1}. Determine $n$.",
)
_PAIR = (
    "Let $x$ and $y$ be positive integers less than ${0}$ such that {1}. Find ${2}$.",
    "The positive integers $x$ and $y$ are both below ${0}$, and {1}. What is the value of ${2}$?",
    "Suppose that $x, y < {0}$ are positive integers for which {1}. Compute ${2}$.",
)
_ASKED: tuple[tuple[str, Callable[[int, int], int]], ...] = (
    ("x + 2y", lambda x, y: x + 2 * y), ("x^2 + y^2", lambda x, y: x * x + y * y), ("3x - y", lambda x, y: 3 * x - y),
    ("x^2y", lambda x, y: x * x * y), ("x^3 + y", lambda x, y: x**3 + y),
)  # fmt: skip


def cut(material: Material, rng: random.Random) -> list[Junk]:
    """Problems with one answer, found by trying all numbers, that lost one of their conditions.

    Junk: two numbers, or pairs of them, fulfil what is left, and they answer otherwise.
    """
    return [_cut(topic, level, rng) for topic, level in material.asked]


def _cut(topic: str, level: int, rng: random.Random) -> Junk:
    while True:
        pair = rng.random() < 0.5
        most = rng.choice((30, 40, 50, 60)) if pair else rng.choice((100, 200, 300, 500, 1000))
        hidden = tuple(rng.randint(2, most - 1) for _ in range(1 + pair))
        what, value = rng.choice(_ASKED) if pair else ("n", lambda n: n)
        conditions = rng.sample(_of_two(*hidden, rng=rng) if pair else _of_one(*hidden, rng=rng), 3)
        models = [
            (m, [bool(true(*m)) for _, true in conditions]) for m in product(range(1, most), repeat=1 + pair)
        ]  # fmt: skip
        if {value(*m) for m, holds in models if all(holds)} != {value(*hidden)}:
            continue
        for lost in rng.sample(range(3), 3):
            left = [m for m, holds in models if all(h for i, h in enumerate(holds) if i != lost)]
            other = next((m for m in left if value(*m) != value(*hidden)), None)
            if other is not None:
                said = " and ".join(text for i, (text, _) in enumerate(conditions) if i != lost)
                statement = rng.choice(_PAIR if pair else _ONE).replace("{0}", str(most)).replace("{1}", said)
                answer = str(value(*hidden))
                names = "(x, y)" if pair else "n"
                both = " and ".join(str(m if pair else m[0]) for m in (hidden, other))
                why = f"{names} = {both} both fit; the condition that is gone: {conditions[lost][0]}"
                problem = Problem(statement.replace("{2}", what), answer, topic=topic, level=level)
                return Junk(problem, why)
