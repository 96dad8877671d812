"""What a run writes while it runs: JSONL files always, and whoever else reads the same events."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qgen.config import Config
from qgen.config import Tracker as TrackerName
from qgen.runtime.strict import require

Row = dict[str, Any]


class Tracker:
    """Appends rows to files of a run's directory: metrics, validation, memory, samples.

    A row is written whole and flushed, so a kill loses none that was written. After a resume, steps that are
    run again are appended again: a reader takes the last row of a step.
    """

    def __init__(self, out: Path):
        self.out = out
        out.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, *rows: Row) -> None:
        """Append rows to NAME.jsonl; numbers that JSON lacks (NaN, infinity) are written as null."""
        text = "".join(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in rows)
        with (self.out / f"{name}.jsonl").open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)

    def metrics(self, step: int, values: Row) -> None:
        self.write("metrics", {**values, "step": step, "time": round(time.time(), 3)})

    def validation(self, step: int, values: Row) -> None:
        self.write("validation", {**values, "step": step, "time": round(time.time(), 3)})


class WandbTracker(Tracker):
    """The same events to Weights & Biases as well. An error while logging is W&B's own to report, never fatal."""

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
    if config.tracker.name is not TrackerName.wandb:
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


def read(path: Path) -> list[Row]:
    """Rows of a JSONL file that a run wrote; of rows with the same step only the last. An absent file has none."""
    if not path.is_file():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return list({row["step"]: row for row in rows}.values())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):  # numpy and torch scalars
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
