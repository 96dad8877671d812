"""What a model holds before it begins to answer: hidden states, from which is read what it makes of a prompt."""

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qgen.metrics.loss import batches, padded


@torch.no_grad()
def states(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[dict[str, str]]],
    depth: float,
    batch_size: int = 32,
) -> list[np.ndarray]:
    """For each prompt the hidden state of its last token, from which the first token of an answer would be written, of
    shape (hidden,) in float32.

    Args:
        prompts: messages, to which the chat template adds the start of the answer.
        depth: share of the layers that the state has passed, above 0 to 1.
    """
    texts = [tokenizer.apply_chat_template(p, add_generation_prompt=True, tokenize=False) for p in prompts]
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in clean]
    found: dict[int, np.ndarray] = {}
    training = model.training
    model.eval()
    for batch in batches([len(row) for row in ids], batch_size):
        tokens, attend = padded(model, tokenizer, [ids[i] for i in batch])
        passed = model(
            input_ids=tokens, attention_mask=attend, output_hidden_states=True, use_cache=False, logits_to_keep=1
        ).hidden_states
        layer = passed[max(1, round(depth * (len(passed) - 1)))]
        for row, i in zip(layer, batch, strict=True):
            found[i] = row[len(ids[i]) - 1].float().cpu().numpy()
    model.train(training)
    return [found[i] for i in range(len(ids))]
