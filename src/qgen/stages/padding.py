"""Micro-batches without padding that nobody needs.

How a step's rows are shared out among its micro-batches does not change its gradient where the mean is over the step's
tokens or over its rows. So those of like length go together, the longest first, and each micro-batch is as wide as its
own longest. TRL pads all completions of a rollout to the longest of them, and puts other rows together by chance. What
is a mean over each micro-batch's own tokens keeps the rows that TRL gave it, and is trimmed alone.
"""

import math
from functools import wraps
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from trl import GRPOTrainer, SFTTrainer

Batch = dict[str, Any]


def trim_rows(trainer: SFTTrainer) -> None:
    """Have the rows of each step shared out by their length, where it has several micro-batches and the loss is divided
    by the tokens of them all. Whoever asks for a width (pad_to_multiple_of) gets it."""
    if trainer.args.pad_to_multiple_of:
        return
    collect, pad_token = trainer.get_batch_samples, trainer.processing_class.pad_token_id
    empty = {"input_ids": pad_token, "attention_mask": 0, "labels": -100}

    @wraps(collect)
    def collected(*args: Any) -> tuple[list[Batch], Any]:
        batches, items = collect(*args)
        if len(batches) < 2 or items is None or any(batch.keys() != empty.keys() for batch in batches):
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
    """Have the trainer's micro-batches sorted and trimmed, each time that there are fresh ones. Whoever asks for a
    width (pad_to_multiple_of) gets it."""
    if trainer.args.pad_to_multiple_of:
        return
    prepare, each = trainer._prepare_inputs, shared(trainer)

    @wraps(prepare)
    def prepared(generation_batch: Any) -> Batch:
        before = trainer._buffered_inputs
        inputs = prepare(generation_batch)
        if trainer._buffered_inputs is before:
            return inputs
        held = trainer._buffered_inputs
        trainer._buffered_inputs = [
            batch for start in range(0, len(held), each) for batch in by_length(held[start : start + each])
        ]
        return trainer._buffered_inputs[trainer._step % len(held)]

    trainer._prepare_inputs = prepared


def shared(trainer: GRPOTrainer) -> int:
    """Micro-batches, one after another, that are always of one step and whose rows may change places; 1 where the loss,
    its entropy bonus, its quantile of entropies or its router's loss is of one micro-batch alone."""
    args = trainer.args
    bonus = args.entropy_coef or args.use_adaptive_entropy or trainer.aux_loss_enabled
    if args.loss_type == "bnpo" or args.top_entropy_quantile < 1 or bonus:
        return 1
    return math.gcd(args.steps_per_generation, args.gradient_accumulation_steps)


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
