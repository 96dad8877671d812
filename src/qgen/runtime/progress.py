"""One progress bar a stage, with loss, reward, the last validation and time left."""

import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback

_SHOWN = {"loss": "loss", "reward": "reward", "learning_rate": "lr"}


class ProgressBar(TrainerCallback):
    """Shows a stage's optimizer steps. In a log file it prints a line every half minute rather than ten a second.

    Args:
        stage: its name.
        quality: the last validation's, where there is one.
    """

    def __init__(self, stage: str, quality: Callable[[], float | None]):
        self.stage, self.quality = stage, quality
        self.bar: Any = None  # a tqdm from the beginning of training on

    def on_train_begin(self, args, state, control, **_):
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self.stage,
            unit="step",
            dynamic_ncols=True,
            disable=not state.is_world_process_zero,
            mininterval=0.1 if sys.stderr.isatty() else 30,
        )

    def on_step_end(self, args, state, control, **_):
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args, state, control, logs=None, **_):
        shown = {name: f"{logs[key]:.3g}" for key, name in _SHOWN.items() if logs and logs.get(key) is not None}
        if self.quality() is not None:
            shown["val"] = f"{self.quality():.3f}"
        if self.bar is not None and shown:
            self.bar.set_postfix(shown, refresh=False)

    def close(self) -> None:
        """End the bar's line, so that what is said next, perhaps an error, begins one of its own."""
        if self.bar is not None:
            self.bar.close()
