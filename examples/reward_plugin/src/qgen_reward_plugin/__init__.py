"""Two terms: a function, and a class that learns from the training problems.

    pip install ./examples/reward_plugin
    python -m qgen.train stage=grpo +reward.terms.on_topic.weight=0.2 \
        +reward.terms.concise.weight=0.1 +reward.terms.concise.params.characters=300
"""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline

from qgen.mathematics.problem import Problem
from qgen.rewards import parsed, text


def concise(completions, characters: int = 500, **_) -> list[float]:
    """min(1, characters / length): what is longer than that many characters earns less. In [0, 1]."""
    return [min(1.0, characters / max(1, len(text(c)))) for c in completions]


class OnTopic:
    """1 where a classifier takes the problem for one of the topic that was asked for, else 0.

    Args:
        corpus: the training problems; qgen hands them over because the constructor names them.
    """

    def __init__(self, corpus: list[Problem]):
        self.model = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), ComplementNB())
        self.model.fit([p.statement for p in corpus], [p.topic for p in corpus])

    def __call__(self, completions, topic: list[str], **_) -> list[float]:
        scores = [0.0] * len(completions)
        problems = {i: p for i, p in enumerate(parsed(completions)) if isinstance(p, Problem)}
        if problems:
            guessed = self.model.predict([p.statement for p in problems.values()])
            for i, guess in zip(problems, guessed, strict=True):
                scores[i] = float(guess == topic[i])
        return scores
