"""An answer is of the kind that is asked for: what is no whole number, probability, remainder, digit is refused."""

import pytest

from qgen import data
from qgen.mathematics.asked import unlike
from qgen.mathematics.problem import Fault, Problem, fault
from qgen.settings.compose import composed


@pytest.mark.parametrize(
    ("statement", "answer", "kind"),
    [
        (r"Solve $n^2 = 11n$ for \(n\), where \(n\) is an integer.", r"\frac{11 - 3 \sqrt{17}}{2}", "a whole number"),
        ("What is the smallest integer $n$ for which $a_n > 10$?", "10.08390005", "a whole number"),
        ("Find all integer solutions of $3x^2 = 9x$.", r"\frac{3}{2} - \frac{\sqrt{39} i}{6}, 2", "a whole number"),
        ("In how many different ways can five people sit in a row?", "0.0351", "a whole number"),
        ("How many ways are there to choose 3 of 5?", "-10", "a number of ways"),
        ("A coin is thrown. What is the probability that it shows heads?", r"\(\frac{97}{96}\)", "a probability"),
        ("从袋中取出一球，求它是红球的概率。", "-1/2", "a probability"),
        ("What is the remainder when $4444$ is divided by $15$?", "-11", "a remainder of a division by 15"),
        ("What is the remainder when 88 is divided by 9?", "9", "a remainder of a division by 9"),
        ("Find the remainder when 2 is divided by 7.", "12345", "a remainder of a division by 7"),
        ("What is the units digit of $7^{100}$?", "12", "a digit"),
        ("Find the smallest four-digit integer that is a perfect square.", "36", "a number of 4 digits"),
    ],
)  # fmt: skip
def test_an_answer_of_another_kind_is_refused(statement, answer, kind):
    assert unlike(statement, answer) == kind
    found = fault(Problem(statement, answer))
    assert found == Fault("another kind", f"the answer is not {kind}, which is asked for")


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("What is the smallest positive integer $k$ such that $p^2 - k$ is divisible by 12?", "k = 1"),
        ("Find all integer solutions of $x^2 = 4$.", "x = 2 or x = -2"),
        ("What is the probability of rain, expressed as a percent?", "15"),
        ("What is the probability that it rains?", r"\frac{3}{5}"),
        ("What is the probability that it rains?", r"p^2"),
        ("How many three-digit palindromes are perfect squares?", "3"),
        ("What is the sum of all two-digit primes that are greater than 12?", "418"),
        ("What is the remainder when $x^3$ is divided by $x - 2$?", "8"),
        ("What is the remainder when $12345_6$ is divided by $10_6$?", "5"),
        ("What is the remainder when 17 is divided by $2^{10}$?", "17"),
        ("How many hours does the journey take?", "2.5"),
        (
            "What is the remainder when $n$ is divided by 15, if it leaves 2 by 3 and is divided by 5?",
            "8",
        ),
        ("Find the remainder of least absolute value when $17$ is divided by $9$.", "-1"),
        ("If $A$ is the number of ways to seat 5 people and $B$ of 4, what is $B/A$?", r"\frac15"),
        ("In how many ways can they sit, as $n!$?", r"\sqrt{144}"),
        ("What is the probability, as $m/n$ in lowest terms? Submit $m+n$.", "17"),
        ("What is the probability density of $X$ at $x=0$?", "2"),
        ("What is the smallest integer multiple of $0.25$ that exceeds 3?", "3.25"),
        ("Find all integer solutions of $x^2-3x-10<0$, and give their mean.", "1.5"),
        ("Solve $x^2=n$ for $x$, where $n$ is a positive integer.", r"\sqrt3, -\sqrt3"),
        ("What is the units digit of $3^{100}$ when written in base 16?", "11"),
        ("Find the smallest four-digit number in base 2.", "8"),
        ("一个两位数，个位数字是十位数字的2倍，两数字之和为9，求这个两位数。", "36"),
        ("求使摸到红球的概率为$\\frac14$的$n$的值。", "9"),
        ("已知甲获胜的概率，求甲获胜的概率是乙获胜概率的几倍？", "3"),
        ("某商店有多少种笔不确定，平均价格为2.5元，求平均价格的一半。", "1.25"),
        ("Given that $x^2-kx+16$ has only positive integer roots, find the average of all $k$.", r"\frac{35}{3}"),
    ],
)
def test_an_answer_that_may_be_of_the_kind_is_not(statement, answer):
    assert unlike(statement, answer) is None


def test_no_real_problem_of_the_packaged_corpus_is_refused():
    config = composed([])
    problems = data.load(config.data, config.prompt)
    assert not [p for p in problems.train + problems.heldout if unlike(p.statement, p.answer)]
