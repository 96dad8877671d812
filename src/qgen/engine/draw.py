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
    """A token a row, and how likely it was in nats, each (rows,), from logits (rows, vocabulary).

    It is drawn in two steps, a block of the vocabulary and then a token of that block: the vocabulary is read once for
    the blocks' sums, and noise is drawn for a hundredth of it.
    """
    if not draw.temperature or draw.top_p < 1:
        logits = logits.float() / (draw.temperature or 1.0)
        token = _drawn(TopPLogitsWarper(draw.top_p)(None, logits)) if draw.temperature else logits.argmax(-1)
        return token, logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(-1)
    blocks = logits.view(len(logits), -1, _block(logits.shape[1]))
    sums = (blocks.float() / draw.temperature).logsumexp(-1)
    block = _drawn(sums)
    within = blocks.gather(1, block[:, None, None].expand(-1, 1, blocks.shape[2]))[:, 0].float() / draw.temperature
    place = _drawn(within)
    return block * blocks.shape[2] + place, within.gather(1, place[:, None])[:, 0] - sums.logsumexp(-1)


def _drawn(score: Tensor) -> Tensor:
    """A column a row by the Gumbel-max trick (arXiv:1611.01144): argmax of log p + Gumbel noise is a draw of p."""
    return (score - torch.rand_like(score).log().neg().log()).argmax(-1)  # not exponential_, which no compiler fuses


def _block(vocabulary: int) -> int:
    """Tokens of a block: the largest power of two up to 256 that divides the vocabulary, or all of it."""
    size = min(256, vocabulary & -vocabulary)
    return size if size >= 16 else vocabulary


def ends(token: Tensor, draw: Draw) -> Tensor:
    """Whether each token ends a turn."""
    found = torch.zeros_like(token, dtype=torch.bool)
    for end in draw.ends:
        found |= token == end
    return found
