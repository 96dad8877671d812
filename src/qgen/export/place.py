"""Where what is handed over lies: a directory a format, which appears whole, and which nothing replaces unasked."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qgen.runs.files import Row, read_json, write_json
from qgen.settings.choices import Format
from qgen.settings.config import Config

_MAKING = ".making-"
RECORD = "export.json"  # what a format's directory was made of, and what was found when it was


def name(run: Config) -> str:
    """What a stage's model is called in files and repositories."""
    return f"{run.run_name}-{run.stage.name}".replace("/", "-")


def missing(out: Path, wanted: dict[Format, Row], overwrite: bool) -> list[Format]:
    """The formats that are not there yet, in the order in which they are made.

    Args:
        wanted: for each format what its record must say.

    Raises RuntimeError where a directory is there that was made of something else, unless it is to be overwritten.
    """
    formats = [format for format in Format if format in wanted]
    if overwrite:
        return formats
    there = [format for format in formats if (out / format.value).exists()]
    for format in there:
        if not holds(out, format, wanted[format]):
            raise RuntimeError(
                f"{out / format.value} is there already and holds another stage's model, or another precision of it: "
                f"overwrite=true replaces it, out=DIR writes elsewhere"
            )
    return [format for format in formats if format not in there]


def holds(out: Path, format: Format, identity: Row) -> bool:
    """Whether a format's directory is there and was made of this."""
    record = read_json(out / format.value / RECORD)
    return bool(record) and all(record.get(key) == value for key, value in identity.items())


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """A directory on the same disk as `out`, which is gone afterwards with whatever is left in it. `out` is locked, so
    that others that lie there are a killed process's."""
    for left in out.glob(f"{_MAKING}*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(dir=out, prefix=_MAKING))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put(folder: Path, target: Path, record: Row) -> None:
    """Make a finished directory the target, in one move where there was none."""
    write_json(folder / RECORD, record)
    old = folder.with_name(f"{folder.name}.old")
    if target.exists():
        target.rename(old)
    folder.rename(target)
