"""How far a sweep is: a live table in a terminal, a line a job in a log file."""

import time
from types import TracebackType

from rich.live import Live
from rich.table import Table
from rich.text import Text

from qgen.reporting.tables import Terminal
from qgen.sweeps.jobs import COMPLETE, FAILED, Job

_EVERY = 1.0  # seconds between two looks at the jobs' files
_ROWS = 24  # jobs shown at once: those that run or failed, then those that wait, then those that are complete


class Board:
    """Shows a batch of jobs while they run. Use as a context manager."""

    def __init__(self, jobs: list[Job]):
        self.jobs = jobs
        self.names = labels(jobs)
        self.console = Terminal()
        if not self.console.is_terminal:
            self.console = Terminal(width=80, soft_wrap=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=False)
        self.told: set[int] = set()
        self.looked = 0.0

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self.live.start()
        self.show(True)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.show(True)
        if self.console.is_terminal:
            self.live.stop()

    def show(self, now: bool = False) -> None:
        """Look at the jobs and show what is new."""
        if not now and time.monotonic() - self.looked < _EVERY:
            return
        self.looked = time.monotonic()
        if self.console.is_terminal:
            self.live.update(self.table(), refresh=True)
            return
        for job in self.jobs:
            if job.status and job.index not in self.told:
                self.told.add(job.index)
                self.console.print(f"[{len(self.told)}/{len(self.jobs)}] {self.line(job)}")
                self.console.file.flush()  # a log is read while the sweep runs

    def line(self, job: Job) -> str:
        """What became of a job, in a line."""
        figure = job.metric("reward") if job.status == COMPLETE else None
        quality = "" if figure is None else f", quality {figure:.3f}"
        how = f"{job.status} already" if job.skipped else f"{job.status} in {job.seconds:.0f} s"
        return f"{self.names[job.index]}: {how}{quality}" + (f": {job.reason}" if job.reason else "")

    def table(self) -> Table:
        """All jobs' states, those that run first where not all have room."""
        complete, failed = (sum(job.status == status for job in self.jobs) for status in (COMPLETE, FAILED))
        title = f"{complete} of {len(self.jobs)} jobs complete" + (f", {failed} failed" if failed else "")
        table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
        for column in ("job", ""):
            table.add_column(column, overflow="fold")
        for column in ("step", "loss", "quality", "s"):
            table.add_column(column, justify="right")
        order = sorted(self.jobs, key=lambda job: (job.status == COMPLETE, not (job.status or job.began), job.index))
        for job in sorted(order[:_ROWS], key=lambda job: job.index):
            table.add_row(*self.cells(job))
        if len(self.jobs) > _ROWS:
            table.caption = f"and {len(self.jobs) - _ROWS} more"
        return table

    def cells(self, job: Job) -> list[str | Text]:
        """A job's row: name, state, step, loss, quality and seconds."""
        now, (metrics, validation) = job.stage(), job.progress()
        state = job.status or ("waiting" if not job.began else now[0].stage.name if now else "starting")
        style = {COMPLETE: "green", FAILED: "red"}.get(state)
        seconds = job.seconds or (time.monotonic() - job.began if job.began else 0.0)
        return [
            self.names[job.index],
            Text(state, style or ""),
            f"{metrics.get('step', 0)}/{now[0].stage.max_steps}" if now else "",
            _figure(metrics.get("loss")),
            _figure(validation.get("reward")),
            f"{seconds:.0f}" if seconds else "",
        ]


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""


def labels(jobs: list[Job]) -> dict[int, str]:
    """A name for each job: the overrides that it does not share with all others."""
    common = set.intersection(*(set(job.overrides) for job in jobs)) if jobs else set()
    return {job.index: " ".join(o for o in job.overrides if o not in common) or job.name for job in jobs}
