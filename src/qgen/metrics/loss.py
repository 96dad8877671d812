"""Loss on real problems: how well a model predicts what competition authors wrote."""

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@torch.no_grad()
def completion_loss(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[dict], batch_size: int = 8
) -> float:
    """Mean negative log-likelihood, in nats a token, of the completions of rows {prompt, completion}.

    The end of the turn counts as part of a completion, the chat template's tokens before it do not.
    """
    pairs = []
    for row in rows:
        start = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
        whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False).rstrip("\n")
        prompt, full = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (start, whole))
        pairs.append((len(prompt), full))
    pairs.sort(key=lambda pair: len(pair[1]))
    training = model.training
    model.eval()
    total, count = 0.0, 0
    for begin in range(0, len(pairs), batch_size):
        batch = pairs[begin : begin + batch_size]
        width = max(len(ids) for _, ids in batch)
        ids = torch.full((len(batch), width), tokenizer.pad_token_id)
        labels = torch.full((len(batch), width), -100)
        for i, (skip, full) in enumerate(batch):
            ids[i, : len(full)] = torch.tensor(full)
            labels[i, skip : len(full)] = torch.tensor(full[skip:])
        attend = torch.arange(width)[None] < torch.tensor([len(full) for _, full in batch])[:, None]
        logits = model(input_ids=ids.to(model.device), attention_mask=attend.long().to(model.device)).logits[:, :-1]
        target = labels[:, 1:].to(logits.device)
        total += cross_entropy(
            logits.float().flatten(0, 1), target.flatten(), ignore_index=-100, reduction="sum"
        ).item()
        count += int((target != -100).sum())
    model.train(training)
    return total / count
