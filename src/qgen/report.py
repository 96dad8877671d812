"""One HTML page about runs: python -m qgen.report paths=[outputs/A,multirun/B] [out=report.html]"""

from dataclasses import dataclass, field
from pathlib import Path

from qgen.cli import entry


@dataclass
class ReportConfig:
    """What the report is about, and where it goes."""

    paths: list[str] = field(
        default_factory=list
    )  # directories of stages, runs (outputs/NAME) or sweeps (multirun/NAME)
    out: str = "report.html"

    def check(self) -> None:
        if not self.paths:
            raise ValueError("paths says which runs the page is about: python -m qgen.report paths=[outputs/NAME]")
        if not self.out or Path(self.out).is_dir():
            raise ValueError(f"out={self.out} must be a file, such as report.html")
        if absent := [path for path in self.paths if not Path(path).is_dir()]:
            raise ValueError(f"paths: there is no directory {', '.join(absent)}")


def report(config: ReportConfig, out_dir: Path, plain: dict) -> None:
    """Write the page and say where it lies. What it says comes from the runs' directories alone."""
    from qgen.page import write  # imports scikit-learn, for the nearest problems: a mistyped key need not wait for it

    print(f"the report is {write([Path(path) for path in config.paths], Path(config.out))}")


main = entry(report, "report", ReportConfig)

if __name__ == "__main__":
    main()
