"""Which numbers the keys of a config may take."""

from math import inf
from typing import Any

RANGES = {  # smallest and largest value of a key
    "scale": (0, inf),
    "stage.max_steps": (1, inf),
    "stage.per_device_train_batch_size": (1, inf),
    "stage.gradient_accumulation_steps": (1, inf),
    "stage.learning_rate": (0, inf),
    "stage.warmup_steps": (0, inf),
    "stage.num_generations": (1, inf),
    "stage.rollout_batch_size": (1, inf),
    "stage.num_prompts": (1, inf),
    "stage.save_steps": (1, inf),
    "stage.save_total_limit": (2, inf),  # one is whole while the next is written
    "model.max_length": (16, inf),
    "model.lora.r": (1, inf),
    "model.lora.dropout": (0, 1),
    "data.limit": (1, inf),
    "data.min_quality": (0, 1),
    "data.near_duplicate": (0, 1),
    "data.heldout": (0, 1),
    "data.mix.problems": (0, inf),
    "data.mix.variations": (0, inf),
    "data.mix.chat": (0, inf),
    "reward.window": (2, inf),
    "reward.solver.samples": (2, inf),
    "reward.solver.max_new_tokens": (1, inf),
    "reward.solver.temperature": (0, inf),
    "reward.solver.time_out": (0, inf),
    "reward.solver.calibrate": (0, inf),
    "reward.solver.usable": (0, 1),
    "sampling.max_new_tokens": (1, inf),
    "sampling.temperature": (0, inf),
    "sampling.top_p": (0, 1),
    "sampling.batch_size": (1, inf),
    "validation.every": (0, inf),
    "validation.prompts": (1, inf),
    "validation.problems": (1, inf),
    "validation.patience": (1, inf),
    "teacher.keep": (1, 5),
    "teacher.variations": (0, inf),
    "teacher.max_tokens": (1, inf),
    "teacher.temperature": (0, 2),
    "teacher.concurrency": (1, inf),
    "teacher.requests_per_minute": (0, inf),
    "teacher.time_out": (0, inf),
    "teacher.retries": (0, inf),
    "teacher.backoff": (0, inf),
    "teacher.budget.tokens": (0, inf),
    "teacher.budget.money": (0, inf),
    "teacher.price.prompt": (0, inf),
    "teacher.price.completion": (0, inf),
    "sweep.jobs": (1, inf),
    "runtime.memory.clean_above": (0, 1),
    "runtime.memory.every": (1, inf),
    "runtime.memory.cap": (1, inf),
    "runtime.oom.retries": (0, inf),
    "runtime.nonfinite.patience": (1, inf),
}
OPEN = (  # ends of keys whose bounds are excluded
    "learning_rate",
    "sampling.temperature",
    "solver.temperature",
    "data.heldout",
    "time_out",
    "per_minute",
    "scale",
)


def check(config: Any, ranges: dict[str, tuple[float, float]] = RANGES) -> None:
    """Raise ValueError, naming the key, where a value of a config is out of its range. What is null passes."""
    for key, (low, high) in ranges.items():
        value = config
        for part in key.split("."):
            value = None if value is None else getattr(value, part)
        open_ended = key.endswith(OPEN)
        if value is not None and (not low <= value <= high or (open_ended and value in (low, high))):
            edge = "above" if open_ended else "at least"
            bounds = f"{edge} {low}" if high == inf else f"between {low} and {high}"
            raise ValueError(f"{key}={value} must be {bounds}")
