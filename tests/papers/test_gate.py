"""What may be handed out, judged beside the embedded problems, and writing until there is enough of it."""

from collections import Counter
from dataclasses import replace

import pytest
from conftest import composed

from qgen import data
from qgen.engine.completion import Completion
from qgen.mathematics.problem import Problem, render
from qgen.papers.author import Plan, write
from qgen.papers.certificate import Batch
from qgen.papers.gate import Gate
from qgen.settings.choices import Kind, Language
from qgen.settings.sampling import SamplingConfig

FRESH = Problem("How many positive integers $n < 500$ make $n^2 + 11$ a multiple of $15$?", "66")
AGAIN = Problem("How many positive integers $m < 900$ make $m^2 + 14$ a multiple of $18$?", "50")
TRAINS = "How many different trains of six wagons can be made of two red, two green and two blue wagons?"
CIRCLE = "How many sets of chords can be drawn between nine points of a circle so that no two of the chords cross?"
BOOKS = Problem("In how many ways can seven books be put on two shelves so that neither shelf is empty?", "126")


@pytest.fixture(scope="module")
def corpus():
    return data.load(composed().data)


@pytest.fixture(scope="module")
def gate(corpus):
    return Gate(corpus)


def refused(gate, text, topic="Number Theory", finished=True):
    return gate.judge(text if isinstance(text, str) else render(text), finished, topic).refused


def test_what_passes_and_what_does_not(gate, corpus):
    known = corpus.train[0]
    assert refused(gate, "Once upon a time") == "no problem: no statement"
    assert refused(gate, FRESH, finished=False) == "no problem: cut off"
    assert refused(gate, known, known.topic) == "copy of a known problem"
    assert refused(gate, corpus.heldout[1], corpus.heldout[1].topic) == "copy of a known problem"
    assert refused(gate, Problem(FRESH.statement.replace("500", "500\\hspace{2cm}"), "66")) == "cannot be printed"
    assert refused(gate, Problem("Shelves many in books seven ways how the of put and two be can?", "1")) == (
        "reads like no problem"
    )
    assert refused(gate, FRESH, "Combinatorics") == "another topic"
    assert refused(gate, FRESH) is None
    assert refused(gate, AGAIN) == "repeats another"
    assert refused(gate, BOOKS, "Combinatorics") is None


def test_beside_problems_of_one_topic_nothing_is_refused_for_its_topic(corpus):
    of_one = replace(corpus, train=[p for p in corpus.train if p.topic == "Number Theory"])
    assert refused(Gate(of_one), FRESH) is None


def test_a_problem_is_attributed(gate, corpus):
    known = corpus.train[0]
    near = gate.nearest(Problem(known.statement + " Explain.", ""))
    assert (near["id"], near["source"], near["licence"]) == (known.id, known.source, known.licence)
    assert near["licence"] == "MIT"
    assert 0.8 < near["similarity"] <= 1.0
    assert 1 <= gate.difficulty([FRESH])[0] <= 5


def test_a_variation_may_be_its_original_with_other_numbers(corpus):
    known = next(p for p in corpus.train if "100" in p.statement)
    some = [known, *(p for p in corpus.train[:80] if p is not known)]
    gate = Gate(replace(corpus, train=some), known, Kind.parameter)
    varied = Problem(known.statement.replace("100", "170"), "12345")
    other = Problem(known.statement.replace("100", "190"), "12346")
    assert refused(gate, known) == "copy of a known problem"
    assert refused(gate, Problem(varied.statement, known.answer)) == "no parameter variation: stale answer"
    assert [refused(gate, p) for p in (varied, varied, other)] == [None, "repeats another", None]
    assert refused(gate, BOOKS).startswith("no parameter variation: ")


def test_chinese_is_told(corpus):
    gate = Gate(replace(corpus, train=corpus.train[:40]), language=Language.zh)
    chinese = Problem("已知正整数 $n<100$ 满足 $n^2+1$ 能被 $5$ 整除，求所有这样的 $n$ 的个数。", "40")
    assert [refused(gate, p) for p in (FRESH, chinese, chinese)] == ["in another language", None, "repeats another"]


def test_it_writes_until_enough_pass_or_the_bound_is_reached(gate):
    written: list[Batch] = []

    def answer(batch: Batch) -> list[Completion]:
        written.append(batch)
        texts = [render(Problem(TRAINS, "126")), render(Problem(CIRCLE, "2188")), "no problem"]
        return [Completion(texts[(len(written) + i) % 3], 9, True) for i in range(len(batch.requests))]

    plan = Plan(Counter({"Combinatorics": 2}), 3, 40, 0, SamplingConfig(batch_size=4))
    made, tally = write(gate, answer, plan)
    assert {m.verdict.problem.statement for m in made} == {TRAINS, CIRCLE}
    assert tally.tries == 4
    assert tally.refused == {"no problem: no statement": 1, "more than asked for": 1}
    assert made[0].request.level == 3

    written.clear()
    plan = Plan(Counter({"Combinatorics": 3}), 3, 10, 0, SamplingConfig(batch_size=4))
    made, tally = write(gate, answer, plan)  # the gate remembers what has passed
    assert made == []
    assert tally.tries == 10
    assert [len(b.requests) for b in written] == [4, 4, 2]
    assert len({b.seed for b in written}) == 3
    assert "repeats another" in str(tally)
