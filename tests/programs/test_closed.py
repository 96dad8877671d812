"""Floats that mean a fraction, a root or a multiple of pi, and those that do not."""

import math
import random
import time

import pytest
from latex2sympy2_extended import latex2sympy
from sympy import Float, Rational

from qgen.programs import Outcome
from qgen.programs.closed import closed_form


@pytest.mark.parametrize(
    ("number", "meant"),
    [
        (17 / 3, "17/3"),
        (-1 / 7, "-1/7"),
        (500 / 3, "500/3"),
        (math.sin(math.radians(60)), r"\frac{\sqrt{3}}{2}"),
        (-math.sqrt(52), r"-2 \sqrt{13}"),
        (math.sqrt(8) / 3, r"\frac{2 \sqrt{2}}{3}"),
        (math.pi, r"\pi"),
        (-math.pi / 4, r"-\frac{\pi}{4}"),
        (5 * math.pi / 6, r"\frac{5 \pi}{6}"),
        (1800 * math.pi, r"1800 \pi"),
        (Float("1.66666666666667"), "5/3"),  # sympy prints fifteen digits
        (math.e, None),
        (2**0.1, None),
        (math.pi**2, None),
        (1 / 1009, None),
        (math.sqrt(2) * 1e-8, None),
        (3.14159, None),
        ("0.8660254038", None),
    ],
)
def test_what_a_float_means(number, meant):
    assert closed_form(str(number)) == meant


def test_what_is_found_is_the_number():
    rng = random.Random(0)
    for _ in range(300):
        a, b = rng.randrange(2, 400), rng.choice([3, 6, 7, 9, 11, 12, 13])
        for number in (a / b, math.sqrt(a) / b, a * math.pi / b):
            if not (number * 2**20).is_integer():
                found = closed_form(repr(number))
                meant = Rational(found) if "\\" not in found else latex2sympy(found)
                assert float(meant) == pytest.approx(number, rel=1e-13)


@pytest.mark.parametrize("told", [repr, lambda x: f"{x:.15g}", lambda x: str(round(x, 8)), lambda x: f"{x:.12g}"])
def test_other_numbers_mean_nothing(told):
    rng = random.Random(1)
    assert not any(closed_form(told(10 ** rng.uniform(-3, 6))) for _ in range(5_000))


def test_a_large_number_takes_no_time():
    began = time.perf_counter()
    assert closed_form("371523.7851035636") is None
    assert closed_form(repr(12 * math.sqrt(97))) == r"12 \sqrt{97}"
    assert time.perf_counter() - began < 0.05


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("0.30000000000000004", "0.3"),  # a short decimal that was rounded stays one
        ("0.125", "0.125"),
        ("112.5", "112.5"),
        ("2.9999999999999996", "3"),
        ("5.666666666666667", "17/3"),
        ("4.358898943540674", r"\sqrt{19}"),
        ("1.0717734625362931", "1.071773463"),
    ],
)
def test_an_outcomes_value(answer, value):
    assert Outcome(answer=answer).value == value
