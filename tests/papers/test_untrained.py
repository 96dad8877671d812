"""qgen.generate without a run: a model as it is writes problems with programs, and its answers are proved."""

import json
from contextlib import contextmanager

import pytest
from llama_loopback import loopback

from qgen.papers import generation
from qgen.proofs import engines
from qgen.runs.files import rows
from qgen.settings.choices import Proof
from qgen.settings.generate import GenerateConfig, GeneratingConfig

WRITTEN = [  # statement, program, stated answer; what a solver says
    ("How many positive integers $n < 500$ make $n^2 + 11$ a multiple of $15$?",
     "print(sum((n * n + 11) % 15 == 0 for n in range(1, 500)))", "66", "133"),
    ("In how many ways can seven books be put on two shelves so that neither shelf is empty?", "print(2**7)", "126",
     "126"),
    ("What is the sum of all positive divisors of the number $360$ that are odd?", "while True: pass", "78", "78"),
    ("Find the number of pairs of integers $(x, y)$ with $x^2 + y^2 \\le 25$.",
     "print(sum(x * x + y * y <= 25 for x in range(-5, 6) for y in range(-5, 6)))", "80", "81"),
    ("What is the remainder when $7^{100}$ is divided by the number $11$?", "print(pow(7, 100, 11))", "1", "1"),
]  # fmt: skip


def author(prompt: str, seed: int) -> str:
    """Problems in turn where one is asked for, and a solver's answer where one is to be solved."""
    for statement, _, _, answer in WRITTEN:
        if statement in prompt:
            return f"```python\nprint({answer})\n```" if "Python" in prompt else f"It is \\boxed{{{answer}}}."
    turn = next(turns) % len(WRITTEN)
    statement, program, stated, _ = WRITTEN[turn]
    return f"Problem: {statement}\nProgram:\n```python\n{program}\n```\nAnswer: {stated}"


@pytest.fixture
def served(monkeypatch):
    global turns
    turns = iter(range(10**6))
    asked = []

    @contextmanager
    def opened(config):
        with loopback(author) as engine:
            yield engine
            asked.extend(engine.asked)

    monkeypatch.setattr(engines, "opened", opened)
    return asked


def test_five_problems_with_proved_answers(served, tmp_path, capsys):
    model = GeneratingConfig(name="qwen_coder", max_length=1024)
    config = GenerateConfig(model=model, n=3, proof=Proof.computed, out=str(tmp_path / "out"), tries=9)
    generation.generate(config)
    said = capsys.readouterr()
    assert "qwen_coder by llama.cpp; proof=computed" in said.out
    words = " ".join(said.out.split())
    assert "2 no problem: program" in words
    assert "1 answer refuted" in words
    assert "tries, 3 proved" in said.err
    made = rows(tmp_path / "out/problems.jsonl")
    assert {row["statement"]: row["answer"] for row in made} == {
        WRITTEN[0][0]: "133", WRITTEN[3][0]: "81", WRITTEN[4][0]: "1",
    }  # fmt: skip
    for row in made:
        proof = row["certificate"]["answer_proof"]
        assert (row["proof"], proof["proof"]) == ("computed", "computed")
        assert proof["outcome"]["answer"] == row["answer"]
        assert proof["votes"]["agree"] == 1.0
        assert row["reward"] is None
    assert made[0]["proved"].startswith("computed: its program, and ")
    assert "**Answer:** 133 (computed: its program, and" in (tmp_path / "out/problems.md").read_text()
    asked = len(served)
    generation.generate(config)  # from what was kept
    assert len(served) == asked
    assert rows(tmp_path / "out/problems.jsonl") == made


def test_papers_print_the_key_with_its_proof(served, tmp_path):
    config = GenerateConfig(model=GeneratingConfig(name="qwen_coder"), n=2, out=str(tmp_path), tries=9)
    config.paper.title, config.paper.problems = "A Contest", 2
    generation.generate(config)
    assert "(computed: its program, and" in (tmp_path / "paper.tex").read_text()
    assert "computed: its program, and" in (tmp_path / "paper.html").read_text()


def test_stated_answers_ask_no_solver(served, tmp_path):
    config = GenerateConfig(model=GeneratingConfig(name="qwen_coder"), n=2, proof=Proof.stated, out=str(tmp_path))
    generation.generate(config)
    assert not any("Python program that computes the answer to this problem" in prompt for prompt in served)
    assert json.loads((tmp_path / "problems.jsonl").read_text().splitlines()[0])["proof"] == "stated"
