"""Stages on a two-layer model of random weights, with a reward that such a model can earn.

The reward comes from a package of a stranger's, installed beside qgen the way pip would.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trl
from conftest import CUBES, LETTERS, PIPELINE, TINY, composed, letters

from qgen import data
from qgen.data.prompts import lesson
from qgen.mathematics.problem import Problem, parse
from qgen.models import model
from qgen.runs.files import steps
from qgen.runs.rundir import Claim
from qgen.stages import run as stages
from qgen.stages import sft
from qgen.stages.context import Context

GRPO = ("stage=grpo", "stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=2")
SFT = ("stage=sft", "stage.per_device_train_batch_size=2", "stage.gradient_accumulation_steps=2")


@pytest.fixture
def home(tmp_path):
    return letters(tmp_path)


def start(home: Path, *arguments: str, module: str = "train") -> subprocess.Popen:
    env = os.environ | {"PYTHONPATH": str(home / "site")}
    command = [sys.executable, "-m", f"qgen.{module}", *arguments, *TINY, *LETTERS]
    return subprocess.Popen(
        command,
        cwd=home,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background shell ignores it
    )


def run(home: Path, *arguments: str, module: str = "train", code: int = 0) -> str:
    process = start(home, *arguments, module=module)
    out, err = process.communicate(timeout=280)
    assert process.returncode == code, out + err
    return out + err


def kill_at_step(home: Path, out: Path, step: int, how: signal.Signals, *arguments: str) -> subprocess.Popen:
    process = start(home, *arguments)
    deadline = time.monotonic() + 200
    while len(steps(out / "metrics.jsonl")) < step:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    process.wait(timeout=60)
    return process


def losses(out: Path) -> list[tuple]:
    keys = ("step", "loss", "grad_norm", "learning_rate", "reward", "terms/letters", "entropy")
    return [tuple(row.get(k) for k in keys) for row in steps(out / "metrics.jsonl") if "loss" in row]


def test_a_killed_stage_resumes_with_the_losses_of_an_uninterrupted_one(home):
    run_of_24 = (
        "stage.max_steps=24",
        "stage.save_steps=3",
        "data.limit=20",
        "~reward.terms.difficulty",
        *GRPO,
    )  # more than one epoch
    run(home, *run_of_24, "output_dir=whole")
    killed = home / "killed" / "t" / "grpo"
    process = kill_at_step(home, killed, 8, signal.SIGKILL, *run_of_24, "output_dir=killed")
    assert process.returncode == -signal.SIGKILL
    assert 8 <= len(steps(killed / "metrics.jsonl")) < 24
    assert "unfinished run" in run(home, *run_of_24, "output_dir=killed", code=1)
    said = run(home, *run_of_24, "output_dir=killed", "resume=true")
    assert "resuming from checkpoint-" in said
    whole = losses(home / "whole" / "t" / "grpo")
    assert len(whole) == 24
    assert losses(killed) == whole
    assert len({row[2] for row in whole}) > 20  # gradients that differ: the comparison can fail
    before, after = (steps(home / d / "t" / "grpo" / "validation.jsonl") for d in ("whole", "killed"))
    assert [row["heldout_loss"] for row in before] == [row["heldout_loss"] for row in after]


@pytest.mark.parametrize("stage", ["sft", "distill"])
def test_a_stage_resumes_from_a_checkpoint_with_the_same_losses(tmp_path, stage):
    size = ("stage.per_device_train_batch_size=2", "stage.gradient_accumulation_steps=2", "stage.num_prompts=8")
    config = composed(f"stage={stage}", "stage.max_steps=8", "stage.save_steps=4", *size, *TINY, "reward.gate=null")
    corpus = data.load(config.data)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    whole.mkdir()
    stages.run(config, corpus, whole, None, Claim(), {})
    shutil.copytree(whole, resumed, ignore=shutil.ignore_patterns("checkpoint-8", "adapter", "summary.json"))
    rows = (resumed / "metrics.jsonl").read_text().splitlines(keepends=True)
    (resumed / "metrics.jsonl").write_text("".join(rows[:4]))
    stages.run(config, corpus, resumed, None, Claim(checkpoint=resumed / "checkpoint-4"), {})
    assert len(losses(whole)) == 8
    ended = tmp_path / "ended"  # killed after the last step, before the adapter was written
    shutil.copytree(whole, ended, ignore=shutil.ignore_patterns("adapter", "summary.json"))
    stages.run(config, corpus, ended, None, Claim(checkpoint=ended / "checkpoint-8"), {})
    assert losses(ended) == losses(whole)
    assert json.loads((ended / "summary.json").read_text())["steps"] == 8
    assert (ended / "adapter/adapter_model.safetensors").read_bytes() == (
        whole / "adapter/adapter_model.safetensors"
    ).read_bytes()
    assert losses(resumed) == losses(whole)
    assert (whole / "adapter/adapter_model.safetensors").read_bytes() == (
        resumed / "adapter/adapter_model.safetensors"
    ).read_bytes()


def test_ctrl_c_says_how_to_go_on(home):
    out = home / "outputs" / "t" / "sft"
    process = start(home, "stage.max_steps=500", "stage.save_steps=3", *SFT)
    while len(steps(out / "metrics.jsonl")) < 5:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "resume=true" in err
    assert "Traceback" not in err
    assert (out / "checkpoint-3" / "qgen_state.json").exists()


def test_the_pipeline_from_python_and_what_it_leaves_behind(pipeline, tmp_path):
    home = tmp_path / "copy"
    shutil.copytree(pipeline[0], home)
    assert "['outputs/t/sft', 'outputs/t/grpo', 'outputs/t/distill']" in pipeline[1].splitlines()
    for once in ("problems read", "at the step that it kept", "parse first", "grpo: held-out reward", "its report is"):
        assert pipeline[1].count(once) == 1, once  # of three stages
    assert pipeline[1].count("data: as in outputs/t/") == 2

    for stage in ("sft", "grpo", "distill"):
        out = home / "outputs" / "t" / stage
        left = {path.name for path in out.iterdir()}
        expected = {"config.yaml", "environment.json", "metrics.jsonl", "validation.jsonl", "memory.jsonl",
                    "samples.jsonl", "checkpoint-2", "adapter", "summary.json", "train.log", "report.html"}  # fmt: skip
        assert expected <= left
        assert len(losses(out)) == 2
        assert [row["step"] for row in steps(out / "validation.jsonl")] == [0, 2]
        nodes = [json.loads(line)["node"] for line in (out / "memory.jsonl").read_text().splitlines()]
        assert nodes[0] == "model loaded"
        assert nodes[-1] == "adapter saved"
    started = [
        json.loads((home / "outputs/t" / stage / "environment.json").read_text())["started_from"]
        for stage in ("sft", "grpo", "distill")
    ]
    assert started == ["base", "outputs/t/sft/adapter", "outputs/t/grpo/adapter"]
    trained_on = [json.loads(line) for line in (home / "outputs/t/grpo/samples.jsonl").read_text().splitlines()]
    train = [row for row in trained_on if row["mode"] == "train"]
    assert len(train) == 16  # two steps of eight completions
    assert all(0 < row["terms"]["letters"] <= 1 for row in train)
    metrics = steps(home / "outputs/t/grpo/metrics.jsonl")[0]
    assert metrics["terms/letters"] == pytest.approx(sum(r["terms"]["letters"] for r in train[:8]) / 8, abs=1e-4)
    assert len((home / "outputs/t/distill/winners.jsonl").read_text().splitlines()) == 8

    adapter = home / "outputs/t/sft/adapter/adapter_model.safetensors"
    before = adapter.read_bytes()
    wrong = ("stage=sft", "overwrite=true", "data.mix.chat=1", "data.chat_path=none.jsonl")
    (home / "none.jsonl").write_text('{"messages": []}')
    assert "none.jsonl:1" in run(home, *PIPELINE, *wrong, code=1)
    assert adapter.read_bytes() == before  # a mistake costs nothing that was written

    again = run(home, *PIPELINE, module="pipeline")
    assert again.count("is complete; overwrite=true trains it again") == 3
    assert "at the step that it kept" in again
    assert "written by distill" in again
    assert "outputs/t/report.html" in again
    assert (home / "outputs/t/report.html").stat().st_size > 20_000


def test_sft_trains_on_the_assistants_part_alone():
    config = composed("stage=sft", *TINY)
    policy, tokenizer = model.load(config.model, None, config.seed)
    context = Context(config, Path("unused"), policy, tokenizer, data.load(config.data), None, None, None)
    batch = next(iter(sft.build(context).get_train_dataloader()))
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        trained = tokenizer.decode(ids[labels != -100])
        assert trained.startswith("Problem:")
        assert trained.strip().endswith("<|im_end|>")
        assert isinstance(parse(trained.replace("<|im_end|>", "").strip()), Problem)


@pytest.mark.slow
def test_sft_of_the_embedded_model_lowers_heldout_loss(tmp_path):
    config = composed(
        "stage=sft", "stage.max_steps=4", "stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=1",
        "stage.learning_rate=2e-3", "stage.warmup_steps=0", "validation.every=0", "validation.prompts=4",
        "validation.problems=8", "sampling.max_new_tokens=24",
    )  # fmt: skip
    summary = stages.run(config, data.load(config.data), tmp_path, None, Claim(), {})
    before, after = summary["heldout_loss"]
    assert after < before - 0.1


def test_qwen3_writes_without_thinking():
    template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text()
    tokenizer = model.load_tokenizer(composed("model=tiny").model)
    tokenizer.chat_template = template
    model.without_thinking(tokenizer)
    row = lesson(composed().prompt, CUBES)
    start = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False)
    assert whole.startswith(start)
    assert isinstance(parse(whole.removeprefix(start).replace("<|im_end|>", "").strip()), Problem)


def test_a_copy_says_how_far_its_log_probabilities_are_from_the_trainers(home):
    run(home, *GRPO, "model.rollout=compiled", "sampling.temperature=0.7", "stage.max_steps=2")
    gaps = [row for row in steps(home / "outputs/t/grpo/metrics.jsonl") if "reward" in row]
    assert len(gaps) == 2
    for row in gaps:
        mean, largest = (row[f"sampling/sampling_logp_difference/{name}"] for name in ("mean", "max"))
        assert mean <= largest < 1e-4  # in 32 bits; at another temperature it would be a tenth of a nat
