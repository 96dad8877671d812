"""What a run writes while it runs: JSONL files always, and whoever else reads the same events."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qgen import choices
from qgen.config import Config
from qgen.runtime.files import Row, append
from qgen.runtime.strict import require


class Tracker:
    """Appends rows to files of a run's directory: metrics, validation, memory, samples.

    A row is written whole and flushed, so a kill loses none that was written. After a resume, steps that are
    run again are appended again: a reader takes the last row of a step.
    """

    def __init__(self, out: Path):
        self.out = out
        out.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, *rows: Row) -> None:
        """Append rows to NAME.jsonl."""
        append(self.out / f"{name}.jsonl", rows)

    def metrics(self, step: int, values: Row) -> None:
        self._write_step("metrics", step, values)

    def validation(self, step: int, values: Row) -> None:
        self._write_step("validation", step, values)

    def _write_step(self, name: str, step: int, values: Row) -> None:
        self.write(name, {**values, "step": step, "time": round(time.time(), 3)})


class WandbTracker(Tracker):
    """The same events to Weights & Biases as well."""

    def __init__(self, out: Path, config: Config, values: Row):
        super().__init__(out)
        wandb = require("wandb", "pip install wandb")
        self.run = wandb.init(
            project=config.tracker.project,
            name=f"{config.run_name}/{config.stage.name}",
            group=config.run_name,
            job_type=config.stage.name,
            mode=config.tracker.mode.value,
            dir=str(out),
            config=values,
        )
        self.run.define_metric("train/global_step")
        self.run.define_metric("*", step_metric="train/global_step")

    def metrics(self, step: int, values: Row) -> None:
        super().metrics(step, values)
        self._log("train", step, values)

    def validation(self, step: int, values: Row) -> None:
        super().validation(step, values)
        self._log("validation", step, values)

    def _log(self, section: str, step: int, values: Row) -> None:
        self.run.log({f"{section}/{name}": value for name, value in values.items()} | {"train/global_step": step})


@contextmanager
def tracking(config: Config, out: Path, values: Row) -> Iterator[Tracker]:
    """The tracker that a config asks for, closed whatever happens. `values` is the config as plain data.

    Raises RuntimeError where it cannot start, unless tracker.required=false: then the files alone are written.
    """
    if config.tracker.name is not choices.Tracker.wandb:
        yield Tracker(out)
        return
    try:
        tracker = WandbTracker(out, config, values)
    except Exception as error:
        if config.tracker.required:
            raise RuntimeError(
                f"tracker=wandb could not start ({error}); tracker.mode=offline needs no network, "
                f"tracker.required=false goes on without it"
            ) from error
        print(f"tracker=wandb could not start ({error}); going on with the files in {out}")
        yield Tracker(out)
        return
    try:
        yield tracker
    except BaseException:
        tracker.run.finish(exit_code=1)
        raise
    tracker.run.finish()
