"""What a fuzz found taught as it stood: eaten commands, unseen characters, answers that are none."""

import json
from dataclasses import replace

import pytest
from conftest import SPHERES, composed

from qgen.data import jsonl
from qgen.mathematics.escapes import foreign, restored
from qgen.mathematics.problem import Problem, fault, parse, render
from qgen.teachers.questions import Question, Scores, Written

ROW = {"problem": "Find the sum of the digits of $2^{10}$, please.", "answer": "7", "solution": "It is $1+0+2+4=7$."}
EATEN_BY_N = [rf"\n{rest}" for rest in (
    "leqslant", "geqslant", "leftarrow", "Rightarrow", "Vdash", "vdash", "ewline", "otag", "oindent", "shortmid",
    "triangleleft", "eq", "otin", "abla", "exists",
)]  # fmt: skip


def read(tmp_path, *rows):
    path = tmp_path / "p.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return list(jsonl.read(composed("data=jsonl", f"data.path={path}").data))


@pytest.mark.parametrize("command", EATEN_BY_N)
def test_fault_f1_the_whole_family_of_n_is_restored(command):
    meant = f"$a {command} b$"
    assert restored(json.loads(f'"{meant}"')) == restored(meant) == meant


@pytest.mark.parametrize(
    "written",
    [r"n \neq 5", r"n \notin S", r"\nabla f", r"a \thickapprox b", r"$a \nless b$", r"the angle \nu", r"a \ne b"],
)
def test_fault_f1_half_a_command_outside_of_mathematics_is_refused(written):
    with pytest.raises(ValueError, match=r"may be half of|a tab"):
        restored(json.loads(f'"{written}"'))


@pytest.mark.parametrize("text", ["for which\nexists a root", "is\nless than 5", "take it,\ne.g. now", "$\\pi$ or\ne"])
def test_fault_f1_lines_that_begin_with_a_word_stay(text):
    assert restored(text) == text


@pytest.mark.parametrize(
    "char", ["\ufffd", "\ufffe", "\uffff", "\u202e", "\u2066", "\u2028", "\ue000", "\U000e0041", "<|im_end|>"]
)
def test_fault_f1_what_is_lost_or_unseen_is_in_no_part_of_a_problem(tmp_path, char):
    good, *bad = read(
        tmp_path, ROW, *(ROW | {part: f"{ROW.get(part, 'Algebra')[:3]}{char} so"} for part in (*ROW, "subject"))
    )
    assert isinstance(good, Problem)
    assert [fault.kind.split(" holds ")[0] for fault in bad] == ["statement", "answer", "solution", "topic"]
    assert parse(render(SPHERES).replace("spheres", f"spheres{char}")).kind == "control character"
    assert fault(replace(SPHERES, solution=f"It is{char}.")).kind == "control character"


@pytest.mark.parametrize("char", ["\u00ad", "\u200b", "\u2060", "\ufeff"])
def test_fault_f1_what_pages_hide_in_a_text_is_taken_out(char):
    assert restored(f"{char}17{char} rows") == "17 rows"
    assert foreign(f"1{char}7")


@pytest.mark.parametrize("text", ["$1<|x|>0$", "$<|z|<2$", "naïve 三角形 👩‍🔬", "a\u00a0b"])
def test_fault_f1_what_looks_like_it_stays(text):
    assert restored(text) == text


NONE = [
    "...",
    "…",
    "-",
    "[object Object]",
    "#REF!",
    "#DIV/0!",
    "NaN%",
    "N/A",
    "I cannot answer that.",
    "I'm sorry.",
    "抱歉",
]


@pytest.mark.parametrize("answer", [*NONE, "2<|im_end|>", "Answer: 17", "**Answer:** 17", "答案：17"])
def test_fault_f1_what_is_no_answer_does_not_pass(answer):
    assert fault(replace(SPHERES, answer=answer)).kind in ("no answer", "disorder", "control character")


@pytest.mark.parametrize(
    "answer", ["$-$", "undefined", "-1", "Infinity", "no solution", "$I$", "$[-1, 1]$", "none of them"]
)
def test_fault_f1_what_may_be_an_answer_passes(answer):
    assert fault(replace(SPHERES, answer=answer)) is None


@pytest.mark.parametrize("word", ["[object Object]", "#REF!", "N/A", "-"])
def test_fault_f1_a_word_for_nothing_is_no_topic(tmp_path, word):
    (problem,) = read(tmp_path, ROW | {"subject": word, "solution": word, "source": word})
    assert (problem.solution, problem.source) == ("", "p.jsonl")
    assert problem.topic != word


@pytest.mark.parametrize("answer", ["9007199254740993.0", "17.0000000000000001", "0.1234567890123456789"])
def test_fault_f1_a_number_that_would_be_rounded_is_refused(tmp_path, answer):
    good, bad = read(
        tmp_path, *(json.dumps(ROW).replace('"7"', written) for written in ("0.30000000000000004", answer))
    )
    assert good.answer == "0.30000000000000004"
    assert bad.kind == "answer is too many digits"


def test_fault_f1_a_key_that_is_given_twice_is_refused(tmp_path):
    twice, same = json.dumps(ROW)[:-1] + ', "answer": "99"}', json.dumps(ROW)[:-1] + ', "answer": "7"}'
    bad, good = read(tmp_path, twice, same)
    assert (bad.kind, good.answer) == ("answer is given twice", "7")
    written = json.dumps({"statement": ROW["problem"], "answer": "7"})
    for reply, text, key in (
        (Written, written, "answer"),
        (Scores, json.dumps(dict.fromkeys(Scores.model_fields, 3)), "rigor"),
    ):
        question = Question("x", (), reply)
        assert question.read(text)
        value = '"9"' if key == "answer" else "1"
        with pytest.raises(ValueError, match=f"{key} is given twice"):
            question.read(f'{text} {text[:-1]}, "{key}": {value}}}')


def test_fault_f1_a_null_is_no_row(tmp_path):
    with pytest.raises(RuntimeError, match=r"p\.jsonl:3: not a JSON object but null"):
        read(tmp_path, ROW, "", "null", ROW)
    with pytest.raises(RuntimeError, match=r"p\.jsonl: the file is empty"):
        read(tmp_path, " ", "\t")
