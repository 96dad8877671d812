"""novelty: how far is a problem from every problem known, in words and in what remains when numbers are masked?"""

from pathlib import Path
from typing import Any

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics.similarity import SimilarityIndex, leave_one_out, mask
from qgen.rewards.registry import Completion, parsed, term
from qgen.runs.files import append, rows
from qgen.runtime import ranks

CONTAINED = 0.95  # share of a known problem's weight that makes a problem hold it whole


@term("novelty")
class Novelty:
    """min(1, d / d50), times `penalty` where the similarity 1 - d exceeds `threshold`. In [0, 1].

    d is the smaller of two distances (1 - cosine, see metrics/similarity.py) to the nearest problem of the corpus
    and of what was written so far: of the statements as they are, and with their numbers and letters masked. A
    problem that holds one of the corpus whole has no distance to it, whatever stands around. d50 is the median of
    that distance among real problems, so that being stranger than a real problem earns nothing more.

    Args:
        corpus: the training problems.
        threshold: similarity above which a problem counts as a copy.
        penalty: factor for copies.
        memory: how many of the problems written last are remembered.
        archive: a file of JSON lines that lasts over runs: the problems in it are known from the start, and those that
            are trained on are added to it; None: each run begins with the corpus alone.

    Raises ValueError where the archive holds something else.
    """

    def __init__(
        self,
        corpus: list[Problem],
        threshold: float = 0.85,
        penalty: float = 0.3,
        memory: int = 5000,
        archive: str | None = None,
    ):
        self.threshold, self.penalty, self.limit = threshold, penalty, memory
        self.archive = None if archive is None else Path(archive)
        statements = [p.statement for p in corpus]
        masked = [mask(s) for s in statements]
        self.indices = (SimilarityIndex(statements), SimilarityIndex(masked))
        real = 1.0 - np.maximum(leave_one_out(statements), leave_one_out(masked))
        self.median = max(float(np.median(real)), 1e-6)
        self.memory: list[str] = []
        if self.archive is not None:
            self.archive.parent.mkdir(parents=True, exist_ok=True)
            self._remember(_archived(self.archive))

    def __call__(self, completions: list[Completion], **_) -> list[float]:
        problems = parsed(completions)
        statements = [p.statement if isinstance(p, Problem) else "" for p in problems]
        similar = self.similarity(statements)
        scores = np.minimum(1.0, (1.0 - similar) / self.median) * np.where(similar > self.threshold, self.penalty, 1.0)
        return [float(s) if isinstance(p, Problem) else 0.0 for s, p in zip(scores, problems, strict=True)]

    def similarity(self, statements: list[str]) -> np.ndarray:
        """Similarity (0 to 1) to the nearest known problem, plain or masked, of shape (len(statements),)."""
        plain, masked = self.indices
        hidden = masked.nearest([mask(s) for s in statements], contained=CONTAINED)[0]
        return np.maximum(plain.nearest(statements, contained=CONTAINED)[0], hidden)

    def observe(self, completions: list[Completion]) -> None:
        """Remember the problems among completions that were trained on."""
        statements = [p.statement for p in parsed(completions) if isinstance(p, Problem)]
        if self.archive is not None and ranks.first():
            known = set(self.memory)
            new = [s for s in dict.fromkeys(statements) if s not in known]
            append(self.archive, [{"statement": s} for s in new])
        self._remember(statements)

    def _remember(self, statements: list[str]) -> None:
        known = [*self.memory, *statements]
        self.memory = known[max(0, len(known) - self.limit) :]
        for index, texts in zip(self.indices, (statements, [mask(s) for s in statements]), strict=True):
            index.add(texts)
            index.keep_last(self.limit)

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.memory = []  # what an archive has learned since, a run that goes on did not know either
        for index in self.indices:
            index.keep_last(0)
        self._remember(state["memory"])


def _archived(file: Path) -> list[str]:
    found = []
    for line, row in enumerate(rows(file), 1):
        statement = row.get("statement") if isinstance(row, dict) else None
        if not isinstance(statement, str):
            raise ValueError(f"archive={file}: line {line} has no statement, so that this is no archive of problems")
        found.append(statement)
    return found
