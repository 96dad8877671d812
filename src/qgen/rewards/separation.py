"""What qgen.rewards.check finds of one control; apart from it, as the terminal's tables import no command."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Separation:
    """How the rewards tell one control from real problems."""

    control: str
    total: tuple[float, float, float]  # AUROC of the weighted total, and its 95 % interval (metrics/intervals.py)
    terms: dict[str, float]  # AUROC of each term by itself
    mean: float  # mean total of the spoiled problems
    above: float  # share of them at or above the 10th percentile of real ones
