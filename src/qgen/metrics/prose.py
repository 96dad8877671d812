"""Whether words stand in an order that means something, as far as a corpus shows it.

Four views of a statement: how its words follow each other, how its skeleton does (function words, the endings of the
others), how long its longest run of words without a function word is, and how many of its words no real problem
uses. For neighbours the measure is the pointwise mutual information log p(b|a)/p(b) (Church and Hanks, 1990): above
zero where b is likelier after a than elsewhere.
"""

import math
import random
import re
from collections import Counter

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from qgen.mathematics import latex
from qgen.mathematics.problem import Problem
from qgen.mathematics.statement import sentences

RARE = 3  # problems that a word must occur in to count as itself
BACKOFF = 8.0  # how many observations the shorter context weighs
REFUSED = 0.01  # share of real statements beyond a limit
SLACK = (0.6, 0.25)  # standard deviations that each limit is moved outwards: other authors write other prose
FLOOR = 0.1  # standard deviation of the share of unknown words, at least: what a large corpus lacks is no noise
SAMPLE = 1000  # real statements that the limits are taken from

Document = list[str]


class Prose:
    """The prose of real problems, and how any other text compares with it.

    Args:
        corpus: real problems, at least one; how their statements and solutions are worded.
    """

    def __init__(self, corpus: list[Problem]):
        texts = [[words(s) for s in (p.statement, *sentences(p.solution))] for p in corpus]
        vocabularies = [{word for document in documents for word in document} for documents in texts]
        self._seen = Counter(word for vocabulary in vocabularies for word in vocabulary)
        self._pairs, self._skeleton = _NGrams(2), _NGrams(3)
        for documents in texts:
            self._pairs.add(map(self._plain, documents), 1)
            self._skeleton.add(map(_skeleton, documents), 1)
        views = []
        for documents in random.Random(0).sample(texts, min(SAMPLE, len(texts))):  # each without itself
            for ngrams, view in ((self._pairs, self._plain), (self._skeleton, _skeleton)):
                ngrams.add(map(view, documents), -1)
            own = {word for document in documents for word in document}
            views.append(self._views(documents[0], own))
            for ngrams, view in ((self._pairs, self._plain), (self._skeleton, _skeleton)):
                ngrams.add(map(view, documents), 1)
        self._mean, self._std = np.mean(views, axis=0), np.maximum(np.std(views, axis=0), [0.1, 0.1, 0.5, FLOOR])
        scores = np.array([self._scores(view) for view in views])
        self._limits = np.quantile(scores, REFUSED, axis=0) - np.array(SLACK) * scores.std(axis=0)

    def fault(self, text: str) -> str | None:
        """What keeps a text from reading like a real statement, or None."""
        order, wording = self._scores(self._views(words(text), set())) >= self._limits
        if not order:
            return "its words stand in no order"
        return None if wording else "its words do not read like a statement"

    def _scores(self, views: np.ndarray) -> np.ndarray:
        """The mean of the two views of order, and that of all four, standardised: 0 is what real statements average."""
        standard = (views - self._mean) / self._std
        return np.array([standard[:2].mean(), standard.mean()])

    def _views(self, document: Document, own: set[str]) -> np.ndarray:
        """`own`: the words that the document has itself added to those seen."""
        prose = [word for word in document if word[0].isalpha()]
        foreign = sum(self._seen[word] <= (word in own) for word in prose) / max(1, len(prose))
        pairs = self._pairs.information(self._plain(document))
        return np.array([pairs, self._skeleton.information(_skeleton(document)), -_run(document), -foreign])

    def _plain(self, document: Document) -> Document:
        return [word if self._seen[word] >= RARE else _ending(word) for word in document]


class _NGrams:
    """Counts of runs of up to n words, and the mean information that a word's predecessors have about it, in nats."""

    def __init__(self, n: int):
        self.n = n
        self.runs: Counter[tuple[str, ...]] = Counter()
        self.contexts: Counter[tuple[str, ...]] = Counter()

    def add(self, documents, times: int) -> None:
        for document in documents:
            marked = ("^", *document, "$")
            for length in range(1, self.n + 1):
                for i in range(len(marked) - length + 1):
                    run = marked[i : i + length]
                    self.runs[run] += times
                    self.contexts[run[:-1]] += times

    def information(self, document: Document) -> float:
        marked = ("^", *document, "$")
        values = []
        for i in range(1, len(marked)):
            likely = base = 1.0 / (1 + len(self.runs))
            for length in range(1, min(self.n, i + 1) + 1):
                run = marked[i - length + 1 : i + 1]
                likely = (self.runs[run] + BACKOFF * likely) / (self.contexts[run[:-1]] + BACKOFF)
                base = likely if length == 1 else base
            values.append(math.log(likely / base))
        return sum(values) / len(values)


def words(text: str) -> Document:
    """Words in lower case, punctuation, #N for a number and, for mathematics, one of #V (a variable), #N, #R (a
    relation), #L (a list) and #E (any other expression). Chinese characters are words of their own."""
    marked = latex.MATH.sub(lambda found: f" \x01{_kind(found.group())} ", text.replace("\x01", " "))
    return ["#" + t[1] if t[0] == "\x01" else "#N" if t[0].isdigit() else t.lower() for t in _WORD.findall(marked)]


def _kind(span: str) -> str:
    inside = re.sub(r"\s|\$|\\[\[\]()]", "", span)
    if re.fullmatch(r"[A-Za-z](?:_\{?\w+\}?)?", inside):
        return "V"
    if re.fullmatch(r"-?[\d.,]+", inside):
        return "N"
    if re.search(r"[=<>]|\\(?:le|ge|leq|geq|in|neq|ne|equiv|mid|cong|sim|subset)(?![a-zA-Z])", inside):
        return "R"
    return "L" if "," in inside else "E"


def _skeleton(document: Document) -> Document:
    """The document with only its function words, punctuation and mathematics left whole."""
    return [word if not word[0].isalpha() or word in _FUNCTION else _ending(word) for word in document]


def _ending(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return "~" + ending
    return "~" if word[0].isalpha() else "~?"


def _run(document: Document) -> int:
    """The longest run of words without a function word, mathematics or a full stop between them, at most 9."""
    longest = run = 0
    for word in document:
        if word[0].isalpha() and word not in _FUNCTION and not "一" <= word[0] <= "鿿":
            run += 1
            longest = max(longest, run)
        elif word not in (",", ";"):
            run = 0
    return min(9, longest)


_WORD = re.compile(r"\x01[A-Z]|[一-鿿]|(?:(?![一-鿿])[^\W\d_])+(?:'[a-z]+)?|\d+(?:\.\d+)?|\S")
_FUNCTION = (ENGLISH_STOP_WORDS | {"does", "did", "having"}) - {"find", "system", "interest", "bill", "fire", "amount"}
_ENDINGS = ("ing", "ed", "ly", "tion", "ity", "ive", "al", "ous", "er", "est", "es", "s")
