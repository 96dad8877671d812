"""Is a problem a variation of another, and of the kind that was asked for?

It is where it is a problem, related to its original, no copy, and keeps to what its kind demands:

    parameter     reads the same with numbers masked (edit similarity of at least .9); other numbers and another answer,
                  which is that of the original's program or formula with those numbers (data/recompute.py)
    context       the same numbers and answer, among other things (Jaccard similarity of at most .3)
    application   at least half of the numbers, and three things or more that the original does not speak of
    harder        a higher level, as a regressor fitted to real problems' levels estimates it (metrics/difficulty.py)
    easier        a lower one

Related means nearer in meaning (metrics/meaning.py) than 95 of 100 pairs of real problems of one topic, or, for context
and application, the same answer and numbers. A copy is its original or a known problem but for its numbers; a parameter
change that leaves its original's numbers is one too. Things are words that less than a fiftieth of real problems has.
What is no more than plausible, that an application is practical and a harder problem hard, no rule here can tell.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from qgen.mathematics import latex
from qgen.mathematics.answers import plain
from qgen.mathematics.problem import Fault, Problem
from qgen.metrics.copies import JACCARD, Copies
from qgen.metrics.difficulty import levels
from qgen.metrics.meaning import Embed
from qgen.metrics.similarity import mask, tokens
from qgen.settings.choices import Kind

MASKED = 0.9  # edit similarity of a parameter change, numbers and letters masked
THINGS = 0.3  # Jaccard similarity of what a context change and its original speak of
UNRELATED = 0.95  # share of unrelated pairs that a related one is nearer than
PAIRS = 2000  # of real problems
_NUMERAL = re.compile(r"\d+")
Checked = Callable[[list[tuple[Problem, Problem]]], list[bool | None]]  # whether answers are right, None if not known


@dataclass(frozen=True)
class VariationVerdict:
    """What a text is as a variation. `fault` is one of a few stable words, or None; the similarities to the original
    are from 0 to 1, of meaning and of form (edit similarity, numbers and letters masked), 0 for what is no problem."""

    fault: str | None
    semantic: float = 0.0
    structural: float = 0.0


class Judge:
    """Tells variations from what is none.

    Args:
        corpus: real problems, from which it learns what is usual, and in which copies are sought.
        embed: texts as unit vectors.
        check: whether each of some pairs' second has the answer that its numbers give by the first's program or
            formula; None leaves that out.
    """

    def __init__(self, corpus: list[Problem], embed: Embed, check: Checked | None = None):
        statements = [p.statement for p in corpus]
        self.embed, self.check = embed, check
        self.copies = Copies(statements, mask)
        self.common = _common(statements)
        self.levels = levels(corpus)  # without them harder and easier are "level unknown"
        self.related = _threshold(corpus, embed)

    def verdicts(
        self, originals: Sequence[Problem], varied: Sequence[Problem | Fault], kinds: Sequence[Kind]
    ) -> list[VariationVerdict]:
        """What each variation is worth, in the order given.

        Args:
            originals: what was to be varied.
            varied: what became of each, as many.
            kinds: how each was to differ.
        """
        good = [(i, originals[i], new) for i, new in enumerate(varied) if isinstance(new, Problem)]
        found = [VariationVerdict("no problem")] * len(varied)
        if not good:
            return found
        before, after = [old.statement for _, old, _ in good], [new.statement for _, _, new in good]
        near = np.clip(_rowwise(self.embed(before), self.embed(after)), 0.0, 1.0)
        rise = self.levels.predict(after) - self.levels.predict(before) if self.levels else None
        known = self.copies.degree(after)
        for at, (i, old, new) in enumerate(good):
            shape = structural(old.statement, new.statement)
            harder = None if rise is None else float(rise[at])
            wrong = self._fault(old, new, kinds[i], near[at], shape, known[at], harder)
            found[i] = VariationVerdict(wrong, float(near[at]), shape)
        asked = [(i, old, new) for i, old, new in good if kinds[i] is Kind.parameter and found[i].fault is None]
        right = self.check([(old, new) for _, old, new in asked]) if self.check else [None] * len(asked)
        for (i, *_), answer in zip(asked, right, strict=True):
            if answer is False:
                found[i] = VariationVerdict("wrong answer", found[i].semantic, found[i].structural)
        return found

    def _fault(
        self, old: Problem, new: Problem, kind: Kind, near: float, shape: float, known: float, harder: float | None
    ) -> str | None:
        before, after = (_numerals(p.statement) for p in (old, new))
        same = before == after and plain(old.answer) == plain(new.answer)
        if kind is Kind.parameter:
            if before == after:
                return "copy"
            if shape < MASKED:
                return "unrelated" if near < self.related else "more than numbers"
            return "stale answer" if plain(old.answer) == plain(new.answer) else None
        own = Copies([old.statement], mask).degree([new.statement])[0]
        if max(known, own) >= JACCARD:
            return "copy"
        if near < self.related and not (same and before and kind in (Kind.context, Kind.application)):
            return "unrelated"
        things = [self.things(p.statement) for p in (old, new)]
        if kind is Kind.context:
            return None if same and _jaccard(*things) <= THINGS and things[1] else "numbers, answer or setting"
        if kind is Kind.application:
            kept = sum((before & after).values()) >= sum(before.values()) / 2
            return None if kept and len(things[1] - things[0]) >= 3 else "numbers or setting"
        if harder is None:
            return "level unknown"
        return None if (harder > 0) == (kind is Kind.harder) and harder else "level"

    def things(self, statement: str) -> set[str]:
        """What a statement speaks of: its words but those that are common in real problems."""
        return _words(statement) - self.common


def structural(a: str, b: str) -> float:
    """Edit similarity of two texts' tokens, numbers and letters masked: 2 x matches / tokens (Ratcliff & Obershelp)."""
    return SequenceMatcher(None, tokens(mask(a)), tokens(mask(b)), autojunk=False).ratio()


def _threshold(corpus: list[Problem], embed: Embed) -> float:
    """The similarity that UNRELATED of the pairs of different real problems of one topic stay below."""
    rng = random.Random(0)
    topics: dict[str, list[str]] = {}
    for problem in rng.sample(corpus, min(PAIRS, len(corpus))):
        topics.setdefault(problem.topic, []).append(problem.statement)
    groups = [group for group in topics.values() if len(group) > 1]
    if not groups:
        raise RuntimeError("what is related is learned from real problems of one topic, and no two of the corpus are")
    pairs = [rng.sample(rng.choice(groups), 2) for _ in range(min(PAIRS, len(corpus) * 4))]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    number, vectors = {text: i for i, text in enumerate(texts)}, embed(texts)
    left, right = ([number[pair[side]] for pair in pairs] for side in (0, 1))
    return float(np.quantile(_rowwise(vectors[left], vectors[right]), UNRELATED))


def _rowwise(a, b) -> np.ndarray:
    """The product of each row of a with that row of b; dense or sparse."""
    product = a.multiply(b) if hasattr(a, "multiply") else a * b
    return np.asarray(product.sum(axis=1)).ravel()


def _common(statements: list[str]) -> set[str]:
    counts = Counter(word for statement in statements for word in _words(statement))
    return {word for word, count in counts.items() if count >= max(2, len(statements) / 50)}


def _words(statement: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}", latex.prose(statement, " ").lower()))


def _numerals(statement: str) -> Counter[str]:
    return Counter(_NUMERAL.findall(statement))


def _jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0
