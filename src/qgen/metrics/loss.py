"""Loss on real problems: how well a model predicts what competition authors wrote."""

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
    sums = _sums(model, tokenizer, pairs, batch_size)
    return sum(total for total, _ in sums) / sum(count for _, count in sums)


def text_losses(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], batch_size: int = 32
) -> list[float]:
    """Mean negative log-likelihood of each text by itself, in nats a token."""
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    clean = [text.encode("utf-8", "replace").decode("utf-8") or " " for text in texts]
    pairs = [(1, [start, *tokenizer(text, add_special_tokens=False)["input_ids"]]) for text in clean]
    return [total / max(1, count) for total, count in _sums(model, tokenizer, pairs, batch_size)]


@torch.no_grad()
def _sums(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: list[tuple[int, list[int]]], batch_size: int
) -> list[tuple[float, int]]:
    """For each (tokens to skip, tokens): the sum of the negative log-likelihoods after the skip, and their number."""
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][1]))
    found: dict[int, tuple[float, int]] = {}
    training = model.training
    model.eval()
    for begin in range(0, len(order), batch_size):
        batch = order[begin : begin + batch_size]
        width = max(len(pairs[i][1]) for i in batch)
        ids = torch.full((len(batch), width), tokenizer.pad_token_id)
        labels = torch.full((len(batch), width), -100)
        lengths = torch.tensor([len(pairs[i][1]) for i in batch])
        for row, i in enumerate(batch):
            skip, full = pairs[i]
            ids[row, : len(full)] = torch.tensor(full)
            labels[row, skip : len(full)] = torch.tensor(full[skip:])
        attend = torch.arange(width)[None] < lengths[:, None]
        logits = model(input_ids=ids.to(model.device), attention_mask=attend.long().to(model.device)).logits[:, :-1]
        target = labels[:, 1:].to(logits.device)
        each = cross_entropy(logits.float().transpose(1, 2), target, ignore_index=-100, reduction="none")
        counts = (target != -100).sum(dim=1).tolist()
        for i, total, count in zip(batch, each.sum(dim=1).tolist(), counts, strict=True):
            found[i] = (total, count)
    model.train(training)
    return [found[i] for i in range(len(pairs))]
