"""Whether two models are the same, by their logits on real problems and by what they write."""

from dataclasses import asdict, dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qgen.data.prompts import Message

GREEDY = (4, 32)  # requests that both answer, and tokens of each answer


@dataclass(frozen=True)
class Tolerance:
    """How far two models may differ and still be called the same."""

    max_abs: float
    kl: float
    top1: float


@dataclass(frozen=True)
class Agreement:
    """How far a model's logits are from a reference's.

    Attributes:
        max_abs: the largest difference of one logit.
        kl: mean Kullback-Leibler divergence of the model's next token from the reference's, in nats.
        top1: share of positions with the same most likely token, 0 to 1.
        tokens: positions compared.
    """

    max_abs: float
    kl: float
    top1: float
    tokens: int

    def within(self, tolerance: Tolerance) -> bool:  # NaN is not
        """Whether each figure keeps to its limit; one that is NaN does not."""
        return self.max_abs <= tolerance.max_abs and self.kl <= tolerance.kl and self.top1 >= tolerance.top1

    def __str__(self) -> str:
        return (
            f"logits differ by at most {self.max_abs:.2g}, KL {self.kl:.2g} nats, top token the same at "
            f"{self.top1:.2%} of {self.tokens} positions"
        )

    def plain(self) -> dict[str, float]:
        """The figures as plain data, for the model card's JSON."""
        return asdict(self)


def logits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: list[list[Message]]) -> list[torch.Tensor]:
    """For each row the logits of the tokens of its last message, of shape (tokens, vocabulary), float32 on the CPU."""
    found = []
    with torch.no_grad():
        for row in rows:
            start, ids = len(prompt_ids(tokenizer, row[:-1])), _ids(tokenizer, row)
            given = torch.tensor([ids], device=model.device)
            found.append(model(input_ids=given).logits[0, start - 1 : -1].float().cpu())
    return found


def compare(reference: list[torch.Tensor], found: list[torch.Tensor]) -> Agreement:
    """Agreement over all tokens of all rows. Vocabularies padded to another size are compared as far as both go."""
    size = min(reference[0].shape[-1], found[0].shape[-1])
    pairs = [(a[:, :size], b[:, :size]) for a, b in zip(reference, found, strict=True)]
    count = sum(len(a) for a, _ in pairs)
    kl = sum(torch.nn.functional.kl_div(b.log_softmax(-1), a.log_softmax(-1), reduction="sum", log_target=True).item()
             for a, b in pairs)  # fmt: skip
    same = sum((a.argmax(-1) == b.argmax(-1)).sum().item() for a, b in pairs)
    return Agreement(max((a - b).abs().max().item() for a, b in pairs), max(0.0, kl / count), same / count, count)


def greedy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, requests: list[list[Message]]
) -> list[list[int]]:
    """What a model writes when it always takes the likeliest token: token ids, up to and with the end of the turn."""
    count, length = GREEDY
    written = []
    for request in requests[:count]:
        ids = torch.tensor([prompt_ids(tokenizer, request)], device=model.device)
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=length,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        written.append(out[0, ids.shape[1] :].tolist())
    return written


def prompt_ids(tokenizer: PreTrainedTokenizerBase, request: list[Message]) -> list[int]:
    """The token ids of a request under the chat template, up to where the model begins to write."""
    return _ids(tokenizer, request, ask=True)


def same_tokens(reference: list[list[int]], found: list[list[int]]) -> tuple[int, int]:
    """How many tokens agree before the first that does not, over all answers; and how many there were."""
    agree = 0
    for a, b in zip(reference, found, strict=True):
        pairs = list(zip(a, b, strict=False))
        agree += next((i for i, (x, y) in enumerate(pairs) if x != y), len(pairs))
    return agree, sum(map(len, reference))


def _ids(tokenizer: PreTrainedTokenizerBase, messages: list[Message], ask: bool = False) -> list[int]:
    return tokenizer.apply_chat_template(messages, add_generation_prompt=ask, return_dict=True)["input_ids"]
