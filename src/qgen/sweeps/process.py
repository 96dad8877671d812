"""A stage or a job in a process of its own, for the pipeline and for Hydra's other launchers."""

import subprocess
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from qgen.runtime import orphans
from qgen.settings.config import Config
from qgen.sweeps.jobs import Job, consider, stages_of
from qgen.sweeps.pool import why

BRIEF = "QGEN_BRIEF"  # in the environment of a stage of a pipeline


def in_process(module: str, config: Config, out: Path) -> float | None:
    """Run a job of a sweep that Hydra's own launchers, submitit or ray have started; return its `sweep.metric`."""
    hydra = HydraConfig.get()
    overrides = list(hydra.overrides.task)
    configs = [config] if module == "train" else None
    job = Job(hydra.job.num, overrides, out, module, configs or stages_of(overrides, out))
    consider(job, None, retry=True)
    if job.status is None:
        child(job.command, job.name)
    return job.metric(config.sweep.metric)


def child(command: list[str], what: str, brief: bool = False) -> None:
    """Run a command in a process of its own, so that memory and patched libraries end with it, and it with this one.

    Args:
        brief: it is one of several, of which this process tells in the end what each has done.

    Raises RuntimeError where it fails; it has said why itself.
    """
    process = subprocess.Popen(command, env=orphans.adopted() | ({BRIEF: "1"} if brief else {}))
    try:
        code = process.wait()
    except KeyboardInterrupt:  # the process has had it too, and stops in its own time; a second one does not wait
        process.wait()
        raise
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise RuntimeError(f"{what} failed: {why(code, '')}")
