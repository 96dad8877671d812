"""Weights & Biases as one more reader of a run's events: a run a stage, and never the only record."""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qgen.mathematics.problem import Problem
from qgen.mathematics.programmed import recalled
from qgen.runs.files import Row, write_whole
from qgen.runs.remarks import remarks
from qgen.runs.tracker import Tracker
from qgen.runtime.strict import require
from qgen.settings.config import Config
from qgen.text import redact

AXIS = "train/global_step"
ID = "wandb-id"  # holds the id of the directory's W&B run
BEST = 20  # problems in the summary
START_WITHIN = 20  # seconds; WANDB_INIT_TIMEOUT says otherwise
PROJECT = "qgen"
FINISH_WITHIN = 120  # seconds for what is still to be uploaded; it stays on the disk
_OUTCOME = ("learned", "kept_step", "steps", "nonfinite_steps", "scaler_skips", "told", "stopped")
_NO_FIGURES = ("step", "time", "fingerprint", "taken_over")

log = logging.getLogger(__name__)


class WandbTracker(Tracker):
    """Writes the files, and tells W&B the same: each figure over train/global_step.

    metrics.jsonl becomes train/NAME, validation.jsonl validation/NAME, memory.jsonl memory/allocated_gib,
    memory/reserved_gib and memory/peak_gib, and for each phase of a step memory/reserved_gib/PHASE and
    memory/seconds/PHASE. Of the samples, what validations and a teacher wrote become rows of the
    table `samples`; the thousands that GRPO trains on stay in samples.jsonl. At the end the problems of the last
    validation with the highest reward become the table `best_problems`.

    Where the config says nothing, W&B's own environment variables decide, and where they say nothing, qgen's defaults.
    A run's id is made once and kept in its directory, so that a resumed stage goes on in the same run. If W&B refuses
    something after it has started, the first refusal is logged and the training goes on.
    """

    def __init__(self, config: Config, out: Path, values: dict[str, Any]):
        super().__init__(out)
        os.environ.setdefault("WANDB_DATA_DIR", str(out.resolve() / "wandb"))  # tables wait there until uploaded
        self.wandb = wandb = require("wandb", "pip install wandb")
        # without `show_info` it neither chats nor asks for a key, and its errors are still seen
        wandb.setup(wandb.Settings(quiet=True, show_info=False, show_warnings=False))
        tracker, given = config.tracker, os.environ.get
        mode = tracker.mode.value if tracker.mode else given("WANDB_MODE") or "online"
        kept = out / ID
        known = kept.read_text(encoding="utf-8").strip() if config.resume and kept.is_file() else ""
        self.run = wandb.init(
            entity=tracker.entity,  # None: W&B reads the environment itself
            project=tracker.project or given("WANDB_PROJECT") or PROJECT,
            group=(tracker.group or given("WANDB_RUN_GROUP") or config.run_name)[:128],  # as long as W&B takes
            name=given("WANDB_NAME") or "/".join(out.resolve().parts[-2:])[-128:],
            job_type=given("WANDB_JOB_TYPE") or config.stage.name,
            id=known or secrets.token_hex(4),
            resume="allow" if mode == "online" else None,
            mode=mode,
            dir=given("WANDB_DIR") or str(out),
            config=values,
            reinit="create_new",  # else a run that somebody left open would be returned instead
            settings=wandb.Settings(
                quiet=True,
                console="off",
                init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", START_WITHIN)),
                finish_timeout=FINISH_WITHIN,
                finish_timeout_raises=True,
            ),
        )
        self.samples: Any = None  # the table, whose columns are known with the first sample
        self.shown: list[Row] = []  # the last validation's samples
        self.failed = False
        with self._forgiven():
            self.run.define_metric(AXIS)
            self.run.define_metric("*", step_metric=AXIS)
            if self.run.url:
                print(f"tracker: {redact.text(self.run.url)}")

    def environment(self, values: Row) -> None:
        """Keep the W&B run's id in the directory, and put the environment into its config."""
        write_whole(self.out / ID, f"{self.run.id}\n")
        with self._forgiven():
            self.run.config.update({"environment": values}, allow_val_change=True)

    def metrics(self, step: int, values: Row) -> None:
        """Write a step's figures down, and log them as train/NAME."""
        super().metrics(step, values)
        self._log("train", step, values)

    def validation(self, step: int, values: Row) -> None:
        """Write what was measured down, and log it as validation/NAME."""
        super().validation(step, values)
        self._log("validation", step, values)

    def write(self, name: str, *rows: Row) -> None:
        """Append rows, and log those of memory and of samples that W&B shows."""
        super().write(name, *rows)
        if name == "memory":
            for row in rows:
                gib = {f"{part}_gib": row[part] / 2**30 for part in ("allocated", "reserved", "peak")}
                phases = {
                    f"{key}/{name}": value
                    for name, phase in row.get("phases", {}).items()
                    for key, value in (("reserved_gib", phase["reserved"] / 2**30), ("seconds", phase["seconds"]))
                }
                self._log("memory", row["step"], gib | phases)
        elif name == "samples" and (told := [row for row in rows if row["mode"] != "train"]):
            if told[0]["mode"] == "validation":
                self.shown = told
            with self._forgiven():
                self._log_samples(told)

    def outcome(self, summary: Row) -> None:
        """Figures into the run's summary, and an alert for each remark."""
        with self._forgiven():
            self.run.summary.update({name: summary.get(name) for name in _OUTCOME if name in summary})
            for remark in remarks(summary):
                self.run.alert(title=f"{summary['stage']}: read this before its figures", text=remark)

    def finish(self, exit_code: int = 0) -> None:
        """End the W&B run: what it could not upload is told of, not raised."""
        with self._forgiven():
            if exit_code == 0 and self.shown:
                self.run.log({"best_problems": self._best()})
        try:
            self.run.finish(exit_code=exit_code)
        except Exception as error:
            log.exception("W&B could not finish its run")
            why = redact.text(str(error)) or type(error).__name__
            print(f"W&B has not got all of this run ({why}): wandb sync {self.run.settings.sync_dir} sends the rest")

    def _log(self, section: str, step: int | None, values: Row) -> None:
        figures = {f"{section}/{name}": v for name, v in values.items() if name not in _NO_FIGURES and v is not None}
        axis = {} if step is None else {AXIS: step}  # where it is left out W&B puts the last one, or 0
        with self._forgiven():
            self.run.log(figures | axis)

    def _log_samples(self, rows: list[Row]) -> None:
        if self.samples is None:
            columns = ["mode", "step", "topic", "level", "reward", "completion", *rows[0]["terms"]]
            self.samples = self._table(columns, log_mode="INCREMENTAL")
        for row in rows:
            flat = row["terms"] | row
            self.samples.add_data(*(flat.get(column) for column in self.samples.columns))
        self.run.log({"samples": self.samples, AXIS: rows[0]["step"]})

    def _best(self) -> Any:
        read = [(row, recalled(row["completion"], row.get("program"))) for row in self.shown]
        found = sorted(((r, p) for r, p in read if isinstance(p, Problem)), key=lambda pair: -pair[0]["reward"])
        table = self._table(["step", "topic", "level", "reward", "problem", "answer"])
        for row, problem in found[:BEST]:
            table.add_data(row["step"], row["topic"], row["level"], row["reward"], problem.statement, problem.answer)
        return table

    def _table(self, columns: list[str], **options: Any) -> Any:
        return self.wandb.Table(columns=columns, allow_mixed_types=True, **options)

    @contextmanager
    def _forgiven(self) -> Iterator[None]:
        """Around what is told to W&B: training does not end because of it."""
        try:
            yield
        except Exception:
            if not self.failed:
                log.exception("W&B could not log something; the files in %s have everything", self.out)
            self.failed = True
