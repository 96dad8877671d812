"""What a text is: the program's result is the answer, wherever texts are read."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import DIGITS, composed

from qgen import data
from qgen.evaluation import sets, varied
from qgen.mathematics.problem import Fault, Problem, parse, render
from qgen.mathematics.programmed import recalled
from qgen.programs import submit
from qgen.proofs import reading
from qgen.rewards import Rewards
from qgen.rewards.registry import parsed

COUNT = "from math import comb\nprint(comb(10, 4))"


def wrote(program: str | None, stated: str) -> str:
    return render(replace(DIGITS, answer=stated, program=program), solution="program")


WRONG = wrote(COUNT, "5040")
READERS = {
    "reading": reading.read,
    "rewards": parsed,
    "evaluation": lambda texts: sets.OutputSet("m", "model", [], np.arange(len(texts)), texts).parsed,
    "variations": lambda texts: varied.by_model("m", [], [], texts).written,
    "samples.jsonl": lambda texts: [
        recalled(t, ran and ran.plain()) for t, ran in zip(texts, reading.computed(texts), strict=True)
    ],
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_takes_the_program_s_result(reader):
    texts = [WRONG, wrote(None, "5040"), wrote("while True: pass", "210"), "no problem", wrote(COUNT, "$210$")]
    computed, stated, endless, none, same = READERS[reader](texts)
    assert (computed.answer, stated.answer, same.answer) == ("210", "5040", "$210$")
    assert (endless.kind, none.kind) == ("program", "no statement")
    assert isinstance(endless, Fault)


@pytest.mark.parametrize("reader", READERS)
def test_a_program_that_prints_nothing_is_none(reader):
    (found,) = READERS[reader]([wrote("from math import comb\nways = comb(10, 4)  # print(ways)", "210")])
    assert found == reading.SILENT


def test_a_program_is_run_once(monkeypatch):
    text = wrote(COUNT + "  # once", "1")
    first = reading.read([text])
    monkeypatch.setattr(reading, "compute", None)
    assert reading.read([text, text]) == first * 2


def test_a_program_that_was_begun_is_not_run_again(monkeypatch):
    texts = [wrote(f"{COUNT}  # begun {i}", "1") for i in range(2)]
    asked = []
    monkeypatch.setattr(reading, "submit", lambda program, limits: (asked.append(program), submit(program, limits))[1])
    for text in (texts[0], texts[0], "no problem", wrote(None, "5")):
        reading.begin(text)
    assert asked == [f"{COUNT}  # begun 0"]
    assert [problem.answer for problem in reading.read(texts)] == ["210", "210"]
    assert asked == [f"{COUNT}  # begun {i}" for i in range(2)]
    reading.begin(texts[0])
    assert len(asked) == 2
    assert not set(asked) & set(reading._begun)


def test_rewards_keep_the_comparison():
    rewards = Rewards(composed().reward, data.load(composed().data).train)
    texts = [WRONG, wrote(None, "5040"), wrote("import os", "210")]
    scores = rewards.score(["ask"] * 3, texts, topic=["Combinatorics"] * 3, level=[2] * 3)
    right, plain, refused = scores.facts
    assert right["program"] == {
        "answer": "210", "fault": None, "printed": "210", "exact": True, "stated": "5040", "same": False,
    }  # fmt: skip
    assert "program" not in plain
    assert refused["program"]["fault"][0] == "program"
    assert scores.terms["format"] == [1.0, 1.0, 0.0]


def test_a_winner_is_taught_with_the_program_s_answer():
    taught = parse(reading.computed_text(WRONG, "en"))
    assert isinstance(taught, Problem)
    assert (taught.answer, taught.program, taught.statement) == ("210", COUNT, DIGITS.statement)
    for text in (wrote(COUNT, "$210$"), wrote(None, "5"), wrote("import os", "5"), "no problem"):
        assert reading.computed_text(text, "en") == text
