"""Wishes and certificates: what is asked for, and what a problem can prove."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen.mathematics.problem import Problem, render
from qgen.papers.certificate import Batch, batch_of, certificate, read
from qgen.papers.wishes import Request, original, quotas, requests, topic_named
from qgen.settings.choices import Kind
from qgen.settings.sampling import SamplingConfig

TOPICS = ["Algebra", "Geometry", "Number Theory"]


def test_topics_are_shared_out():
    assert quotas(7, {"Geometry": 3}, TOPICS) == {"Geometry": 3, "Algebra": 2, "Number Theory": 2}
    assert quotas(4, {}, TOPICS) == {"Algebra": 2, "Geometry": 1, "Number Theory": 1}
    assert quotas(4, dict.fromkeys(TOPICS, 1), TOPICS).total() == 4
    with pytest.raises(ValueError, match="ask for 5 problems, and there are to be 4"):
        quotas(4, {"Algebra": 5}, TOPICS)
    assert topic_named("number_theory", TOPICS) == "Number Theory"
    with pytest.raises(ValueError, match="did you mean geometry"):
        topic_named("geometri", TOPICS)


def test_requests_are_the_seeds_and_spread():
    corpus = [replace(p, points=(f"point {n}",)) for p in (SPHERES, DIGITS, CUBES) for n in range(4)]
    missing = Counter({"Geometry": 3, "Number Theory": 1})
    asked = requests(missing, None, corpus, 40, seed=5)
    assert asked == requests(missing, None, corpus, 40, seed=5) != requests(missing, None, corpus, 40, seed=6)
    assert Counter(r.topic for r in asked) == {topic: 10 * count for topic, count in missing.items()}
    assert {r.level for r in asked} == {1, 2, 3, 4, 5}
    assert 16 < sum(bool(r.points) for r in asked) < 40
    assert {r.level for r in requests(missing, 4, corpus, 8, seed=5)} == {4}


def test_what_is_varied_is_read_with_and_without_labels():
    assert original(render(CUBES), "Algebra", 2) == Problem(CUBES.statement, CUBES.answer, topic="Algebra", level=2)
    assert original(CUBES.statement, "Algebra", 2).answer == ""
    with pytest.raises(ValueError, match="no problem"):
        original("Nothing is asked here at all.", "Algebra", 2)
    (*_, last) = Request("Algebra", 5).prompt(composed().prompt, CUBES, Kind.harder)
    assert CUBES.statement in last["content"]
    assert "difficulty 5 out of 5, that is harder" in last["content"]


def test_a_certificate_holds_its_batch_and_tells_of_changes(tmp_path):
    batch = Batch(7, [Request("Algebra", 2), Request("Geometry", 5, ("circle",))], SamplingConfig(temperature=0.5))
    proof = certificate({"model": "m"}, batch, 1, prompt=[], completion="Problem: x", votes={"left": 3})
    path = tmp_path / "problems.jsonl"
    path.write_text(
        json.dumps({"certificate": proof}) + "\n" + json.dumps({"certificate": proof | {"seed": 8}}) + "\n{}\n"
    )
    assert read(f"{path}:1") == proof
    assert batch_of(read(f"{path}:1")) == batch
    for number, says in ((2, "was changed"), (3, "has no certificate"), (4, "holds the problems 1 to 3")):
        with pytest.raises(ValueError, match=says):
            read(f"{path}:{number}")
    with pytest.raises(ValueError, match="name a problem of a file"):
        read(str(path))
