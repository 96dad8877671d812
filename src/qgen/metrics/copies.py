"""Whether a text is a copy: of 5-gram Jaccard similarity 0.8 or more with a known one, or sharing 13 words in a row.

Both are usual tests of contamination (13-grams: GPT-3, arXiv:2005.14165, app. C; Jaccard over 5-grams: Lee et al.,
arXiv:2107.06499). Where MinHash estimates the Jaccard similarity, some thousands of problems allow the exact one. The
13 are words alone: 13 tokens of a formula are shared by a tenth of MATH's problems, a quarter with numbers masked.
"""

from collections.abc import Callable, Iterable

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from qgen.metrics.similarity import tokens

JACCARD = 0.8


class Copies:
    """Known texts, and for any other how much of a copy it is.

    Args:
        known: the texts.
        view: applied to every text first: `mask`, so that a copy with other numbers is one.
    """

    def __init__(self, known: Iterable[str], view: Callable[[str], str] = str):
        self.view = view
        texts = [tokens(view(text)) for text in known]
        self._grams = CountVectorizer(analyzer=lambda words: list(_grams(words, 5)), binary=True, dtype=np.int32)
        self._known = self._grams.fit_transform(texts)
        self._sizes = np.asarray(self._known.sum(axis=1)).ravel()
        self._long = {gram for words in texts for gram in _runs(words)}

    def degree(self, texts: list[str]) -> np.ndarray:
        """Of shape (len(texts),): the highest Jaccard similarity to a known text; 1 where 13 words are shared."""
        split = [tokens(self.view(text)) for text in texts]
        shared = (self._grams.transform(split) @ self._known.T).tocsr()
        found = np.zeros(len(texts))
        for i, words in enumerate(split):
            row = slice(shared.indptr[i], shared.indptr[i + 1])
            own = len(set(_grams(words, 5)))  # those that no known text has are not in the vocabulary
            union = own + self._sizes[shared.indices[row]] - shared.data[row]
            found[i] = (shared.data[row] / np.maximum(union, 1)).max(initial=0.0)
            if any(gram in self._long for gram in _runs(words)):
                found[i] = 1.0
        return found


def _grams(words: list[str], n: int) -> Iterable[tuple[str, ...]]:
    """Runs of n words; all of them where there are fewer, so that a short text is its own run."""
    return (tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1)))


def _runs(words: list[str]) -> Iterable[tuple[str, ...]]:
    """Thirteen words in a row, of two letters or more, whatever formulas stand between them."""
    prose = [word for word in words if len(word) > 1 and word.isalpha()]
    return (tuple(prose[i : i + 13]) for i in range(len(prose) - 12))
