"""How sure a figure is: 95 % intervals for outputs that answer the same prompts, and the area under a ROC curve.

Outputs to one prompt resemble each other, so that prompts, not outputs, are what is resampled.
"""

from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

DRAWS = 2000
_Z = norm.ppf(0.975)


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval, in the figure's own unit."""

    value: float
    low: float
    high: float


def proportion(values: np.ndarray, prompts: np.ndarray) -> Interval | None:
    """The share of ones, with Wilson's interval for as many independent outputs as the prompts' likeness leaves.

    That is the number of outputs divided by the design effect: the variance of the share over resampled prompts, by
    that of independent outputs (Kish 1965; Dean & Pagano, Survey Methodology 41, 2015), at least 1. Where all outputs
    are alike there is no variance to tell, and the prompts are what counts.

    Args:
        values: 0, 1, or NaN where an output has none, of shape (outputs,).
        prompts: which prompt each output answers, integers of shape (outputs,).
    """
    known = ~np.isnan(values)
    values, prompts = values[known], prompts[known]
    if not len(values):
        return None
    share = float(values.mean())
    sums, counts = _by_prompt(values - share, prompts)
    groups = np.count_nonzero(counts)
    count = groups
    if 0 < share < 1 and groups > 1:
        variance = groups / (groups - 1) * float((sums**2).sum()) / len(values) ** 2
        count = len(values) / max(1.0, variance / (share * (1 - share) / len(values)))
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def proportion_difference(before: Interval, after: Interval) -> Interval:
    """after - before, by Newcombe's method 10 from the two shares' own intervals (Statistics in Medicine 17, 1998).

    A bootstrap would find no spread in a share of 0 or 1, and call a handful of outputs more than chance. That both
    answered the same prompts is not made use of: the interval is wider than it need be.
    """
    value = after.value - before.value
    down = hypot(after.value - after.low, before.high - before.value)
    up = hypot(after.high - after.value, before.value - before.low)
    return Interval(value, max(-1.0, value - down), min(1.0, value + up))


def mean(values: np.ndarray, prompts: np.ndarray) -> Interval | None:
    """The mean of what is not NaN, with the interval of a bootstrap over prompts."""
    return _bootstrap([(values, 1.0)], prompts)


def mean_difference(before: np.ndarray, after: np.ndarray, prompts: np.ndarray) -> Interval | None:
    """mean(after) - mean(before), both answers to the same prompts, by a bootstrap over prompts."""
    return _bootstrap([(after, 1.0), (before, -1.0)], prompts)


def _bootstrap(parts: list[tuple[np.ndarray, float]], prompts: np.ndarray) -> Interval | None:
    """A signed sum of means. A prompt is drawn with all outputs to it, in every part."""
    if any(np.isnan(values).all() for values, _ in parts):
        return None
    groups = int(prompts.max()) + 1
    drawn = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)
    value, spread = 0.0, np.zeros(DRAWS)
    for values, sign in parts:
        known = ~np.isnan(values)
        sums, counts = _by_prompt(values[known], prompts[known], groups)
        value += sign * float(sums.sum() / counts.sum())
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no output that has a value
            spread += sign * (drawn @ sums) / (drawn @ counts)
    low, high = np.nanquantile(spread, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _by_prompt(values: np.ndarray, prompts: np.ndarray, groups: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each prompt."""
    return np.bincount(prompts, values, minlength=groups), np.bincount(prompts, minlength=groups)


def auroc(good: np.ndarray, bad: np.ndarray) -> Interval:
    """How often a good one's score exceeds a bad one's, ties counting half; without those that are NaN.

    The interval is Hanley & McNeil's (Radiology 143, 1982).
    """
    good, bad = good[~np.isnan(good)], bad[~np.isnan(bad)]
    area = float(roc_auc_score([1] * len(good) + [0] * len(bad), np.concatenate([good, bad])))
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (len(good) - 1) * (one - area**2) + (len(bad) - 1) * (two - area**2) + area * (1 - area)
    half = _Z * sqrt(max(0.0, spread) / (len(good) * len(bad)))
    return Interval(area, max(0.0, area - half), min(1.0, area + half))
