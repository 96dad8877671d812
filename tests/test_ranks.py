"""Two ranks on CPUs, over gloo, started the way torchrun starts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from conftest import TINY, composed, letters, qgen
from peft import PeftModel
from safetensors.torch import load_file
from torch.testing import assert_close

from qgen.models import model
from qgen.runs.files import read_json, rows, steps
from qgen.settings.compose import CONF

SFT = ("stage=sft", "stage.per_device_train_batch_size=2", "stage.max_steps=4", "stage.learning_rate=1e-2",
       "validation.every=2")  # fmt: skip
WINDOWS = """
import json
from pathlib import Path

from qgen import data
from qgen.settings.compose import composed
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
# accelerate takes up FSDP where it finds several GPUs; PyTorch's fully_shard, which it calls, runs on CPUs as well
SHARDED = """
from accelerate.state import AcceleratorState, DistributedType, PartialState

begin = AcceleratorState.__init__

def on_cpus(self, *args, **more):
    if PartialState._shared_state.get("distributed_type") is DistributedType.MULTI_CPU:
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    begin(self, *args, **more)

AcceleratorState.__init__ = on_cpus
"""
TRAIN = (
    SHARDED
    + """
from qgen.train import main

main()
"""
)
POISONED = """
import math

from qgen.runtime import ranks
from qgen.stages import sft
from qgen.train import main

compute = sft.SFTTrainer.compute_loss

def poisoned(self, *args, **more):
    loss = compute(self, *args, **more)
    return loss * math.nan if self.state.global_step == 1 and ranks.rank() == 1 else loss

sft.SFTTrainer.compute_loss = poisoned
main()
"""
ALONE = (
    SHARDED
    + """
import torch
from accelerate import Accelerator
from torch.distributed.tensor import DTensor

from qgen.settings.compose import composed
from qgen.models.model import load
from qgen.runtime import ranks, shards

def sharded():
    return all(isinstance(p, DTensor) for p in policy.base_model.model.model.layers.parameters())

ranks.start()
policy, _ = load(composed(["model=tiny"]).model, None, 0)
optimizer = torch.optim.AdamW([p for p in policy.parameters() if p.requires_grad])
policy, optimizer = Accelerator().prepare(policy, optimizer)
ids = torch.arange(1, 9)[None]
with torch.no_grad():
    with shards.whole(policy):
        before = policy(ids).logits
        with shards.whole(policy):
            for _ in range(5 * ranks.rank()):  # while the other has gone on
                policy(ids)
        for p in policy.parameters():
            p.mul_(2)
    assert sharded()
    torch.testing.assert_close(policy(ids).logits, before)
    assert sharded()  # after a forward outside too
policy(ids, labels=ids).loss.backward()
assert all(p.grad is not None for p in policy.parameters() if p.requires_grad)
"""
)


def ranked(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *command]
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(launch, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False)


def sharded(code: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run code on two ranks with what accelerate hands a process by conf/accelerate/fsdp2.yaml."""
    (cwd / "sharded.py").write_text(code)
    file = str(CONF / "accelerate" / "fsdp2.yaml")
    launch, _, _ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", file, "train.py"]))
    given = {name: value for name, value in prepare_multi_gpu_env(launch).items() if "FSDP" in name}
    return ranked("sharded.py", *arguments, cwd=cwd, **given, **environment)


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


@pytest.mark.slow
def test_sharded_weights_learn_what_whole_ones_do(tmp_path):
    more = (*TINY, *SFT, "stage.gradient_accumulation_steps=2")
    done = ranked("-m", "qgen.train", *more, "run_name=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = sharded(TRAIN, *more, "run_name=sharded", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rollout: generate (the weights are sharded" in done.stdout
    same(*(tmp_path / "outputs" / name / "sft" for name in ("whole", "sharded")))
    out = tmp_path / "outputs" / "sharded" / "sft"
    assert (out / "checkpoint-4" / "pytorch_model_fsdp.bin").exists()  # it was sharded

    config = composed("model=tiny").model
    policy = PeftModel.from_pretrained(model.load_plain(config, seed=0)[0], str(out / "adapter"))
    learned = {n: p for n, p in policy.state_dict().items() if "lora_B" in n}
    assert len(learned) == 14  # seven matrices of two layers
    assert all(p.abs().sum() > 0 for p in learned.values())

    again = sharded(TRAIN, *more, "run_name=sharded", "stage.max_steps=6", "resume=true", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "resuming from checkpoint-4" in again.stdout
    assert [row["step"] for row in steps(out / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_nan_on_one_rank_is_a_step_that_no_rank_takes(tmp_path):
    more = (*TINY, *SFT, "stage.gradient_accumulation_steps=2", "validation.keep_best=false")
    (tmp_path / "poisoned.py").write_text(POISONED)
    done = ranked("poisoned.py", *more, "run_name=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = sharded(SHARDED + POISONED, *more, "run_name=sharded", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole, out = (tmp_path / "outputs" / name / "sft" for name in ("whole", "sharded"))
    for folder in (whole, out):
        assert [row["nonfinite_steps"] for row in steps(folder / "metrics.jsonl")] == [0, 1, 1, 1]
        (row,) = rows(folder / "nonfinite.jsonl")
        assert (row["step"], row["rank"], row["grad_norm"]) == (2, 0, None)
        assert (folder / "nonfinite.pt").exists()
    a, b = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (whole, out))
    assert_close(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_grpo_of_sharded_weights_writes_judges_and_learns_as_of_whole_ones(tmp_path):
    more = ("stage=grpo", *TINY, "sampling.max_new_tokens=16", "stage.per_device_train_batch_size=4",
            "stage.gradient_accumulation_steps=1", "stage.max_steps=3", "stage.num_generations=4",
            "stage.learning_rate=1e-2", "reward.gate=null", "+reward.terms.letters.weight=1",
            "+reward.terms.natural.weight=1", "reward.normalize=zscore", "validation.keep_best=false")  # fmt: skip
    path = os.pathsep.join(filter(None, (str(letters(tmp_path) / "site"), os.environ.get("PYTHONPATH"))))
    done = ranked("-m", "qgen.train", *more, "run_name=whole", cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    done = sharded(TRAIN, *more, "run_name=sharded", cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    whole, out = (tmp_path / "outputs" / name / "grpo" for name in ("whole", "sharded"))
    same(whole, out)
    a, b = ([row["completion"] for row in rows(folder / "samples.jsonl")] for folder in (whole, out))
    assert a == b


@pytest.mark.slow
def test_a_rank_uses_whole_weights_by_itself(tmp_path):
    done = sharded(ALONE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def same(whole: Path, sharded: Path) -> None:
    """Two runs have trained alike and left the same adapter."""
    for name, key in (("metrics", "loss"), ("metrics", "grad_norm"), ("validation", "heldout_loss")):
        a, b = ([row[key] for row in steps(out / f"{name}.jsonl")] for out in (whole, sharded))
        assert b == pytest.approx(a, rel=1e-5, abs=1e-7)
    a, b = (load_file(out / "adapter" / "adapter_model.safetensors") for out in (whole, sharded))
    assert_close(b, a, rtol=1e-4, atol=1e-6)
