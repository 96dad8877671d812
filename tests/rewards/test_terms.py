from dataclasses import replace

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed, corpus

from qgen.mathematics.problem import render
from qgen.rewards import Rewards
from qgen.rewards.diversity import Diversity
from qgen.rewards.format import Format
from qgen.rewards.novelty import Novelty
from qgen.rewards.rigor import defined, fits, substance
from qgen.rewards.rigor import given as has_given

CORPUS = corpus()
REAL = [render(p) for p in CORPUS.heldout]
REWARDS = Rewards(composed().reward, CORPUS.train)


def score(*texts, level=3):
    prompts = ["ask"] * len(texts)
    return REWARDS.score(prompts, list(texts), level=[level] * len(texts), topic=["Sequence"] * len(texts))


def test_real_problems_score_well_and_malformed_ones_nothing():
    real = score(*REAL)
    assert sum(real.terms["format"]) / len(REAL) > 0.95
    assert sum(real.total) / len(REAL) > 0.6
    broken = score("", "no problem at all", "Problem: x\nAnswer: y", "prove theorem lemma contradiction " * 20)
    assert broken.total == [0.0] * 4


def test_copies_are_not_novel():
    novelty = REWARDS.terms["novelty"]
    copied = [render(p) for p in CORPUS.train[:20]]
    renumbered = render(replace(CUBES, statement=CUBES.statement.replace("1000", "2000")))
    fresh = Novelty([*CORPUS.train, CUBES])
    assert max(novelty(completions=copied)) == pytest.approx(0.0)
    assert fresh(completions=[renumbered])[0] < 0.05
    assert sum(novelty(completions=REAL)) / len(REAL) > 0.6


def test_what_was_written_before_is_not_novel_again():
    novelty = Novelty(CORPUS.train)
    text = render(SPHERES)
    before = novelty(completions=[text])[0]
    assert before > 0.9
    assert novelty(completions=[text])[0] == before  # scoring alone remembers nothing
    novelty.observe([text, "not a problem"])
    assert novelty(completions=[text])[0] == pytest.approx(0.0)
    again = Novelty(CORPUS.train)
    again.load_state_dict(novelty.state_dict())
    assert again(completions=[text])[0] == pytest.approx(0.0)


def test_memory_is_bounded():
    novelty = Novelty(CORPUS.train, memory=2)
    novelty.observe([render(p) for p in (SPHERES, DIGITS, CUBES)])
    assert novelty.memory == [DIGITS.statement, CUBES.statement]  # the last two
    assert novelty(completions=[render(SPHERES)])[0] > 0.9
    none = Novelty(CORPUS.train, memory=0)
    none.observe([render(SPHERES)])
    assert none.memory == []
    assert len(novelty.indices[0]) == len(CORPUS.train) + 2


def test_twenty_copies_cost_twenty_times_as_much_as_one():
    diversity = Diversity(CORPUS.train)
    others = [render(p) for p in CORPUS.heldout]
    one = diversity(completions=[others[0], others[0], *others[1:20]])
    twenty = diversity(completions=[others[0]] * 21)
    assert one[0] == pytest.approx(1 - 1 / 20)
    assert twenty == pytest.approx([0.0] * 21)
    assert diversity(completions=[others[0]]) == [1.0]
    assert diversity(completions=["broken", others[0]])[0] == 0.0


def test_diversity_sees_copies_with_other_numbers_and_letters_and_remembers():
    diversity = Diversity(CORPUS.train, memory=3)
    renamed = CUBES.statement.replace("$n$", "$k$").replace("n^3", "k^3").replace("$n+", "$k+").replace("1000", "2000")
    assert diversity(completions=[render(CUBES), render(replace(CUBES, statement=renamed))]) == [0.0, 0.0]
    others = [render(DIGITS), render(SPHERES)]
    assert diversity(completions=[render(CUBES), *others])[0] == 1.0
    diversity.observe([render(CUBES)])
    assert diversity(completions=[render(CUBES), *others]) == [0.5, 1.0, 1.0]
    again = Diversity(CORPUS.train, memory=3)
    again.load_state_dict(diversity.state_dict())
    assert again(completions=[render(CUBES), *others]) == [0.5, 1.0, 1.0]
    diversity.observe([*others, render(CORPUS.heldout[0])])
    assert diversity(completions=[render(CUBES), *others])[0] == 1.0  # forgotten


def test_the_same_answer_to_everything_is_no_answer():
    format_ = Format(CORPUS.train)
    good = [p for p in CORPUS.heldout if format_(completions=[render(p)]) == [1.0]]
    always = [render(replace(p, answer="42")) for p in good[:12]]
    assert sum(format_(completions=always)) == 0.0
    assert sum(format_(completions=REAL)) >= 0.9 * len(REAL)
    format_.observe(always)
    assert format_(completions=always[:1]) == [0.0]
    again = Format(CORPUS.train)
    assert again(completions=always[:1]) == [1.0]
    again.load_state_dict(format_.state_dict())
    assert again(completions=always[:1]) == [0.0]
    again.observe(REAL * 10)
    assert len(again.memory) <= again.limit
    copies = [always[0]] * 20  # twenty copies are diversity's business
    assert Format(CORPUS.train)(completions=copies) == [1.0] * 20


@pytest.mark.parametrize(
    ("statement", "complete"),
    [
        ("If $x+1=3$, find $x$.", True),
        ("Find $x$ given that $y+1=3$.", False),
        ("Let $n$ be prime. Determine $n$, if $n<4$ is odd.", True),
        ("For $a=3$, find $a+b$.", False),
        ("Find the five-digit number $abcde$.", False),
        ("Find the five-digit number $abcde$ such that $4\\cdot abcde=edcba$.", True),
        ("What is the smallest value of $a/b+b/a$?", False),
        ("What is the smallest value of $a/b+b/a$ for positive $a, b$?", True),
        ("What is the minimum value of $x^2-6x+10$?", True),
        ("A sequence has $a_{n+1}=2a_n+1$. What is $a_{10}$?", False),
        ("A sequence has $a_1=1$ and $a_{n+1}=2a_n+1$. What is $a_{10}$?", True),
        ("How many such strings have length $6$?", False),
        ("Simplify $(x+1)(x-1)$.", True),
        ("Compute $\\sum_{k=1}^{10} k^2$.", True),
    ],
)
def test_what_is_asked_about_is_defined(statement, complete):
    assert defined(statement) is complete


def test_something_is_given():
    assert has_given("Find the sum of the first ten primes.")
    assert not has_given("What is the answer to the question about it?")


@pytest.mark.parametrize(
    ("statement", "answer", "right"),
    [
        ("How many primes are below $10$?", "4", True),
        ("How many primes are below $10$?", "the ones that you find when you look at all of them", False),
        ("What is the largest value of $xy$?", "yes", False),
        ("Is $91$ prime?", "No", True),
        ("Find the area of the triangle with sides $3$, $4$ and $5$.", "0", False),
        ("What is the probability that a fair coin lands heads twice?", "2", False),
        ("What is the probability that a fair coin lands heads twice?", "$\\frac{1}{4}$", True),
        ("In how many ways can $5$ people sit in a row?", "-3", False),
        ("Find the smallest positive integer $n$ with $7|n$.", "0", False),
        ("What is the units digit of $7^{100}$?", "12", False),
        ("Find all integer solutions to $x^2=2y^2$ with $x>0$.", "No", True),
    ],
)
def test_the_answer_fits(statement, answer, right):
    assert fits(statement, answer) is right


def test_prose_around_a_problem_is_no_substance():
    problem = "How many primes are below $10$?"
    filler = "Mathematics is a beautiful subject. Take a deep breath and enjoy the journey. "
    assert substance(problem) == 1.0
    assert substance(filler + problem) == 0.0


def test_difficulty_follows_the_level_asked_for():
    by_level = {level: score(*REAL, level=level).terms["difficulty"] for level in (1, 3, 5)}
    assert by_level[1] != by_level[3] != by_level[5]
    exact = [score(render(p), level=p.level).terms["difficulty"][0] for p in CORPUS.train]
    far = [score(render(p), level=1 if p.level > 3 else 5).terms["difficulty"][0] for p in CORPUS.train]
    assert sum(exact) > sum(far)
    assert REWARDS.terms["difficulty"].spearman > 0.2
