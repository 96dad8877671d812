"""What an out-of-memory error leaves of a stage: its last completed step, as a checkpoint."""

import copy
import gc
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import Trainer, TrainerCallback

from qgen.rewards import Rewards
from qgen.runtime import ranks
from qgen.runtime.memory import clean
from qgen.runtime.rundir import STATE


def ran_out(error: BaseException) -> bool:
    """Whether an error, or what it was raised in the handling of, says that memory ran out, the GPU's or the CPU's."""
    chain: list[BaseException | None] = [error]
    while chain[-1] is not None:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    return any(isinstance(e, torch.OutOfMemoryError) or should_reduce_batch_size(e) for e in chain[:-1])


class Guard(TrainerCallback):
    """Keeps, at the end of each step, what the next one changes before its optimizer does: random numbers and the
    rewards' memory. The adapter and the optimizer need no copy: until the optimizer's own phase they are as the last
    completed step left them."""

    def __init__(self, rewards: Rewards):
        self.rewards = rewards
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
        }

    def watch(self, work: Callable[[], None]) -> str | None:
        """Do the work. Returns what an out-of-memory error said; its frames, which hold the step's tensors, are gone
        by then. Several ranks end with it: one alone cannot make the others begin again."""
        try:
            work()
        except RuntimeError as error:
            if not ran_out(error) or ranks.size() > 1:
                raise
            return str(error).strip().splitlines()[0]
        return None

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoint of the last completed step, where it has none yet."""
        trainer.model.zero_grad(set_to_none=True)
        gc.collect()
        clean()
        step = trainer.state.global_step
        if self.kept is None or not step or (Path(trainer.args.output_dir) / f"checkpoint-{step}" / STATE).exists():
            return
        random.setstate(self.kept["python"])
        np.random.set_state(self.kept["numpy"])
        torch.set_rng_state(self.kept["torch"])
        if self.kept["cuda"]:
            torch.cuda.set_rng_state_all(self.kept["cuda"])
        self.rewards.load_state_dict(self.kept["rewards"])
        trainer._save_checkpoint(trainer.model, trial=None)
        trainer.callback_handler.on_save(trainer.args, trainer.state, trainer.control)
