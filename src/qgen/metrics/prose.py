"""Whether words stand in an order that means something, and whether they read like a statement.

What is known of prose is counted in the corpus and in hands/: some 250 statements in English and Chinese, short and
long, in the styles of many authors, written for this (Apache-2.0, as all of qgen). So the prose of other authors than
the corpus's, and of a language that it has no word of, is read from the first problem on. Three figures of a text:

- information: the mean of log p(b|a)/p(b), in nats, over its neighbouring words a and b (pointwise mutual information,
  Church and Hanks, 1990). Above zero where b is likelier after a than elsewhere.
- order: how many standard deviations that mean lies above its expectation over all orders of the same words (a
  permutation test; Hoeffding, 1951, the variance as if pairs were drawn independently). It compares a text with itself,
  so that no author need be known: shuffled words have about 1, whosever they are.
- crowding: the share of neighbours that are both words of content, as where terms of art are heaped up.
"""

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from qgen.mathematics import latex
from qgen.mathematics.problem import Problem
from qgen.mathematics.statement import sentences
from qgen.metrics.fitted import fitted

HANDS = Path(__file__).parent / "hands"
RARE = 2  # problems that a word must occur in to count as itself
BACKOFF = 2.0  # how many observations of a pair the independence of its words weighs
PASSED = (0.03, 0.02)  # share of shuffled statements, and of those heaped with other words, above the limits, at least
REFUSED = 0.02  # share of known statements, each without itself, that may lie below a limit
SLACK = 0.25  # what a limit lies below those, in standard deviations of a figure: for who is not known
SAMPLE = 1000  # statements of the corpus that the limits are taken from

Document = list[str]


@lru_cache(maxsize=2)
def prose(corpus: tuple[Problem, ...]) -> "Prose":
    """The prose of a corpus, made once: its limits take a second to find."""
    return fitted(Prose, corpus)


class Prose:
    """The prose of real problems, and how any other text compares with it.

    Args:
        corpus: real problems; how their statements and solutions are worded.
    """

    def __init__(self, corpus: Sequence[Problem]):
        own = [[words(s) for s in (p.statement, *sentences(p.solution))] for p in corpus]
        others = [[words(line)] for path in sorted(HANDS.glob("*.txt")) for line in lines(path)]
        self._seen = Counter(word for documents in own + others for word in set().union(*documents))
        self._after: dict[str, Counter[str]] = defaultdict(Counter)
        self._before: Counter[str] = Counter()
        self._followed: Counter[str] = Counter()  # pairs that begin with a word
        self._total = 0  # pairs
        for documents in own + others:
            self._count(documents, 1)
        rng = random.Random(0)
        sample = rng.sample(own, min(SAMPLE, len(own))) + others
        figures = {language: self._known(texts, rng) for language, texts in _by_language(sample).items()}
        self._std = np.concatenate([real for real, _, _ in figures.values()]).std(axis=0) + 1e-9
        self._limits = {language: self._limit(*found) for language, found in figures.items()}

    def fault(self, text: str) -> str | None:
        """What keeps a text from reading like a real statement, or None."""
        document = words(text)
        order, wording = self._scores(np.array(self._figures(document, set()))) >= self._limits[_chinese(document)]
        if not order:
            return "its words stand in no order"
        return None if wording else "its words do not read like a statement"

    def _scores(self, figures: np.ndarray) -> np.ndarray:
        """Of (n, 3) or (3,) figures: order with twice the information, and information without the crowding."""
        information, order, crowding = figures.T
        return np.array([order + 2 * information, information / self._std[0] - crowding / self._std[2]]).T

    def _known(self, texts: list[list[Document]], rng: random.Random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Figures of known statements, each as if it had not been counted: as they are, shuffled, and heaped."""
        pool = [word for documents in texts for word in documents[0] if _content(word)]
        found = []
        for documents in texts:
            self._count(documents, -1)
            statement, own = documents[0], set().union(*documents)
            heaped = list(statement)
            for _ in range(max(6, len(statement) // 2)):
                heaped.insert(rng.randrange(len(heaped)), rng.choice(pool))
            shuffled = [*rng.sample(statement[:-1], len(statement) - 1), statement[-1]]
            found.append([self._figures(document, own) for document in (statement, shuffled, heaped)])
            self._count(documents, 1)
        return tuple(np.array(found).transpose(1, 0, 2))

    def _limit(self, real: np.ndarray, shuffled: np.ndarray, heaped: np.ndarray) -> np.ndarray:
        """The least scores of order and of wording: where few spoiled statements pass, but no higher than where all but
        a few of the known ones do."""
        spoiled = [np.quantile(self._scores(f)[:, i], 1 - PASSED[i]) for i, f in enumerate((shuffled, heaped))]
        return np.minimum(spoiled, np.quantile(self._scores(real), REFUSED, axis=0) - SLACK)

    def _count(self, documents: list[Document], times: int) -> None:
        for document in documents:
            marked = ("^", *self._plain(document), "$")
            for a, b in pairwise(marked):
                self._after[a][b] += times
                self._before[b] += times
                self._followed[a] += times
                self._total += times

    def _plain(self, document: Iterable[str], own: Set[str] = frozenset()) -> Document:
        return [w if not w[0].isalpha() or self._seen[w] - (w in own) >= RARE else _ending(w) for w in document]

    def _figures(self, document: Document, own: set[str]) -> tuple[float, float, float]:
        """Information, order and crowding. `own`: the words that the document has itself added to those seen.

        With c the counts, p(b) = c(b)/N and p(b|a) = (c(a, b) + B p(b)) / (c(a) + B), what is measured of a pair is
        log(B / (c(a) + B)) + log(1 + N c(a, b) / (B c(b))). The first part is the same in any order of the words; of
        the second, which is 0 for pairs not seen, each two places are neighbours in one order of n.
        """
        plain = self._plain(document, own)
        counts, n = Counter(plain), max(1, len(plain))
        total = self._total

        def gain(a: str, b: str) -> float:
            seen = self._after[a].get(b, 0) if a in self._after else 0
            return math.log1p(seen * total / (BACKOFF * self._before[b])) if seen > 0 else 0.0

        marked = ("^", *plain, "$")
        gained = sum(gain(a, b) for a, b in pairwise(marked))
        fixed = mean = square = 0.0
        for a, times in (*counts.items(), ("^", 1)):
            after = self._after.get(a, Counter())
            fixed += times * math.log(BACKOFF / (self._followed[a] + BACKOFF))
            for b in counts.keys() & after.keys():
                pairs, value = times * (counts[b] - (a == b)), gain(a, b)
                mean, square = mean + pairs * value / n, square + pairs * value**2 / n
            if a != "^":
                value = gain(a, "$")
                mean, square = mean + times * value / n, square + times * value**2 / n
        # half a nat squared more, lest a text of two words be sure of its order
        order = (gained - mean) / math.sqrt(square - mean**2 / (n + 1) + 0.5)
        crowd = sum(_content(a) and _content(b) and not _chinese([a, b]) for a, b in pairwise(document))
        return (fixed + gained) / (n + 1), order, crowd / max(1, len(document) - 1)


def lines(path: Path) -> list[str]:
    """The lines of a text file but for those that begin with #, which say what it is."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]


def words(text: str) -> Document:
    """Words in lower case, punctuation, #N for a number and, for mathematics, one of #V (a variable), #N, #R (a
    relation), #L (a list) and #E (any other expression), and #B for a blank; a stop that stands inside of a formula
    follows it, as others write it. Chinese characters are words of their own."""
    text = latex.BLANK.sub(" \x01B ", text.replace("\x01", " "))
    marked = latex.MATH.sub(lambda found: f" \x01{_kind(found.group())} {_stop(found.group())} ", text)
    return ["#" + t[1] if t[0] == "\x01" else "#N" if t[0].isdigit() else t.lower() for t in _WORD.findall(marked)]


def _kind(span: str) -> str:
    inside = re.sub(r"\s|[.,;?]$", "", latex.bare(span))
    if re.fullmatch(r"[A-Za-z](?:_\{?\w+\}?)?", inside):
        return "V"
    if re.fullmatch(r"-?[\d.,]+", inside):
        return "N"
    if re.search(r"[=<>]|\\(?:le|ge|leq|geq|in|neq|ne|equiv|mid|cong|sim|subset)(?![a-zA-Z])", inside):
        return "R"
    return "L" if "," in inside else "E"


def _stop(span: str) -> str:
    end = latex.bare(span)[-1:]
    return end if end and end in ".,;?" else ""


def _ending(word: str) -> str:
    """What stands for a rare word: the class of its ending."""
    if "一" <= word[0] <= "鿿":
        return "~字"
    return "~" + next((e for e in _ENDINGS if word.endswith(e) and len(word) > len(e) + 2), "")


def _content(word: str) -> bool:
    """Whether a word is one of content; any Chinese character is."""
    return word[0].isalpha() and word not in _FUNCTION


def _chinese(document: Document) -> bool:
    return any("一" <= word[0] <= "鿿" for word in document)


def _by_language(texts: list[list[Document]]) -> dict[bool, list[list[Document]]]:
    """Problems' documents by whether the statement, which is the first of them, is Chinese."""
    found: dict[bool, list[list[Document]]] = {False: [], True: []}
    for documents in texts:
        found[_chinese(documents[0])].append(documents)
    return found


_WORD = re.compile(r"\x01[A-Z]|[一-鿿]|(?:(?![一-鿿])[^\W\d_])+(?:'[a-z]+)?|\d+(?:\.\d+)?|\S")
_FUNCTION = (ENGLISH_STOP_WORDS | {"does", "did", "having"}) - {"find", "system", "interest", "bill", "fire", "amount"}
_ENDINGS = ("ing", "ed", "ly", "tion", "ity", "ive", "al", "ous", "er", "est", "es", "s")
