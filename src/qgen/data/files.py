"""Rows of a file of your own: a JSON object a line, an array of them, either of it behind gzip, or Parquet. What a file
is, its first bytes tell, whatever its name."""

import codecs
import gzip
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

KINDS = "a JSON object a line, or an array of them, in UTF-8, also behind gzip; or Parquet"
TWICE = object()  # the value of a key that an object gives several


def rows(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects of a file, each with its line, or with its number where it has none.

    Raises RuntimeError naming what is wrong and where.
    """
    file = Path(path)
    if file.is_dir():
        raise RuntimeError(f"{path} is a directory: name a file in it")
    if not file.is_file():
        raise RuntimeError(f"{path}: no such file")
    number = 0
    with file.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        found = _parquet(path) if start == b"PAR1" else _json(path, _unzipped(path, raw) if start[:2] == _GZIP else raw)
        for number, row in found:
            if not isinstance(row, dict):
                raise RuntimeError(f"{path}:{number}: not a JSON object but {_kind(row)}")
            yield number, row
    if number == 0:
        raise RuntimeError(f"{path}: the file is empty")


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


_GZIP = b"\x1f\x8b"


def _parquet(path: str) -> Iterator[tuple[int, Any]]:
    import pyarrow  # takes a moment
    from pyarrow import parquet

    try:
        batches = parquet.ParquetFile(path).iter_batches()
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except (pyarrow.ArrowException, OSError) as error:
        raise RuntimeError(f"{path}: broken Parquet ({str(error).splitlines()[0]})") from error


def _unzipped(path: str, raw: IO[bytes]) -> Iterator[bytes]:
    try:
        yield from gzip.GzipFile(fileobj=raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RuntimeError(f"{path}: broken gzip ({error})") from error


def _json(path: str, lines: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """What stands on each line; or what an array holds, where one begins on the first line that is not blank."""
    lines, begun = iter(lines), False
    for number, raw in enumerate(lines, start=1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not begun and line.lstrip().startswith(b"["):
            yield from enumerate(_value(path, number, line + b"".join(lines)), start=1)
            return
        if line.strip():
            begun = True
            yield number, _value(path, number, line)


def _value(path: str, number: int, raw: bytes) -> Any:
    """What some JSON says, from line NUMBER on."""
    try:
        text = raw.decode("utf-8").strip()
        return json.loads(text, parse_int=_integer, parse_float=_float, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        told = f"not UTF-8 (byte {error.start} of the line); a file holds {KINDS}"
        raise RuntimeError(f"{path}:{number}: {told}") from error
    except json.JSONDecodeError as error:
        cut = "" if raw.endswith(b"\n") else "; the file seems to be truncated"
        where = f"{path}:{number + error.lineno - 1}"
        what = "a backslash, which JSON doubles" if "escape" in error.msg else error.msg
        kinds = "" if cut or number > 1 else f"; a file holds {KINDS}"
        raise RuntimeError(f"{where}: not JSON ({what} at column {error.colno}){cut}{kinds}") from error
    except RecursionError as error:
        raise RuntimeError(f"{path}:{number}: not read, for it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, with TWICE, which no column accepts, for a key that has several values."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = value if key not in found or found[key] == value else TWICE
    return found


def _float(digits: str) -> float | Decimal:
    """A number; a Decimal, which no column accepts, where it would be another as Python's."""
    value = float(digits)
    return value if not math.isfinite(value) or Decimal(repr(value)) == Decimal(digits) else Decimal(digits)


def _integer(digits: str) -> int | Decimal:
    """An integer; a Decimal, which no column accepts, where Python refuses to convert so many digits."""
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)
