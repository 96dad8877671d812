import json
import random
from collections import Counter

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed, corpus

from qgen import data
from qgen.adversary.controls import number_swap
from qgen.mathematics.answers import plain
from qgen.mathematics.problem import Problem
from qgen.metrics import meaning
from qgen.settings.verify import ColumnsConfig
from qgen.teach import sets
from qgen.teach.contamination import Contamination


def problem(number: int, topic: str = "Algebra", level: int = 1, answer: str = "7") -> Problem:
    return Problem(f"What is the {number}th of these numbers?", answer, "", topic, level, id=f"p{number}")


def test_what_is_written_is_what_a_training_reads(tmp_path, problems):
    sets.write(problems, tmp_path / "a.jsonl")
    sets.write(problems[:1], tmp_path / "test.jsonl")
    config = composed(
        "data=jsonl", f"data.path={tmp_path / 'a.jsonl'}", f"data.heldout_path={tmp_path / 'test.jsonl'}",
        "data.curate=false",
    )  # fmt: skip
    read = data.load(config.data, config.prompt)
    assert Counter((p.statement, p.answer, p.topic, p.level) for p in read.train) == Counter(
        (p.statement, p.answer, p.topic, p.level) for p in problems * 3
    )  # nine, so that they fill a step of eight
    assert {p.statement for p in read.heldout} == {problems[0].statement}
    again = sets.read(str(tmp_path / "a.jsonl"), ColumnsConfig())
    assert [p.statement for p in again.problems] == [p.statement for p in read.train]


def test_curated_problems_repeat_none_that_another_file_holds_out(tmp_path):
    known = corpus().train[:40]
    sets.write(known, tmp_path / "a.jsonl")
    sets.write(known[:10], tmp_path / "test.jsonl")
    config = composed("data=jsonl", f"data.path={tmp_path / 'a.jsonl'}", f"data.heldout_path={tmp_path / 'test.jsonl'}")
    read = data.load(config.data, config.prompt)
    assert [p.statement for p in read.heldout] == [p.statement for p in known[:10]]
    assert not {p.statement for p in read.train} & {p.statement for p in read.heldout}
    assert read.dropped["near-duplicate of what is held out"] == 10
    assert len(read.train) >= 25


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["data=champ", "data.heldout_path=x.jsonl"], "data=champ does not read data.heldout_path"),
        (["data=jsonl", "data.path=x.jsonl", "data.curate=false"], "data.curate=false needs data.heldout_path"),
    ],
)
def test_a_file_that_is_held_out_is_for_files(keys, said):
    with pytest.raises(ValueError, match=said):
        composed(*keys)


def test_rows_that_are_no_problems_are_counted(tmp_path):
    rows = [
        {"question": "What is 2?", "answer": "2", "subject": "Algebra"},
        {"question": "Prove that 1 = 1.", "answer": "x"},
        {"question": "What is 3?", "answer": None},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = sets.read(str(tmp_path / "a.jsonl"), ColumnsConfig())
    assert [(p.statement, p.topic) for p in found.problems] == [("What is 2?", "Algebra")]
    assert found.left_out.total() == 2
    (tmp_path / "b.jsonl").write_text(json.dumps(rows[1]))
    with pytest.raises(RuntimeError, match=r"none of 1 rows is a problem with an answer \(asks for a proof"):
        sets.read(str(tmp_path / "b.jsonl"), ColumnsConfig())


def test_real_problems_are_matched_in_topic_and_level_and_taken_once():
    wanted = [problem(0), problem(1), problem(2, "Geometry", 3), problem(3, "Topology", 3), problem(4, "Logic", 9)]
    real = [problem(n, topic, level) for n, (topic, level) in enumerate(
        [("Geometry", 3), ("Algebra", 1), ("Number Theory", 3), ("Algebra", 2), ("Calculus", 5)], start=10
    )]  # fmt: skip
    found, exact = sets.matched(wanted, real)
    assert exact == 2
    assert [(p.topic, p.level) for p in found] == [
        ("Algebra", 1), ("Algebra", 2), ("Geometry", 3), ("Number Theory", 3), ("Calculus", 5)
    ]  # fmt: skip
    assert len({p.id for p in found}) == 5
    assert len(sets.matched(wanted, real[:2])[0]) == 2


def test_shuffled_answers_are_others_wherever_there_are_others():
    known = corpus().train
    wrong = sets.shuffled(known)
    assert [p.statement for p in wrong] == [p.statement for p in known]
    assert Counter(p.answer for p in wrong) == Counter(p.answer for p in known)
    assert not [1 for p, q in zip(known, wrong, strict=True) if plain(p.answer) == plain(q.answer)]
    assert not any(p.solution for p in wrong)


def test_what_gives_the_test_away_is_told_from_other_problems():
    known = corpus()
    contamination = Contamination(known.heldout)
    clean, dropped = contamination.without(known.train)
    assert len(clean) >= 0.9 * len(known.train)  # curation has looked for copies already
    left, dropped = contamination.without(known.heldout)
    assert not left
    assert dropped["copied"] == len(known.heldout)
    others = [number_swap(SPHERES, [p], random.Random(0)) for p in known.heldout if p.statement.count("$") > 4]
    left, dropped = contamination.without(others)
    assert not left
    assert dropped["copied with other numbers"] > 0


@pytest.mark.skipif(meaning.directory() is None, reason="MiniLM is not installed")
def test_a_problem_of_the_test_in_other_words_is_found():
    contamination = Contamination([SPHERES, DIGITS, CUBES])
    other = Problem("How many 4-digit numbers have strictly decreasing digits from left to right?", "210")
    left, dropped = contamination.without([other, corpus().train[0]])
    assert left == [corpus().train[0]]
    assert dropped.total() == 1
