"""diversity: does a group of completions for one request hold different problems, or one problem many times?"""

from collections import defaultdict

import numpy as np

from qgen.metrics.similarity import SimilarityIndex, mask_numbers
from qgen.problem import Problem
from qgen.rewards.registry import Completion, parsed, term


@term("diversity")
class Diversity:
    """1 - (copies / others) within the completions of the same prompt. In [0, 1].

    Two problems are copies where the cosine similarity of their statements, numbers masked, exceeds `threshold`.
    A problem that stands alone in its group has diversity 1.

    Args:
        corpus: the training problems, whose document frequencies weigh the words.
        threshold: similarity above which two problems count as one.
    """

    def __init__(self, corpus: list[Problem], threshold: float = 0.85):
        self.threshold = threshold
        self.index = SimilarityIndex(mask_numbers(p.statement) for p in corpus)

    def __call__(self, prompts: list, completions: list[Completion], **_) -> list[float]:
        problems = parsed(completions)
        groups = defaultdict(list)
        for i, (prompt, problem) in enumerate(zip(prompts, problems, strict=True)):
            if isinstance(problem, Problem):
                groups[str(prompt)].append(i)
        scores = [0.0] * len(completions)
        for members in groups.values():
            vectors = self.index.vectors([mask_numbers(problems[i].statement) for i in members])
            copies = np.asarray((vectors @ vectors.T).todense()) > self.threshold
            np.fill_diagonal(copies, False)
            for i, count in zip(members, copies.sum(axis=1), strict=True):
                scores[i] = 1.0 - count / max(1, len(members) - 1)
        return scores
