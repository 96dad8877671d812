"""The evaluation: what is measured of the problems that a model writes, and whether each measure can be believed.

The first n outputs are measured, unfiltered, beside real held-out problems and beside controls, which are real problems
spoiled in a known way. A measure that does not tell real problems from the control that it is meant to catch (an area
under the ROC curve of .8) says nothing, and is marked wherever it is shown.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from qgen.metrics import diversity
from qgen.metrics.catalogue import BY_SOLVER, METRICS, Metric
from qgen.metrics.copies import JACCARD, Copies
from qgen.metrics.difficulty import DifficultyModel, ease
from qgen.metrics.intervals import Interval, auroc, difference, mean, proportion
from qgen.metrics.similarity import SimilarityIndex, mask
from qgen.metrics.topics import TopicModel
from qgen.metrics.written import Written
from qgen.problem import Problem

GOAL = 0.8  # AUROC at which a metric is believed
FEWEST = 10  # outputs with a value from which a mean is taken; twice as many for measures of a whole set
COLLAPSE = "collapse"  # the control that measures of a whole set are tested against
SOLVED = ("answers", "levels")  # controls that a solver's metrics are tested against
DRAWS = 40  # halves of a set that they are averaged over
REPEAT = 0.85  # cosine similarity, numbers masked, above which an output repeats an earlier one


class Protocol:
    """Measures sets of outputs against one corpus and one set of real held-out problems.

    Args:
        train: the training problems, in which copies are sought and to which estimators are fitted.
        real: held-out problems; they set the median distance and the band of likelihood.
        losses: the mean negative log-likelihood of texts under a frozen model that is not the policy, in nats a token.
        votes: a solver's votes on problems (see rewards/solver.py); None leaves its metrics out.
    """

    def __init__(
        self,
        train: list[Problem],
        real: Written,
        losses: Callable[[list[str]], list[float]],
        votes: Callable[[list[Problem]], list] | None = None,
    ):
        statements = [p.statement for p in train]
        self.metrics = [m for m in METRICS if votes or m.name not in BY_SOLVER]
        self.copies, self.masked = Copies(statements), Copies(statements, mask)
        self.near = (SimilarityIndex(statements), SimilarityIndex(mask(s) for s in statements))
        self.topics, self.levels = TopicModel(train), _levels(train)
        self.losses, self.votes = losses, votes
        self._known: dict[str, float] = {}  # losses
        self._voted: dict[tuple[str, str], Any] = {}
        self._graded: dict[str, dict[str, np.ndarray]] = {}
        self.real = real
        graded = self.grade(real)
        self.median = float(np.nanmedian(graded["distance"]))
        self.typical = float(np.nanmedian(graded["loss"]))
        self.band = np.nanquantile(graded["loss"], [0.05, 0.95])

    def grade(self, written: Written) -> dict[str, np.ndarray]:
        """What is found out about each output, NaN where it is no problem: arrays of shape (outputs,)."""
        if written.name in self._graded:
            return self._graded[written.name]
        statements, good = written.statements, written.good
        plain, masked = (
            index.nearest([view(s) for s in statements])[0] for index, view in zip(self.near, (str, mask), strict=True)
        )
        found = {
            "copy": self.copies.degree(statements) if statements else [],
            "masked": self.masked.degree(statements) if statements else [],
            "distance": 1.0 - np.maximum(plain, masked),
            "repeat": self._repeats(statements),
            "loss": self._losses(statements),
        }
        asked = [written.requests[i] for i in good]
        if self.levels:
            found["level error"] = np.abs(self.levels.predict(statements) - [r["level"] for r in asked])
        if len(self.topics.topics) > 1:
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
            votes = self._votes([written.parsed[i] for i in good])
            found["agree"] = [v.agree for v in votes]
            found["solvable"] = [float(v.solvable) for v in votes]
            found["ease error"] = [abs(v.agree - ease(r["level"])) for v, r in zip(votes, asked, strict=True)]
        graded = {}
        for name, values in found.items():
            graded[name] = np.full(len(written.texts), np.nan)
            graded[name][good] = values
        graded["parses"] = np.isin(np.arange(len(written.texts)), good).astype(float)
        self._graded[written.name] = graded
        return graded

    def values(self, written: Written) -> dict[str, np.ndarray]:
        """What each metric that is a mean averages: arrays of shape (outputs,), NaN where an output has no value."""
        g = self.grade(written)
        parses, is_problem = g["parses"], np.where(g["parses"] > 0, 1.0, np.nan)
        copy, masked = g["copy"] >= JACCARD, g["masked"] >= JACCARD
        natural = (g["loss"] >= self.band[0]) & (g["loss"] <= self.band[1])
        values = {
            "format_yield": parses,
            "usable": parses * ~copy * ~masked * natural * (g["repeat"] == 0),
            "copies": copy * is_problem,
            "copies_masked": masked * is_problem,
            "novelty": (g["distance"] > self.median) * is_problem,
            "naturalness": natural * is_problem,
            "difficulty": g.get("level error"),
            "topic": g.get("on topic"),
            "solvable": np.nan_to_num(g["solvable"]) if "solvable" in g else None,
            "key": g.get("agree"),
            "solver_difficulty": g.get("ease error"),
        }
        empty = np.full(len(written.texts), np.nan)
        return {m.name: empty if values[m.name] is None else values[m.name] for m in self.metrics if not m.whole}

    def scores(self, written: Written) -> dict[str, np.ndarray]:
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

    def wholes(self, written: Written, size: int) -> dict[str, np.ndarray]:
        """Each metric of a whole set, of DRAWS subsets of `size` problems drawn without replacement; or nothing."""
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
        return {name: np.array(values) for name, values in found.items() if values}

    def evaluate(self, written: list[Written], pairs: list[tuple[str, str]]) -> dict:
        """Everything, as evaluation.json holds it.

        Args:
            written: models, real problems and controls.
            pairs: names of models to compare, the one before first; both must have answered the same prompts.
        """
        rows = {w.name: w for w in written}
        counted = [len(w.good) for w in written if w.kind == "real" or w.name == COLLAPSE or len(w.good) >= 2 * FEWEST]
        size = min(100, min(counted) // 2)
        wholes = {name: self.wholes(w, size) if size >= FEWEST else {} for name, w in rows.items()}
        reference = wholes[self.real.name].get("diversity")
        if reference is not None:
            scale = reference.mean()
            for found in wholes.values():
                if "diversity" in found:
                    found["diversity"] = found["diversity"] / scale
        tests = {m.name: self._test(m, rows, wholes) for m in self.metrics}
        return {
            "subset": size,
            "metrics": [
                {"name": m.name, "label": m.label, "unit": m.unit, "better": m.better, "explain": m.explain,
                 "control": control, "auroc": area, "passed": None if area is None else area >= GOAL}
                for m in self.metrics for control, area in [tests[m.name]]
            ],
            "rows": [
                {"name": w.name, "kind": w.kind, "outputs": len(w.texts), "problems": len(w.good),
                 "values": {m.name: _plain(self._interval(m, w, wholes[w.name])) for m in self.metrics}}
                for w in written
            ],
            "differences": [
                {"before": a, "after": b,
                 "values": {m.name: _plain(self._difference(m, rows[a], rows[b], wholes)) for m in self.metrics}}
                for a, b in pairs
            ],
            "notes": self._notes(size, any(wholes.values())),
        }  # fmt: skip

    def _interval(self, metric: Metric, written: Written, wholes: dict[str, np.ndarray]) -> Interval | None:
        if metric.whole:
            found = _spread(wholes[metric.name]) if metric.name in wholes else None
            return _clipped(found) if found and metric.unit == "share" else found
        values = self.values(written)[metric.name]
        if np.count_nonzero(~np.isnan(values)) < FEWEST:
            return None
        return (proportion if metric.unit == "share" else mean)(values, written.prompts)

    def _difference(self, metric: Metric, a: Written, b: Written, wholes: dict) -> Interval | None:
        if not metric.whole:
            before, after = (self.values(w)[metric.name] for w in (a, b))
            few = min(np.count_nonzero(~np.isnan(values)) for values in (before, after)) < FEWEST
            return None if few else difference(before, after, a.prompts)
        if metric.name not in wholes[a.name] or metric.name not in wholes[b.name]:
            return None
        return _spread(wholes[b.name][metric.name], wholes[a.name][metric.name])

    def _test(self, metric: Metric, rows: dict[str, Written], wholes: dict) -> tuple[str | None, float | None]:
        """The control that a metric tells from real problems worst, and the area under the ROC curve there."""
        real, areas = rows[self.real.name], {}
        for name in metric.controls:
            if metric.whole:
                if metric.name in wholes[real.name] and metric.name in wholes[name]:
                    sign = -1.0 if metric.better == "lower" else 1.0
                    areas[name] = auroc(*(sign * wholes[row][metric.name] for row in (real.name, name)))
            else:
                good, bad = (self.scores(row)[metric.name] for row in (real, rows[name]))
                if not np.isnan(good).all() and not np.isnan(bad).all():
                    areas[name] = auroc(good, bad)
        worst = min(areas, key=areas.get, default=None)
        return worst, areas.get(worst)

    def _votes(self, problems: list[Problem]) -> list:
        keys = [(p.statement, p.answer) for p in problems]
        if new := {key: p for key, p in zip(keys, problems, strict=True) if key not in self._voted}:
            self._voted |= zip(new, self.votes(list(new.values())), strict=True)
        return [self._voted[key] for key in keys]

    def _losses(self, statements: list[str]) -> np.ndarray:
        if new := [s for s in dict.fromkeys(statements) if s not in self._known]:
            self._known |= zip(new, self.losses(new), strict=True)
        return np.array([self._known[s] for s in statements])

    def _repeats(self, statements: list[str]) -> np.ndarray:
        return np.tril(self._alike(statements) > REPEAT, k=-1).any(axis=1).astype(float)

    def _alike(self, statements: list[str]) -> np.ndarray:
        """The similarity of each to each, numbers and letters masked, of shape (statements, statements)."""
        vectors = self.near[1].vectors([mask(s) for s in statements])
        return (vectors @ vectors.T).toarray()

    def _notes(self, size: int, wholes: bool) -> list[str]:
        notes = [
            "naturalness is judged by the run's own frozen base: of the row 'base' it is the model's view of itself",
        ]
        if self.levels:
            notes.append(
                "level error rests on a regressor whose rank correlation with real levels is "
                f"{self.levels.spearman:.2f} in cross-validation"
            )
        if len(self.topics.topics) > 1:
            notes.append(
                f"topics are found by a classifier that is right on {self.topics.accuracy:.0%} of real problems"
            )
        if wholes:
            notes.append(f"diversity, self-BLEU, distinct and topics are means over {DRAWS} subsets of {size} problems")
        else:
            notes.append(f"too few problems ({2 * size}) for the measures of a whole set")
        return notes


def _levels(problems: list[Problem]) -> DifficultyModel | None:
    try:
        return DifficultyModel(problems)
    except RuntimeError:  # too few problems or levels to learn from: the metric is left empty, and says so
        return None


def _spread(after: np.ndarray, before: np.ndarray | None = None) -> Interval:
    """A mean over subsets, or the difference of two, with the delete-half jackknife's standard error (Shao & Wu 1989):
    where a set is more than twice the subsets, that is wider than it need be."""
    value = after.mean() - (0.0 if before is None else before.mean())
    error = 1.96 * np.sqrt(after.var() + (0.0 if before is None else before.var()))
    return Interval(float(value), float(value - error), float(value + error))


def _clipped(share: Interval) -> Interval:
    return Interval(share.value, max(0.0, share.low), min(1.0, share.high))


def _plain(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [round(v, 4) for v in asdict(interval).values()]
