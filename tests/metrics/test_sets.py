"""Copies, and how different the problems of a set are."""

import numpy as np
import pytest
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen import data
from qgen.metrics.copies import JACCARD, Copies
from qgen.metrics.diversity import distinct, entropy, self_bleu, vendi_share
from qgen.metrics.similarity import mask
from qgen.metrics.topics import TopicModel

KNOWN = [SPHERES.statement, DIGITS.statement]
OTHER_NUMBERS = "How many seven-digit numbers have digits that strictly increase from left to right?"
IN_PADDING = (
    "Here is a nice one. Three spheres of radius $9$ touch each other and a plane. What is the radius of the circle "
    "through the three points where they touch the plane? Give all digits."
)


def test_copies_are_found_and_real_problems_are_not():
    copies, masked = Copies(KNOWN), Copies(KNOWN, mask)
    assert copies.degree([*KNOWN, "", "Short?"]) == pytest.approx([1, 1, 0, 0])
    assert copies.degree([IN_PADDING])[0] == 1  # thirteen words in a row
    assert copies.degree([CUBES.statement, OTHER_NUMBERS]).max() < JACCARD
    numbers = "For how many $n$ below $1000$ is $n^2+n$ divisible by $12$?"
    other = "For how many $n$ below $2500$ is $n^2+n$ divisible by $30$?"
    assert Copies([numbers]).degree([other])[0] < JACCARD <= Copies([numbers], mask).degree([other])[0]
    assert masked.degree([]).shape == (0,)
    corpus = data.load(composed().data)
    degrees = Copies([p.statement for p in corpus.train]).degree([p.statement for p in corpus.heldout])
    assert np.mean(degrees >= JACCARD) < 0.1  # two of 36 share thirteen words in a row with one that is trained on


def test_sets():
    assert vendi_share(np.eye(5)) == pytest.approx(1.0)
    assert vendi_share(np.ones((5, 5))) == pytest.approx(0.2)
    statements = [p.statement for p in data.load(composed().data).heldout[:24]]
    repeated = [statements[0].replace("2", str(i)) for i in range(24)]
    assert self_bleu(repeated) > 0.9 > 0.5 > self_bleu(statements)
    assert distinct(statements) == 1.0
    assert distinct(repeated) < 0.2
    assert entropy(list("abcd"), of=4) == pytest.approx(1.0)
    assert entropy(list("aaab"), of=4) < 0.5


def test_topics_are_learned_from_real_problems():
    corpus = data.load(composed().data)
    model = TopicModel(corpus.train)
    assert model.accuracy > 0.75
    chances = model.probabilities([p.statement for p in corpus.heldout])
    assert chances.sum(axis=1) == pytest.approx(np.ones(len(corpus.heldout)))
    found = [model.topics[i] == p.topic for i, p in zip(chances.argmax(axis=1), corpus.heldout, strict=True)]
    assert np.mean(found) > 0.7
    assert TopicModel(corpus.train[:3]).topics == []
    assert TopicModel([p for p in corpus.train if p.topic == corpus.train[0].topic]).topics == []
