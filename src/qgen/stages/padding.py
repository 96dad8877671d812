"""Micro-batches without padding that nobody needs.

How a step's rows are shared out among its micro-batches does not change its gradient, because the mean is over the
step's tokens (in GRPO by loss_type=dapo). So those of like length go together, the longest first, and each micro-batch
is as wide as its own longest. TRL pads all completions of a rollout to the longest of them, and puts other rows
together by chance.
"""

from functools import wraps
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from trl import GRPOTrainer, SFTTrainer

Batch = dict[str, Any]


def trim_rows(trainer: SFTTrainer) -> None:
    """Have the rows of each step shared out by their length, where it has several micro-batches."""
    collect, pad_token = trainer.get_batch_samples, trainer.processing_class.pad_token_id
    empty = {"input_ids": pad_token, "attention_mask": 0, "labels": -100}

    @wraps(collect)
    def collected(*args: Any) -> tuple[list[Batch], Any]:
        batches, items = collect(*args)
        if len(batches) < 2 or any(batch.keys() != empty.keys() for batch in batches):
            return batches, items
        rows = [
            {name: batch[name][i, :length] for name in empty}
            for batch in batches
            for i, length in enumerate(batch["attention_mask"].sum(1).tolist())
        ]
        rows.sort(key=lambda row: -len(row["input_ids"]))
        sizes = iter([len(batch["input_ids"]) for batch in batches])
        parts = [[rows.pop(0) for _ in range(size)] for size in sizes]
        return [
            {name: pad_sequence([row[name] for row in part], True, value) for name, value in empty.items()}
            for part in parts
        ], items

    trainer.get_batch_samples = collected


def trim_completions(trainer: GRPOTrainer) -> None:
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
