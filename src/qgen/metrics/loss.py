"""Loss on real problems: how well a model predicts what competition authors wrote."""

from collections.abc import Iterator

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS = 4096  # of a batch, padding included: its logits take a vocabulary of floats a token


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
    lengths = [len(full) for _, full in pairs]
    found: dict[int, tuple[float, int]] = {}
    training = model.training
    model.eval()
    for batch in batches(lengths, batch_size):
        ids, attend = padded(model, tokenizer, [pairs[i][1] for i in batch])
        labels = ids.masked_fill(attend == 0, -100)
        for row, i in enumerate(batch):
            labels[row, : pairs[i][0]] = -100
        logits = model(input_ids=ids, attention_mask=attend).logits[:, :-1]
        for i, row, target in zip(batch, logits, labels[:, 1:].to(logits.device), strict=True):
            total = cross_entropy(row.float(), target, reduction="sum")  # by row: its softmax is as large as the logits
            found[i] = (total.item(), int((target != -100).sum()))
    model.train(training)
    return [found[i] for i in range(len(pairs))]


def padded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[list[int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of tokens, padded behind their end, and which of them are no padding, where the model is. Both of shape
    (rows, tokens)."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[tokenizer.pad_token_id] * (width - len(row))] for row in rows])
    attend = torch.arange(width)[None] < torch.tensor([[len(row)] for row in rows])
    return ids.to(model.device), attend.long().to(model.device)


def batches(lengths: list[int], batch_size: int) -> Iterator[list[int]]:
    """Indices of texts of like length, the shortest first: at most batch_size, and TOKENS where more than one."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if len(batch) == batch_size or (len(batch) + 1) * lengths[i] > TOKENS:
            yield from [batch] if batch else []
            batch = []
        batch.append(i)
    yield from [batch] if batch else []
