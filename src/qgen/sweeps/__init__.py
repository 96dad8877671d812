"""A sweep: many jobs, each in its own process. If one is killed, crashes or runs out of memory, the others go on.

The same command, run again, skips complete jobs, resumes unfinished ones and repeats failed ones. What a job does is
not decided here: each job is a command of its own.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig

from qgen.cli import explain
from qgen.reporting.tables import show, sweep_table
from qgen.runtime import ranks
from qgen.settings.compose import compose_job
from qgen.sweeps import manifest
from qgen.sweeps.board import Board, labels
from qgen.sweeps.jobs import COMPLETE, FAILED, Job, consider, plan
from qgen.sweeps.pool import run

log = logging.getLogger(__name__)


class Returned(JobReturn):
    """The result of a job. Unlike Hydra's, it prints nothing when the value of a failed job is read."""

    @property  # type: ignore[misc]  # who launches sets no value through it: Hydra's setter is not needed
    def return_value(self) -> Any:
        """The job's figure. Raises its error where it failed."""
        if self.status is JobStatus.FAILED:
            raise self._return_value
        return self._return_value


def launch(
    context: HydraContext, config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Run a batch of a sweeper's jobs and return the result of each.

    The value of a complete job is its `sweep.metric`. Reading the value of a failed job raises RuntimeError, whose
    message names every job that failed. Raises KeyboardInterrupt once Ctrl-C has stopped the jobs.
    """
    if ranks.size() > 1:
        raise RuntimeError("several ranks run one stage, not a sweep: accelerate launch ... -m qgen.train stage=NAME")
    setup_globals()
    home = Path(str(config.hydra.sweep.dir))
    home.mkdir(parents=True, exist_ok=True)
    before = manifest.read(home)
    jobs = [_planned(context, config, home, list(o), index) for index, o in enumerate(job_overrides, first)]
    if twice := {job.name for job in jobs if sum(other.out == job.out for other in jobs) > 1}:
        raise RuntimeError(f"several jobs of this sweep would write to {home / min(twice)}: sweep other values")
    for job in jobs:
        if job.status is None:
            consider(job, before.get(job.name), config.sweep.retry)
    for job in jobs:
        if job.status and before.get(job.name, {}).get("status") != job.status:
            manifest.add(home, job)
    with Board(jobs) as board:
        run(
            [job for job in jobs if job.status is None],
            config.sweep.jobs,
            board.show,
            lambda job: manifest.add(home, job),
        )
    if len(jobs) > 1 and any(job.status == COMPLETE for job in jobs):
        _compared(home)
    failed = [job for job in jobs if job.status == FAILED]
    error = RuntimeError(_told(jobs, failed, home)) if failed else None
    return [_returned(job, config.sweep.metric, error) for job in jobs]


def _compared(home: Path) -> None:
    """Say how the settings compare, and write the sweep's report."""
    # imports scikit-learn, which a sweep that is refused need not wait for
    from qgen.reporting.page import leave
    from qgen.reporting.page.sweep import sweeps

    try:
        for found in sweeps([home]):
            show(sweep_table(found))
    except Exception:  # the page says why it cannot be written; the jobs are what counts
        log.exception("the settings could not be compared")
    show(leave([home], home))


def _planned(context: HydraContext, config: DictConfig, home: Path, overrides: list[str], index: int) -> Job:
    """A job, or, where its config is wrong, one that has failed already: the others are none the worse for it."""
    settings, name = compose_job(context, config, overrides, index)
    out = home / name
    try:
        return plan(str(config.hydra.job.name), index, overrides, settings, out)
    except Exception as error:
        return Job(index, overrides, out, status=FAILED, reason=explain(error))


def _told(jobs: list[Job], failed: list[Job], home: Path) -> str:
    """The last lines of a sweep in which jobs failed: which, why, and where their logs are."""
    names = labels(jobs)
    complete = sum(job.status == COMPLETE for job in jobs)
    lines = [f"{len(failed)} of {len(jobs)} jobs failed, {complete} are complete ({home / manifest.NAME}):"]
    for job in failed:
        lines.append(f"  {names[job.index]}: {job.reason}")
        if job.log.exists():
            lines.append(f"    its log: {job.log}")
    if split := _split(jobs, failed):
        lines.append(f"{split} were taken for several values: where a comma is part of one, quote it: \"KEY='A,B'\"")
    return "\n".join([*lines, "the same command skips what is complete and tries these again"])


def _split(jobs: list[Job], failed: list[Job]) -> str:
    """The swept values that failed jobs complain of, which may be pieces of one; nothing where they name none. Groups
    and numbers are no such pieces."""
    constant = set.intersection(*(set(job.overrides) for job in jobs))
    swept = {o: job.reason or "" for job in failed for o in job.overrides if o not in constant}
    told = []
    for override, reason in swept.items():
        key, _, value = override.partition("=")
        if "." in key and re.search(rf"(?<![\w./-]){re.escape(value)}(?![\w./-])", reason) and not value[:1].isdigit():
            told.append(override)
    return ", ".join(told)


def _returned(job: Job, metric: str, error: RuntimeError | None) -> JobReturn:
    failed = job.status == FAILED
    return Returned(
        overrides=job.overrides,
        working_dir=str(job.out),
        status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
        _return_value=error if failed else job.metric(metric),
    )
