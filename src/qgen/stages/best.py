"""The adapter of a stage's last validation that is not worse than its best, kept beside the one in training."""

import json
import math
import shutil
from pathlib import Path

from peft import PeftModel

from qgen.runs.files import link_tree, write_json
from qgen.runs.rundir import ADAPTER, BEST
from qgen.runtime import ranks
from qgen.runtime.shards import save_adapter


class Best:
    """Saves the adapter of the last validation that is not worse than the best, in out/best/adapter.

    A validation is a mean over a few requests, so that the best of several is mostly luck. Among validations that
    differ from the best by no more than one standard error of the difference the last is kept, because it was trained
    longest: the one-standard-error rule of Breiman et al. (Classification and Regression Trees, 1984).

    Checkpoints hold a copy (hard links, which take no room), so that a resumed run knows what
    an uninterrupted one would. The adapter lies one folder down: the Trainer loads any that lies directly in a
    checkpoint's folders.

    Attributes:
        step: whose adapter is kept; None before the first.
        quality: the best validation's mean reward.
        error: that mean's standard error.
    """

    def __init__(self, out: Path, model: PeftModel):
        self.folder, self.model = out / BEST, model
        self.step: int | None = None
        self.quality, self.error = float("-inf"), 0.0

    def offer(self, step: int, quality: float, error: float) -> None:
        """Take note of a validation of the adapter as it is now: its mean reward, and that mean's standard error."""
        if quality < self.quality - math.hypot(self.error, error):
            return
        self.step = step
        if quality >= self.quality:
            self.quality, self.error = quality, error
        fresh = self.folder.with_name(f".{BEST}.new")
        if ranks.first():
            shutil.rmtree(fresh, ignore_errors=True)
        save_adapter(self.model, fresh / ADAPTER)
        if not ranks.first():
            return
        write_json(fresh / "best.json", {"step": step, "quality": self.quality, "error": self.error})
        shutil.rmtree(self.folder, ignore_errors=True)
        fresh.rename(self.folder)

    def keep_in(self, checkpoint: Path) -> None:
        """Put the best adapter into a checkpoint, so that a resumed stage knows it. Only the first rank does."""
        if self.step is not None and ranks.first():
            link_tree(self.folder, checkpoint / BEST)

    def restore(self, checkpoint: Path, known: set[int]) -> None:
        """Take up what a checkpoint held, if it is of one of the known steps."""
        if ranks.first():
            shutil.rmtree(self.folder, ignore_errors=True)
        if (checkpoint / BEST).is_dir():
            best = json.loads((checkpoint / BEST / "best.json").read_text(encoding="utf-8"))
            if best["step"] in known:
                if ranks.first():
                    link_tree(checkpoint / BEST, self.folder)
                self.step, self.quality, self.error = best["step"], best["quality"], best.get("error", 0.0)
