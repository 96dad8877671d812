"""Problems from a JSONL file of your own; `data.fields` says which column holds what."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qgen.config import DataConfig
from qgen.data import topics
from qgen.problem import Problem

NEEDED = ("statement", "answer")


def read(config: DataConfig) -> Iterator[Problem]:
    """Problems of data.path. Raises RuntimeError naming the file and line where one cannot be read."""
    fields = {"id": "id", "source": "source", "licence": "licence"} | config.fields
    for number, row in rows(config.path):
        where = f"{config.path}:{number}"
        for name in NEEDED:
            if not isinstance(row.get(fields.get(name, name)), str | int | float):
                raise RuntimeError(
                    f"{where}: no {fields.get(name, name)!r} ({name}); it has {', '.join(map(repr, row))}. "
                    f"data.fields.{name}=COLUMN names another column"
                )
        yield problem(row, fields, where, Path(config.path).name)


def rows(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and objects of a JSONL file. Raises RuntimeError naming what is wrong and where."""
    file = Path(path)
    if not file.is_file():
        raise RuntimeError(f"{path}: no such file")
    with file.open("rb") as lines:
        number = 0
        for number, raw in enumerate(lines, start=1):
            try:
                line = raw.decode("utf-8").strip()
                row = json.loads(line) if line else None
            except UnicodeDecodeError as error:
                raise RuntimeError(f"{path}:{number}: not UTF-8 (byte {error.start} of the line)") from error
            except json.JSONDecodeError as error:
                cut = "" if raw.endswith(b"\n") else "; the file seems to be truncated"
                raise RuntimeError(f"{path}:{number}: not JSON ({error.msg} at column {error.colno}){cut}") from error
            if row is None:
                continue
            if not isinstance(row, dict):
                raise RuntimeError(f"{path}:{number}: not a JSON object but {type(row).__name__}")
            yield number, row
        if number == 0:
            raise RuntimeError(f"{path}: the file is empty")


def problem(row: dict[str, Any], fields: dict[str, str], where: str, source: str) -> Problem:
    """One row as a Problem; what the row does not say of topic and knowledge points is read off its text."""

    def text(name: str) -> str:
        value = row.get(fields.get(name, name))
        return "" if value is None else str(value).strip()

    everything = f"{text('statement')} {text('solution')}"
    points = row.get(fields.get("points", "points")) or topics.knowledge_points(everything)
    return Problem(
        statement=text("statement"),
        answer=text("answer"),
        solution=text("solution"),
        topic=text("topic") or topics.topic(everything),
        level=_level(text("level"), where),
        points=tuple(map(str, points)) if isinstance(points, list | tuple) else (str(points),),
        source=text("source") or source,
        licence=text("licence"),
        id=text("id") or where,
    )


def _level(text: str, where: str) -> int | None:
    digits = text.lower().removeprefix("level").strip()
    if not digits:
        return None
    try:
        level = round(float(digits))
    except (ValueError, OverflowError):
        raise RuntimeError(f"{where}: level {text!r} is not a number from 1 to 5") from None
    return min(5, max(1, level))
