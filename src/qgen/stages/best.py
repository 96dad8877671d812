"""The adapter of a stage's best validation so far, kept beside the one that is being trained."""

import json
import shutil
from pathlib import Path

from peft import PeftModel

from qgen.runs.files import link_tree, write_json
from qgen.runs.rundir import ADAPTER, BEST
from qgen.runtime import ranks
from qgen.runtime.shards import save_adapter


class Best:
    """Saves the adapter whenever a validation's quality is at least the best before, in out/best/adapter.

    Of equal qualities the later wins, so that a measure which says nothing keeps the last step. Checkpoints hold a
    copy (hard links, which take no room), so that a resumed run knows what an uninterrupted one would. The adapter
    lies one folder down: the Trainer loads any that lies directly in a checkpoint's folders.

    Attributes:
        step: the best validation's; None before the first.
        quality: its mean reward.
    """

    def __init__(self, out: Path, model: PeftModel):
        self.folder, self.model = out / BEST, model
        self.step: int | None = None
        self.quality = float("-inf")

    def offer(self, step: int, quality: float) -> None:
        """Take note of a validation of the adapter as it is now."""
        if quality < self.quality:
            return
        self.step, self.quality = step, quality
        fresh = self.folder.with_name(f".{BEST}.new")
        if ranks.first():
            shutil.rmtree(fresh, ignore_errors=True)
        save_adapter(self.model, fresh / ADAPTER)
        if not ranks.first():
            return
        write_json(fresh / "best.json", {"step": step, "quality": quality})
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
                self.step, self.quality = best["step"], best["quality"]
