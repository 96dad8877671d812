"""difficulty: is a problem as hard as it was asked to be?"""

import numpy as np

from qgen.metrics.difficulty import DifficultyModel
from qgen.problem import Problem
from qgen.rewards.registry import Completion, parsed, term


@term("difficulty")
class Difficulty:
    """1 - |s - t| / max(t, 1 - t), with s the estimated and t the requested level, both mapped from 1..5 to 0..1.

    In [0, 1]. The estimate is a regressor's (metrics/difficulty.py); `spearman` says how far to trust it.

    Args:
        corpus: the training problems, to whose levels the regressor is fitted.
    """

    def __init__(self, corpus: list[Problem]):
        self.model = DifficultyModel(corpus)
        self.spearman = self.model.spearman

    def __call__(self, completions: list[Completion], level: list[int], **_) -> list[float]:
        problems = parsed(completions)
        good = [i for i, p in enumerate(problems) if isinstance(p, Problem)]
        scores = [0.0] * len(completions)
        estimates = (self.model.predict([problems[i].statement for i in good]) - 1.0) / 4.0
        for i, estimate in zip(good, estimates, strict=True):
            target = (level[i] - 1.0) / 4.0
            scores[i] = float(np.clip(1.0 - abs(estimate - target) / max(target, 1.0 - target), 0.0, 1.0))
        return scores
