"""What an out-of-memory error leaves of a stage: its last completed step, as a checkpoint."""

import copy
import logging
import math
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import Trainer, TrainerCallback, TrainingArguments

from qgen.rewards import Rewards
from qgen.runs.saved import STATE
from qgen.runtime import ranks
from qgen.runtime.memory import clean

log = logging.getLogger(__name__)


def ran_out(error: BaseException) -> bool:
    """Whether an error, or what it was raised in the handling of, says that memory ran out, the GPU's or the CPU's."""
    chain: list[BaseException | None] = [error]
    while chain[-1] is not None:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    return any(
        isinstance(e, torch.OutOfMemoryError | MemoryError)
        or should_reduce_batch_size(e)
        or any(words in str(e) for words in _ELSEWHERE)
        for e in chain[:-1]
    )


_ELSEWHERE = ("CUDA error: out of memory", "ALLOC_FAILED")  # of the driver and cuBLAS, outside of PyTorch's allocator


class Guard(TrainerCallback):
    """Keeps, at the end of each step, what the next one changes before its optimizer does: random numbers, the rewards'
    memory, the count of tokens and the file of samples. The adapter and the optimizer need no copy: until the
    optimizer's own phase they are as the last completed step left them."""

    def __init__(self, rewards: Rewards, samples: Path, tokens: Callable[[], int]):
        self.rewards, self.samples, self.tokens = rewards, samples, tokens
        self.kept: dict[str, Any] | None = None

    def on_train_begin(self, args, state, control, **_):
        self.on_step_end(args, state, control)

    def on_step_end(self, args, state, control, **_):
        self.kept = {
            "python": random.getstate(),
            "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "rewards": copy.deepcopy(self.rewards.state_dict()),
            "seen": state.num_input_tokens_seen,
            "tokens": self.tokens(),
            "samples": self.samples.stat().st_size if self.samples.exists() else 0,
        }

    def watch(self, work: Callable[[], None]) -> str | None:
        """Do the work. Returns what an out-of-memory error said; its frames, which hold the step's tensors, are gone
        by then. Several ranks end with it: one alone cannot make the others begin again."""
        try:
            work()
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error) or ranks.size() > 1:
                raise
            log.exception("out of memory")  # as text, which holds no tensors
            return (str(error).strip() or type(error).__name__).splitlines()[0]
        return None

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoint of the last completed step, where it has none yet."""
        trainer.model.zero_grad(set_to_none=True)
        clean()
        step = trainer.state.global_step
        whole = (Path(trainer.args.output_dir) / f"checkpoint-{step}" / STATE).exists()
        if self.kept is None or not step or whole or step % steps_per_rollout(trainer.args):
            return
        random.setstate(self.kept["python"])
        np.random.set_state(self.kept["numpy"])
        torch.set_rng_state(self.kept["torch"])
        if self.kept["cuda"]:
            torch.cuda.set_rng_state_all(self.kept["cuda"])
        self.rewards.load_state_dict(self.kept["rewards"])
        trainer.state.num_input_tokens_seen = self.kept["seen"]
        trainer._total_train_tokens = self.kept["tokens"]
        if self.samples.exists():
            os.truncate(self.samples, self.kept["samples"])  # the step is written anew
        trainer._save_checkpoint(trainer.model, trial=None)
        trainer.callback_handler.on_save(trainer.args, trainer.state, trainer.control)


def steps_per_rollout(args: TrainingArguments) -> int:
    """Steps after which all completions that were written have been used, so that a checkpoint loses none; 1 of a
    trainer that writes none, or new ones for each step."""
    batches = getattr(args, "steps_per_generation", None) or args.gradient_accumulation_steps
    batches *= getattr(args, "num_iterations", 1)
    return math.lcm(batches, args.gradient_accumulation_steps) // args.gradient_accumulation_steps
