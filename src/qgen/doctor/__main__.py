"""What a stage lacks and whether it will fit, before an hour is spent: python -m qgen.doctor model=a100 stage=grpo

It takes every key of qgen.train, loads no weights, and exits with 1 where something that is needed is missing or the
stage will not fit.
"""

from pathlib import Path

from qgen.cli import entry
from qgen.settings.doctor import Examined


def examine(config: Examined, _: Path, plain: dict) -> None:
    """Print what was found. Raises RuntimeError, after that, where the stage would fail."""
    from qgen.doctor import examination

    examination.examine(config)


def main() -> None:
    entry(examine, "doctor", Examined)()


if __name__ == "__main__":
    main()
