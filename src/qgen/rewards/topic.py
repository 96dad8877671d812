"""topic: is a problem about what was asked for?"""

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics.topics import topics
from qgen.rewards.registry import Completion, readable, term

SHARE = 0.25  # of the real problems that are less certainly of their own topic than what earns everything


@term("topic")
class Topic:
    """min(1, p / p25), where p is the probability that a classifier gives to the topic that was asked for. For three of
    four real problems that it has not seen, the classifier gives at least p25 to the true topic. In [0, 1]; None where
    the topic has too few problems to be known.

    Being more typical of its topic than a real problem earns nothing.

    Args:
        corpus: the training problems, to whose topics the classifier is fitted.
    """

    def __init__(self, corpus: list[Problem]):
        self.model = topics(corpus)
        self.number = {topic: i for i, topic in enumerate(self.model.topics)}
        if not self.number:
            self.note = "without an opinion: there are fewer than two topics with five problems"
            return
        self.usual = max(float(np.quantile(self.model.own, SHARE)), 1e-6)
        self.note = f"a classifier's opinion, which is right on {self.model.accuracy:.0%} of real problems"

    def __call__(self, completions: list[Completion], topic: list[str], **_) -> list[float | None]:
        good = readable(completions)
        known = [i for i in good if topic[i] in self.number]
        scores: list[float | None] = [0.0] * len(completions)
        for i in good:
            scores[i] = None
        for i, row in zip(known, self.model.probabilities([good[i].statement for i in known]), strict=True):
            scores[i] = float(min(1.0, row[self.number[topic[i]]] / self.usual))
        return scores
