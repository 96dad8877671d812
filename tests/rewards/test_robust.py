"""Any string at all is scored: a number from 0 to 1 or None a term, no exception, never in more than two seconds."""

import time

import pytest
from conftest import composed, corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qgen.rewards import Rewards

CORPUS = corpus()
REWARDS = Rewards(composed().reward, CORPUS.train)
FRAGMENTS = (
    *("$", "$$", "\\[", "\\]", "\\(", "\\)", "{", "}", "\\{", "\\frac{1}{2}", "\\frac{1}", "\\sqrt{", "\\left("),
    *("\\right)", "\\begin{cases}", "\\end{cases}", "\\begin{", "^", "_", "x", "x_1", "a^{b^{c", "\\def\\x{\\x\\x}"),
    *("\\input{/etc/passwd}", "\x00", "\ud800", "\udfff", "\u202e", "\ufeff", "\n", "\n\n", "\t", " ", ".", "? "),
    *("Find ", "How many ", "the answer is ", "Problem:", "Answer:", "Solution:", "题目：", "答案：", "\nAnswer: 3"),
    *("0", "7", "2026", "=", "<b>", "</b>", "| ", "# ", "[b]", "prime numbers ", "Let $n$ be an integer. ", "求"),
    *("and ", "\\boxed{", "''", "``", "(a) ", "\U0001f600", "é", "e\u0301" * 9),
)
ANYTHING = st.text(st.characters(), max_size=200)
PIECES = st.lists(st.sampled_from(FRAGMENTS) | ANYTHING, max_size=60).map("".join)
REPEATED = st.builds(lambda piece, times: piece * times, st.sampled_from(FRAGMENTS), st.integers(1, 4000))
STATEMENT = PIECES | REPEATED | st.sampled_from([p.statement for p in CORPUS.train])
ANSWER = st.sampled_from(FRAGMENTS) | PIECES | st.sampled_from([p.answer for p in CORPUS.train])
PROBLEM = st.builds(lambda s, tail, a: f"Problem: {s}{tail}\nAnswer: {a}", STATEMENT, PIECES, ANSWER)


def check(texts):
    began = time.perf_counter()
    asked = {"topic": ["Sequence"] * len(texts), "level": [3] * len(texts)}
    scores = REWARDS.score(["ask"] * len(texts), texts, **asked)
    seconds = time.perf_counter() - began
    assert seconds < 2.0, f"{seconds:.1f} s"
    for values in scores.terms.values():
        assert all(value is None or 0.0 <= value <= 1.0 for value in values)
    assert all(0.0 <= total <= 1.0 for total in scores.total)


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ANYTHING | PIECES | REPEATED | PROBLEM, min_size=1, max_size=3))
def test_any_string_is_scored(texts):
    check(texts)


@pytest.mark.parametrize("piece", FRAGMENTS)
def test_a_long_run_of_anything_is_scored_in_time(piece):
    run = piece * (19_000 // len(piece))
    check(
        [run, f"Problem: {run}?\nAnswer: 3", f"Problem: Find $x$ if {piece * (1400 // len(piece))}.\nAnswer: {piece}"]
    )
    check([f"Problem: Find $x$ if $x=3$.\nSolution: {run}\nAnswer: 3", f"Problem: Find $x$.\nAnswer: {run[:190]}"])


@pytest.mark.parametrize("depth", [10, 100, 1000, 5000])
def test_deep_nesting_is_scored(depth):
    for opening, closing in (
        ("{", "}"),
        ("\\sqrt{", "}"),
        ("\\left(", "\\right)"),
        ("^{", "}"),
        ("\\begin{cases}", "\\end{cases}"),
    ):
        nested = opening * depth + "x" + closing * depth
        check([f"Problem: Find the value of ${nested}$ for $x=1$.\nAnswer: ${nested}$"])
    chain = "\\sqrt" * depth
    check([f"Problem: Find $x{'^x' * depth}$.\nAnswer: 1", chain, f"Problem: Find ${chain} x$.\nAnswer: {chain}"])
