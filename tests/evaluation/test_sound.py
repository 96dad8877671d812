"""The figure that counts: outputs that are usable, on topic, solvable and as hard as was asked for."""

import numpy as np
import pytest
from conftest import corpus

from qgen.evaluation.measuring import each
from qgen.evaluation.protocol import Protocol
from qgen.evaluation.results import results
from qgen.evaluation.sets import OutputSet, controls, real
from qgen.evaluation.votes import KeptVotes
from qgen.mathematics.problem import render
from qgen.metrics.levels import LevelModel
from qgen.proofs.votes import Votes

CORPUS = corpus()
KEYS = {p.statement: p.answer for p in [*CORPUS.train, *CORPUS.heldout]}


def ease(level):
    return 1 - (level - 1) / 12


def votes(problems):
    """A solver that answers all real problems alike, level 1 always and the hardest two times in three."""
    levels = {p.statement: p.level for p in CORPUS.heldout}
    found = []
    for p in problems:
        share = ease(levels.get(p.statement, 3))
        right = KEYS.get(p.statement) == p.answer
        found.append(Votes(share, 0.0, 0.0, "", 12) if right else Votes(0.0, share, 0.0, "other", 12))
    return found


def known():
    """What is known of levels, by states that hold them."""
    levels = {p.statement: float(p.level) for p in [*CORPUS.train, *CORPUS.heldout]}
    return LevelModel(CORPUS.train, lambda statements: [np.array([levels.get(s, 3.0), 1.0]) for s in statements])


@pytest.fixture(scope="module")
def found():
    authors = real(CORPUS.heldout, "en")
    spoiled = controls(CORPUS.heldout, CORPUS.train, "en")
    first = CORPUS.heldout[0]
    texts = [render(first)] * len(CORPUS.heldout)  # one problem again and again
    writer = OutputSet("one", "model", authors.requests, authors.prompts, texts)
    protocol = Protocol(CORPUS.train, authors, lambda texts: [float(len(t) % 7) for t in texts], votes, known())
    return results(protocol, [writer, authors, *spoiled], [])


def test_real_problems_are_sound_and_wrong_answers_other_topics_and_repeats_are_not(found):
    rows = {row["name"]: row["values"]["sound"] for row in found["rows"]}
    assert rows["real"][0] > 0.4  # all but those that this corpus's topics, copies and likelihoods refuse
    assert rows["answers"][0] < 0.1
    assert rows["topics"][0] < 0.5 * rows["real"][0]
    assert rows["levels"][0] < 0.5 * rows["real"][0]
    assert rows["one"][0] <= 1 / len(CORPUS.heldout)
    (test,) = [metric for metric in found["metrics"] if metric["name"] == "sound"]
    assert test["passed"] is True
    assert test["control"] in ("answers", "topics", "levels")
    assert 0 < test["gap"][1] < test["gap"][0]


def test_who_is_at_level_tells_real_problems_from_those_of_other_levels(found):
    (test,) = [metric for metric in found["metrics"] if metric["name"] == "level"]
    assert test["passed"] is True
    rows = {row["name"]: row["values"]["level"] for row in found["rows"]}
    assert rows["levels"][0] < 0.3 < 0.7 < rows["real"][0]


def test_without_votes_there_is_no_sound_yield():
    authors = real(CORPUS.heldout[:12], "en")
    protocol = Protocol(CORPUS.train, authors, lambda texts: [1.0] * len(texts))
    assert "sound" not in protocol.values(authors)


def test_a_gap_that_chance_could_make_is_no_test_passed():
    authors = real(CORPUS.heldout, "en")
    spoiled = controls(CORPUS.heldout, CORPUS.train, "en")

    def blind(problems):
        rng = np.random.default_rng(0)  # votes that know nothing of answers
        return [Votes(share, 0.0, 0.0, "", 12) for share in rng.choice([0.0, 1.0], len(problems))]

    protocol = Protocol(CORPUS.train, authors, lambda texts: [1.0] * len(texts), blind)
    (test,) = [m for m in results(protocol, [authors, *spoiled], [])["metrics"] if m["name"] == "sound"]
    assert test["passed"] is False


def test_what_a_sound_problem_takes():
    rows = [{"name": "a", "outputs": 200, "values": {"sound": [0.1, 0.05, 0.2]}},
            {"name": "b", "outputs": 200, "values": {"sound": [0.0, 0.0, 0.02]}}]  # fmt: skip
    assert each(rows, {"a": 10.0, "b": 10.0}) == {"a": 0.5, "b": None}


def test_votes_are_asked_for_once(tmp_path):
    """By nobody that has voted before; another judge's votes are not taken for this one's."""
    made = []

    class Judge:
        rate, usable = 0.04, False

        def votes(self, problems):
            made.extend(problems)
            return votes(problems)

    path, few = tmp_path / "votes.jsonl", CORPUS.heldout[:4]
    first = KeptVotes(path, "a", Judge)
    assert first.note is None
    found = first(few[:3])
    assert KeptVotes(path, "a", Judge)(few[:3]) == found == votes(few[:3])
    assert len(made) == 3
    again = KeptVotes(path, "a", Judge)
    assert again.note == "answers 4% of real problems: too few for its figures to say much"
    again([few[3], few[0]])
    assert made[3:] == [few[3]]
    KeptVotes(path, "b", Judge)(few[:1])
    assert made[4:] == [few[0]]
