import json
import re

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen.data.curate import Corpus
from qgen.data.mix import training_rows
from qgen.mathematics.problem import Problem, parse, render

HIDDEN = Problem("A parabola through $(1, 2)$ has its focus at the origin. Find its directrix.", "$y=3$", level=3)


@pytest.fixture
def files(tmp_path):
    varied = {"original": render(DIGITS), "statement": DIGITS.statement.replace("four", "five"), "answer": "252"}
    chat = {"conversations": [{"from": "human", "value": "Hello!"}, {"from": "gpt", "value": "Good morning."}]}
    (tmp_path / "v.jsonl").write_text(json.dumps(varied) + "\n")
    (tmp_path / "c.jsonl").write_text((json.dumps(chat) + "\n") * 5)
    return tmp_path


def rows(*overrides):
    config = composed(*overrides)
    return training_rows(Corpus([SPHERES, DIGITS, CUBES], [HIDDEN], 4), config.data, config.prompt, seed=0)


def test_problems_only_by_default():
    assert len(rows()) == 3


def test_shares(files):
    mixed = rows(
        f"data.variations_path={files}/v.jsonl",
        f"data.chat_path={files}/c.jsonl",
        "data.mix={problems: 2, variations: 1, chat: 1}",
    )
    said = [row["completion"][0]["content"] for row in mixed]
    assert len(mixed) == 4  # one variation sets the size: two problems, one variation, one conversation
    assert sum("five-digit" in text for text in said) == 1
    assert said.count("Good morning.") == 1


def test_variations_of_held_out_problems_are_left_out(files, capsys):
    varied = {"original": render(HIDDEN), "statement": DIGITS.statement.replace("four", "six"), "answer": "210"}
    with (files / "v.jsonl").open("a") as file:
        file.write(json.dumps(varied) + "\n")
    mixed = rows(f"data.variations_path={files}/v.jsonl", "data.mix={problems: 0, variations: 1}", "reward=variation")
    assert len(mixed) == 1
    assert "1 variations of held-out problems left out" in capsys.readouterr().out


def test_order_is_seeded():
    assert rows() == rows()


def test_the_kind_of_a_variation_is_asked_for(files):
    varied = {"original": render(DIGITS), "statement": DIGITS.statement.replace("four", "five"), "answer": "252"}
    (files / "v.jsonl").write_text(json.dumps(varied | {"kind": "parameter"}) + "\n")
    (row,) = rows(f"data.variations_path={files}/v.jsonl", "data.mix={problems: 0, variations: 1}", "reward=variation")
    assert "with other numbers" in row["prompt"][-1]["content"]


def test_parameter_changes_are_made_of_the_training_problems(capsys):
    config = composed("data.variations_path=recomputed", "data.mix={problems: 0, variations: 1}", "reward=variation")
    books = Problem(
        "In how many ways can 4 books be selected from a shelf of 6 books if their order does not matter?",
        "15", "We choose 4 of 6: $\\binom{6}{4}=15$.", topic="Combinatorics", level=2, id="books",
    )  # fmt: skip
    vertices = Problem(
        "How many diagonals are there in a convex polygon of $n$ vertices, as an expression of $n$?",
        "$n(n-3)/2$", topic="Combinatorics", level=1, id="vertices",
    )  # fmt: skip
    made = training_rows(Corpus([SPHERES, books, vertices], [HIDDEN], 4), config.data, config.prompt, seed=0)
    assert "parameter changes of 2 of 3 problems" in capsys.readouterr().out
    said = [(row["prompt"][-1]["content"], row["completion"][0]["content"]) for row in made]
    assert len(set(said)) == len(said) >= 6
    assert any("shelf of 6 books" in asked for asked, _ in said)
    for asked, written in said:
        assert "expression" not in asked  # letters are varied from numbers to numbers
        new = parse(written)
        if "vertices" in new.statement:
            n = int(re.search(r"\$(\d+)\$ vertices", new.statement)[1])
            assert new.answer == f"${n * (n - 3) // 2}$"
    assert made == training_rows(Corpus([SPHERES, books, vertices], [HIDDEN], 4), config.data, config.prompt, seed=0)
    with pytest.raises(RuntimeError, match="none of the problems"):
        training_rows(Corpus([SPHERES], [HIDDEN], 2), config.data, config.prompt, seed=0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"original": "no problem", "statement": "s", "answer": "a"}, "'original' is not a problem"),
        ({"original": render(DIGITS), "statement": "s"}, "'statement' and 'answer'"),
        ({"original": render(DIGITS), "statement": "s", "answer": "1", "kind": "other"}, "kind 'other' is none of"),
    ],
)
def test_broken_variations(tmp_path, line, says):
    (tmp_path / "v.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(RuntimeError, match=says):
        rows(f"data.variations_path={tmp_path}/v.jsonl", "data.mix.variations=1")


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"messages": [{"role": "user", "content": "Hello!"}]},
        {"messages": ["hi", "you"]},
        {"messages": [{"role": "x"}]},
    ],
)
def test_broken_chat(tmp_path, line):
    (tmp_path / "c.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(RuntimeError, match=r"c\.jsonl:1"):
        rows(f"data.chat_path={tmp_path}/c.jsonl", "data.mix.chat=1")
