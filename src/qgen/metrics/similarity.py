"""How near a text is to the nearest of many: an index that grows one problem at a time.

Similarity is the cosine between TF-IDF vectors of words and short runs of words, LaTeX commands and
numbers counting as words. The document frequencies are those of the corpus and stay fixed, so that a
score does not drift as problems are added.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

_TOKEN = re.compile(r"\\[a-zA-Z]+|[^\W\d_]+|\d+(?:\.\d+)?|[=<>+*/^]|[^\s\w]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def mask_numbers(text: str) -> str:
    """The text with every number replaced, so that copies with other numbers read the same."""
    return _NUMBER.sub("0", text)


def tokens(text: str) -> list[str]:
    """Words, LaTeX commands, numbers and signs. Lone surrogates, which cannot be hashed, become question marks."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return [token for token in _TOKEN.findall(text.lower()) if token not in "${}.,;:?!"]


class SimilarityIndex:
    """Texts, and for any other text the cosine similarity (0 to 1) to the nearest of them.

    Args:
        corpus: texts that the document frequencies come from, and that the index starts with.
    """

    def __init__(self, corpus: Iterable[str]):
        self._hash = HashingVectorizer(
            analyzer="word", tokenizer=tokens, token_pattern=None, lowercase=False,
            ngram_range=(1, 3), n_features=2**20, alternate_sign=False, norm=None,
        )  # fmt: skip
        counts = self._hash.transform(list(corpus))
        self._weigh = TfidfTransformer(sublinear_tf=True).fit(counts)
        self._blocks = [self._weigh.transform(counts)]

    def __len__(self) -> int:
        return sum(block.shape[0] for block in self._blocks)

    def vectors(self, texts: list[str]) -> sparse.csr_matrix:
        """Unit vectors, one row a text (an empty text is the zero vector)."""
        return self._weigh.transform(self._hash.transform(texts))

    def add(self, texts: list[str]) -> None:
        if texts:
            self._blocks.append(self.vectors(texts))
        if len(self._blocks) > 8:  # few blocks keep queries fast; the large first one is left alone
            self._blocks[1:] = [sparse.vstack(self._blocks[1:], format="csr")]

    def keep_last(self, count: int) -> None:
        """Forget the oldest of the texts that were added, so that at most `count` of them stay."""
        added = sum(block.shape[0] for block in self._blocks[1:])
        if added > count:
            self._blocks[1:] = [sparse.vstack(self._blocks[1:], format="csr")[added - count :]]

    def nearest(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Similarity to the nearest text of the index, and that text's number, both of shape (len(texts),)."""
        rows = self.vectors(texts)
        best, where, offset = np.zeros(len(texts)), np.full(len(texts), -1), 0
        for block in self._blocks:
            if block.shape[0]:
                product = (rows @ block.T).tocsr()
                peak = product.max(axis=1).toarray().ravel()
                arg = np.asarray(product.argmax(axis=1)).ravel()
                better = peak > best
                best[better], where[better] = peak[better], arg[better] + offset
            offset += block.shape[0]
        return np.clip(best, 0.0, 1.0), where


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
        vectors = SimilarityIndex(texts).vectors(texts)
        for start in range(0, len(texts), rows):
            yield start, (vectors[start : start + rows] @ vectors.T).tocsr()
