"""What a problem is about, estimated from its text by a classifier fitted to the topics of real problems."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from qgen.mathematics.problem import Problem
from qgen.metrics.fitted import fitted
from qgen.metrics.similarity import tokens

FOLDS = 5


def topics(problems: Sequence[Problem]) -> "TopicModel":
    """The classifier of a corpus, from the cache where it was fitted before."""
    return fitted(TopicModel, problems)


class TopicModel:
    """Logistic regression on word TF-IDF.

    Args:
        problems: real problems with topics; topics of fewer than five are left out.

    Attributes:
        topics: those that are left, sorted; none where only one would be, as nothing is to be told apart.
        own: the probability that each of their problems has of its own topic in cross-validation, of shape (problems,).
        accuracy: share of real problems whose topic is found there, 0 to 1.
    """

    def __init__(self, problems: Sequence[Problem]):
        counts: dict[str, int] = {}
        for problem in problems:
            counts[problem.topic] = counts.get(problem.topic, 0) + 1
        common = sorted(topic for topic, count in counts.items() if count >= FOLDS)
        self.topics = common if len(common) > 1 else []
        self.accuracy = float("nan")
        if not self.topics:
            return
        known = [p for p in problems if p.topic in self.topics]
        words, labels = [tokens(p.statement) for p in known], [p.topic for p in known]
        self._model = make_pipeline(
            TfidfVectorizer(analyzer=list, sublinear_tf=True),
            LogisticRegression(C=30.0, class_weight="balanced", max_iter=1000),
        )
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        held_out = cross_val_predict(self._model, words, labels, cv=folds, method="predict_proba")
        true = np.array([self.topics.index(label) for label in labels])
        self.own = held_out[np.arange(len(labels)), true]
        self.accuracy = float(np.mean(held_out.argmax(axis=1) == true))
        self._model.fit(words, labels)

    def probabilities(self, statements: list[str]) -> np.ndarray:
        """Of shape (len(statements), len(self.topics)); rows sum to 1. Not to be asked where there are no topics."""
        words = [tokens(statement) for statement in statements]
        return self._model.predict_proba(words) if words else np.zeros((0, len(self.topics)))
