"""Which values the keys of a config may take: numbers, and where a run may lie."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import reduce
from math import inf, isfinite
from pathlib import Path
from posixpath import normpath
from typing import Any

MANY = 10**6  # largest whole number where a range has no end: a list of so many can be made
LARGEST = 10**12  # and where a key has no range
RANGES: dict[str, tuple[float, float]] = {  # smallest and largest value of a key
    "seed": (0, 2**31 - 1),  # NumPy's are below 2**32, and each rank's is another
    "scale": (0, MANY),
    "stage.max_steps": (1, inf),
    "stage.per_device_train_batch_size": (1, inf),
    "stage.gradient_accumulation_steps": (1, inf),
    "stage.learning_rate": (0, inf),
    "stage.warmup_steps": (0, inf),
    "stage.weight_decay": (0, inf),
    "stage.max_grad_norm": (0, inf),
    "stage.num_generations": (1, inf),
    "stage.rollout_batch_size": (1, inf),
    "stage.redraws": (0, inf),
    "stage.num_prompts": (1, inf),
    "stage.save_steps": (1, inf),
    "stage.save_total_limit": (2, inf),  # one is whole while the next is written
    "model.max_length": (16, 10**8),
    "model.lora.r": (1, inf),
    "model.lora.alpha": (1, inf),
    "model.lora.dropout": (0, 1),
    "data.limit": (1, LARGEST),
    "data.min_quality": (0, 1),
    "data.near_duplicate": (0, 1),
    "data.heldout": (0, 1),
    "data.mix.problems": (0, inf),
    "data.mix.variations": (0, inf),
    "data.mix.chat": (0, inf),
    "reward.window": (2, inf),
    "reward.solver.samples": (2, inf),
    "reward.solver.programs": (0, 1),
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
    "teacher.budget.tokens": (0, LARGEST),
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
    """Raise ValueError, naming the key, where a number of a config is not finite, is too large to be meant, or is out
    of its range. What is null passes."""
    for key, value in _numbers(config):
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{key}={value} must be a finite number")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError(f"{key} must be between {-LARGEST} and {LARGEST}, and has {len(str(abs(value)))} digits")
    for key, (low, high) in ranges.items():
        value = _at(config, key)
        most = MANY if high == inf and isinstance(value, int) else high
        open_ended = key.endswith(OPEN)
        if value is not None and (not low <= value <= most or (open_ended and value in (low, most))):
            edge = "above" if open_ended else "at least"
            bounds = f"{edge} {low}" if high == inf and value <= low else f"between {low} and {most}"
            raise ValueError(f"{key}={value} must be {bounds}")


def _at(config: Any, key: str) -> Any:
    """The value of a dotted key; None where what holds it is null."""
    return reduce(lambda value, part: None if value is None else getattr(value, part), key.split("."), config)


def home(output_dir: str, run_name: str) -> str:
    """A run's directory. `run_name` may hold folders, and stays inside of `output_dir`: a run that is to lie elsewhere
    says so in output_dir.

    Raises ValueError, naming the key, where it would not, or where either is empty.
    """
    if not output_dir.strip():
        raise ValueError("output_dir is empty: name a directory, such as output_dir=outputs")
    inside = Path(normpath(run_name))
    if not run_name.strip() or inside.is_absolute() or inside.parts[:1] in ((), ("..",)):
        raise ValueError(
            f"run_name={run_name} must name a folder inside of output_dir={output_dir}, such as a or a/b; "
            f"output_dir=DIR is where runs lie"
        )
    return str(Path(output_dir) / run_name)


def _numbers(node: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a config with their keys, those in open groups and lists too."""
    if isinstance(node, int | float) and not isinstance(node, bool):
        yield key, node
    children = vars(node).items() if is_dataclass(node) else node.items() if isinstance(node, dict) else ()
    for name, child in enumerate(node) if isinstance(node, list | tuple) else children:
        yield from _numbers(child, f"{key}.{name}".lstrip("."))
