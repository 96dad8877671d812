"""diversity: are the problems of a batch, and of what was written before, different ones?"""

from collections import Counter
from typing import Any

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics.similarity import SimilarityIndex, mask
from qgen.programs import shape
from qgen.rewards.registry import Completion, readable, term

View = tuple[str, str | None]


@term("diversity")
class Diversity:
    """1 - min(1, copies / (n - 1)) for a batch of n completions, those that the gate refused included. In [0, 1].

    Copies are the other problems of the batch, and those remembered, that are near-duplicates: the cosine similarity
    of their statements, numbers and letters masked, exceeds `threshold`, or their programs do the same with other names
    and numbers (R-Diverse, arXiv:2602.13103, tells problems apart by their solutions' code). So twenty copies cost
    twenty times as much as one (R-Zero, arXiv:2508.05004, charges a cluster its share of the batch).

    Args:
        corpus: the training problems, whose document frequencies weigh the words.
        threshold: similarity above which two problems count as one, 0 to 1.
        memory: how many of the problems written last are remembered.
    """

    def __init__(self, corpus: list[Problem], threshold: float = 0.85, memory: int = 1000):
        self.threshold, self.limit = threshold, memory
        self.index = SimilarityIndex((mask(p.statement) for p in corpus), start=False)
        self.memory: list[View] = []

    def __call__(self, completions: list[Completion], batch_size: int = 0, **_) -> list[float]:
        others = max(1, max(batch_size, len(completions)) - 1)
        scores = [0.0] * len(completions)
        for i, count in self._copies(completions):
            scores[i] = 1.0 - min(1.0, count / others)
        return scores

    def _copies(self, completions: list[Completion]) -> list[tuple[int, int]]:
        """The number of each completion that is a problem, and how many copies it has."""
        good = readable(completions)
        if not good:
            return []
        masked, shapes = zip(*map(_views, good.values()), strict=True)
        vectors = self.index.vectors(list(masked))
        alike = (vectors @ vectors.T).toarray() > self.threshold
        alike |= np.array([[a is not None and a == b for b in shapes] for a in shapes])
        np.fill_diagonal(alike, False)
        before = self.index.count_above(list(masked), self.threshold)
        solved = Counter(shape for _, shape in self.memory if shape is not None)
        counts = alike.sum(axis=1) + np.maximum(before, [solved[shape] for shape in shapes])
        return [(i, int(count)) for i, count in zip(good, counts, strict=True)]

    def observe(self, completions: list[Completion]) -> None:
        """Remember the problems among completions that were trained on."""
        self._remember(list(map(_views, readable(completions).values())))

    def _remember(self, views: list[View]) -> None:
        known = [*self.memory, *views]
        self.memory = known[max(0, len(known) - self.limit) :]
        self.index.add([masked for masked, _ in views])
        self.index.keep_last(self.limit)

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._remember([(masked, shape) for masked, shape in state["memory"]])


def _views(problem: Problem) -> View:
    """What two problems that are one have in common: the statement, masked, or what the program does."""
    return mask(problem.statement), None if problem.program is None else shape(problem.program)


@term("distinct")
class Distinct(Diversity):
    """1 / k for a problem of which there are k, those that are near-duplicates of it and itself, in the batch and in
    what is remembered. In (0, 1].

    So k problems that are alike are worth in all what one is: to write one again and again earns nothing.
    """

    def __call__(self, completions: list[Completion], batch_size: int = 0, **_) -> list[float]:
        scores = [0.0] * len(completions)
        for i, count in self._copies(completions):
            scores[i] = 1.0 / (1 + count)
        return scores
