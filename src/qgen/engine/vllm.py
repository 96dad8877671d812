"""TRL's vLLM in the job's process, given the adapter beside its weights instead of in them.

TRL adds the adapter to the weights that are trained, copies all of them into vLLM and subtracts the adapter again. In
16 or 4 bits each sum is rounded, so that the weights drift from those that were loaded (TRL issue 6688), and all of
them are copied for each rollout. Here the trainer's weights are not touched, and vLLM reads a file of the adapter.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from peft import PeftModel
from trl import GRPOConfig, GRPOTrainer

from qgen.runtime import shards

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM makes room for: its MaxLoRARanks


def takes_adapter(policy: PeftModel, arguments: GRPOConfig) -> bool:
    """Whether vLLM can be given the policy's adapter: it runs in this process and keeps its weights between rollouts,
    and each rank has the whole adapter, which is plain LoRA. Else TRL merges it."""
    here = arguments.vllm_mode == "colocate" and not arguments.vllm_enable_sleep_mode and not shards.planned()
    adapter = policy.peft_config["default"]
    plain = not adapter.use_dora and adapter.bias == "none" and not adapter.modules_to_save
    return here and plain and rank(policy) <= RANKS[-1]


def rank(policy: PeftModel) -> int:
    """The largest of the adapter's ranks."""
    adapter = policy.peft_config["default"]
    return max([adapter.r, *adapter.rank_pattern.values()])


@contextmanager
def room_for(policy: PeftModel) -> Iterator[None]:
    """Within, TRL starts vLLM with room for the policy's adapter."""
    from trl.generation import vllm_generation

    start, own = vllm_generation.LLM, rank(policy)
    vllm_generation.LLM = partial(start, enable_lora=True, max_lora_rank=min(r for r in RANKS if r >= own))
    try:
        yield
    finally:
        vllm_generation.LLM = start


def hand_over(trainer: GRPOTrainer) -> None:
    """From now on vLLM writes with the adapter as it is when TRL would have copied the weights."""
    generation = trainer.vllm_generation
    write, numbers = generation.llm.generate, count(1)
    folder = TemporaryDirectory(prefix="qgen-adapter-")  # which goes when the trainer does

    def sync() -> None:
        from vllm.lora.request import LoRARequest

        number = next(numbers)
        home = Path(folder.name) / str(number)
        generation.model.save_pretrained(home, save_embedding_layers=False, selected_adapters=["default"])
        shutil.rmtree(home.with_name(str(number - 1)), ignore_errors=True)  # which vLLM has read
        adapter = LoRARequest(f"step-{number}", number, str(home))  # what vLLM keeps of prompts goes by the name
        generation.llm.generate = partial(write, lora_request=adapter)

    generation.sync_weights = sync
