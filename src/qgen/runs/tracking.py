"""What a run writes while it runs: JSONL files always, and whoever else reads the same events."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qgen.runs.files import Row, append
from qgen.runtime import ranks
from qgen.settings import choices
from qgen.settings.config import Config
from qgen.text import redact


class Tracker:
    """Appends rows to files of a run's directory: metrics, validation, memory, samples.

    A row is written whole and flushed, so a kill loses none that was written. After a resume, steps that are
    run again are appended again: a reader takes the last row of a step.
    """

    def __init__(self, out: Path):
        self.out = out
        out.mkdir(parents=True, exist_ok=True)

    def environment(self, values: Row) -> None:
        """Take note of what the run runs on. Called once, when the directory has become this run's."""

    def write(self, name: str, *rows: Row) -> None:
        """Append rows to NAME.jsonl."""
        append(self.out / f"{name}.jsonl", rows)

    def metrics(self, step: int, values: Row) -> None:
        self._write_step("metrics", step, values)

    def validation(self, step: int, values: Row) -> None:
        self._write_step("validation", step, values)

    def outcome(self, summary: Row) -> None:
        """Take note of what became of the stage. Called once, at its end."""

    def _write_step(self, name: str, step: int, values: Row) -> None:
        self.write(name, {**values, "step": step, "time": round(time.time(), 3)})


class Silent(Tracker):
    """What all ranks of a job but the first have."""

    def write(self, name: str, *rows: Row) -> None:
        """Write nothing."""


@contextmanager
def tracking(config: Config, out: Path, values: dict[str, Any]) -> Iterator[Tracker]:
    """The tracker that a config asks for, closed whatever happens. `values` is the config as plain data.

    With several ranks the first alone writes. Raises RuntimeError where W&B cannot start, unless
    tracker.required=false: then the files alone are written. Once it has started it never raises.
    """
    if not ranks.first():
        yield Silent(out)
        return
    if config.tracker.name is not choices.Tracker.wandb:
        yield Tracker(out)
        return
    from qgen.runs.wandb import WandbTracker

    try:
        tracker = WandbTracker(config, out, values)
    except Exception as error:
        said = f"tracker=wandb could not start: {redact.text(' '.join(str(error).split()))[:300]}"
        if config.tracker.required:
            raise RuntimeError(
                f"{said}\nit needs a network and WANDB_API_KEY (and WANDB_BASE_URL for a server of your own); "
                f"tracker.mode=offline needs neither, and tracker.required=false goes on without W&B"
            ) from error
        print(f"{said}; going on with the files in {out}")
        yield Tracker(out)
        return
    try:
        yield tracker
    except BaseException:
        tracker.finish(exit_code=1)
        raise
    tracker.finish()
