"""The JSONL files that a run writes while it runs; other trackers write them too, and then tell somebody else."""

import time
from pathlib import Path

from qgen.runs.files import Row, append


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
        """Append a step's figures to metrics.jsonl."""
        self._write_step("metrics", step, values)

    def validation(self, step: int, values: Row) -> None:
        """Append what was measured at a step to validation.jsonl."""
        self._write_step("validation", step, values)

    def outcome(self, summary: Row) -> None:
        """Take note of what became of the stage. Called once, at its end."""

    def _write_step(self, name: str, step: int, values: Row) -> None:
        self.write(name, {**values, "step": step, "time": round(time.time(), 3)})


class Silent(Tracker):
    """What all ranks of a job but the first have."""

    def write(self, name: str, *rows: Row) -> None:
        """Write nothing."""
