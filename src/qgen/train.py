"""One stage, one Hydra job: python -m qgen.train stage=sft|grpo|distill [group=name ...] [key=value ...]"""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from qgen.choices import Backend
from qgen.cli import entry
from qgen.config import Config
from qgen.runtime import rundir
from qgen.runtime.quiet import quiet
from qgen.runtime.strict import require
from qgen.tables import corpus_table, samples, show, stage_table

if TYPE_CHECKING:
    from qgen.data import Corpus

log = logging.getLogger(__name__)


def train(config: Config, out: Path, plain: dict) -> None:
    """Train the stage that a config names, or, in a sweep, have a process of its own do it."""
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        child(list(HydraConfig.get().overrides.task), f"hydra.run.dir={quoted(str(out))}")
        return
    from qgen import data, rewards  # imports scikit-learn: a mistyped key need not wait for it

    with rundir.locked(out):
        claimed = rundir.claim(config, out)
        if claimed.note:
            print(claimed.note)
        log.info("%s: %s", config.stage.name, " ".join(sys.argv))
        adapter = rundir.starting_adapter(config)
        if claimed.complete:
            rundir.same_origin(out, adapter)
            return
        if "WORLD_SIZE" not in os.environ:  # one process, one GPU: the Trainer would silently spread over all
            os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        if config.model.backend is Backend.unsloth:  # which must be imported before trl and transformers
            require("unsloth", "pip install 'qgen[gpu]' on a machine with an NVIDIA GPU, or set model.backend=hf")
        rewards.check(config.reward)
        corpus = data.load(config.data)
        show(corpus_table(corpus))
        if rundir.started(out) and not config.overwrite:
            rundir.same_origin(out, adapter, data.fingerprint(corpus.train))
        quiet()
        from qgen.stages.run import run  # imports torch, which takes seconds: after all that can fail without it

        summary = run(config, corpus, out, adapter, claimed, plain)
        show(stage_table([summary]), samples(summary), f"this run's files lie in {out}", page([out], out, corpus))


def page(homes: list[Path], out: Path, corpus: "Corpus | None" = None) -> str:
    """Write report.html into a directory and say where it lies, or why there is none: a run is not lost by that."""
    from qgen.page import write

    try:
        return f"its report is {write(homes, out / 'report.html', corpus)}"
    except Exception as error:
        log.exception("the report could not be written")
        return f"its report could not be written ({error}): python -m qgen.report paths=[{out}] tries again"


def child(overrides: list[str], *more: str) -> None:
    """Run one job in a process of its own, so that memory and patched libraries end with it.

    Raises RuntimeError where it fails; it has said why itself.
    """
    done = subprocess.run([sys.executable, "-m", "qgen.train", *overrides, *more], check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise RuntimeError(f"the job {' '.join(overrides)} failed (exit code {done.returncode})")


def quoted(value: str) -> str:
    """A value that Hydra's override grammar takes literally."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


main = entry(train)

if __name__ == "__main__":
    main()
