from dataclasses import replace

import pytest
from conftest import CUBES, DIGITS, SPHERES
from hypothesis import given, settings
from hypothesis import strategies as st

from qgen.mathematics import latex
from qgen.mathematics.problem import Fault, Problem, fault, misread, parse, render


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("solution", [False, True])
@pytest.mark.parametrize("problem", [SPHERES, DIGITS, CUBES])
def test_parse_reads_what_render_writes(problem, language, solution):
    read = parse(render(problem, language, solution))
    assert isinstance(read, Problem), read
    assert (read.statement, read.answer) == (problem.statement, problem.answer)
    assert read.solution == (problem.solution if solution else "")


PROGRAMS = [
    "print(210)",
    "from math import comb\n\nanswer: int = comb(10, 4)\nif answer:\n    print(answer)",
    "  # odd\nx = 1",
]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_parse_reads_the_program_that_render_writes(language, program):
    problem = Problem(DIGITS.statement, DIGITS.answer, program=program)
    assert parse(render(problem, language, "program")) == problem
    assert misread(problem, language, "program") is None
    assert parse(render(problem, language)).program is None
    without = replace(problem, program=None)
    assert render(without, language, "program") == render(without, language)
    assert misread(replace(problem, program='print("""\n```\n""")'), language, "program")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Program:\nprint(210)\nAnswer: 210", "no program"),
        ("Program:\nAnswer: 210", "no program"),
        ("Program:\n```python\n\n```\nAnswer: 210", "no program"),
        ("Program:\n```python\nprint(210)\nAnswer: 210", "no program"),
        ("Program:\n```python\nprint(210)\n```\nThis counts them.\nAnswer: 210", "no program"),
        ("Program:\n```python\nprint(210)\n```", "no answer"),
        ("Answer: 210\nProgram:\n```python\nprint(210)\n```", "disorder"),
        ("Solution: Choose.\nProgram:\n```python\nprint(210)\n```\nAnswer: 210", "disorder"),
    ],
)
def test_faults_of_programs(text, kind):
    found = parse(f"Problem: {DIGITS.statement}\n{text}")
    assert isinstance(found, Fault)
    assert found.kind == kind, found


TEXT = render(DIGITS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "no statement"),
        ("How many primes are below $100$?", "no statement"),
        ("Sure! Here it is.\n" + TEXT, "preamble"),
        (TEXT + "\n" + TEXT, "two problems"),
        (TEXT.split("\n")[0], "no answer"),
        (TEXT.split("\n")[0] + "\nAnswer:", "no answer"),
        (TEXT.split("\n")[0] + "\nAnswer: None", "no answer"),
        ("Answer: 210\nProblem: " + DIGITS.statement, "disorder"),
        (TEXT + "\nAnswer: 211", "disorder"),
        (TEXT + "\n\nLet us check that by counting.", "runs on"),
        ("Problem: Why?\nAnswer: 3", "length"),
        ("Problem: Find the value of $x^{2 when $x=3$.\nAnswer: 9", "latex"),
        ("Problem: Find the area of the triangle with sides $3, 4\nAnswer: 6", "latex"),
        ("Problem: How many ways are there to seat five people around a\nAnswer: 24", "cut off"),
        ("Problem: The sum of two integers is $12$ and their product is $35$.\nAnswer: 5", "no question"),
        ("Problem: What is $2+2$? And how many primes are below $10$?\nAnswer: 4", "two questions"),
        (
            "Problem: Write a Python program that computes the sum of the integers from 1 to 9.\nAnswer: 45",
            "programming",
        ),
        (
            "Problem: Let $a_1 = 1$. Write a function that returns the $n$-th term, and find it.\nAnswer: 1",
            "programming",
        ),
        ("Problem: Find $x$ if $x+1=3$. The answer is $2$.\nAnswer: $2$", "leak"),
        ("Problem: Compute the sum $1+2+\\ldots+20=210$.\nAnswer: 210", "leak"),
        ("Problem: " + "Find the sum of all the positive divisors of it. " * 4 + "\nAnswer: 6", "repeats"),
        ("Problem: " + "x" * 30_000 + "?\nAnswer: 1", "too long"),
    ],
)
def test_faults(text, kind):
    found = parse(text)
    assert isinstance(found, Fault)
    assert found.kind == kind, found


@pytest.mark.parametrize(
    "text",
    [
        "**Problem:** What is the remainder when $3^{2026}$ is divided by $7$?\n**Answer:** 4",
        "### Problem:\nFind the sum of the first ten primes, please.\n\n### Answer:\n129",
        "Problem : Find the sum of the first ten primes, please.\nanswer :129",
        "  problem: Solve $x^2=49$ for positive $x$.\nFinal answer: $x=7$\n",
        "题目：求所有满足 $x^2=49$ 的正整数 $x$ 之和是多少？请写出这个数。\n答案：7",
    ],
)
def test_accepts_other_spellings(text):
    assert isinstance(parse(text), Problem)


def test_real_answers_in_a_statement_are_no_leak():
    assert fault(replace(DIGITS, statement="Of $210$ and $211$, which is divisible by $7$?", answer="210")) is None


@pytest.mark.parametrize(
    ("text", "balanced"),
    [
        (r"cost \$5 and $x$", True),
        (r"\{1,2\}", True),
        (r"$\left(\frac{1}{2}\right)$", True),
        (r"$\left(\frac{1}{2})$", False),
        (r"\begin{cases}1\end{cases}", True),
        (r"\begin{cases}1\end{array}", False),
        (r"\end{cases}", False),
        (r"\begin{cases}", False),
        (r"\(x", False),
        ("$$x$$", True),
        ("$$x$", False),
        ("}{", False),
        (r"$\leftarrow x$", True),
    ],
)
def test_unbalanced(text, balanced):
    assert (latex.unbalanced(text) is None) is balanced


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(), st.text().map(lambda t: f"Problem: {t}\nAnswer: {t}")))
def test_any_text_is_a_problem_or_a_fault(text):
    found = parse(text)
    assert isinstance(found, Problem | Fault)
    if isinstance(found, Problem):
        assert fault(found) is None
