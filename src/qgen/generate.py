"""Writes problems that can be handed out: python -m qgen.generate run=outputs/NAME topic=geometry n=20

The run's model writes until n outputs pass the gate (papers/gate.py). They are ranked by the run's own rewards, and
written with their nearest known problems to problems.jsonl and problems.md. paper=contest adds a paper to print.
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
