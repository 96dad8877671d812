"""What a job of a sweep is measured by, and how sure the mean of several seeds is.

Every figure is of one finished stage and comes from the files that it left; what they do not tell has no figure.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, stdev

import numpy as np
from scipy.stats import t

from qgen.mathematics.problem import Problem
from qgen.mathematics.programmed import recalled
from qgen.metrics.similarity import SimilarityIndex, mask
from qgen.reporting.page.evaluation import write
from qgen.reporting.page.runs import Stage

FEWEST = 3  # seeds from which on a difference may be called larger than chance
ALPHA = 0.3  # weight of the newest step in the smoothed curve: it remembers some six steps
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Metric:
    """A column: `better` is "higher", "lower" or "" where neither is, `unit` "number" or "share"."""

    name: str
    label: str
    better: str
    unit: str
    explain: str

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return {"higher": "↑", "lower": "↓"}.get(self.better, "")

    @property
    def title(self) -> str:
        """What stands above a plot of it."""
        return f"{self.label[0].upper()}{self.label[1:]} {self.arrow}"


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval; of one seed there is none."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None


@dataclass
class Cell:
    """One metric of one setting: its mean over seeds, and the mean of the seeds' own differences to the first one."""

    metric: Metric
    seeds: dict[int | str, float]
    value: Estimate | None
    difference: Estimate | None = None
    note: str = ""

    @property
    def clear(self) -> bool:
        """Whether the interval of the difference leaves out 0, with seeds enough to say so.

        Where all seeds show the very same difference there is no spread to judge chance by.
        """
        d = self.difference
        if d is None or d.n < FEWEST or d.low is None or d.high is None or d.high - d.low <= 1e-9 * abs(d.value):
            return False
        return not d.low <= 0 <= d.high

    @property
    def better(self) -> bool:
        """Whether the difference is for the better."""
        return self.difference is not None and (self.difference.value > 0) == (self.metric.better == "higher")

    @property
    def text(self) -> str:
        """The value as the table writes it."""
        return self._write(self.value.value) if self.value else "–"

    @property
    def interval(self) -> str:
        """The 95 % interval of the mean; empty where there is none."""
        return self._between(self.value).replace("% to", " to")

    @property
    def change(self) -> str:
        """The paired difference, of shares in points."""
        points = " points" if self.metric.unit == "share" else ""
        return f"{self._write(self.difference.value, True)}{points}" if self.difference else ""

    @property
    def between(self) -> str:
        """The 95 % interval of the paired difference; empty where there is none."""
        return self._between(self.difference, True)

    def _between(self, of: Estimate | None, sign: bool = False) -> str:
        if of is None or of.low is None or of.high is None:
            return ""
        return f"{self._write(of.low, sign)} to {self._write(of.high, sign)}"

    def _write(self, value: float, sign: bool = False) -> str:
        return write({"unit": self.metric.unit}, value, sign)


def metrics(kind: str) -> list[Metric]:
    """The columns for a kind of stage. GRPO's loss is no likelihood, so its training reward is looked at instead."""
    what = "reward" if kind == "grpo" else "loss"
    past, loss = ("at or above", []) if what == "reward" else ("at or below", [
        Metric("loss", "training loss", "lower", "number", "Nats a token, mean of the last tenth of the steps.")
    ])  # fmt: skip
    return [
        Metric("reward", "held-out quality", "higher", "number", "Mean reward of the held-out requests, kept step."),
        Metric("format_yield", "format yield", "higher", "share", "The share of them whose problem parses, kept step."),
        Metric("heldout_loss", "held-out loss", "lower", "number", "Nats a token of held-out problems, kept step."),
        Metric("diversity", "diversity", "higher", "number", "1 minus the mean cosine similarity of any two problems "
               "written at the kept step, numbers and letters masked."),
        *loss,
        Metric("spread", f"unsteadiness of the {what}", "lower", "number", f"Standard deviation of the change of the "
               f"training {what} from step to step, second half."),
        Metric("target", "steps to target", "lower", "number", f"The first step at which the smoothed training {what} "
               f"is {past} that at which the baseline ended with the same seed."),
        Metric("memory", "peak memory, GiB", "lower", "number", "Of the whole stage."),
        Metric("seconds", "seconds", "lower", "number", "Of the whole stage."),
        Metric("validating", "time validating", "", "share", "The share of the seconds that validations took."),
    ]  # fmt: skip


def estimate(values: list[float]) -> Estimate | None:
    """mean ± t(0.975, n-1) · s / √n, Student's interval (Biometrika 6, 1908), s the sample's standard deviation.

    For a difference the values are the seeds' own differences: the paired interval.
    """
    if not values:
        return None
    mean, n = fmean(values), len(values)
    if n == 1:
        return Estimate(mean, 1)
    half = float(t.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n)
    return Estimate(mean, n, mean - half, mean + half)


def within(found: Estimate | None, metric: Metric) -> Estimate | None:
    """A mean whose interval ends where the metric does: none is below 0, and no share above 1."""
    if found is None or found.low is None or found.high is None:
        return found
    high = min(1.0, found.high) if metric.unit == "share" else found.high
    return replace(found, low=max(0.0, found.low), high=high)


def figures(stage: Stage, target: float | None = None) -> dict[str, float]:
    """The figures of one stage by the names of `metrics`, those that it has.

    Args:
        target: where the baseline's smoothed curve ended with the same seed, for the steps to it.
    """
    kept, course = stage.pair[1], [value for _, value in curve(stage)]
    found = {name: kept.get(name) for name in ("reward", "format_yield", "heldout_loss")}
    if stage.kind != "grpo" and course:
        found["loss"] = fmean(course[-max(1, len(course) // 10) :])
    late = [(step, value) for step, value in curve(stage) if step > stage.step / 2]
    changes = [b - a for (_, a), (_, b) in pairwise(late)]
    found["spread"] = stdev(changes) if len(changes) > 1 else None
    peak = stage.summary.get("peak_memory") or max((number(row.get("peak")) or 0 for row in stage.memory), default=0)
    found["memory"] = peak / 2**30 if number(peak) else None
    seconds, spent = number(stage.summary.get("seconds")), number(stage.summary.get("validation_seconds"))
    found["seconds"] = seconds
    found["validating"] = spent / seconds if seconds and spent is not None else None
    found["diversity"] = diversity(_statements(stage))
    found["target"] = None if target is None else reached(stage, target)
    return {name: known for name, value in found.items() if (known := number(value)) is not None}


def curve(stage: Stage) -> Curve:
    """The training loss by step; of grpo the training reward."""
    key = "reward" if stage.kind == "grpo" else "loss"
    return [(row["step"], row[key]) for row in stage.metrics if number(row.get(key)) is not None]


def smooth(course: Curve) -> Curve:
    """s₁ = x₁, sₖ = α·xₖ + (1-α)·sₖ₋₁: exponential smoothing (Brown 1959), with α = 0.3."""
    found: Curve = []
    for step, value in course:
        found.append((step, ALPHA * value + (1 - ALPHA) * found[-1][1] if found else value))
    return found


def end(stage: Stage) -> float | None:
    """Where the smoothed curve ended: the target of the baseline's seed."""
    course = smooth(curve(stage))
    return course[-1][1] if course else None


def reached(stage: Stage, target: float) -> int | None:
    """The first step whose smoothed training loss is at or below the target (of grpo: reward, at or above)."""
    sign = -1 if stage.kind == "grpo" else 1
    return next((step for step, value in smooth(curve(stage)) if sign * value <= sign * target), None)


def diversity(texts: list[str]) -> float | None:
    """1 - the mean cosine similarity of any two of these texts; None of fewer than two.

    Vectors are metrics/similarity.py's (words and runs of up to three, sublinear counts) without document frequencies,
    which would leave out what most texts share: a collapsed model's only phrase. A mean over pairs, unlike the Vendi
    score or the share of distinct texts, does not drift with how many parse. Σᵢ≠ⱼ vᵢ·vⱼ = |Σvᵢ|² - Σ|vᵢ|².
    """
    n = len(texts)
    if n < 2:
        return None
    vectors = SimilarityIndex([""], start=False).vectors([mask(text) for text in texts])
    total = np.asarray(vectors.sum(axis=0)).ravel()
    return 1 - float(total @ total - vectors.multiply(vectors).sum()) / (n * (n - 1))


def _statements(stage: Stage) -> list[str]:
    """The problems that the stage wrote at its kept validation, of those that parse."""
    step = stage.pair[1].get("step")
    rows = [row for row in stage.samples if row.get("mode") == "validation" and row.get("step") == step]
    parsed = [recalled(row["completion"], row.get("program")) for row in rows if isinstance(row["completion"], str)]
    return [problem.statement for problem in parsed if isinstance(problem, Problem)]


def number(value: object) -> float | None:
    """A finite number, or None."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None
