"""Sound problems that are worth nothing: an addition in solemn words, and one template with many numbers."""

import random
from collections.abc import Callable
from math import comb, gcd, lcm

from qgen.adversary import Junk, Material
from qgen.mathematics.problem import Problem

HARDEST = 5

Values = tuple[int, ...]

# the statement, what it amounts to, and its value
SOLEMN: tuple[tuple[str, str, Callable[..., int]], ...] = (
    ("Let $S$ be the set of all real numbers $x$ for which $x - {a} = {b}$. Given that $S$ has exactly one element, "
     "determine that element.", "{b} + {a}", lambda a, b: a + b),
    ("Consider the polynomial $P(x) = x + {a}$ over the field of rational numbers, and let $r$ be its value at "
     "$x = {b}$. Compute $r$.", "{b} + {a}", lambda a, b: a + b),
    ("Let $f$ be the function from the integers to the integers that maps every integer $n$ to $n + {a}$. Find the "
     "unique integer $m$ such that $m = f({b})$.", "{b} + {a}", lambda a, b: a + b),
    ("In the Cartesian plane, let $A = ({a}, 0)$ and let $B$ be the image of $A$ under the translation by the vector "
     "$({b}, 0)$. What is the first coordinate of $B$?", "{a} + {b}", lambda a, b: a + b),
    ("A sequence $a_1, a_2, a_3, \\ldots$ of integers is defined by $a_1 = {a}$ and $a_{{n+1}} = a_n + {b}$ for all "
     "$n \\ge 1$. Determine the value of $a_2$.", "{a} + {b}", lambda a, b: a + b),
    ("Let $G$ be a graph that is the disjoint union of a graph with ${a}$ vertices and a graph with ${b}$ vertices. "
     "How many vertices does $G$ have?", "{a} + {b}", lambda a, b: a + b),
    ("Let $D$ be the determinant of the matrix $\\begin{{pmatrix}} {a} & 0 \\\\ 0 & {b} \\end{{pmatrix}}$. Find $D$.",
     "{a} x {b}", lambda a, b: a * b),
    ("Let $z = {a} + {b}i$ be a complex number, where $i^2 = -1$. Find the sum of the real part and the imaginary part "
     "of $z$.", "{a} + {b}", lambda a, b: a + b),
    ("The finite sets $X$ and $Y$ have ${a}$ and ${b}$ elements respectively. Determine the number of elements of the "
     "Cartesian product $X \\times Y$.", "{a} x {b}", lambda a, b: a * b),
    ("Let $T$ be a rectangle in the Euclidean plane whose sides have lengths ${a}$ and ${b}$. Compute the area of $T$.",
     "{a} x {b}", lambda a, b: a * b),
    ("Suppose that the arithmetic mean of the real numbers $x$ and $y$ is ${a}$. What is the value of $x + y + {b}$?",
     "2 x {a} + {b}", lambda a, b: 2 * a + b),
    ("For all real numbers $u$ and $v$, let $u \\star v = u + v$. Evaluate ${a} \\star {b}$.",
     "{a} + {b}", lambda a, b: a + b),
)  # fmt: skip

TEMPLATES: tuple[tuple[str, Callable[[random.Random], Values], Callable[..., int]], ...] = (
    ("What is the remainder when ${0}^{{{1}}}$ is divided by ${2}$?",
     lambda rng: (rng.randint(2, 99), rng.randint(20, 999), rng.randint(7, 97)), pow),
    ("How many positive integers less than or equal to ${0}$ are divisible by ${1}$ or by ${2}$?",
     lambda rng: (rng.randint(200, 5000), *rng.sample(range(3, 30), 2)),
     lambda n, a, b: n // a + n // b - n // lcm(a, b)),
    ("Find the coefficient of $x^{{{1}}}$ in the expansion of $(x + {2})^{{{0}}}$.",
     lambda rng: (n := rng.randint(5, 14), rng.randint(1, n - 1), rng.randint(2, 9)),
     lambda n, k, c: comb(n, k) * c ** (n - k)),
    ("An arithmetic sequence has first term ${0}$ and common difference ${1}$. Find the sum of its first ${2}$ terms.",
     lambda rng: (rng.randint(1, 90), rng.randint(2, 40), rng.randint(5, 99)),
     lambda a, d, n: n * (2 * a + (n - 1) * d) // 2),
    ("How many lattice points other than its ends lie on the line segment from $(0, 0)$ to $({0}, {1})$?",
     lambda rng: (rng.randint(12, 900), rng.randint(12, 900)), lambda a, b: gcd(a, b) - 1),
)  # fmt: skip


def trivial(material: Material, rng: random.Random) -> list[Junk]:
    """A sum or a product of two numbers in solemn words, with the right answer, as hard as can be asked for.

    Junk: one step of arithmetic is no problem of level 5, and all requests here are for that level.
    """
    made = []
    for topic, _ in material.asked:
        statement, step, value = rng.choice(SOLEMN)
        a, b = rng.sample(range(2, 100), 2)
        problem = Problem(statement.format(a=a, b=b), str(value(a, b)), topic=topic, level=HARDEST)
        made.append(Junk(problem, f"it is {step.format(a=a, b=b)}, for a request of level {HARDEST}"))
    return made


def templated(material: Material, rng: random.Random) -> list[Junk]:
    """One template with other numbers for every request, each with its right answer.

    Junk: whoever writes it to every request has written one problem, whichever number of texts there are.
    """
    statement, draw, value = rng.choice(TEMPLATES)
    drawn: dict[Values, None] = {}
    while len(drawn) < len(material.asked):
        drawn[draw(rng)] = None
    return [
        Junk(
            Problem(statement.format(*numbers), str(value(*numbers)), topic=topic, level=level),
            f"one of {len(drawn)} texts that differ in their numbers alone",
        )
        for (topic, level), numbers in zip(material.asked, drawn, strict=True)
    ]
