"""A problem's answer is what its program prints, in the real sandbox."""

from dataclasses import replace

import pytest
from conftest import DIGITS

from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Fault, Problem
from qgen.mathematics.programmed import compute
from qgen.programs import Limits

MODULO = Problem("What is the remainder when $10^{2020}$ is divided by $13$?", "4", program="print(pow(10, 2020, 13))")


@pytest.fixture(scope="module")
def agreement():
    found = AnswerComparer()
    yield found
    found.close()


def test_the_program_s_answer_stands_in_the_place_of_the_stated_one(agreement):
    (found,) = compute([MODULO], agreement)
    assert found.problem == replace(MODULO, answer="3")
    assert (found.stated, found.same, found.outcome.exact) == ("4", False, True)


@pytest.mark.parametrize(
    ("program", "stated", "answer", "same"),
    [
        ("print(420 / 2)", "210", "210", True),
        ("print(420 / 2)", "211", "210", False),
        ("from fractions import Fraction\nprint(Fraction(3, 6))", "$\\frac{1}{2}$", "$\\frac{1}{2}$", True),
        ("from math import sqrt\nprint(sqrt(2))", "$\\sqrt{2}$", "$\\sqrt{2}$", True),
        ("from math import pi\nprint(pi)", "3", "3.141592654", False),
        ("from sympy import sqrt\nprint(sqrt(8))", "2", "2 \\sqrt{2}", False),
    ],
)
def test_spellings(agreement, program, stated, answer, same):
    (found,) = compute([replace(DIGITS, answer=stated, program=program)], agreement)
    assert (found.problem.answer, found.same) == (answer, same)


@pytest.mark.parametrize(
    ("program", "kind", "says"),
    [
        ("while True: pass", "program", "timeout"),
        ("import os", "program", "refused: line 1"),
        ("print(1 / 0)", "program", "error: line 1: ZeroDivisionError"),
        ("x = 3", "program", "empty"),
        ("print('x' * 300)", "runs on", "longer than a line"),
    ],
)
def test_a_program_without_an_answer_is_a_fault(agreement, program, kind, says):
    (found,) = compute([replace(DIGITS, program=program)], agreement, Limits(seconds=1))
    assert isinstance(found.problem, Fault)
    assert found.problem.kind == kind
    assert says in found.problem.detail


def test_an_answer_that_the_statement_gives_is_a_leak(agreement):
    text = "Compute the sum $1+2+\\ldots+20=210$."
    (found,) = compute([Problem(text, "5", program="print(sum(range(21)))")], agreement)
    assert found.problem.kind == "leak"
