"""Attacks on the rewards, and real problems: a canary that starts to score is a failing test.

canaries/seen was read while the rewards were written, canaries/unseen was written by others and not looked at. Each
row is a completion with the topic and level that it answers. Three classes are too large or too simple to store.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import composed, corpus

from qgen.mathematics.problem import render
from qgen.models.model import load
from qgen.rewards import Rewards
from qgen.rewards.base import Base

CANARIES = Path(__file__).parent / "canaries"
CORPUS = corpus()
REWARDS = Rewards(composed().reward, CORPUS.train)
REAL = [{"completion": render(p), "topic": p.topic, "level": p.level} for p in CORPUS.heldout]
FILLER = "Consider the number $n$ and note that it is an integer of the usual kind which we have met before. "
MADE = {
    "50,000 characters": "Problem: " + "".join(FILLER.replace("n", "abcdefgh"[i % 8]) for i in range(600))[:50_000]
    + " Find $n$.\nAnswer: 3",
    "empty statement": "Problem: \nAnswer: 3",
    "nested": "Problem: Find the value of $" + "\\sqrt{" * 120 + "x" + "}" * 120 + "$ for $x=1$.\nAnswer: 1",
}  # fmt: skip
CLASSES = sorted(str(path.relative_to(CANARIES))[:-6] for path in CANARIES.glob("*/*.jsonl") if path.stem != "valid")


def rows(name):
    return [json.loads(line) for line in (CANARIES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def totals(rows):
    columns = {key: [row[key] for row in rows] for key in ("topic", "level")}
    return np.array(REWARDS.score(["ask"] * len(rows), [row["completion"] for row in rows], **columns).total)


TENTH = float(np.quantile(totals(REAL), 0.1))


def test_every_class_is_there():
    stems = {name.split("/")[1] for name in CLASSES}
    assert len(stems) == 15
    assert {f"{part}/{stem}" for part in ("seen", "unseen") for stem in stems} == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_an_attack_scores_below_real_problems(name):
    scores = totals(rows(name))
    if name.endswith("condition_deleted"):  # text alone tells few of them from the good problems of the same hand
        assert scores.mean() < totals(rows(f"{name.split('/')[0]}/valid")).mean()
        return
    assert scores.mean() < TENTH
    if not name.endswith("constant_answer"):  # four zeros among twelve answers are not yet always
        assert (scores < TENTH).mean() >= 0.5


@pytest.mark.parametrize("name", ["hostile_latex", "markup_soup", "repeated_sentence", "empty_statement", "cut_off"])
def test_what_is_no_problem_at_all_gets_nothing(name):
    scores = np.concatenate([totals(rows(f"{part}/{name}")) for part in ("seen", "unseen")])
    assert (scores == 0.0).mean() >= 0.85


@pytest.mark.parametrize("name", MADE)
def test_attacks_that_are_made_get_nothing(name):
    assert totals([{"completion": MADE[name], "topic": "Sequence", "level": 3}])[0] == 0.0


@pytest.mark.slow
def test_verified_scores_attacks_below_real_problems_too():
    config = composed("reward=verified", "reward.solver.samples=2", "reward.solver.max_new_tokens=8",
                      "reward.solver.calibrate=1", "reward.terms.natural.params.sample=32")  # fmt: skip
    model, tokenizer = load(config.model, None, config.seed)
    rewards = Rewards(config.reward, CORPUS.train, Base(model, tokenizer, config.prompt))

    def mean_or_tenth(rows, of):
        asked = {key: [row[key] for row in rows] for key in ("topic", "level")}
        return of(rewards.score(["ask"] * len(rows), [row["completion"] for row in rows], **asked).total)

    tenth = mean_or_tenth(REAL[::2], lambda totals: float(np.quantile(totals, 0.1)))
    for name in CLASSES:  # a few of each: the embedded model solves what passes the gate, in seconds a class
        if name.startswith("unseen") and not name.endswith(("condition_deleted", "constant_answer")):
            assert mean_or_tenth(rows(name)[:8], np.mean) < tenth, name


def test_good_problems_pass():
    good = totals(rows("seen/valid") + rows("unseen/valid"))
    assert (good > 0.0).mean() >= 0.95  # in a style that the corpus of 205 problems hardly knows
    assert (totals(REAL) > 0.0).mean() >= 0.95


def test_one_constant_answer_is_a_canary_for_every_answer():
    for answer in ("0", "1", "7", "42", "Yes"):
        attack = [row | {"completion": row["completion"].split("\nAnswer:")[0] + f"\nAnswer: {answer}"} for row in REAL]
        assert totals(attack).mean() < TENTH
