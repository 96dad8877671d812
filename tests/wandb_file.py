"""What lies in a .wandb file: the records of an offline run, in LevelDB's log format, which W&B ships no reader for."""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

import wandb
from wandb.proto import wandb_internal_pb2

BLOCK = 32768
HEADER = struct.Struct("<IHB")  # checksum, length, type: 1 whole, 2 first, 3 middle, 4 last part


@dataclass
class Logged:
    """One offline run as it would be sent: names, config, history (a dict a row), summary, tables by key."""

    run: wandb_internal_pb2.RunRecord = None
    config: dict = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    tables: dict[str, dict] = field(default_factory=dict)  # key -> columns and the rows of all its increments
    axes: dict[str, str] = field(default_factory=dict)  # metric or glob -> the metric it is plotted over
    exit_code: int | None = None

    def keys(self) -> set[str]:
        return {key for row in self.history for key in row}


def records(path: Path):
    """The records of a file, in their order."""
    content, parts = path.read_bytes(), b""
    assert content[:4] == b":W&B"
    at = 7
    while at + HEADER.size <= len(content):
        if BLOCK - at % BLOCK < HEADER.size:  # a header does not span blocks
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(content, at)
        parts += content[at + HEADER.size : at + HEADER.size + length]
        at += HEADER.size + length
        if kind in (1, 4):
            yield wandb_internal_pb2.Record.FromString(parts)
            parts = b""


def read(stage: Path) -> Logged:
    """The one offline run of a stage's directory."""
    wandb.teardown()  # what this process has logged is in the file once W&B's service has ended
    (path,) = stage.glob("wandb/offline-run-*/*.wandb")
    logged = Logged()
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            logged.run = record.run
            _update(logged.config, record.run.config.update)
        elif kind == "config":
            _update(logged.config, record.config.update)
        elif kind == "history":
            logged.history.append(_update({}, record.history.item))
        elif kind == "summary":
            _update(logged.summary, record.summary.update)
        elif kind == "metric":
            logged.axes[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "exit":
            logged.exit_code = record.exit.exit_code
    for row in logged.history:
        for key, value in row.items():
            if isinstance(value, dict) and value.get("_type", "").endswith("table-file"):
                content = json.loads((path.parent / "files" / value["path"]).read_text(encoding="utf-8"))
                logged.tables.setdefault(key, {"columns": content["columns"], "data": []})["data"] += content["data"]
    return logged


def _update(into: dict, items) -> dict:
    for item in items:
        *path, last = item.nested_key or [item.key]
        place = into
        for name in path:
            place = place.setdefault(name, {})
        place[last] = json.loads(item.value_json)
    return into
