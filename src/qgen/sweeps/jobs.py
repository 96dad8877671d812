"""One job of a sweep: what it would run, where, and what is left of it from before."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from omegaconf import DictConfig

from qgen.runs import repeat, rundir
from qgen.runs.files import Row, last, read_json
from qgen.settings.compose import composed, quoted, resolve
from qgen.settings.config import Config, to_yaml
from qgen.settings.stage import STAGES

COMPLETE, FAILED, INTERRUPTED = "complete", "failed", "interrupted"
LOG = "output.log"  # what a job printed


@dataclass
class Job:
    """A job's directory, its command line and its state. `status` is None until it has ended."""

    index: int
    overrides: list[str]
    out: Path
    module: str = "train"  # train or pipeline
    configs: list[Config] = field(default_factory=list)  # of its stages; empty where it cannot be composed
    resume: bool = False
    status: str | None = None
    reason: str | None = None  # why it did not complete
    exit_code: int | None = None
    began: float = 0.0  # by the monotonic clock; 0 while it waits
    seconds: float = 0.0
    skipped: bool = False  # nothing was run: it had ended before

    @property
    def name(self) -> str:
        """Its directory's name in the sweep's."""
        return self.out.name

    @property
    def log(self) -> Path:
        """The file that has what it printed."""
        return self.out / LOG

    @property
    def homes(self) -> list[Path]:
        """The directories of its stages."""
        return [self.out / config.stage.name for config in self.configs] if self.module == "pipeline" else [self.out]

    @property
    def command(self) -> list[str]:
        """A command line that runs it in its directory, in a process of its own."""
        more = [f"hydra.run.dir={quoted(str(self.out))}"]
        if self.module == "pipeline":
            place = {"output_dir": self.out.parent, "run_name": self.out.name, "tracker.group": self.out.parent.name}
            more = [f"{key}={quoted(str(value))}" for key, value in place.items()]
        more += ["resume=true"] if self.resume else []
        return [
            sys.executable,
            "-m",
            f"qgen.{self.module}",
            *repeat.flags(),
            *_configs(),
            *self.overrides,
            "hydra.mode=RUN",
            *more,
        ]

    def stage(self) -> tuple[Config, Path] | None:
        """The stage that it is at: the last that has written something."""
        begun = [pair for pair in zip(self.configs, self.homes, strict=True) if (pair[1] / rundir.CONFIG).exists()]
        return begun[-1] if begun else None

    def progress(self) -> tuple[Row, Row]:
        """The last row of its metrics and of its validations; empty where there is none."""
        now = self.stage()
        if now is None:
            return {}, {}
        return last(now[1] / "metrics.jsonl") or {}, last(now[1] / "validation.jsonl") or {}

    def summary(self) -> Row:
        """What its last stage says of itself; empty where it has not finished."""
        return read_json(self.homes[-1] / rundir.SUMMARY) if self.configs else {}

    def metric(self, name: str) -> float | None:
        """A held-out figure of what its last stage left: reward, format_yield or heldout_loss."""
        value = self.summary().get(name)
        return value[-1] if value else None


def _configs() -> list[str]:
    """The flags of this command line that say where configs are found: --config-dir DIR, --config-name NAME, ..."""
    found = []
    for flag, value in zip(sys.argv[1:], [*sys.argv[2:], ""], strict=True):
        if flag.startswith("--config-"):
            found += [flag] if "=" in flag else [flag, value]
    return found


def plan(module: str, index: int, overrides: list[str], settings: DictConfig, out: Path) -> Job:
    """A sweep's job from its composed settings. Raises as `resolve` does where they are wrong."""
    job = Job(index, overrides, out, module)
    if module == "pipeline":
        job.configs = stages_of(overrides, out)
    else:
        job.configs = [resolve(settings)]
    return job


def stages_of(overrides: list[str], out: Path) -> list[Config]:
    """The configs of a pipeline's stages in a sweep's directory."""
    place = [f"output_dir={quoted(str(out.parent))}", f"run_name={quoted(out.name)}"]
    return [composed([*overrides, *place, f"stage={stage}"]) for stage in STAGES]


def consider(job: Job, before: Row | None, retry: bool) -> None:
    """Decide what of a job is left to do.

    What is complete is skipped, and what is half done under the same config goes on from its checkpoint; where its
    directory holds another config's run, or what it started from has changed, the job itself will refuse.

    Args:
        before: the manifest's last row about it.
        retry: whether what failed before is tried again.
    """
    if any(config.overwrite for config in job.configs):
        return
    if before and before["status"] == FAILED and not retry:
        job.status, job.skipped = FAILED, True
        job.reason = f"{before.get('reason')} (in an earlier run: sweep.retry=true tries it again)"
        return
    complete, resume = True, False
    for config, home in zip(job.configs, job.homes, strict=True):
        begun = rundir.started(home)
        if begun and rundir.differences((home / rundir.CONFIG).read_text(encoding="utf-8"), to_yaml(config)):
            return
        resume |= begun
        try:
            complete &= rundir.claim(replace(config, resume=True), home).complete
            if complete:
                rundir.same_origin(home, rundir.starting_adapter(config))
        except RuntimeError:  # for the job to tell
            complete = False
    job.resume = resume
    if complete and rundir.reported(job.out, job.homes):  # else its command writes what a kill has left out
        job.status, job.skipped, job.seconds = COMPLETE, True, (before or {}).get("seconds", 0.0)
