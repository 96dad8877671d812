"""One stage, one Hydra job: python -m qgen.train stage=sft|grpo|distill [group=name ...] [key=value ...]"""

import logging
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from qgen.cli import entry
from qgen.runs import repeat, rundir
from qgen.runs.files import read_json
from qgen.runtime import ranks
from qgen.runtime.quiet import quiet
from qgen.runtime.strict import require
from qgen.settings.choices import Backend
from qgen.settings.config import Config
from qgen.stages import oom

log = logging.getLogger(__name__)


def train(config: Config, out: Path, plain: dict) -> float | None:
    """Train the stage that a config names, and return None.

    A job of a sweep under another launcher than qgen's is run in a process of its own; its `sweep.metric` is returned.
    """
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        from qgen.sweeps.process import in_process

        return in_process("train", config, out)
    try:
        _train(config, out, plain)
    except oom.Again as again:  # the directory's lock and the tracker are given back by now
        again.run()
    return None


def _train(config: Config, out: Path, plain: dict) -> None:
    from qgen import data, rewards
    from qgen.data import (
        apart,
        scripts,  # imports scikit-learn: a mistyped key need not wait for it
    )
    from qgen.reporting.compare import figures
    from qgen.reporting.tables import corpus_table, samples, show, stage_line, stage_table
    from qgen.sweeps.process import BRIEF

    with ranks.quiet_but_first(), rundir.locked(out) if ranks.first() else nullcontext():
        claimed = rundir.claim(config, out)
        if claimed.note:
            print(claimed.note)
        log.info("%s: %s", config.stage.name, " ".join(sys.argv))
        adapter = rundir.starting_adapter(config)
        if claimed.complete:
            rundir.same_origin(out, adapter)
            if ranks.first() and not rundir.reported(out, [out]):  # a kill fell between the summary and the report
                from qgen.reporting.page import leave  # imports scikit-learn

                show(leave([out], out))
            return
        if "WORLD_SIZE" not in os.environ:  # one process, one GPU: the Trainer would silently spread over all
            os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        if config.model.backend is Backend.unsloth:  # which must be imported before trl and transformers
            require("unsloth", "pip install 'qgen[gpu]' on a machine with an NVIDIA GPU, or set model.backend=hf")
            from qgen.models import unsloth

            unsloth.enter(out)
        rewards.check(config.reward)
        corpus = data.load(config.data, config.prompt)
        show(
            f"data: as in {adapter.parent}"
            if adapter and data.same(corpus, read_json(adapter.parent / rundir.ENVIRONMENT))
            else corpus_table(corpus)
        )
        scripts.check(corpus.train, config.prompt.language)
        apart.check(config, corpus, adapter)
        if rundir.started(out) and not config.overwrite:
            rundir.same_origin(out, adapter, data.fingerprint(corpus.train))
        quiet()
        from qgen.reporting.page import leave
        from qgen.stages.run import run  # imports torch, which takes seconds: after all that can fail without it

        summary = run(config, corpus, out, adapter, claimed, plain)
        if not ranks.first():
            return
        report = leave([out], out, corpus)
        if os.environ.get(BRIEF):
            show(stage_line(summary))
        else:
            show(stage_table([summary]), samples(summary), f"this run's files lie in {out}", report)
        if repeat.home:
            show(f"\nbeside {repeat.home}:", figures(repeat.home, out))


main = entry(train)

if __name__ == "__main__":
    main()
