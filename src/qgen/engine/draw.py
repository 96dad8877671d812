"""How the compiled rollout chooses a token."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.generation import TopPLogitsWarper


@dataclass(frozen=True)
class Draw:
    """How a token is chosen."""

    temperature: float  # 0: the likeliest
    top_p: float
    ends: tuple[int, ...]
    pad: int


def choose(logits: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """A token a row, and how likely it was in nats, each (rows,), from logits (rows, vocabulary)."""
    logits = logits.float()
    if draw.temperature:
        logits = logits / draw.temperature
    score = TopPLogitsWarper(draw.top_p)(None, logits) if draw.top_p < 1 else logits
    if draw.temperature:  # the Gumbel-max trick (arXiv:1611.01144): argmax of log p + Gumbel noise is a draw of p
        score = score - torch.rand_like(score).log().neg().log()  # not exponential_, which no compiler fuses
    token = score.argmax(-1)
    return token, logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(-1)


def ends(token: Tensor, draw: Draw) -> Tensor:
    """Whether each token ends a turn."""
    found = torch.zeros_like(token, dtype=torch.bool)
    for end in draw.ends:
        found |= token == end
    return found
