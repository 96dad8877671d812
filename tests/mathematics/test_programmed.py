"""A problem's answer is what its program prints, in the real sandbox."""

from dataclasses import replace

import pytest
from conftest import DIGITS

from qgen.data import recompute
from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Fault, Problem, fault
from qgen.mathematics.programmed import compute, invented, recomputed, rounded
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
        ("print(210)", "The answer is 210.", "210", True),
        ("print(210)", "The sum is $\\boxed{210}$.", "210", True),
        ("print(210)", "210 degrees", "210 degrees", True),
        ("print(210)", "$210$.", "$210$", True),
        ("from math import pi\nprint(pi)", "$\\pi$", "$\\pi$", True),
        ("print(1023 / 256)", "4", "3.99609375", False),
        ("from math import sin, radians\nprint(sin(radians(120)))", "1", "\\frac{\\sqrt{3}}{2}", False),
        ("from sympy import sqrt\nprint(sqrt(8))", "2", "2 \\sqrt{2}", False),
    ],
)
def test_spellings(agreement, program, stated, answer, same):
    (found,) = compute([replace(DIGITS, answer=stated, program=program)], agreement)
    assert (found.problem.answer, found.same) == (answer, same)


def test_a_decimal_that_is_asked_for_stays_one(agreement):
    asked = replace(DIGITS, statement="What is $\\sin 60^\\circ$, rounded to four decimal places?", answer="0.866")
    (found,) = compute([replace(asked, program="from math import *\nprint(sin(radians(60)))")], agreement)
    assert found.problem.answer == "0.8660254038"


def test_a_sum_that_sympy_left_is_the_stated_number_that_it_means(agreement):
    program = "from sympy import *\nk = symbols('k')\nprint(Sum(k, (k, 1, 20)))"
    (found,) = compute([replace(DIGITS, program=program)], agreement)
    assert (found.problem.answer, found.same) == ("210", True)


@pytest.mark.parametrize(
    ("program", "kind", "says"),
    [
        ("while True: pass", "program", "timeout"),
        ("import os", "program", "refused: line 1"),
        ("print(1 / 0)", "program", "error: line 1: ZeroDivisionError"),
        ("def f(x): return x", "program", "empty"),
        ("print(1e300)", "program", "inexact: 1e+300"),
        ("print('x' * 300)", "runs on", "longer than a line"),
        ("print(2 ** 0.1)", "program", "rounded: 1.071773463 is no exact answer"),
        ("print((4, 17 / 3))", "program", "rounded: 5.666666666666667"),
        ("print(7 % 2 == 1)", "program", "undone: an answer with True is none"),
        ("from sympy import *\nx = symbols('x')\nprint(Integral(sin(sin(x)), (x, 0, 1)))", "program", "undone"),
        ("from sympy import *\nx = symbols('x')\nprint(solve(x**5 - x - 1, x)[0])", "program", "undone"),
        ("from sympy import *\nx = symbols('x')\nprint('It is', Integral(sin(sin(x)), x))", "program", "undone"),
    ],
)
def test_a_program_without_an_answer_is_a_fault(agreement, program, kind, says):
    (found,) = compute([replace(DIGITS, program=program)], agreement, Limits(seconds=1))
    assert isinstance(found.problem, Fault)
    assert found.problem.kind == kind
    assert says in found.problem.detail


@pytest.mark.parametrize(
    ("statement", "program", "made_up"),
    [  # what qwen_coder wrote: the first four have no answer, or none of that
        ("For a given integer $n$, find the least power of $2$ greater than $n$.", "n = 10\nprint(16)", "n = 10"),
        ("Given a sequence of integers, find the sum of those above the mean.", "sequence = [1, 2, 5]\nprint(5)",
         "sequence = [1, 2, 5]"),
        ("Find the $n$th term of the sequence that doubles from $1$.", "def f(n): return 2**n\nprint(f(5))", "f(5)"),
        ("Compute $(2n + 1)(2m + 1)$ for integers $n$ and $m$.", "n = 3  # an example\nm = 4\nprint(63)", "n = 3"),
        ("What is the largest four-digit number divisible by $4$?", "n = 9999\nprint(n - n % 4)", None),
        ("Find the least even $n$ that is a multiple of $9$.", "n = 2\nwhile n % 9:\n    n += 2\nprint(n)", None),
        ("Find the sum of the numbers $1$ through $5$.", "numbers = [1, 2, 3, 4, 5]\nprint(sum(numbers))", None),
        ("Find the sum of the first ten terms of $a_n = n^2$.", "n = 10\nprint(sum(i**2 for i in range(n + 1)))", None),
        ("Evaluate $f(3)$ where $f(x) = x^2$.", "def f(x): return x**2\nprint(f(3))", None),
    ],
)  # fmt: skip
def test_a_program_computes_from_the_numbers_of_its_statement(agreement, statement, program, made_up):
    problem = Problem(statement, "1", program=program)
    assert invented(problem) == made_up
    if made_up:
        (found,) = compute([problem], agreement)
        assert found.problem == Fault("program", f"invented: {made_up} is not in the statement")


@pytest.mark.parametrize(
    ("statement", "answer", "cut"),
    [
        ("Evaluate $\\sin 120^\\circ$.", "0.8660254038", "0.8660254038"),
        ("Evaluate $\\sin 120^\\circ$, rounded to ten decimal places.", "0.8660254038", None),
        ("求 $\\sin 120^\\circ$ 的近似值。", "0.8660254038", None),
        ("Find $1/2^{10}$.", "0.0009765625", None),
        ("Find $2000/7$.", "285.7142857", "285.7142857"),
        ("How many dollars has he?", "1234567.89", None),
        ("Five people sit around a round table. How likely is it?", "0.3333333333", "0.3333333333"),
        ("Find $\\sin 120^\\circ$. Round your answer to ten places.", "0.8660254038", None),
        ("Find all.", f"0.{'3' * 5000}, 1", f"0.{'3' * 5000}"),  # Python makes no number of so many digits
        ("Find $1/8$ and $1/3$.", "0.125, 0.3333333333", "0.3333333333"),
        ("How many grains are there?", "18446744073709551615", None),
    ],
)
def test_a_float_that_was_cut_is_no_answer(statement, answer, cut):
    assert rounded(Problem(statement, answer)) == cut


def test_a_decimal_of_thousands_of_digits_is_a_fault(agreement):
    problem = Problem("Find all solutions of $3x = 1$.", "1", program='print("[0." + "3" * 5000 + ", 1]")')
    assert compute([problem], agreement)[0].problem == Fault("program", f"rounded: 0.{'3' * 18} is no exact answer")


def test_an_answer_that_the_statement_gives_is_a_leak(agreement):
    text = "Compute the sum $1+2+\\ldots+20=210$."
    (found,) = compute([Problem(text, "5", program="print(sum(range(21)))")], agreement)
    assert found.problem.kind == "leak"


MEATS = Problem(
    "Alex has 10 kinds of meat and 7 kinds of cheese. How many sandwiches of one kind of meat and two kinds of cheese "
    "can he make?",
    "210",
    program="from math import comb\nmeats = 10  # there are 10\ncheeses = 7\nprint(meats * comb(cheeses, 2))",
)
MORE = replace(MEATS, statement=MEATS.statement.replace("10", "12").replace("7", "9"), answer="1")


def test_a_parameter_change_has_the_answer_of_its_numbers(agreement):
    (found,) = recomputed([(MEATS, MORE)], agreement)
    assert found.problem.answer == "432"  # 12 times 36
    assert found.same is False
    assert found.problem.program == "from math import comb\nmeats = 12  \ncheeses = 9\nprint(meats * comb(cheeses, 2))"
    assert recomputed([(MEATS, replace(MORE, answer="432"))], agreement)[0].same is True


def test_words_are_numbers_too(agreement):
    streets = Problem("A city has eight straight streets. How many crossings are there at most?", "28",
                      program="from math import comb\nn = 8\nprint(comb(n, 2))")  # fmt: skip
    six = replace(streets, statement=streets.statement.replace("eight", "six"))
    assert recomputed([(streets, six)], agreement)[0].problem.answer == "15"


@pytest.mark.parametrize(
    ("program", "statement", "why"),
    [
        ("print(10 * 21)", None, "21 is nowhere in the statement"),
        ("print(210)", None, "a constant"),
        ("print(10 * 7 * (7 - 1) / 2)", None, "7 stands there twice"),
        ("print(10 * 7 * (7 - 1) // 2)", None, "it rounds"),
        ("x7 = 7\nprint(10 * x7 * (x7 - 1) / 2)", None, "a name holds the number"),
        ("print(10 * len('7 kinds') * 3)", None, "a text holds it"),
        ("a = 10\nb = 7\nprint(2 * 105.0)", None, "a float"),
        ("from sympy import Integer\nmeats, b = 10, 7\nprint(Integer(meats) * 1 + 200)", None, "200"),
        ("meats, unused = 10, 7\nprint(sum([meats, meats, meats, meats, meats, meats, meats] * 1) * (2 + 1))", None,
         "what becomes of 7 changes no answer"),
        ("print(", None, "no program"),
        (None, None, "no program"),
        ("print(10 * 7)", None, "not its answer"),
        (MEATS.program, MORE.statement.replace("cheese", "ham"), "more than numbers changed"),
        (MEATS.program, MEATS.statement, "nothing changed"),
        (MEATS.program, MEATS.statement.replace("two", "three"), "a constant changed"),
        (MEATS.program, MEATS.statement.replace("7 kinds", "7 or 8 kinds"), "another number"),
    ],
)  # fmt: skip
def test_what_could_stand_for_something_else_has_no_answer_for_free(agreement, program, statement, why):
    old = replace(MEATS, program=program)
    new = replace(old, statement=statement or MORE.statement)
    assert recomputed([(old, new)], agreement) == [None], why


def test_training_data_of_programs(agreement):
    (changes,) = recompute.pairs([MEATS], seed=0)
    assert changes
    for old, new in changes:
        meats, cheeses = (int(word) for word in new.statement.split() if word.isdigit())
        assert old == MEATS
        assert int(new.answer) == meats * cheeses * (cheeses - 1) // 2
        assert (new.solution, fault(new)) == ("", None)
        assert f"meats = {meats}" in new.program
    assert recompute.agree([changes[0], (MEATS, MORE)], agreement) == [True, False]
    rows = recompute.lines([MEATS], seed=0)
    assert all(row["program"] != MEATS.program for _, row in rows)
