"""manifest.jsonl: what each job of a sweep became. It only grows; the last row of a job counts."""

from pathlib import Path

from qgen.runs.files import Row, append, rows
from qgen.sweeps.jobs import COMPLETE, Job

NAME = "manifest.jsonl"
FIGURES = ("loss", "reward", "format_yield", "heldout_loss", "steps", "kept_step", "seconds", "peak_memory")


def read(home: Path) -> dict[str, Row]:
    """The last row about each job, by its directory's name."""
    return {row["job"]: row for row in rows(home / NAME) if isinstance(row, dict) and "job" in row}


def add(home: Path, job: Job) -> None:
    """Append what a job has become."""
    summary = job.summary() if job.status == COMPLETE else {}  # what lies there may be another's
    row = {
        "job": job.name,
        "index": job.index,
        "overrides": job.overrides,
        "status": job.status,
        "exit_code": job.exit_code,
        "seconds": round(job.seconds, 1),
        "seed": job.configs[0].seed if job.configs else None,
        "path": str(job.out),
        "reason": job.reason,
        "log": str(job.log),
        "metrics": {name: summary[name] for name in FIGURES if name in summary},
    }
    append(home / NAME, [row])
