"""Files that a run appends to or replaces, so that a kill at any moment leaves what can be read."""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def append(path: Path, rows: Iterable[Row]) -> None:
    """Append rows to a JSONL file. A line that a kill cut short is closed first; NaN and infinity become null."""
    text = "".join(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in rows)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                text = "\n" + text
        file.write(text.encode("utf-8", "backslashreplace"))


def rows(path: Path) -> list[Row]:
    """Rows of a JSONL file, without lines that were cut short; none where there is no file."""
    found = []
    if path.is_file():
        for line in path.read_bytes().split(b"\n"):  # str.splitlines would split at U+2028 too
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def last(path: Path, tail: int = 65_536) -> Row | None:
    """The last whole row within `tail` bytes of a JSONL file's end, however long that is; None without one."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - tail))
        lines = file.read().split(b"\n")
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            return row
    return None


def holds_json(path: Path) -> bool:
    """Whether there is a file, and it holds a JSON object."""
    return _object(path) is not None


def read_json(path: Path) -> Row:
    """A JSON file's object; empty where there is none, or where a kill left half of one."""
    return _object(path) or {}


def _object(path: Path) -> Row | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def steps(path: Path) -> list[Row]:
    """Rows of a file with one row for each step. A resume may leave several rows of one step: the last one counts."""
    found: dict[int, Row] = {}
    for row in rows(path):
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            continue  # half a line may be JSON too
        found.pop(row["step"], None)  # so that the last that was written comes last
        found[row["step"]] = row
    return list(found.values())


def write_json(path: Path, value: Row) -> None:
    """Replace a JSON file, in one move."""
    write_whole(path, json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Replace a text file, in one move: a reader sees the old one or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(text.encode("utf-8", "backslashreplace"))
    fresh.replace(path)


def write_rows(path: Path, rows: list[Row]) -> None:
    """Make a JSONL file of these rows, whole or not at all."""
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))


def prune(path: Path, stays: Callable[[Row], bool]) -> None:
    """Leave only some rows in a JSONL file."""
    found = rows(path)
    if (kept := [row for row in found if stays(row)]) != found:
        write_rows(path, kept)


def link_tree(source: Path, target: Path) -> None:
    """Make a directory a copy of another, replacing what it was: of hard links, or of bytes where there are none."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh, copy_function=link)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def link(source: str, target: str) -> None:
    """Make a file another name of the same bytes, or a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _plain(value: Any) -> Any:
    """A value as JSON has it: numpy's and torch's scalars as numbers, what is not finite as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
