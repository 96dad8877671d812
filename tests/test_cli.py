"""qgen as a command: bad input is one message and exit code 1, at once, and nothing written is lost."""

import json
import time
from pathlib import Path

import pytest
import torch
from conftest import TINY, qgen


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stage=grp"], "stage=grp: there is no such stage; did you mean grpo?"),
        (["stagee=grpo"], "did you mean stage?"),
        (["stage.max_stepz=3"], "stage.max_stepz: there is no such key; did you mean stage.max_steps?"),
        (["+stage.learning_rat=1"], "stage.learning_rat: there is no such key; did you mean stage.learning_rate?"),
        (["stage.learning_rate=abc"], "stage.learning_rate: Value 'abc'"),
        (["stage.lr_scheduler_type=cosin"], "expected one of [linear, cosine,"),
        (["reward.terms.novlty.weight=1"], "did you mean reward.terms.novelty"),
        (["stage.max_steps=[1"], "cannot be read"),
        (["experiment=quick"], "did you mean quickstart?"),
        (["stage.max_steps=0"], "stage.max_steps=0 must be at least 1"),
        (["stage=grpo", "+stage.trl.beeta=1"], "did you mean stage.trl.beta?"),
    ],
)
def test_a_mistake_is_named_at_once(tmp_path, arguments, says):
    began = time.monotonic()
    done = qgen(*arguments, cwd=tmp_path, cold=True)
    seconds = time.monotonic() - began
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert seconds < 5  # torch alone takes longer, on a machine that is busy besides


@pytest.mark.parametrize("flag", [["--cfg", "job"], ["--help"]])
def test_questions_are_answered_without_torch(tmp_path, flag):
    for package in ("torch", "sklearn", "transformers"):
        (tmp_path / f"{package}.py").write_text("raise SystemExit('imported')")
    done = qgen("stage=grpo", "model=a100", *flag, cwd=tmp_path, cold=True)
    assert done.returncode == 0, done.stderr
    assert "Qwen3-14B" in done.stdout


def test_help_lists_groups_keys_and_examples(tmp_path):
    said = qgen("--help", cwd=tmp_path).stdout
    for part in ("stage: distill, grpo, sft", "accumulation_steps: 8", "python -m qgen.pipeline", "resume=true"):
        assert part in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b'{"problem": "x", "answer": "1"}\n{"problem": "y', "p.jsonl:2: not JSON"),
        (b'{"problem": "\xff"}\n', "p.jsonl:1: not UTF-8"),
        (b'{"problem": "x"}\n', "p.jsonl:1: no 'answer'"),
        (b'{"problem": "How many primes are there below $100$?", "answer": "25"}\n', "problems to train on"),
    ],
)
def test_bad_data(tmp_path, content, says):
    if content is not None:
        (tmp_path / "p.jsonl").write_bytes(content)
    done = qgen(*TINY, "data=jsonl", "data.path=p.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in (tmp_path / "outputs/t/sft/train.log").read_text()


def test_fewer_problems_than_a_step_takes(tmp_path):
    rows = [{"problem": f"Find the sum of the first {n} odd primes, squared.", "answer": str(n)} for n in range(2, 5)]
    rows += [{"problem": "How many divisors of $720$ are perfect squares?", "answer": "6"}]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    easy = ("data.min_quality=0", "data.near_duplicate=1", "~reward.terms.difficulty")
    done = qgen(*TINY, "data=jsonl", "data.path=p.jsonl", *easy, cwd=tmp_path)
    assert done.returncode == 1
    assert "stage=sft takes 16 problems a step" in done.stderr


def test_another_configs_run_is_refused(tmp_path):
    out = tmp_path / "outputs" / "t" / "sft"
    out.mkdir(parents=True)
    (out / "config.yaml").write_text("seed: 1\n")
    (out / "metrics.jsonl").write_text("{}\n")
    done = qgen(*TINY, cwd=tmp_path)
    assert done.returncode == 1
    assert "holds the run of another config" in done.stderr
    assert (out / "config.yaml").read_text() == "seed: 1\n"


def test_a_missing_adapter_is_named(tmp_path):
    done = qgen(*TINY, "stage=grpo", "stage.init_from=nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert "stage.init_from: nowhere does not exist" in done.stderr


def test_unsloth_without_a_gpu_names_its_command(tmp_path):
    done = qgen("model=a100", cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install 'qgen[gpu]'" in done.stderr


def test_a_full_disk_is_named():
    from qgen.cli import explain

    with pytest.raises(OSError, match="No space left") as caught, Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)
    said = explain(caught.value)
    assert "no space is left on the disk" in said
    assert "resume=true" in said
    wrapped = RuntimeError("I/O error: No space left on device (os error 28)")  # safetensors' words
    assert "no space is left" in explain(wrapped)
    with pytest.raises(RuntimeError) as caught:
        torch.save({"x": torch.zeros(10_000)}, "/dev/full")
    assert "no space is left" in explain(caught.value)


def test_the_pipeline_answers_questions_too(tmp_path):
    done = qgen("--cfg", "job", "model=tiny", module="pipeline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "model_type: llama" in done.stdout
    assert qgen("~reward.terms.difficulty", "--cfg", "job", module="pipeline", cwd=tmp_path).returncode == 0


def test_the_pipeline_refuses_a_stage(tmp_path):
    done = qgen("stage=sft", module="pipeline", cwd=tmp_path)
    assert done.returncode == 1
    assert "the pipeline runs all three stages" in done.stderr


def test_the_pipeline_checks_every_stage_before_the_first(tmp_path):
    done = qgen(*TINY, "stage.num_generations=7", module="pipeline", cwd=tmp_path)
    assert done.returncode == 1
    assert "stage.num_generations=7 must divide" in done.stderr
    assert not (tmp_path / "outputs/t/sft").exists()


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=submitit_local"]])
def test_a_sweep_needs_no_name(tmp_path, launcher):
    done = qgen("-m", "seed=0,1", "stage.max_steps=0", *launcher, cwd=tmp_path)
    assert done.returncode == 1
    assert "stage.max_steps=0 must be at least 1" in done.stderr
    assert (tmp_path / "multirun" / "smollm2-champ" / "multirun.yaml").exists()


def test_several_ranks_are_for_one_stage(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "several ranks run one stage" in qgen("-m", "seed=0,1", cwd=tmp_path).stderr
    assert "are for one stage" in qgen("seed=0", module="pipeline", cwd=tmp_path).stderr
    assert not (tmp_path / "multirun" / "smollm2-champ" / "seed=0").exists()


def test_jobs_of_a_sweep_lie_side_by_side(tmp_path):
    qgen("-m", "model=tiny,smollm2", "stage.max_steps=0", cwd=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "multirun/smollm2-champ/manifest.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == [f"multirun/smollm2-champ/model={name}" for name in ("tiny", "smollm2")]
    twice = qgen("-m", "stage.init_from=o/a_b,o/a/b", cwd=tmp_path)
    assert "several jobs of this sweep would write to" in twice.stderr
