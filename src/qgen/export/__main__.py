"""A run's model for others to use: python -m qgen.export run=outputs/NAME format=[adapter,merged,gguf,ollama]

Each format becomes a directory of out, whole or not at all, with a model card in it. What is written is loaded back and
compared with the model that was trained; where they are not the same, it is an error and nothing is kept.
"""

import os
from pathlib import Path

from qgen.cli import entry
from qgen.export import place
from qgen.reporting.tables import show
from qgen.runs import rundir
from qgen.runs.files import Row, read_json
from qgen.runtime.quiet import quiet
from qgen.settings.choices import Format
from qgen.settings.export import ExportConfig

FOLDER = "export"


def export(config: ExportConfig, _: Path, plain: dict) -> None:
    """Make the formats that are not there yet, and push them where that is asked for."""
    home = rundir.finished_stages(config.home)[-1]
    out = Path(config.out or config.home / FOLDER)
    with rundir.locked(out):
        missing = place.missing(out, {f: _identity(config, home, f) for f in config.format}, config.overwrite)
        quiet()
        if config.push:
            from qgen.export import hub

            hub.reach()
        if missing:
            from qgen.export.make import make
            from qgen.export.trained import read

            make(read(home), out, missing, config.precision, lambda f: _identity(config, home, f))
        for format in Format:
            if format in config.format and format not in missing:
                show(f"{format.value}: is in {out / format.value} already")
        if config.push:
            pushed = [format for format in Format if format in set(config.format) - {Format.ollama}]
            show(*(f"pushed to {address}" for address in hub.push(out, pushed, config.repo or "")))


def _identity(config: ExportConfig, home: Path, format: Format) -> Row:
    """What a format's directory holds: other weights, or others' precision, are another thing; so are the same weights
    under another name, as those of a stage that learned nothing, for the card and the files bear the name."""
    made = {"name": place.name(rundir.config_at(home)), "model": read_json(home / rundir.ENVIRONMENT).get("model"),
            "adapter": rundir.fingerprint(rundir.adapter_at(home))}  # fmt: skip
    precision = {Format.gguf: config.precision, Format.ollama: config.precision[:1]}.get(format, [])
    return made | {"format": format.value, "precision": [p.value for p in precision]}


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    entry(export, "export", ExportConfig)()


if __name__ == "__main__":
    main()
