"""Putting reward terms on one scale before they are weighted.

GRPO subtracts a group's mean and divides by its spread, so z-scoring the weighted total would change nothing;
z-scoring each term before weighting does: no term outweighs another by the mere width of its scale.
"""

from collections import deque
from typing import Any

import numpy as np


class ZScore:
    """Standardises each term by the mean and standard deviation of its most recent values, the new ones included.

    Args:
        window: how many values of a term are looked back on.
    """

    EPSILON = 1e-8

    def __init__(self, window: int = 1000):
        self.window = window
        self.values: dict[str, deque[float]] = {}

    def __call__(self, name: str, values: list[float | None]) -> list[float | None]:
        """The z-scores of a term's new values; None stays None and is not remembered."""
        recent = self.values.setdefault(name, deque(maxlen=self.window))
        recent.extend(v for v in values if v is not None)
        if not recent:
            return values
        mean, std = np.mean(recent), np.std(recent)
        return [None if v is None else float((v - mean) / (std + self.EPSILON)) for v in values]

    def state_dict(self) -> dict[str, Any]:
        return {name: list(recent) for name, recent in self.values.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.values = {name: deque(recent, maxlen=self.window) for name, recent in state.items()}
