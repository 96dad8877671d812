"""How near a text is to the nearest of many: an index that grows one problem at a time.

Similarity is the cosine between TF-IDF vectors of words and short runs of words, LaTeX commands and
numbers counting as words. The document frequencies are those of the corpus and stay fixed, so that a
score does not drift as problems are added.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

_TOKEN = re.compile(r"\\[a-zA-Z]+|[^\W\d_]+|\d+(?:\.\d+)?|[=<>+*/^]|[^\s\w]")
_NAME = re.compile(r"\d+(?:[.,]\d+)*|(?<![a-zA-Z\\])[a-zA-Z](?![a-zA-Z])")


def mask(text: str) -> str:
    """The text with every number and every single letter replaced, so that a copy with others reads the same."""
    return _NAME.sub(lambda found: "0" if found.group()[0].isdigit() else "x", text)


def tokens(text: str) -> list[str]:
    """Words, LaTeX commands, numbers and signs. Lone surrogates, which cannot be hashed, become question marks."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return [token for token in _TOKEN.findall(text.lower()) if token not in "${}.,;:?!"]


class SimilarityIndex:
    """Texts, and for any other text the cosine similarity (0 to 1) to the nearest of them.

    What more than a tenth of the corpus contains says nothing of one text, costs most of a query, and is left out.

    Args:
        corpus: texts that the document frequencies come from.
        start: whether the index starts with them, or empty.
    """

    BLOCK = 512  # texts added that are inverted together: adding and forgetting touch one block, not all

    def __init__(self, corpus: Iterable[str], start: bool = True):
        self._hash = HashingVectorizer(
            analyzer="word", tokenizer=tokens, token_pattern=None, lowercase=False,
            ngram_range=(1, 3), n_features=2**20, alternate_sign=False, norm=None,
        )  # fmt: skip
        counts = self._hash.transform(list(corpus))
        n, df = counts.shape[0], np.bincount(counts.indices, minlength=counts.shape[1])
        self._idf = np.where(df > max(20, n / 10), 0.0, np.log((1 + n) / (1 + df)) + 1.0)
        self._corpus, lengths = _unit(self._weigh(counts if start else counts[:0]))
        self._recent: list[sparse.csr_matrix] = []  # what was added, a block of at most BLOCK rows each
        self._inverted = [self._corpus.T.tocsr()]  # of the corpus and of each block: a row a feature
        self._lengths = lengths  # of the corpus's vectors before they were made units

    def __len__(self) -> int:
        return sum(block.shape[1] for block in self._inverted)

    def vectors(self, texts: list[str]) -> sparse.csr_matrix:
        """Unit vectors, one row a text (an empty text is the zero vector)."""
        return _unit(self._raw(texts))[0]

    def _raw(self, texts: list[str]) -> sparse.csr_matrix:
        if not texts:  # of which scikit-learn makes an error
            return sparse.csr_matrix((0, self._idf.size))
        return self._weigh(self._hash.transform(texts))

    def _weigh(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """TF-IDF with sublinear term frequencies."""
        counts.data = (1.0 + np.log(counts.data)) * self._idf[counts.indices]
        counts.eliminate_zeros()
        return counts

    def add(self, texts: list[str]) -> None:
        """Let further texts be found too."""
        if texts:
            self._append(self.vectors(texts))

    def _append(self, rows: sparse.csr_matrix) -> None:
        if self._recent and self._recent[-1].shape[0] < self.BLOCK:
            rows = sparse.vstack([self._recent.pop(), rows], format="csr")
            self._inverted.pop()
        for start in range(0, rows.shape[0], self.BLOCK):
            block = rows[start : start + self.BLOCK]
            self._recent.append(block)
            self._inverted.append(block.T.tocsr())

    def keep_last(self, count: int) -> None:
        """Forget the oldest of the texts that were added, so that at most `count` of them stay."""
        surplus = sum(block.shape[0] for block in self._recent) - count
        while surplus > 0:
            block = self._recent.pop(0)
            del self._inverted[1]
            if block.shape[0] > surplus:
                self._recent.insert(0, block[surplus:])
                self._inverted.insert(1, block[surplus:].T.tocsr())
            surplus -= block.shape[0]

    def nearest(self, texts: list[str], contained: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
        """Similarity to the nearest text of the index, and that text's number, both of shape (len(texts),).

        Args:
            contained: a text that holds at least this share of the weight of one of the corpus is as similar to it
                as that share, however much else it holds: a copy in padding is a copy.
        """
        rows, lengths = _unit(self._raw(texts))
        best, where, offset = np.zeros(len(texts)), np.full(len(texts), -1), 0
        for number, block in enumerate(self._inverted):
            product = rows @ block
            for i in range(len(texts)):  # scipy's own max and argmax would sort each row first
                row = slice(product.indptr[i], product.indptr[i + 1])
                if row.start < row.stop:
                    values = product.data[row]
                    if number == 0 and contained < np.inf:
                        share = values * lengths[i] / self._lengths[product.indices[row]]
                        values = np.where(share >= contained, np.minimum(share, 1.0), values)
                    at = int(values.argmax())
                    if values[at] > best[i]:
                        best[i], where[i] = values[at], offset + product.indices[row.start + at]
            offset += block.shape[1]
        return np.clip(best, 0.0, 1.0), where

    def count_above(self, texts: list[str], threshold: float) -> np.ndarray:
        """How many texts of the index are more similar than a threshold, of shape (len(texts),)."""
        rows = self.vectors(texts)
        counts = np.zeros(len(texts), dtype=int)
        for block in self._inverted:
            product = rows @ block
            near = np.repeat(np.arange(len(texts)), np.diff(product.indptr))[product.data > threshold]
            counts += np.bincount(near, minlength=len(texts))
        return counts


def _unit(rows: sparse.csr_matrix) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows of length 1, and the lengths that they had."""
    if not rows.shape[0]:
        return rows, np.zeros(0)
    lengths = np.maximum(sparse.linalg.norm(rows, axis=1), 1e-9)
    return normalize(rows, copy=False), lengths


def leave_one_out(texts: list[str]) -> np.ndarray:
    """Each text's similarity to the nearest of the others, of shape (len(texts),)."""
    best = np.zeros(len(texts))
    for start, product in _products(texts):
        for i in range(product.shape[0]):
            row = slice(product.indptr[i], product.indptr[i + 1])
            others = product.data[row][product.indices[row] != start + i]
            best[start + i] = others.max(initial=0.0)
    return np.clip(best, 0.0, 1.0)


def near_duplicates(texts: list[str], threshold: float) -> list[int | None]:
    """For each text the number of the first kept text that it repeats, or None where it is kept itself."""
    first: list[int | None] = [None] * len(texts)
    for start, product in _products(texts):
        for i in range(product.shape[0]):
            if first[start + i] is None:
                row = slice(product.indptr[i], product.indptr[i + 1])
                for j in product.indices[row][product.data[row] >= threshold]:
                    if j > start + i and first[j] is None:
                        first[j] = start + i
    return first


def _products(texts: list[str], rows: int = 256) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """Similarities of all pairs, some rows at a time: all at once would take gigabytes for 15,000 texts."""
    if texts:
        index = SimilarityIndex(texts)
        vectors, inverted = index._corpus, index._inverted[0]
        for start in range(0, len(texts), rows):
            yield start, vectors[start : start + rows] @ inverted
