"""Two ranks on CPUs, over gloo, started the way torchrun starts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY, qgen

from qgen.runtime.files import read_json, rows, steps

SFT = ("stage=sft", "stage.per_device_train_batch_size=2", "stage.max_steps=4", "stage.learning_rate=1e-2",
       "validation.every=2")  # fmt: skip
WINDOWS = """
import json
from pathlib import Path

from qgen import data
from qgen.compose import composed
from qgen.rewards import Rewards
from qgen.runtime import ranks

ranks.start()
config = composed(["~reward.terms.difficulty", "~reward.terms.novelty", "~reward.terms.diversity", "reward.gate=null",
                   "reward.normalize=zscore", "reward.window=6"])
rewards = Rewards(config.reward, data.load(config.data).train)
texts = ["Problem: How many primes are below $100$?\\nAnswer: 25", "Problem: 2?\\nAnswer: 2", "no", "Answer: 3"]
scores = []
for step in range(2):
    mine = [[{"role": "assistant", "content": t}] for t in texts[ranks.rank()::2]]
    scores.append(rewards.value("format", ["p"] * 2, mine, topic=["Algebra"] * 2, level=[1] * 2))
said = json.dumps({"window": rewards.zscore.state_dict(), "scores": scores})
Path(f"rank{ranks.rank()}.json").write_text(said)
"""


def ranked(*command: str, cwd: Path) -> subprocess.CompletedProcess:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *command]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(launch, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.slow
def test_two_ranks_learn_what_one_does_with_twice_the_accumulation(tmp_path):
    one = qgen(*TINY, *SFT, "stage.gradient_accumulation_steps=4", "run_name=one", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    two = ranked("-m", "qgen.train", *TINY, *SFT, "stage.gradient_accumulation_steps=2", "run_name=two", cwd=tmp_path)
    assert two.returncode == 0, two.stderr
    alone, both = (tmp_path / "outputs" / name / "sft" for name in ("one", "two"))
    assert read_json(both / "environment.json")["ranks"] == 2
    for name, key in (("metrics", "loss"), ("metrics", "grad_norm"), ("validation", "heldout_loss")):
        a, b = ([row[key] for row in steps(out / f"{name}.jsonl")] for out in (alone, both))
        assert b == pytest.approx(a, rel=1e-5)
    assert steps(both / "metrics.jsonl")[-1]["loss"] < steps(both / "metrics.jsonl")[0]["loss"] - 0.01
    for name in ("metrics", "validation", "samples"):  # one directory, written once
        assert len(rows(both / f"{name}.jsonl")) == len(rows(alone / f"{name}.jsonl"))
    assert two.stdout.count("this run's files lie in") == 1
    assert (both / "adapter" / "adapter_model.safetensors").stat().st_size > 0

    again = ranked("-m", "qgen.train", *TINY, *SFT, "stage.gradient_accumulation_steps=2", "run_name=two",
                   "stage.max_steps=6", "resume=true", cwd=tmp_path)  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "resuming from checkpoint-4" in again.stdout
    assert [row["step"] for row in steps(both / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_grpo_on_two_ranks_writes_each_completion_once(tmp_path):
    batch = ("stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=1", "stage.max_steps=2",
             "stage.num_generations=4", "reward.normalize=zscore")  # fmt: skip
    done = ranked("-m", "qgen.train", "stage=grpo", *TINY, *batch, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "outputs" / "t" / "grpo"
    written = [row for row in rows(out / "samples.jsonl") if row["mode"] == "train"]
    assert len(written) == 2 * 2 * 4  # steps x ranks x completions
    assert len({row["completion"] for row in written}) > 8  # the ranks write different ones
    window = json.loads((out / "checkpoint-2" / "qgen_state.json").read_text())["rewards"]["zscore"]
    assert {len(values) for values in window.values()} == {16}


@pytest.mark.slow
def test_windows_are_the_same_on_every_rank(tmp_path):
    (tmp_path / "windows.py").write_text(WINDOWS)
    done = ranked("windows.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert first["window"] == second["window"]
    assert {len(values) for values in first["window"].values()} == {6}  # of 8 values, the last 6
    assert first["scores"] != second["scores"]  # each rank is given those of its own completions
