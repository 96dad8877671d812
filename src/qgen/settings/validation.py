"""What is measured on held-out requests and problems, how often, and what follows from it."""

from dataclasses import dataclass

HELDOUT = ("reward", "format_yield", "heldout_loss")  # what a validation measures


@dataclass
class ValidationConfig:
    """The policy writes problems for held-out prompts while it trains; their mean reward is its quality."""

    every: int = 20  # optimizer steps; 0 validates only before the first and after the last
    prompts: int = 32  # held-out prompts, spread over topics and levels, the same at every validation
    problems: int = 32  # held-out problems whose loss is measured
    keep_best: bool = True  # a stage leaves the adapter of its last validation that is not worse than its best
    stop_below: float | None = None  # quality below which a stage ends
    patience: int | None = None  # validations in a row without a new best after which a stage ends
    require_gain: bool = False  # a stage that ends with the adapter it began with is an error
