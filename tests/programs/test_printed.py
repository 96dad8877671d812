"""What the last printed line is as an answer."""

from decimal import Decimal
from fractions import Fraction

import pytest
from sympy import FiniteSet, Float, Integer, Matrix, Poly, Rational, pi, sqrt, symbols

from qgen.programs.printed import Printer, TooMuch

x, y = symbols("x y")
CASES = (
    ((7,), "7", True),
    ((Fraction(6, 4),), "3/2", True),
    ((Rational(6, 4),), "3/2", True),
    ((sqrt(8) / 2,), r"\sqrt{2}", True),
    (([Integer(5)],), "5", True),
    (([3, 1],), "3, 1", True),
    (((3, Fraction(1, 2)),), "(3, 1/2)", True),
    (([(1, 2), (3, 4)],), "(1, 2), (3, 4)", True),
    (({x: 2, y: 3},), "x=2, y=3", True),
    (([{x: 2}, {x: 3}],), "x=2; x=3", True),
    ((FiniteSet(1, pi),), r"1, \pi", True),
    (([],), "", False),
    ((None,), "", False),
    ((Integer,), str(Integer), False),
    (((n for n in ()),), "", False),
    ((x**2 + 1,), "x^{2} + 1", True),
    ((Poly(x**2 + 1, x),), "x^{2} + 1", True),
    (("x**2 + 1",), "x^{2} + 1", True),
    ((Matrix([[1, 2], [3, Rational(1, 2)]]),), r"\begin{pmatrix} 1 & 2 \\ 3 & 1/2 \end{pmatrix}", True),
    ((0.5,), "0.5", False),
    ((3.0,), "3", True),
    ((-2.0,), "-2", True),
    ((2.5e9,), "2500000000.0", False),
    (([31.0, 0.5],), "31, 0.5", False),
    (([1, 0.5],), "1, 0.5", False),
    ((Float(0.5) * x,), "0.5 x", False),
    ((Decimal("0.5"),), "0.5", True),
    (("The area is:", 12), "12", True),
    (("x =", Fraction(1, 3)), "1/3", True),
    (("The area is 12.",), "12", True),
    (("Answer: 3/4",), "3/4", True),
    (("[Fraction(1, 2), Fraction(3, 1)]",), "[1/2, 3]", True),
    (("Answer: 0.75",), "0.75", False),
    ((True,), "True", True),
    ((1, 2), "1 2", True),
)


@pytest.mark.parametrize(("values", "answer", "exact"), CASES)
def test_answers(values, answer, exact):
    printer = Printer(1000)
    show = printer.show
    show("steps", 0.5)
    show(*values)
    show()
    assert printer.answer() == (answer, exact)


def test_a_line_in_pieces_is_read_as_text():
    printer = Printer(1000)
    show = printer.show
    show(1, end="")
    show("/", end="")
    show(2)
    assert printer.answer() == ("1/2", True)


def test_too_much_stays_too_much():
    printer = Printer(10)
    with pytest.raises(TooMuch):
        printer.show("x" * 20)
    assert printer.full
