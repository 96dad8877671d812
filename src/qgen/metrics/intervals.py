"""How sure a figure is: 95 % intervals for outputs that answer the same prompts, and the area under a ROC curve.

Outputs to one prompt resemble each other, so that prompts, not outputs, are what is resampled.
"""

from dataclasses import astuple, dataclass
from math import sqrt
from warnings import catch_warnings

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap, norm, t
from sklearn.metrics import roc_auc_score

DRAWS = 2000
_Z = norm.ppf(0.975)


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval, in the figure's own unit."""

    value: float
    low: float
    high: float

    def plain(self) -> list[float]:
        """[value, low, high] to four digits, as files hold it."""
        return [round(float(figure), 4) for figure in astuple(self)]


def around(value: float, error: float, share: bool = False) -> Interval:
    """A value and 1.96 standard errors to both sides of it; a share's interval ends at 0 and 1."""
    low, high = value - 1.96 * error, value + 1.96 * error
    return Interval(value, max(0.0, low), min(1.0, high)) if share else Interval(value, low, high)


def proportion(values: np.ndarray, prompts: np.ndarray) -> Interval | None:
    """The share of ones, with Wilson's interval for as many independent outputs as the prompts' likeness leaves.

    That is the number of outputs divided by the design effect: the variance of the share over resampled prompts, by
    that of independent outputs (Kish 1965; Dean & Pagano, Survey Methodology 41, 2015), at least 1. Where all outputs
    are alike there is no variance to tell, and the prompts are what counts. Of a variance that few prompts tell, the
    interval is that of Student's t (Korn & Graubard, Survey Methodology 24, 1998).

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
    count, z = float(groups), _Z
    if 0 < share < 1 and groups > 1:
        z = t.ppf(0.975, groups - 1) if groups < len(values) else _Z
        variance = groups / (groups - 1) * float((sums**2).sum()) / len(values) ** 2
        count = len(values) / max(1.0, variance / (share * (1 - share) / len(values)))
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def proportion_difference(before: Interval, after: Interval, phi: float = 0.0) -> Interval:
    """after - before, by Newcombe's method 10 from the two shares' own intervals (Statistics in Medicine 17, 1998).

    A bootstrap would find no spread in a share of 0 or 1, and call a difference between a handful of outputs larger
    than chance. That both answered the same prompts is not used unless `phi` tells of it, so the interval is wider than
    it need be.

    Args:
        phi: the correlation of the two, where they are of the same things.
    """
    value = after.value - before.value
    down, other_down = after.value - after.low, before.high - before.value
    up, other_up = after.high - after.value, before.value - before.low
    low = value - sqrt(down**2 - 2 * phi * down * other_down + other_down**2)
    high = value + sqrt(up**2 - 2 * phi * up * other_up + other_up**2)
    return Interval(value, max(-1.0, low), min(1.0, high))


def paired_difference(before: np.ndarray, after: np.ndarray) -> Interval | None:
    """The share of 1 in `after` less that in `before`, two judgements (0 or 1) of each of the same things, without
    those of which one is NaN: Newcombe's method 10 for pairs (Statistics in Medicine 17, 2635, 1998). None where there
    is no pair."""
    known = ~np.isnan(before) & ~np.isnan(after)
    before, after = before[known], after[known]
    count = len(before)
    both, neither = np.sum(before * after), np.sum((1 - before) * (1 - after))
    one, other = np.sum(after > before), np.sum(before > after)
    told = both * neither - one * other
    spread = sqrt(after.sum() * (count - after.sum()) * before.sum() * (count - before.sum()))
    phi = (max(told - count / 2, 0.0) if told > 0 else told) / spread if spread else 0.0
    one_share, other_share = (proportion(values, np.arange(count)) for values in (before, after))
    return proportion_difference(one_share, other_share, float(phi)) if one_share and other_share else None


def mean(values: np.ndarray, prompts: np.ndarray) -> Interval | None:
    """The mean of what is not NaN, with the interval of a bootstrap over prompts; None where all is NaN.

    None too where there is one prompt, of which no spread can be told. The same holds for `mean_difference`.
    """
    return _bootstrap((values, prompts))


def mean_difference(
    before: np.ndarray, after: np.ndarray, prompts: np.ndarray, of_after: np.ndarray | None = None
) -> Interval | None:
    """mean(after) - mean(before), both answers to the same prompts, by a bootstrap over prompts.

    Args:
        prompts: the number of the prompt that each value belongs to.
        of_after: those of `after`, where it has another number of answers to a prompt.
    """
    return _bootstrap((after, prompts if of_after is None else of_after), (before, prompts))


def _bootstrap(*parts: tuple[np.ndarray, np.ndarray]) -> Interval | None:
    """The mean of the first values, less that of the second where there are some, each with their prompts, and its
    expanded percentile interval: of few prompts the percentiles themselves lie too near (Hesterberg, The American
    Statistician 69, 2015).

    A prompt is drawn with all outputs to it, in both parts. A draw without any value is left out.
    """
    groups = int(parts[0][1].max()) + 1
    if groups == 1 or any(np.isnan(values).all() for values, _ in parts):
        return None
    totals = np.array([_by_prompt(values, prompts, groups) for values, prompts in parts])

    def statistic(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        sums, counts = totals[:, :, drawn].sum(axis=axis).swapaxes(0, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums / counts
        return means[0] - means[1:].sum(axis=0)

    every = np.arange(groups)
    with catch_warnings(action="ignore", category=DegenerateDataWarning):  # SciPy's own interval knows no such draw
        found = bootstrap([every], statistic, n_resamples=DRAWS, method="percentile", rng=0)
    told = np.count_nonzero((totals[:, 1] > 0).all(axis=0))
    tail = norm.cdf(-np.sqrt(told / (told - 1)) * t.ppf(0.975, told - 1)) if told > 1 else 0.0
    low, high = np.nanquantile(found.bootstrap_distribution, [tail, 1 - tail])
    return Interval(float(statistic(every)), float(low), float(high))


def _by_prompt(values: np.ndarray, prompts: np.ndarray, groups: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each prompt, without those that are NaN."""
    known = ~np.isnan(values)
    values, prompts = values[known], prompts[known]
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
