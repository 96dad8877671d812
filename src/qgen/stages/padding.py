"""GRPO's micro-batches without padding that nobody needs.

TRL pads all completions of a rollout to the longest, shuffles them, and cuts them into micro-batches as wide as that.
How a step's completions are shared out among its micro-batches does not change its gradient (loss_type=dapo, whose mean
is over the step's tokens). So those of like length go together, the longest first, and each micro-batch is as wide as
its own longest: a mean length of half the longest makes half of the work.
"""

from functools import wraps
from typing import Any

import torch
from trl import GRPOTrainer

Batch = dict[str, Any]


def trim(trainer: GRPOTrainer) -> None:
    """Have the trainer's micro-batches sorted and trimmed, each time that there are fresh ones."""
    prepare = trainer._prepare_inputs

    @wraps(prepare)
    def prepared(generation_batch: Any) -> Batch:
        before = trainer._buffered_inputs
        inputs = prepare(generation_batch)
        if trainer._buffered_inputs is before:
            return inputs
        held, each = trainer._buffered_inputs, trainer.args.gradient_accumulation_steps
        trainer._buffered_inputs = [
            batch for start in range(0, len(held), each) for batch in by_length(held[start : start + each])
        ]
        return trainer._buffered_inputs[trainer._step % len(held)]

    trainer._prepare_inputs = prepared


def by_length(batches: list[Batch]) -> list[Batch]:
    """As many micro-batches of the same rows, the longest completions first, each trimmed."""
    first = batches[0]
    lengths = torch.cat([batch["completion_mask"].sum(1) for batch in batches])
    order = lengths.argsort(descending=True, stable=True).split(len(first["completion_mask"]))
    rows = {
        name: torch.cat([batch[name] for batch in batches])
        for name, value in first.items()
        if torch.is_tensor(value) and value.ndim
    }
    return [trimmed(first | {name: value[own] for name, value in rows.items()}) for own in order]


def trimmed(batch: Batch) -> Batch:
    """A micro-batch without the columns of padding alone: of prompts on the left, of completions on the right."""
    prompts, completions = (batch[f"{part}_mask"] for part in ("prompt", "completion"))
    begin = int(prompts.any(0).int().argmax())
    end = max(1, int(completions.sum(1).max()))
    cut = dict(batch)
    for name, value in batch.items():
        if torch.is_tensor(value) and value.ndim == 2:
            if name.startswith("prompt"):
                cut[name] = value[:, begin:]
            elif value.shape[1] == completions.shape[1]:
                cut[name] = value[:, :end]
    return cut
