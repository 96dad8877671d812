from dataclasses import replace

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed
from hypothesis import given, settings
from hypothesis import strategies as st

from qgen import data
from qgen.problem import render
from qgen.rewards import Rewards
from qgen.rewards.diversity import Diversity
from qgen.rewards.novelty import Novelty
from qgen.rewards.rigor import defined, fits
from qgen.rewards.rigor import given as has_given

CORPUS = data.load(composed().data)
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


def test_diversity_counts_copies_in_the_group_of_a_prompt():
    diversity = Diversity(CORPUS.train)
    one, two = render(SPHERES), render(DIGITS)
    renumbered = render(replace(CUBES, statement=CUBES.statement.replace("1000", "2000")))
    assert diversity(prompts=["a"] * 2, completions=[one, two]) == [1.0, 1.0]
    assert diversity(prompts=["a"] * 3, completions=[one, one, two]) == [0.5, 0.5, 1.0]
    assert diversity(prompts=["a"] * 2, completions=[render(CUBES), renumbered]) == [0.0, 0.0]
    assert diversity(prompts=["a", "b"], completions=[one, one]) == [1.0, 1.0]
    assert diversity(prompts=["a"], completions=["broken"]) == [0.0]


@pytest.mark.parametrize(
    ("statement", "complete"),
    [
        ("If $x+1=3$, find $x$.", True),
        ("Find $x$ given that $y+1=3$.", False),
        ("Let $n$ be prime. Determine $n$, if $n<4$ is odd.", True),
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
    ],
)
def test_the_answer_fits(statement, answer, right):
    assert fits(statement, answer) is right


def test_difficulty_follows_the_level_asked_for():
    by_level = {level: score(*REAL, level=level).terms["difficulty"] for level in (1, 3, 5)}
    assert by_level[1] != by_level[3] != by_level[5]
    exact = [score(render(p), level=p.level).terms["difficulty"][0] for p in CORPUS.train]
    far = [score(render(p), level=1 if p.level > 3 else 5).terms["difficulty"][0] for p in CORPUS.train]
    assert sum(exact) > sum(far)
    assert REWARDS.terms["difficulty"].spearman > 0.2


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.text() | st.text().map(lambda t: f"Problem: {t}\nAnswer: {t}"), min_size=1, max_size=4))
def test_any_completion_gets_a_number(texts):
    scores = score(*texts)
    for values in scores.terms.values():
        assert all(value is None or 0.0 <= value <= 1.0 for value in values)
