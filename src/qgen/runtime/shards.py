"""A policy whose weights the ranks share out (FSDP2: PyTorch's fully_shard, which the Trainer applies by accelerate).

Each rank holds a shard of every tensor. A layer's forward gathers its weights and lets them go, in which all ranks must
take part: ranks that write completions, each to lengths of its own, would wait for one another for ever. So the weights
are whole while a rank writes or judges, and shared out while it trains. Until training begins they lie in the host's
memory, as a GPU need not have room for them beside what training takes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate.state import AcceleratorState
from peft import PeftModel
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from qgen.runtime import ranks
from qgen.settings.choices import Backend, Rollout
from qgen.settings.model import ModelConfig

FILE = "conf/accelerate/fsdp2.yaml"
WRITERS = (Rollout.auto, Rollout.generate)


def planned() -> bool:
    """Whether the launcher asks for sharded weights."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def check(config: ModelConfig) -> None:
    """Raise RuntimeError, naming what to set, where weights are to be sharded and something does not go with that."""
    if not planned():
        return
    launched = {key: os.environ.get(f"FSDP_{key.upper()}", "").lower() for key in ("version", "state_dict_type")}
    lacks = {
        f"fsdp_version: 2 in accelerate's file, as in {FILE}": launched["version"] != "2",
        f"fsdp_state_dict_type: FULL_STATE_DICT there, as in {FILE}": launched["state_dict_type"] != "full_state_dict",
        "model.backend=hf": config.backend is Backend.unsloth,
        "model.load_in_4bit=false": config.load_in_4bit,
        "model.rollout=auto (a copy to write from would hold the weights whole)": config.rollout not in WRITERS,
    }
    if wanted := [what for what, lacking in lacks.items() if lacking]:
        raise RuntimeError(f"weights that are sharded over the ranks (FSDP) need {'; '.join(wanted)}")


def same_kind(checkpoint: Path) -> None:
    """Raise RuntimeError where a checkpoint's optimizer was sharded and is not to be, or the other way round."""
    sharded = (checkpoint / "optimizer.bin").exists()  # accelerate's name; the Trainer's own is optimizer.pt
    if sharded != planned():
        raise RuntimeError(
            f"{checkpoint} was written {'with' if sharded else 'without'} FSDP: resume it so, or let a stage of "
            f"another run_name start from it with stage.init_from={checkpoint}"
        )


@contextmanager
def whole(model: PeftModel) -> Iterator[None]:
    """The weights, whole, on this rank's device, so that it can use the model by itself. Every rank enters and leaves;
    what is done to the weights meanwhile is forgotten. Without sharding nothing happens.
    """
    if isinstance(model, FSDPModule) and any(isinstance(p, DTensor) for p in model.parameters()):
        parts = [part for part in model.modules() if isinstance(part, FSDPModule)]
        for part in parts:
            part.unshard()
        model.set_reshard_after_forward(False)
        try:
            yield
        finally:
            _as_accelerate_does(model)
            for part in parts:
                part.reshard()
    elif planned() and torch.cuda.is_available() and model.device.type == "cpu":  # the Trainer has not sharded it yet
        model.cuda()
        try:
            yield
        finally:
            model.cpu()
    else:
        yield


def _as_accelerate_does(model: PeftModel) -> None:
    """Set which weights are let go after a forward: not the root's and the head's, which the backward needs at once."""
    model.set_reshard_after_forward(AcceleratorState().fsdp_plugin.reshard_after_forward)
    for part in (model, model.get_output_embeddings()):
        part.set_reshard_after_forward(False, recurse=False)


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter into a folder. Every rank calls this: the first writes what all have gathered."""
    state = None
    if isinstance(model, FSDPModule):
        only = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
        state = get_model_state_dict(model, options=only)
    if ranks.first():
        model.save_pretrained(str(folder), state_dict=state)
