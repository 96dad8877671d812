"""The three stages, each starting from the one before: python -m qgen.pipeline [group=name ...] [key=value ...]"""

import os
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from qgen.cli import add, entry
from qgen.reporting.tables import samples, show, stage_table
from qgen.runs import repeat, rundir
from qgen.runs.files import read_json
from qgen.runtime import ranks
from qgen.settings.compose import composed
from qgen.settings.config import Config
from qgen.settings.stage import STAGES
from qgen.sweeps.process import child, in_process


def pipeline(config: Config, out: Path, plain: dict) -> float | None:
    """Run the stages, then print what each changed and what the last one writes."""
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        return in_process("pipeline", config, out)
    show_run(run(list(HydraConfig.get().overrides.task)))
    return None


def run(overrides: list[str]) -> list[Path]:
    """Run the stages one after the other, each in a process of its own; return their directories.

    Every stage's config is checked before the first stage starts. Raises RuntimeError where a stage fails.
    """
    if repeat.home or ranks.size() > 1:
        raise ValueError("--from and several ranks are for one stage: python -m qgen.train")
    if any(o.lstrip("+~").split("=")[0] == "stage" for o in overrides):
        raise ValueError("the pipeline runs all three stages: leave stage=... out, or use python -m qgen.train")
    homes = [Path(c.output_dir) / c.run_name / c.stage.name for c in map(composed, _each(overrides))]
    for of_stage in _each(overrides):
        child([sys.executable, "-m", "qgen.train", *of_stage, "hydra.mode=RUN"], of_stage[-1], brief=True)
    return homes


def show_run(homes: list[Path]) -> None:
    """Print what each stage changed and what the last one writes, and leave the run's report.

    Args:
        homes: the directories of the stages, in their order.
    """
    from qgen.reporting.page import leave  # imports scikit-learn

    summaries = [read_json(home / rundir.SUMMARY) for home in homes]
    show(
        stage_table(summaries),
        samples(summaries[-1]),
        f"the run's files lie in {homes[0].parent}, a directory a stage",
        leave([homes[0].parent], homes[0].parent),
    )


def _each(overrides: list[str]) -> list[list[str]]:
    return [[*overrides, f"stage={stage}"] for stage in STAGES]


class QuestionsGenTrainer:
    """The pipeline from Python: QuestionsGenTrainer("model=a100", "data=openmath").train_full_pipeline()

    Args:
        overrides: what would stand on the command line.
    """

    def __init__(self, *overrides: str):
        self.overrides = list(overrides)

    def train_full_pipeline(self) -> list[Path]:
        """Run all three stages; return the directory of each. Raises RuntimeError where one fails."""
        homes = run(self.overrides)
        show_run(homes)
        return homes


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")  # stages and pipeline write to one terminal, in order
    add(["hydra.run.dir='${home:${output_dir},${run_name}}'", "hydra.job.name=pipeline"])
    entry(pipeline)()


if __name__ == "__main__":
    main()
