"""Problems out of a run's model, fit to be handed out: python -m qgen.generate run=outputs/NAME topic=geometry n=20

It writes until n outputs pass the gate (papers/gate.py), ranks them by the run's own rewards, says which known
problem is nearest to each, and leaves problems.jsonl and problems.md; with paper=contest also a paper to print.
"""

import os
from pathlib import Path

from qgen.cli import entry
from qgen.settings.generate import GenerateConfig


def generate(config: GenerateConfig, _: Path, plain: dict) -> None:
    """Write, rank, attribute and hand out; or write one problem again."""
    from qgen.papers import generation

    generation.generate(config)


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    entry(generate, "generate", GenerateConfig)()


if __name__ == "__main__":
    main()
