"""Completions from a model outside of GRPO's own loop: for validation, best-of-n and samples."""

from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qgen.config import SamplingConfig


@dataclass(frozen=True)
class Completion:
    text: str
    tokens: int  # written, the end of the turn included
    finished: bool  # ended by itself, rather than at max_new_tokens


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[dict[str, str]]],
    sampling: SamplingConfig,
    seed: int,
) -> list[Completion]:
    """One completion a prompt, in the prompts' order.

    The same seed gives the same completions on the same machine, and the training's own random numbers are left
    as they were. Prompts of like length are generated together, sampling.batch_size at once.
    """
    texts = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, tokenize=False)
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
    found: dict[int, Completion] = {}
    with _writing(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in range(0, len(order), sampling.batch_size):
            batch = order[start : start + sampling.batch_size]
            inputs = tokenizer([texts[i] for i in batch], return_tensors="pt", padding=True, add_special_tokens=False)
            inputs = inputs.to(model.device)
            written = model.generate(
                **inputs,
                max_new_tokens=sampling.max_new_tokens,
                do_sample=True,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=0,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )[:, inputs["input_ids"].shape[1] :]
            for i, row in zip(batch, written, strict=True):
                ended = (row == tokenizer.eos_token_id).nonzero()
                length = int(ended[0]) + 1 if len(ended) else len(row)
                text = tokenizer.decode(row[:length], skip_special_tokens=True)
                found[i] = Completion(text, length, bool(len(ended)))
    return [found[i] for i in range(len(prompts))]


@contextmanager
def _writing(model: PreTrainedModel):
    """Evaluation mode without gradients, and back to what it was."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
