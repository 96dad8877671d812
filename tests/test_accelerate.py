"""conf/accelerate/: what `accelerate launch` makes of it, on two CPU ranks over gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env
from conftest import TINY
from torch.distributed.fsdp import StateDictType
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

from qgen.runs.files import read_json, steps
from qgen.settings.compose import CONF

SFT = ("stage=sft", "stage.per_device_train_batch_size=2", "stage.gradient_accumulation_steps=2", "stage.max_steps=1",
       "validation.every=0")  # fmt: skip


def launch(name: str, cwd: Path, *overrides: str) -> subprocess.CompletedProcess:
    """The configuration as it is shipped, on two processes: without a GPU they meet over gloo."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", CONF / "accelerate" / name,
               "--num_processes", "2", "-m", "qgen.train", *TINY, *SFT, *overrides]  # fmt: skip
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize(("name", "kind"), [("ddp", DistributedType.MULTI_GPU), ("fsdp2", DistributedType.FSDP)])
def test_accelerate_reads_the_file_whole(name, kind):
    path = CONF / "accelerate" / f"{name}.yaml"
    read = load_config_from_file(str(path))
    assert read.distributed_type is kind
    for key, value in yaml.safe_load(path.read_text()).items():
        found = vars(read)[key]
        assert getattr(found, "value", found) == value


def test_fsdp2_shards_each_layer_and_saves_whole(monkeypatch):
    """What a process is handed. On CPUs accelerate ignores it (AcceleratorState) and the ranks train as under DDP."""
    file = str(CONF / "accelerate" / "fsdp2.yaml")
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", file, "train.py"]))
    for name, value in prepare_multi_gpu_env(arguments).items():
        monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert (plugin.fsdp_version, plugin.reshard_after_forward, plugin.activation_checkpointing) == (2, True, False)
    assert plugin.state_dict_type is StateDictType.FULL_STATE_DICT
    assert plugin.auto_wrap_policy is transformer_auto_wrap_policy


@pytest.mark.slow
def test_ddp_trains_on_two_ranks(tmp_path):
    done = launch("ddp.yaml", tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "outputs" / "t" / "sft"
    assert read_json(out / "environment.json")["ranks"] == 2
    assert [row["step"] for row in steps(out / "metrics.jsonl")] == [1]
