"""What are problems good for? python -m qgen.teach problems=FILE.jsonl|outputs/NAME [key=value ...]

A fixed solver learns from them, and from sets that would unmask a gain that is none; then it is tested on held-out
problems. Everything is kept in teach/NAME, and the same command goes on from there.
"""

import os
import time
from pathlib import Path

from qgen.cli import entry
from qgen.settings.teach import TeachConfig


def teach(config: TeachConfig, _: Path, plain: dict) -> None:
    """Choose the sets, train on each, test, and say what was learned."""
    from qgen.reporting.page import leave
    from qgen.reporting.tables import show
    from qgen.reporting.taught import teach_table
    from qgen.runs import rundir
    from qgen.runs.files import write_json
    from qgen.runtime.memory import clean
    from qgen.runtime.quiet import quiet

    quiet()
    from qgen.teach import arms, exam, figures, jobs

    began = time.monotonic()
    with rundir.locked(config.home):
        experiment = arms.experiment(config)
        clean()  # what wrote and proved the problems has no use for the memory that the trainings need
        files = arms.keep(experiment, config.home)
        trained = jobs.trained(config, files)
        homes = {name: job.out for name, job in trained.items()}
        right = exam.tested(config, homes, experiment.test)
        result = figures.told(config, experiment, trained, figures.results(figures.by_arm(right), experiment.test))
        result["seconds"] = round(time.monotonic() - began, 1)
        target = config.home / "evaluation" / "evaluation.json"
        target.parent.mkdir(exist_ok=True)
        write_json(target, result)
        show(teach_table(result), *result["notes"], leave([config.home], config.home))
        show(f"kept in {target}")


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    entry(teach, "teach", TeachConfig)()


if __name__ == "__main__":
    main()
