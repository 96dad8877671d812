"""A run's model for others to use: python -m qgen.export run=outputs/NAME format=[adapter,merged,gguf,ollama]

Each format becomes a directory of out, whole or not at all, with a model card in it. What is written is loaded back and
compared with the model that was trained; where they are not the same, it is an error and nothing is kept.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from qgen.cli import entry
from qgen.export import Format, Precision, place
from qgen.reporting.tables import show
from qgen.runs import rundir
from qgen.runs.files import Row, read_json
from qgen.runtime.quiet import quiet

FOLDER = "export"


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


def export(config: ExportConfig, _: Path, plain: dict) -> None:
    """Make the formats that are not there yet, and push them where that is asked for."""
    home = rundir.finished_stages(Path(config.run))[-1]
    out = Path(config.out or Path(config.run) / FOLDER)
    with rundir.locked(out):
        missing = place.missing(out, {f: _identity(config, home, f) for f in config.format}, config.overwrite)
        quiet()
        if config.push:
            from qgen.export import hub

            hub.reach()
        if missing:
            from qgen.export.make import make
            from qgen.export.source import read

            make(read(home), out, missing, config.precision, lambda f: _identity(config, home, f))
        for format in Format:
            if format in config.format and format not in missing:
                show(f"{format.value}: is in {out / format.value} already")
        if config.push:
            pushed = [format for format in Format if format in config.format and format is not Format.ollama]
            show(*(f"pushed to {address}" for address in hub.push(out, pushed, config.repo)))


def _identity(config: ExportConfig, home: Path, format: Format) -> Row:
    """What a format's directory holds: other weights, or others' precision, are another thing."""
    made = {"model": read_json(home / rundir.ENVIRONMENT).get("model"),
            "adapter": rundir.fingerprint(rundir.adapter_at(home))}  # fmt: skip
    precision = {Format.gguf: config.precision, Format.ollama: config.precision[:1]}.get(format, [])
    return made | {"format": format.value, "precision": [p.value for p in precision]}


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    entry(export, "export", ExportConfig)()


if __name__ == "__main__":
    main()
