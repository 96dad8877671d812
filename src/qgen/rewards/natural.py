"""natural: is a statement as likely as real ones are, neither a string of noise nor one of platitudes?"""

import random
from typing import TYPE_CHECKING

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.rewards.registry import Completion, readable, term

if TYPE_CHECKING:
    from qgen.rewards.base import Base


@term("natural")
class Natural:
    """1 inside of the band of real problems, falling to 0 at half the band's width beyond it. In [0, 1].

    What is measured is the statement's mean negative log-likelihood, in nats a token, under the frozen base (the
    adapter switched off, so that the policy cannot move its judge). The band holds the middle nine tenths of real
    problems: shuffled or invented words lie above it, repeated and empty ones below. Being likelier than a real
    problem earns nothing.

    Args:
        corpus: the training problems.
        base: the frozen base model.
        sample: how many of the problems the band is taken from.
    """

    def __init__(self, corpus: list[Problem], base: "Base", sample: int = 128):
        self.base = base
        chosen = random.Random(0).sample(corpus, min(sample, len(corpus)))
        low, high = np.quantile(base.losses([p.statement for p in chosen]), [0.05, 0.95])
        self.band = (float(low), float(high))
        self.note = f"real problems lie between {low:.2f} and {high:.2f} nats a token"

    def __call__(self, completions: list[Completion], **_) -> list[float]:
        good = readable(completions)
        scores = [0.0] * len(completions)
        if good:
            losses: np.ndarray = np.array(self.base.losses([p.statement for p in good.values()]))
            low, high = self.band
            beyond = np.maximum(low - losses, losses - high).clip(min=0.0)
            for i, value in zip(good, 1.0 - beyond / max((high - low) / 2.0, 1e-6), strict=True):
                scores[i] = float(np.clip(value, 0.0, 1.0))
        return scores
