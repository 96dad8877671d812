import pytest

from qgen.programs import shape

SQUARES = "def total(n):\n    return sum(i * i for i in range(n))\nprint(total(10))"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("def f(k):  # other names\n    return sum(j*j for j in range(k))\n\nprint(f(999))", True),
        (SQUARES.replace("sum", "max"), False),
        (SQUARES.replace("i * i", "i + i"), False),
        (SQUARES.replace("i * i", "i * n"), False),
        ("print(385)", False),
    ],
)
def test_programs_are_one_that_differ_in_names_and_numbers_alone(other, same):
    assert (shape(other) == shape(SQUARES)) is same


@pytest.mark.parametrize("text", ["print(", "\x00", "\ud800", "-" * 100_000 + "1", "(" * 5000 + ")" * 5000])
def test_what_is_no_python_has_no_shape(text):
    assert shape(text) is None
