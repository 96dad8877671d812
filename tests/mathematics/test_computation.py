"""Parameter changes of real problems, their answers recomputed."""

import math
import random
from dataclasses import replace

import pytest
from conftest import CUBES, DIGITS, SPHERES

from qgen.mathematics.computation import find, value_of, vary
from qgen.mathematics.problem import Problem, fault

BOOKS = Problem(
    "In how many ways can 4 books be selected from a shelf of 6 books if their order does not matter?",
    "15",
    "We choose 4 books out of 6, in $\\binom{6}{4}=15$ ways.",
    id="books",
)


OBJECTS = Problem(
    "Of $3n+1$ objects, $n$ are indistinguishable, and the remaining ones are distinct. In how many ways can we choose "
    "$n$ objects, as an expression of $n$?",
    "$4^n$",
)
PAIRS = Problem(
    "$2n$ players are participating in a tennis tournament. Find the number of ways that $n$ pairs can be constructed "
    "for the first round, as an expression of $n$.",
    "$(2n)!/(2^n\\cdot n!)$",
)


def varied(problem, seed=0):
    return vary(problem, find(problem), random.Random(seed))


def test_numbers_of_the_statement_change_and_the_answer_with_them():
    new = [varied(BOOKS, seed) for seed in range(6)]
    for problem in new:
        few, many = (int(word) for word in problem.statement.split() if word.isdigit())
        assert 3 <= few < many
        assert int(problem.answer) == value_of(rf"\binom{{{many}}}{{{few}}}") != 15
        assert fault(problem) is None
    assert len({p.statement for p in new}) > 1
    assert len({p.id for p in new}) > 1


def test_letters_become_numbers():
    for seed in range(4):
        new = varied(OBJECTS, seed)
        objects, n = [int(word.strip("$")) for word in new.statement.split() if word.startswith("$")][:2]
        assert objects == 3 * n + 1
        assert new.answer == f"${4**n}$"
        assert "expression" not in new.statement
    new = varied(PAIRS)
    players = int(new.statement.split("$")[1])
    assert int(new.answer.strip("$")) == math.prod(range(1, players, 2))


@pytest.mark.parametrize(
    ("statement", "answer", "solution"),
    [
        (SPHERES.statement, SPHERES.answer, SPHERES.solution),
        (CUBES.statement, CUBES.answer, CUBES.solution),
        (DIGITS.statement, DIGITS.answer, DIGITS.solution),  # the ten is nowhere in the statement
        ("From a group of 6 students, how many different 4-student committees can be chosen?", "15",
         "$\\frac{6!}{4!2!}=15$"),  # whose 2 is 6 - 4
        ("The chance of snow on each of the next three days is $\\frac{3}{4}$. What is that of no snow at all?",
         "\\frac{1}{64}", "$(\\frac{1}{4})^3=\\frac{1}{64}$"),  # whose 1 is 4 - 3
        ("How many ways are there to seat 5 people in a row if Ann, Bob and Cid sit together?", "36",
         "$3!\\cdot 3!=36$"),
        ("What is the value of $3 \\bmod 5$?", "3", "$3$"),
        ("What is the area of a square whose diagonal is 6 units long?", "18", "$6^2/2=18$"),
        ("Compute $1.5\\cdot 4$.", "6", ""),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_left_alone(statement, answer, solution):
    assert find(Problem(statement, answer, solution)) is None


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("For positive real $a, b$ and integer $m$, what is the least $(1+a/b)^m+(1+b/a)^m$ as an expression of $m$?",
         "$2^{m+1}$"),
        ("For $a>0$, what is the limit of $a_0=\\sqrt{a}, a_{n+1}=\\sqrt{a+a_n}$ as an expression of $a$?",
         "$(1+\\sqrt{4a+1})/2$"),
        ("How often does 2 divide $P(n)=(n+1)(n+2)\\ldots (2n)$, as an expression of $n$?", "$n$ times"),
        ("Find the remainder of $x^{100}$ divided by $x^2-1$, as an expression of $x$.", "$ax$"),
    ],
)  # fmt: skip
def test_letters_that_are_bound_are_left_alone(statement, answer):
    assert find(Problem(statement, answer)) is None


def test_the_new_answer_is_of_the_old_ones_kind():
    root = Problem("Evaluate $\\sqrt{16}\\cdot\\sqrt{9}$.", "12")
    new = varied(root)
    assert float(new.answer).is_integer()
    cut = replace(root, statement="Compute $\\frac{3}{7}-\\frac{5}{8}$.", answer="$-\\frac{11}{56}$")
    new = varied(cut)
    value = value_of(new.answer.strip("$"))
    assert value < 0
    assert not value.is_Integer


def test_words_stay_beside_numerals():
    three = Problem(
        "A plane is determined by three points that are on no line. How many planes do 12 points determine at most?",
        "220", "Any three do: $\\binom{12}{3}=220$.",
    )  # fmt: skip
    new = varied(three)
    assert "three points" in new.statement
    assert "12 points" not in new.statement


@pytest.mark.parametrize("text", ["\\int", "x+1", "1/0", "", "9999999999999!", "__import__('os')", "3 \\bmod 2", "i"])
def test_what_is_no_finite_real_number_has_no_value(text):
    assert value_of(text) is None
