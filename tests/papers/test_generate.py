"""qgen.generate as a command: a model that can write writes a paper, and writes a problem of it again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import composed, qgen

from qgen.data.prompts import ask
from qgen.mathematics.problem import Problem, render
from qgen.models import model
from qgen.papers.certificate import read
from qgen.papers.writer import reproduce
from qgen.runs import rundir
from qgen.runs.files import rows
from qgen.settings.config import to_yaml

WIDE = ("model=tiny", "model.lora.r=16", "model.lora.alpha=64", "model.architecture.hidden_size=64",
        "model.architecture.intermediate_size=128", "+model.architecture.tie_word_embeddings=true",
        "+model.architecture.initializer_range=0.5")  # fmt: skip
LEARNED = {
    "Number Theory": Problem("How many positive integers $n < 500$ make $n^2 + 11$ a multiple of $15$?", "66"),
    "Combinatorics": Problem(
        "In how many ways can seven books be put on two shelves so that neither shelf is empty?", "126"
    ),
}
PAPER = ("run=outputs/t", "paper=contest", "paper.problems=2", "paper.topics={number_theory:1,combinatorics:1}",
         "level=2", "temperature=0.1", "max_new_tokens=64", "batch_size=8")  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A run whose model, of random weights, has learned two problems by heart."""
    home = tmp_path_factory.mktemp("generate")
    stage = home / "outputs/t/sft"
    config = composed(*WIDE)
    policy, tokenizer = model.load(config.model, None, config.seed)
    texts = [
        (tokenizer.apply_chat_template(ask(config.prompt, topic, 2), add_generation_prompt=True, tokenize=False),
         render(problem) + tokenizer.eos_token)
        for topic, problem in LEARNED.items()
    ]  # fmt: skip
    examples = [[tokenizer(part, add_special_tokens=False)["input_ids"] for part in pair] for pair in texts]
    optimizer = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(60):
        losses = []
        for prompt, completion in examples:
            logits = policy(torch.tensor([prompt + completion]), logits_to_keep=len(completion) + 1).logits[0, :-1]
            losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(completion)))
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
        if max(losses) < 0.01:
            break
    policy.save_pretrained(stage / "adapter")
    (stage / rundir.CONFIG).write_text(to_yaml(config))
    (stage / rundir.SUMMARY).write_text("{}")
    return home


def test_a_paper_of_problems_with_certificates(home):
    done = qgen(*PAPER, cwd=home, module="generate")
    assert done.returncode == 0, done.stderr
    assert "rollout: generate (no GPU)" in done.stdout
    assert "2 of 2 problems passed the gate, in" in done.stdout
    out = home / "outputs/t/generated"
    made = rows(out / "problems.jsonl")
    assert {row["topic"]: row["statement"] for row in made} == {t: p.statement for t, p in LEARNED.items()}
    assert made[0]["difficulty"] <= made[1]["difficulty"]  # from easy to hard
    for row in made:
        proof = row["certificate"]
        assert proof["adapter"] == rundir.fingerprint(home / "outputs/t/sft/adapter")
        assert proof["rollout"] == "generate"
        assert proof["gate"]["topic"] == row["topic"]
        assert proof["terms"]["format"] == 1.0
        assert row["topic"] in proof["prompt"][-1]["content"]
        assert row["nearest"]["licence"] == "MIT"
    assert "Mathematics Contest" in (out / "paper.html").read_text()
    assert LEARNED["Combinatorics"].statement in (out / "paper.tex").read_text()
    assert made[0]["certificate"]["id"] in (out / "problems.md").read_text()

    written = (out / "outputs.jsonl").read_bytes()
    again = qgen(*PAPER, cwd=home, module="generate")
    assert again.returncode == 0, again.stderr
    assert (out / "outputs.jsonl").read_bytes() == written  # what was written is not written twice
    assert rows(out / "problems.jsonl") == made


def test_a_certificate_writes_its_problem_again(home):
    stage = home / "outputs/t/sft"
    proof = read(f"{home}/outputs/t/generated/problems.jsonl:1")
    assert reproduce(proof, stage, rundir.config_at(stage)) == proof["completion"]
    with pytest.raises(RuntimeError, match="the adapter is"):
        reproduce(proof | {"adapter": "another"}, stage, rundir.config_at(stage))
    with pytest.raises(RuntimeError, match="device, threads, packages are the same"):
        reproduce(proof | {"completion": "another"}, stage, rundir.config_at(stage))
    older = {key: value for key, value in proof.items() if key != "rollout"}
    assert reproduce(older, stage, rundir.config_at(stage)) == proof["completion"]


def test_a_copy_writes_and_its_certificate_says_so(home, capsys):
    done = qgen(*PAPER, "model.rollout=compiled", "out=copied", cwd=home, module="generate")
    assert done.returncode == 0, done.stderr
    assert "rollout: compiled (a copy in torch.float32 fits)" in done.stdout
    made = rows(home / "copied/problems.jsonl")
    assert {row["topic"]: row["statement"] for row in made} == {t: p.statement for t, p in LEARNED.items()}
    proof = read(f"{home}/copied/problems.jsonl:1")
    assert proof["rollout"] == "compiled"
    stage = home / "outputs/t/sft"  # whose own model.rollout is auto
    assert reproduce(proof, stage, rundir.config_at(stage)) == proof["completion"]
    assert "rollout: compiled" in capsys.readouterr().out


def test_too_few_are_kept_and_told(home):
    done = qgen("run=outputs/t", "n=1", "tries=2", "level=5", "temperature=9", "max_new_tokens=4", "out=few",
                cwd=home, module="generate")  # fmt: skip
    assert done.returncode == 1
    assert "0 of 1 problems passed the gate in 2 tries (2 no problem: no statement)" in done.stderr
    assert "Raise tries" in done.stderr
    assert (home / "few/problems.jsonl").read_text() == ""
    assert [len(row["outputs"]) for row in map(json.loads, (home / "few/outputs.jsonl").open())] == [2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "run says whose model writes"),
        (["run=nowhere"], "run=nowhere: there is no such directory"),
        (["run=outputs"], "holds no finished stage"),
        (["run=outputs/t", "n=0"], "n=0 must be"),
        (["run=outputs/t", "model=qwen_coder"], "run and model.name=qwen_coder contradict each other"),
        (["model=qwen_coder", "reproduce=none:1"], "reproduce needs run"),
        (["model=qwen"], "there is no such model; did you mean qwen_coder?"),
        (["run=outputs/t", "proof=computed"], "proof=computed needs programs, and this run was trained without"),
        (["run=outputs/t", "solver.samples=1"], "solver.samples=1 must be"),
        (["run=outputs/t", "model.rolout=auto"], "did you mean model.rollout?"),
        (["run=outputs/t", "topik=geometry"], "topik: there is no such key; did you mean topic?"),
        (["run=outputs/t", "topic=geometri"], "there is no such topic"),
        (["run=outputs/t", "kind=harder"], "kind=harder needs like="),
        (["run=outputs/t", "like=Hello"], "like: that is no problem"),
        (["run=outputs/t", "paper=contst"], "paper=contst: there is no such paper; did you mean contest?"),
        (["run=outputs/t", "paper.problems=3"], "a paper needs a title: paper=contest has one"),
        (["run=outputs/t", "paper=contest", "paper.problms=3"], "did you mean paper.problems?"),
        (["run=outputs/t", "paper=contest", "paper.topics={algebra:x}"], "must say how many of which"),
        (["run=outputs/t", "paper=contest", "paper.topics={inequality:11}"], "ask for 11 problems"),
        (["run=outputs/t", "reproduce=none:1"], "name a problem of a file"),
    ],
)
def test_mistakes_are_named(home, arguments, says):
    done = qgen(*arguments, cwd=home, module="generate")
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_generate_answers_help_without_torch(tmp_path):
    code = "import sys; import qgen.generate; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
    done = qgen("--help", cwd=tmp_path, module="generate")
    assert done.returncode == 0
    assert "paper=contest paper.problems=15" in done.stdout
