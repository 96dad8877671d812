"""One HTML page about runs: python -m qgen.report paths=[outputs/A,multirun/B] [out=report.html]
Why two stages' figures differ: python -m qgen.report diff outputs/A/sft outputs/B/sft"""

import sys
from pathlib import Path

from qgen.cli import entry
from qgen.reporting.compare import compare
from qgen.reporting.tables import show
from qgen.settings.report import ReportConfig


def report(config: ReportConfig, out_dir: Path, plain: dict) -> None:
    """Write the page and print where it is. It is made from the runs' directories alone."""
    from qgen.reporting.page import (
        write,  # imports scikit-learn, for the nearest problems: a mistyped key need not wait for it
    )

    print(f"the report is {write([Path(path) for path in config.paths], Path(config.out))}")


def diff(arguments: list[str]) -> None:
    """Print why two stages' figures differ: python -m qgen.report diff A B"""
    if len(arguments) != 2:
        sys.exit("usage: python -m qgen.report diff A B, two stages' directories such as outputs/NAME/sft")
    try:
        show(*compare(*map(Path, arguments)))
    except RuntimeError as error:
        sys.exit(f"qgen: {error}")


def main() -> None:
    if sys.argv[1:2] == ["diff"]:
        diff(sys.argv[2:])
    else:
        entry(report, "report", ReportConfig)()


if __name__ == "__main__":
    main()
