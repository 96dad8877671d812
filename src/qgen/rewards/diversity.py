"""diversity: are the problems of a batch, and of what was written before, different ones?"""

from typing import Any

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics.similarity import SimilarityIndex, mask
from qgen.rewards.registry import Completion, parsed, term


@term("diversity")
class Diversity:
    """1 - min(1, copies / (n - 1)) for a batch of n completions, those that the gate refused included. In [0, 1].

    Copies are the other problems of the batch, and those remembered, that are near-duplicates: the cosine similarity
    of their statements, numbers and letters masked, exceeds `threshold`. So twenty copies cost twenty times as much as
    one (R-Zero, arXiv:2508.05004, charges a cluster of near-duplicates its share of the batch).

    Args:
        corpus: the training problems, whose document frequencies weigh the words.
        threshold: similarity above which two problems count as one, 0 to 1.
        memory: how many of the problems written last are remembered.
    """

    def __init__(self, corpus: list[Problem], threshold: float = 0.85, memory: int = 1000):
        self.threshold, self.limit = threshold, memory
        self.index = SimilarityIndex((mask(p.statement) for p in corpus), start=False)
        self.memory: list[str] = []

    def __call__(self, completions: list[Completion], batch_size: int = 0, **_) -> list[float]:
        problems = parsed(completions)
        good = [i for i, p in enumerate(problems) if isinstance(p, Problem)]
        scores = [0.0] * len(completions)
        if not good:
            return scores
        others = max(1, max(batch_size, len(completions)) - 1)
        masked = [mask(problems[i].statement) for i in good]
        vectors = self.index.vectors(masked)
        copies = np.asarray(((vectors @ vectors.T) > self.threshold).sum(axis=1)).ravel() - 1
        copies = copies.clip(min=0) + self.index.count_above(masked, self.threshold)
        for i, count in zip(good, copies, strict=True):
            scores[i] = float(1.0 - min(1.0, count / others))
        return scores

    def observe(self, completions: list[Completion]) -> None:
        """Remember the problems among completions that were trained on."""
        self._remember([mask(p.statement) for p in parsed(completions) if isinstance(p, Problem)])

    def _remember(self, masked: list[str]) -> None:
        known = [*self.memory, *masked]
        self.memory = known[max(0, len(known) - self.limit) :]
        self.index.add(masked)
        self.index.keep_last(self.limit)

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._remember(state["memory"])
