"""The keys of qgen.report (conf/report.yaml)."""

from dataclasses import dataclass, field
from pathlib import Path


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
