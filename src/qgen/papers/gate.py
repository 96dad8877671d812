"""Whether an output is a problem that may be handed out, and which known problem is nearest to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qgen.data import Corpus, recompute
from qgen.data.scripts import LEAST, scripts, shares
from qgen.evaluation.protocol import REPEAT
from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Fault, Problem
from qgen.metrics.copies import JACCARD, Copies
from qgen.metrics.difficulty import levels
from qgen.metrics.meaning import embedding
from qgen.metrics.similarity import SimilarityIndex, mask
from qgen.metrics.topics import topics
from qgen.metrics.variations import Judge
from qgen.proofs import reading
from qgen.rewards.format import Format
from qgen.settings.choices import Kind, Language
from qgen.text import tex


@dataclass(frozen=True)
class GateVerdict:
    """What the gate found. `refused` is None where the output passes, else the first reason against it."""

    refused: str | None
    checks: dict[str, Any]
    problem: Problem | None = None


class Gate:
    """An output passes that is a whole problem, reads like one (rewards/format.py) and can be printed, is no copy of a
    known one (as it is, or with its numbers and letters masked), repeats none that has passed before, and is of the
    topic that was asked for.

    A variation may be its original with other numbers, and variations may differ in numbers alone; instead of its topic
    its kind is checked (metrics/variations.py). In Chinese, beside a corpus that is not, neither how it reads nor its
    topic can be told; that it is Chinese can.

    Args:
        corpus: the known problems; those held out from training are known too.
        original: what variations are asked of.
        kind: of the variations.
        language: that was asked for.
        any_topic: what a problem is of is told, and refuses none.

    Attributes:
        estimator: of difficulty; None where the corpus has too few levels to fit one to.
    """

    def __init__(
        self,
        corpus: Corpus,
        original: Problem | None = None,
        kind: Kind | None = None,
        language: Language = Language.en,
        any_topic: bool = False,
    ):
        self.known = [*corpus.train, *corpus.heldout]
        self.original, self.kind, self.estimator = original, kind, levels(corpus.train)
        self.any_topic = any_topic
        statements = [p.statement for p in self.known]
        self.near, self.language = SimilarityIndex(statements), language
        self.format = Format(corpus.train, language=language)
        self.foreign = language is Language.zh and shares(corpus.train)[language] < LEAST
        self.view: Callable[[str], str] = str if original else mask
        self.repeat = 1 - 1e-6 if original else REPEAT
        self._passed = SimilarityIndex([self.view(s) for s in statements], start=False)
        self.topics = None if original or self.foreign else topics(corpus.train)
        self.kinds = _judge(corpus.train) if kind else None
        others = statements
        if original:
            statements = [*statements, original.statement]
            degrees = Copies([original.statement], mask).degree(others)
            others = [s for s, degree in zip(others, degrees, strict=True) if degree < JACCARD]
        self.plain, self.masked = Copies(statements), Copies(others, mask)

    def judge(self, text: str, finished: bool, topic: str) -> GateVerdict:
        """The verdict on one output; one that passes is remembered."""
        (problem,) = reading.read([text])
        if isinstance(problem, Fault) or not finished:
            kind = problem.kind if isinstance(problem, Fault) else "cut off"
            return GateVerdict(f"no problem: {kind}", {"problem": kind})
        if self.language is Language.zh and "CJK" not in scripts(problem.statement):
            return GateVerdict("in another language", {"problem": "not Chinese"}, problem)
        if strange := None if self.foreign else self.format.fault(problem):
            return GateVerdict("reads like no problem", {"problem": strange}, problem)
        if strange := tex.unknown(problem.statement) or tex.unknown(problem.answer):
            return GateVerdict("cannot be printed", {"problem": "ok", "print": strange}, problem)
        copy, masked = (float(copies.degree([problem.statement])[0]) for copies in (self.plain, self.masked))
        again = float(self._passed.nearest([self.view(problem.statement)])[0][0]) if len(self._passed) else 0.0
        checks: dict[str, Any] = {"problem": "ok", "print": "ok"}
        checks |= {"copy": round(copy, 3), "copy_masked": round(masked, 3), "repeat": round(again, 3)}
        refused = None
        if max(copy, masked) >= JACCARD:
            refused = "copy of a known problem" if copy >= JACCARD else "copy with other numbers"
        elif again >= self.repeat:
            refused = "repeats another"
        elif self.topics and topic in self.topics.topics:
            chances = self.topics.probabilities([problem.statement])[0]
            checks["topic"] = self.topics.topics[int(chances.argmax())]
            if checks["topic"] != topic and not self.any_topic:
                refused = "another topic"
        elif self.kinds and self.kind and self.original:
            (verdict,) = self.kinds.verdicts([self.original], [problem], [self.kind])
            checks |= {"kind": verdict.fault or "ok", "semantic": round(verdict.semantic, 3)}
            checks["structural"] = round(verdict.structural, 3)
            refused = verdict.fault and f"no {self.kind.value} variation: {verdict.fault}"
        if refused is None:
            self._passed.add([self.view(problem.statement)])
        return GateVerdict(refused, checks, problem)

    def difficulty(self, problems: list[Problem]) -> list[float | None]:
        """Estimated levels, 1 to 5."""
        if not self.estimator or not problems:
            return [None] * len(problems)
        return [round(float(level), 2) for level in self.estimator.predict([p.statement for p in problems])]

    def nearest(self, problem: Problem) -> dict[str, Any]:
        """The known problem that is most like this one: its source, licence, id, statement and similarity (0 to 1)."""
        similarity, where = self.near.nearest([problem.statement])
        if where[0] < 0:
            return {"similarity": 0.0}
        known = self.known[where[0]]
        named = {key: getattr(known, key) for key in ("source", "licence", "id", "statement")}
        return {"similarity": round(float(similarity[0]), 3), **named}


def _judge(known: list[Problem]) -> Judge:
    embed, _ = embedding([p.statement for p in known], strict=True)
    agreement = AnswerComparer()
    return Judge(known, embed, lambda pairs: recompute.agree(pairs, agreement))
