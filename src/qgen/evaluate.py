"""Measures the problems that a run's models write: python -m qgen.evaluate run=outputs/NAME [key=value ...]

The base model and each finished stage answer the same held-out requests. Their first n outputs are measured,
unfiltered, beside real problems and controls (evaluation/protocol.py). With task=variation they write variations of
real problems, which are measured by kind (evaluation/variations.py). In the run's directory, evaluation/outputs.jsonl
keeps the outputs and evaluation/votes.jsonl a solver's votes on them, so that nothing is done twice, and
evaluation/evaluation.json the figures.
"""

import os
from pathlib import Path

from qgen.cli import entry
from qgen.reporting.tables import (
    control_table,
    difference_table,
    evaluation_table,
    show,
    test_table,
    variation_table,
)
from qgen.settings.choices import Task
from qgen.settings.evaluate import EvaluateConfig


def evaluate(config: EvaluateConfig, out: Path, plain: dict) -> None:
    """Write what is missing, measure everything, keep the figures and print them."""
    from qgen.evaluation.measuring import evaluated

    result, target = evaluated(config)
    if config.task is Task.variation:
        from qgen.evaluation import variations

        show(variation_table(result), *variations.notes(result), f"kept in {target}")
        return
    show(evaluation_table(result), test_table(result), control_table(result))
    if result["differences"]:
        show(difference_table(result))
    took = ", ".join(f"{name} {value:.0f} s" for name, value in result["seconds"]["writing"].items())
    show(*result["notes"], f"writing took: {took}; all of it {result['seconds']['all']:.0f} s. kept in {target}")


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    entry(evaluate, "evaluate", EvaluateConfig)()


if __name__ == "__main__":
    main()
