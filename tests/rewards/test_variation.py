"""The term that scores variations, alone and in GRPO."""

import json
from dataclasses import replace

import pytest
from conftest import TINY, composed, qgen

from qgen import data
from qgen.data.prompts import variation
from qgen.mathematics.problem import Problem, parse, render
from qgen.rewards import Rewards
from qgen.rewards.variation import Variation
from qgen.runs.files import rows
from qgen.settings.choices import Kind


@pytest.fixture(scope="module")
def corpus():
    return data.load(composed().data).train


def test_a_variation_scores_and_what_is_none_does_not(corpus):
    original = next(p for p in corpus if p.id == "P_Number-Theory_19")  # n^5-5n^3+4n mod 120
    changed = original.statement.replace("120", "60").replace("4n", "8n")
    written = [
        f"Problem: {changed}\nAnswer: 12",
        f"Problem: {changed}\nAnswer: {original.answer}",
        render(original),
        render(corpus[0]),
        "no problem",
        render(corpus[1]),
    ]
    asked = [render(original)] * 5 + [""]
    reward = Variation(corpus)
    scores = reward(written, original=asked, kind=["parameter"] * 5 + [""])
    assert scores == [1.0, 0.0, 0.0, 0.0, 0.0, None]  # the last was asked for as a problem
    assert [fact.get("variation") for fact in reward.facts] == [
        "valid", "stale answer", "copy", "unrelated", "no problem", None,
    ]  # fmt: skip
    assert reward(written) == [None] * 6  # requests without variations among them


def test_a_program_says_which_answer_other_numbers_have(corpus):
    statement = "In how many ways can a team of 4 players be chosen of 9 players, if their order does not matter?"
    old = Problem(statement, "126", program="from math import comb\nprint(comb(9, 4))")
    changed = statement.replace("9", "11")
    written = [f"Problem: {changed}\nAnswer: {answer}" for answer in ("330", "331")]
    columns = {"kind": ["parameter"] * 2}
    reward = Variation(corpus)
    assert reward(written, original=[render(old, solution="program")] * 2, **columns) == [1.0, 0.0]
    assert reward.facts[1] == {"variation": "wrong answer"}
    assert reward(written, original=[render(old)] * 2, **columns) == [1.0, 1.0]  # nobody knows
    asked = variation(
        composed("prompt.solution=program").prompt, replace(old, topic="Combinatorics", level=2), Kind.parameter
    )
    assert parse(asked["original"]) == old


def test_the_shipped_group_scores_both_tasks(corpus):
    rewards = Rewards(composed("reward=variation").reward, corpus)
    columns = {"topic": ["Algebra"] * 2, "level": [3] * 2, "original": [render(corpus[3]), ""], "kind": ["context", ""]}
    scores = rewards.score([[], []], [render(corpus[3]), render(corpus[4])], **columns)
    assert scores.terms["variation"] == [0.0, None]
    assert scores.total[1] > 0


def test_grpo_on_both_tasks(tmp_path):
    done = qgen("stage=grpo", "stage.task=both", "reward=variation", "stage.max_steps=2", "stage.num_generations=2",
                "stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=1", *TINY,
                cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = rows(tmp_path / "outputs/t/grpo/samples.jsonl")
    trained = [row for row in written if row["mode"] == "train"]
    assert {bool(row["original"]) for row in trained} == {True, False}
    assert all(bool(row["original"]) == bool(row["kind"]) for row in written)
    assert {row["kind"] for row in written if row["mode"] == "validation"} >= {"", "parameter", "context"}
    assert all(json.dumps(row) for row in written)


def test_sft_on_variations_is_validated_on_variations(tmp_path, corpus):
    varied = {"original": render(corpus[3]), "statement": "What is the sum of 12 and 15?", "answer": "27"}
    (tmp_path / "v.jsonl").write_text(json.dumps(varied) + "\n")
    done = qgen("stage=sft", "data.variations_path=v.jsonl", "data.mix={problems: 0, variations: 1}",
                "reward=variation", "stage.max_steps=1", "stage.per_device_train_batch_size=1",
                "stage.gradient_accumulation_steps=1", *TINY, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(row["original"] and row["kind"] for row in rows(tmp_path / "outputs/t/sft/samples.jsonl"))


def test_other_stages_have_no_such_task(tmp_path):
    done = qgen("stage=sft", "stage.task=variation", cwd=tmp_path)
    assert done.returncode == 1
    assert "data.mix has variations for sft" in done.stderr
