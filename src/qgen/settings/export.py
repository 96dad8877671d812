"""The keys of qgen.export (conf/export.yaml)."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from qgen.settings.choices import Format, Precision


@dataclass
class ExportConfig:
    """The keys of qgen.export; whatever else it needs, it reads from the run."""

    run: str | None = None  # a run's directory, whose last finished stage's model it is, or a stage's
    format: list[Format] = field(default_factory=lambda: [Format.adapter, Format.merged])
    precision: list[Precision] = field(default_factory=lambda: [Precision.f16])  # of GGUF files; Ollama's: the first
    out: str | None = None  # null: export/ in the run's directory
    overwrite: bool = False  # replace what is in out
    push: bool = False  # also to the hub
    repo: str | None = None  # USER/NAME there; the adapter and the GGUF go to NAME-adapter and NAME-GGUF

    @property
    def home(self) -> Path:
        """The run's directory, which `check` asks for."""
        return Path(self.run or "")

    def check(self) -> None:
        if not self.run:
            raise ValueError("run says whose model: python -m qgen.export run=outputs/NAME format=[merged,gguf]")
        if not Path(self.run).is_dir():
            raise ValueError(f"run={self.run}: there is no such directory")
        for key in ("format", "precision"):
            if not getattr(self, key):
                raise ValueError(f"{key} is empty: name at least one")
        if self.push and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repo or ""):
            raise ValueError(f"push=true needs repo=USER/NAME, and repo={self.repo}")
        if self.push and set(self.format) == {Format.ollama}:
            raise ValueError("push=true: format=ollama is for this machine alone; push gguf")
