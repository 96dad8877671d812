"""Files of a run, a teacher or a chat that are cut, emptied or of another kind: named, and not passed over."""

import json

import pytest
from conftest import composed

from qgen.data.mix import chat
from qgen.papers import certificate
from qgen.reporting.compare import compare
from qgen.reporting.page import runs
from qgen.runs import rundir
from qgen.settings.config import to_yaml
from qgen.teachers.ledger import Cost, Ledger

PAID = {"attempt": "a", "key": "k", "tokens": 5, "money": 0.1}
ROW = PAID | {"outcome": "answered", "reply": "x"}


@pytest.mark.parametrize(
    "row",
    [5, None, [1], "x", True, PAID | {"key": [1]}, {"attempt": "a", "tokens": 1, "money": 1},
     {"attempt": "a", "key": "k"},
     PAID | {"tokens": "5"}, PAID | {"tokens": None}, PAID | {"tokens": float("nan")}, PAID | {"tokens": -(10**9)},
     PAID | {"money": float("nan")}, PAID | {"money": "x"}, PAID | {"attempt": [1]}, ROW | {"reply": None},
     ROW | {"reply": 5}, PAID | {"outcome": "answered"}, {"key": "k", "outcome": "failed"}, "["],
)  # fmt: skip
def test_fault_f5_a_row_that_is_none_is_named(tmp_path, row):
    path = tmp_path / "t.jsonl"
    told = "[" * 100_000 if row == "[" else json.dumps(row)
    path.write_text("\n".join([json.dumps(PAID), "", told, json.dumps(ROW)]) + "\n")
    with pytest.raises(RuntimeError, match=r"t\.jsonl:3: no row of a teacher's file"), Ledger(path).held():
        pass


def test_fault_f5_the_line_is_right_after_rows_of_ones_own(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(ROW) + '\n{"attempt": "b", "ke')  # a kill
    ledger = Ledger(path)
    with ledger.held():
        ledger.settle(ledger.reserve("z", Cost(7, 0.0)), Cost(2, 0.0), "answered", "z", "y")
    assert (ledger.spent, ledger.replies) == (Cost(7, 0.1), {"k": "x", "z": "y"})
    with path.open("a") as file:
        file.write("null\n")
    with pytest.raises(RuntimeError, match=r"t\.jsonl:5: no row"), ledger.held():
        pass


TURNS = [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": "Yes."}]


def said(tmp_path, messages):
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"messages": messages}) + "\n")
    return chat(str(path))


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        (5, "must be a list of turns"),
        (True, "must be a list of turns"),
        ([{"role": "wizard", "content": "Hm."}, *TURNS], "role is 'wizard', which is none of system, user"),
        ([*TURNS[:1], {"role": "tool", "content": "5"}, *TURNS[1:]], "role is 'tool'"),
        ([*TURNS[:1], {"role": "assistant", "content": " \n"}], "a turn says nothing"),
    ],
)
def test_fault_f6_a_chat_that_is_none_is_named(tmp_path, messages, says):
    with pytest.raises(RuntimeError, match=rf"c\.jsonl:1: .*{says}"):
        said(tmp_path, messages)


def test_fault_f6_upper_case_roles_are_roles(tmp_path):
    (row,) = said(tmp_path, [turn | {"role": turn["role"].title()} for turn in TURNS])
    assert row == {"prompt": TURNS[:1], "completion": TURNS[1:]}


@pytest.fixture
def home(tmp_path):
    made = tmp_path / "r" / "sft"
    made.mkdir(parents=True)
    (made / "config.yaml").write_text(to_yaml(composed("run_name=r", f"output_dir={tmp_path}")))
    return made


@pytest.mark.parametrize("summary", ["", "null", "{\n", "5", "\0\0"])
def test_fault_f7_a_stage_without_a_summary_that_can_be_read_is_not_complete(tmp_path, home, summary):
    config = composed("run_name=r", f"output_dir={tmp_path}")
    (home / "summary.json").write_text(summary)
    with pytest.raises(RuntimeError, match="unfinished run of this config: resume=true"):
        rundir.claim(config, home)
    with pytest.raises(RuntimeError, match="holds no finished stage"):
        rundir.finished_stages(home)
    with pytest.raises(RuntimeError, match="is not finished, so grpo cannot start from it"):
        rundir.starting_adapter(composed("stage=grpo", "run_name=r", f"output_dir={tmp_path}"))
    (home / "summary.json").write_text('{"stage": "sft"}')
    assert rundir.claim(config, home).complete


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 9, b"<<<<<<< HEAD\n", b"seed: [1\n", "seed: é".encode("utf-16"), b"5"]
)
def test_fault_f8_settings_that_cannot_be_read_are_named(tmp_path, home, content):
    (home / "summary.json").write_text('{"stage": "sft"}')
    other = tmp_path / "s" / "sft"
    other.mkdir(parents=True)
    (other / "config.yaml").write_bytes(content)
    (other / "metrics.jsonl").write_text("")
    with pytest.raises(RuntimeError, match=r"s/sft/config\.yaml cannot be read "):
        compare(home, other)
    with pytest.raises(RuntimeError, match=r"s/sft/config\.yaml cannot be read "):
        rundir.claim(composed("run_name=s", f"output_dir={tmp_path}"), other)


def test_fault_f5_a_count_that_no_request_can_have_is_booked_as_its_worst_case():
    from qgen.teachers.client import BELIEVED

    worst = Cost(100, 0.5)
    assert Cost(10**30, 1e24).within(worst.times(BELIEVED)) is False
    assert Cost(300, 1.5).within(worst.times(BELIEVED))  # a server's own prompt, or a reasoning beyond max_tokens


@pytest.mark.parametrize(
    "row",
    [{"phases": {"rollout": {"reserve": 5}}}, {"phases": {"rollout": {"reserved": "5", "seconds": 1}}}, {"phases": [1]},
     {"phases": {"rollout": 5}}, {"peak": "7", "reserved": [1]}, 5, {}],
)  # fmt: skip
def test_fault_f9_memory_of_another_kind_is_left_out_of_the_report(tmp_path, row):
    path = tmp_path / "memory.jsonl"
    good = {"step": 0, "reserved": 3, "peak": 4, "phases": {"rollout": {"reserved": 3, "seconds": 1.5}}}
    path.write_text(f"{json.dumps(good)}\n{json.dumps(row)}\n")
    first, *others = runs._memory(path)
    assert first == good
    assert all(other["phases"] == {} and other["peak"] is None for other in others)


@pytest.mark.parametrize("row", ["5", "[1]", "null", '"x"', "{}", '{"certificate": 5}'])
def test_fault_f9_a_problem_that_is_none_is_not_written_again(tmp_path, row):
    (tmp_path / "problems.jsonl").write_text(row + "\n")
    with pytest.raises(ValueError, match=r"problems\.jsonl:1: that problem has no certificate"):
        certificate.read(f"{tmp_path}/problems.jsonl:1")
