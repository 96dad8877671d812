"""The evaluation: what is measured of the problems that a model writes, and whether each measure can be believed.

The first n outputs are measured, unfiltered, beside real held-out problems and beside controls, which are real problems
spoiled in a known way. A measure that does not tell real problems from the control that it is meant to catch (an area
under the ROC curve of .8, or where the catalogue says so a gap that exceeds chance) says nothing: it is no result, and
the table of the tests names it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from qgen.evaluation.catalogue import BY_SOLVER, METRICS
from qgen.evaluation.sets import OutputSet
from qgen.mathematics.problem import Problem
from qgen.metrics import diversity
from qgen.metrics.copies import JACCARD, Copies
from qgen.metrics.levels import LevelModel
from qgen.metrics.similarity import SimilarityIndex, mask
from qgen.metrics.topics import topics

COLLAPSE = "collapse"  # the control that measures of a whole set are tested against
SOLVED = ("answers", "levels", "topics")  # controls that a solver's metrics are tested against
DRAWS = 40  # halves of a set that they are averaged over
REPEAT = 0.85  # cosine similarity, numbers masked, above which an output repeats an earlier one


@dataclass(frozen=True)
class Whole:
    """A metric of a whole set: its values on subsets, and the standard error of their mean by the delete-d jackknife
    (Shao & Wu, Annals of Statistics 17, 1989)."""

    values: np.ndarray
    error: float


class Protocol:
    """Measures sets of outputs against one corpus and one set of real held-out problems.

    Args:
        train: the training problems, in which copies are sought and to which estimators are fitted.
        real: held-out problems; they set the median distance and the band of likelihood.
        losses: the mean negative log-likelihood of texts under a frozen model that is not the policy, in nats a token.
        votes: a solver's votes on problems (see proofs/solver.py); None leaves its metrics out.
        levels: how hard problems and levels are (metrics/levels.py); None: any level is as good.
    """

    def __init__(
        self,
        train: list[Problem],
        real: OutputSet,
        losses: Callable[[list[str]], list[float]],
        votes: Callable[[list[Problem]], list] | None = None,
        levels: LevelModel | None = None,
    ):
        statements = [p.statement for p in train]
        unknown = set(BY_SOLVER) if not votes else set() if levels else {"level"}
        self.metrics = [m for m in METRICS if m.name not in unknown]
        self.copies, self.masked = Copies(statements), Copies(statements, mask)
        self.near = (SimilarityIndex(statements), SimilarityIndex(mask(s) for s in statements))
        self.topics = topics(train)
        self.losses, self.votes, self.levels = losses, votes, levels
        self._known: dict[str, float] = {}  # losses
        self._read: dict[str, float] = {}  # levels
        self._graded: dict[str, dict[str, np.ndarray]] = {}
        self.real = real
        graded = self.grade(real)
        self.median = float(np.nanmedian(graded["distance"]))
        self.typical = float(np.nanmedian(graded["loss"]))
        self.band = np.nanquantile(graded["loss"], [0.05, 0.95])

    def grade(self, written: OutputSet) -> dict[str, np.ndarray]:
        """What is found out about each output, NaN where it is no problem: arrays of shape (outputs,)."""
        if written.name in self._graded:
            return self._graded[written.name]
        statements, good = written.statements, written.good
        near, near_masked = self.near
        plain, masked = near.nearest(statements)[0], near_masked.nearest([mask(s) for s in statements])[0]
        found = {
            "copy": self.copies.degree(statements) if statements else [],
            "masked": self.masked.degree(statements) if statements else [],
            "distance": 1.0 - np.maximum(plain, masked),
            "repeat": self._repeats(statements),
            "loss": self._losses(statements),
        }
        asked = [written.requests[i] for i in good]
        if self.topics.topics:
            chances = self.topics.probabilities(statements)
            number = {topic: i for i, topic in enumerate(self.topics.topics)}
            found["topic"] = chances.argmax(axis=1)
            found["asked topic"] = [
                row[number[r["topic"]]] if r["topic"] in number else np.nan
                for row, r in zip(chances, asked, strict=True)
            ]
            found["on topic"] = [
                float(number[r["topic"]] == t) if r["topic"] in number else np.nan
                for t, r in zip(found["topic"], asked, strict=True)
            ]
        if self.votes and (written.kind != "control" or written.name in SOLVED):
            votes = self.votes(written.problems)
            found["agree"] = [v.agree for v in votes]
            found["solvable"] = [float(v.solvable) for v in votes]
            found["in band"] = self._in_band(statements, [r["level"] for r in asked])
        graded = {}
        for name, values in found.items():
            graded[name] = np.full(len(written.texts), np.nan)
            graded[name][good] = values
        graded["parses"] = np.isin(np.arange(len(written.texts)), good).astype(float)
        self._graded[written.name] = graded
        return graded

    def values(self, written: OutputSet) -> dict[str, np.ndarray]:
        """What each metric that is a mean averages: arrays of shape (outputs,), NaN where an output has no value."""
        g = self.grade(written)
        parses, is_problem = g["parses"], np.where(g["parses"] > 0, 1.0, np.nan)
        copy, masked = g["copy"] >= JACCARD, g["masked"] >= JACCARD
        natural = (g["loss"] >= self.band[0]) & (g["loss"] <= self.band[1])
        usable = parses * ~copy * ~masked * natural * (g["repeat"] == 0)
        on_topic = np.where(np.isnan(g["on topic"]), 1.0, g["on topic"]) if "on topic" in g else 1.0
        values = {
            "sound": usable * on_topic * np.nan_to_num(g["solvable"] * g["in band"]) if "solvable" in g else None,
            "format_yield": parses,
            "usable": usable,
            "copies": copy * is_problem,
            "copies_masked": masked * is_problem,
            "novelty": (g["distance"] > self.median) * is_problem,
            "naturalness": natural * is_problem,
            "topic": g.get("on topic"),
            "solvable": np.nan_to_num(g["solvable"]) if "solvable" in g else None,
            "key": g.get("agree"),
            "level": g.get("in band"),
        }
        empty = np.full(len(written.texts), np.nan)
        return {m.name: empty if values[m.name] is None else values[m.name] for m in self.metrics if not m.whole}

    def scores(self, written: OutputSet) -> dict[str, np.ndarray]:
        """The same, graded where there are degrees, and higher for what is better."""
        g, values = self.grade(written), self.values(written)
        graded = {
            "copies": -g["copy"],
            "copies_masked": -g["masked"],
            "novelty": g["distance"],
            "naturalness": -np.abs(g["loss"] - self.typical),
            "topic": g.get("asked topic", values["topic"]),
        }
        signs = {m.name: -1.0 if m.better == "lower" else 1.0 for m in self.metrics}
        return {name: graded.get(name, signs[name] * found) for name, found in values.items()}

    def wholes(self, written: OutputSet, size: int) -> dict[str, Whole]:
        """Each metric of a whole set, of DRAWS subsets of `size` problems drawn without replacement.

        Nothing where there are fewer than twice as many, and for the controls that no such metric is tested against.
        """
        if len(written.good) < 2 * size or (written.kind == "control" and written.name != COLLAPSE):
            return {}
        rng, topics = np.random.default_rng(0), self.grade(written).get("topic")
        alike = self._alike(written.statements)
        found: dict[str, list[float]] = {m.name: [] for m in self.metrics if m.whole}
        for _ in range(DRAWS):
            drawn = rng.choice(len(written.good), size, replace=False)
            texts = [written.statements[i] for i in drawn]
            found["diversity"].append(diversity.vendi_share(alike[np.ix_(drawn, drawn)]))
            found["self_bleu"].append(diversity.self_bleu(texts))
            found["distinct"].append(diversity.distinct(texts))
            if topics is not None:
                labels = topics[written.good[drawn]]
                found["topic_coverage"].append(len(set(labels)) / len(self.topics.topics))
                found["topic_entropy"].append(diversity.entropy(labels, len(self.topics.topics)))
        share = size / (len(written.good) - size)
        return {
            name: Whole(np.array(values), float(np.std(values) * np.sqrt(share)))
            for name, values in found.items()
            if values
        }

    def _in_band(self, statements: list[str], asked: list[int]) -> np.ndarray:
        """Whether problems are as hard as real ones of the level that was asked for."""
        if self.levels is None or not statements:
            return np.ones(len(statements))
        estimates = _found(self._read, self.levels.estimates, statements)
        outside = [self.levels.outside(estimate, level) for estimate, level in zip(estimates, asked, strict=True)]
        return np.equal(outside, 0).astype(float)

    def _losses(self, statements: list[str]) -> np.ndarray:
        return np.array(_found(self._known, self.losses, statements))

    def _repeats(self, statements: list[str]) -> np.ndarray:
        return np.tril(self._alike(statements) > REPEAT, k=-1).any(axis=1).astype(float)

    def _alike(self, statements: list[str]) -> np.ndarray:
        """The similarity of each to each, numbers and letters masked, of shape (statements, statements)."""
        vectors = self.near[1].vectors([mask(s) for s in statements])
        return (vectors @ vectors.T).toarray()


def _found(known: dict[str, float], find: Callable[[list[str]], Iterable[float]], statements: list[str]) -> list[float]:
    """A figure of each statement: found for those that are not known yet, all at once, and known from then on."""
    if new := [s for s in dict.fromkeys(statements) if s not in known]:
        known |= zip(new, map(float, find(new)), strict=True)
    return [known[s] for s in statements]
