"""Problems that give the test away: copies of its problems, word for word, with other numbers, or in other words."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics import meaning
from qgen.metrics.copies import JACCARD, Copies
from qgen.metrics.similarity import mask

MEANING = 0.95  # cosine of MiniLM's embeddings


class Contamination:
    """The test's problems, and which others are too near to one of them.

    Args:
        test: the problems that solvers are tested on.
    """

    def __init__(self, test: Sequence[Problem]):
        statements = [problem.statement for problem in test]
        self.copies = {"copied": Copies(statements), "copied with other numbers": Copies(statements, mask)}
        home = meaning.directory()
        self.embed = meaning.minilm(home) if home else None
        self.known = self.embed(statements) if self.embed else np.empty((0, 0))

    def without(self, problems: Sequence[Problem]) -> tuple[list[Problem], Counter[str]]:
        """The problems that are clean, and how many of the others are what; each counts once."""
        statements = [problem.statement for problem in problems]
        if not statements:
            return [], Counter()
        found: list[str | None] = [None] * len(statements)
        near = {name: copies.degree(statements) >= JACCARD for name, copies in self.copies.items()}
        if self.embed:
            near["in other words"] = (self.embed(statements) @ self.known.T).max(axis=1) >= MEANING
        for name, flags in near.items():
            found = [old or (name if flag else None) for old, flag in zip(found, flags, strict=True)]
        return [p for p, why in zip(problems, found, strict=True) if why is None], Counter(why for why in found if why)
