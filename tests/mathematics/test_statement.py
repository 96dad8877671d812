import pytest

from qgen.mathematics.answers import declined, several
from qgen.mathematics.leaks import echoed, leaked
from qgen.mathematics.problem import Fault, parse
from qgen.mathematics.statement import questions, repeats, sentences


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("A number has these properties: (1) it is even; (2) it is below $9$. What is the largest such number?", 1),
        ("(a) Find the area of the square. (b) Find its perimeter.", 2),
        ("已知 $f(x)=x^2$，(1) 求 $f(3)$；(2) 求 $f(x)$ 的最小值。", 2),
        ("数列满足：① $a_1=1$；② $a_{n+1}=2a_n$。求 $a_5$。", 1),
        ("Find the area and the perimeter of the rectangle.", 2),
        ("Find the greatest common divisor and the least common multiple of $84$ and $120$.", 2),
        ("Find the sum of the area and the perimeter of the square.", 1),
        ("What is the product of the number of faces and the number of edges of a cube?", 1),
        ("What are the inradius and the circumradius of $ABC$?", 2),
        ("Determine the minimum value of $f$ and the value of $x$ at which it is attained.", 2),
        ("求它的周长和面积。", 2),
        ("求它的周长和面积之和。", 1),
        ("If the sum of the digits is $3$, and the sum of the numbers is $-1$, find $d+f$.", 1),
        ("Sam is $3$ miles away, which is far. However, he walks. How far does he walk?", 1),
        ("How many Mr. Slinkums were in this order?", 1),
        ('Tom asks, "What is it?" Ann asks, "Is it even?" Find the number.', 1),
        ("The sum of all two-digit multiples of $25$ is ____.", 1),
        ("Its area is ____ and its perimeter is ____.", 2),
        ("则 $x$ 的值为（　　）。", 1),
        ("Add five to my number. Multiply it by two. What is the result?", 1),
        ("Simplify $x+x$.", 1),
        ("The length of $CD$ is $\\textbf{(A)}\\ 7\\qquad \\textbf{(B)}\\ 13\\qquad \\textbf{(C)}\\ 18$", 1),
        ("The medians of a triangle meet at one point.", 0),
    ],
)
def test_what_a_statement_asks(statement, count):
    assert questions(statement) == count


@pytest.mark.parametrize(
    ("statement", "answer", "told"),
    [
        ("Evaluate the polynomial $p(x)=x^2-x$ for $x=2$.", "2", False),
        ("Minimize $x^2+y^2$ subject to $3x+4y=25$.", "25", False),
        ("When a number is divided by 3, the result is 50 more than its half. What is it?", "300", False),
        ("What is the area? (A) $120$ (B) $140$ (C) $150$", "140", False),
        ("What is its volume? Express your answer in terms of $\\pi$.", "\\pi", False),
        ("The perimeter of a square is $16$. Find its area.", "16", False),
        ("The area of a square is $16$. What is the area of the square?", "16", True),
        ("Find $x$ such that $5x-3=17$, i.e. $x=4$.", "4", True),
        ("Compute $2^{10}=1024$.", "1024", True),
        ("Determine the smallest prime above $100$. Remember that it is 101.", "101", True),
        ("已知 $x+3=10$，所以 $x=7$，求 $x$ 的值。", "7", True),
        ("求前十个正整数之和（答案为 $55$）。", "55", True),
    ],
)
def test_what_tells_the_answer(statement, answer, told):
    assert leaked(statement, answer) is told


@pytest.mark.parametrize(
    ("answer", "open_"),
    [
        ("\\boxed{6}", False),
        ("\\boxed{6} \\boxed{8}", True),
        ("$x=1$ or $x=2$", False),
        ("8, or maybe 9", True),
        ("Either $9\\pi$ or $6\\pi$", True),
        ("96 / 100 / 120", True),
        ("\\frac{1}{2}", False),
        ("The only possible value for the limit is $\\sqrt{a}$", False),
    ],
)
def test_several_answers(answer, open_):
    assert several(answer) is open_


@pytest.mark.parametrize("answer", ["It depends", "cannot be determined", "not enough information", "答案不唯一"])
def test_no_answer(answer):
    assert declined(answer)


def test_the_question_again_is_no_answer():
    assert echoed("How many primes lie between $50$ and $70$?", "How many primes lie between $50$ and $70$?")
    assert echoed("Compute $\\binom{9}{4}$.", "\\binom{9}{4}")
    long = "$\\cos\\left(\\frac{7\\cdot 180^\\circ}{13}\\right)-\\sin\\left(\\frac{11\\cdot 180^\\circ}{14}\\right)$"
    assert echoed(f"Determine the exact value of {long}.", long)
    assert echoed(f"Compute {long}.", long)  # which earned a model .9
    assert not echoed("What is the smallest multiple of $32$?", "32")
    assert not echoed("Which is larger, $2^7$ or $5^3$?", "$2^7$")


def test_what_is_told_of_each_in_turn_repeats_nothing():
    told = (
        "Hoses A and B take 4 hours to fill it. Hoses A and C take 5 hours to fill it. Hoses B and C take 6. How long?"
    )
    assert not repeats(told)
    assert repeats("Let $x$ be a real number. Let $x$ be a real number. Find $x$.")


def test_an_abbreviation_ends_no_sentence():
    assert len(sentences("Mr. Jones has $2$ sons. Dr. Lee has none.")) == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Problem: What is the shaded area? [asy] draw((0,0)--(3,0)); [/asy]\nAnswer: 3", "figure"),
        ("Problem: Find the area of a circle of radius $3$.\nAnswer: either $9\\pi$ or $6\\pi$", "two answers"),
        ("Problem: How many primes are below $100$?\nAnswer: It depends", "no answer"),
        ("题目：求 $x$。\n答案：2", "length"),
    ],
)
def test_faults_of_other_kinds(text, kind):
    found = parse(text)
    assert isinstance(found, Fault)
    assert found.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "Problem: A shirt costs $\\$14.40$, which is $60\\%$ off. What did it cost before the sale?\nAnswer: 36",
        "Problem: A TV costs \\$1500 and a radio costs \\$25. How many radios cost as much as a TV?\nAnswer: 60",
        "Problem: Its area is $\\underline{\\hspace{1cm}}$, if its sides are $5$ and $12$.\nAnswer: 60",
        "题目：求 $1+2+\\cdots+100$。\n答案：5050",
        "题目：不等式 $x^2<10$ 的整数解共有________个．\n答案：7",
    ],
)
def test_prices_blanks_and_short_chinese_are_read(text):
    assert not isinstance(parse(text), Fault), parse(text)
