"""The reference's pages about what can be configured, read from the schemas and from conf/.

configuration.md has every key with its type, the range that its schema's `check` asks for, the value that conf/
composes and the comment beside its field; groups.md has the files of conf/.
"""

import ast
import dataclasses
import inspect
import io
import json
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin
from unittest import mock

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from qgen.settings import choices, compose, ranges
from qgen.settings.attack import Attacked
from qgen.settings.config import Config
from qgen.settings.dashboard import DashboardConfig
from qgen.settings.doctor import Examined
from qgen.settings.evaluate import EvaluateConfig
from qgen.settings.export import ExportConfig
from qgen.settings.generate import GenerateConfig
from qgen.settings.report import ReportConfig
from qgen.settings.stage import STAGES
from qgen.settings.teach import TeachConfig
from qgen.settings.verify import VerifyConfig

COMMANDS = {  # title -> the file of conf/ that composes the command, its schema
    "qgen.train, qgen.pipeline and qgen.rewards.check": ("config", Config),
    "qgen.doctor, besides these": ("doctor", Examined),
    "qgen.rewards.attack, besides these": ("attack", Attacked),
    "qgen.evaluate": ("evaluate", EvaluateConfig),
    "qgen.generate": ("generate", GenerateConfig),
    "qgen.verify": ("verify", VerifyConfig),
    "qgen.teach": ("teach", TeachConfig),
    "qgen.export": ("export", ExportConfig),
    "qgen.report": ("report", ReportConfig),
    "qgen.dashboard": ("dashboard", DashboardConfig),
}
FULL = 100  # columns of a line from which the comment in the next one goes on
LONG = 60  # characters of a default that a table has room for


def configuration() -> str:
    """Every key of every command: its type, range, default and comment."""
    parts = [
        "# Configuration\n\nAll keys, read from `src/qgen/settings` when this page was built. `key=value` on a command "
        "line sets one. A default is what the command composes when nothing is said; where the three stages "
        "differ, there are three, of sft, grpo and distill. [Config groups](groups.md) shows what the files of each "
        "group set instead."
    ]
    for title, (name, schema) in COMMANDS.items():
        parts.append(f"## {title}\n\n{prose(schema.__doc__)}")
        known = bounds(schema)
        given = defaults(name, schema)
        parts += list(sections(schema, "", given, known, {f.name for f in dataclasses.fields(Config)}))
    parts.append("## Values to choose from")
    parts += [enumeration(kind) for kind in vars(choices).values() if isinstance(kind, type) and kind is not Enum]
    return "\n\n".join(parts) + "\n"


def sections(schema: type, prefix: str, given: list[Any], known: dict, of_stages: set[str]) -> Iterator[str]:
    """A table of a schema's own keys, then a heading and a table for each group in it."""
    rows, later = [], []
    notes = comments(schema)
    for item in dataclasses.fields(schema):
        if not prefix and schema is not Config and issubclass(schema, Config) and item.name in of_stages:
            continue  # documented with Config
        key = f"{prefix}{item.name}"
        values = [None if value is None else value.get(item.name) for value in given]
        inner = next((kind for kind in (item.type, *get_args(item.type)) if dataclasses.is_dataclass(kind)), None)
        if inner:  # a group that is null has its schema's own values once it is set
            own = dataclasses.asdict(inner())
            later.append((inner, f"{key}.", [own if value is None else value for value in values]))
            continue
        above, beside = notes.get(item.name, ("", ""))
        if above:
            rows.append(f"| | | | | *{cell(above)}* |")
        rows.append(f"| `{key}` | {kind(item.type)} | {spanned(key, known)} | {shown(values)} | {cell(beside)} |")
    if rows:
        yield "| key | type | range | default | |\n| --- | --- | --- | --- | --- |\n" + "\n".join(rows)
    for inner, name, values in later:
        yield f"### {name.rstrip('.')} {{ #{schema.__name__}-{name.rstrip('.')} }}\n\n{prose(inner.__doc__)}"
        yield from sections(inner, name, values, known, of_stages)


def bounds(schema: type) -> dict[str, tuple[float, float]]:
    """The ranges that a schema's `check` asks for, key -> (smallest, largest), caught on their way to ranges.check."""
    asked: dict[str, tuple[float, float]] = {}

    def catch(config: Any, table: dict[str, tuple[float, float]] = ranges.RANGES) -> None:
        asked.update(table)

    # the schema's own values are no whole config, of which check complains; ranges come first
    with mock.patch.object(ranges, "check", catch), suppress(ValueError, AttributeError):
        schema().check()
    return asked


def defaults(name: str, schema: type) -> list[dict[str, Any]]:
    """The values that a command composes: of each stage where it has stages, else one."""
    if schema is Config:
        whole = [compose.composed([f"stage={stage}"]) for stage in STAGES]
        return [OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True) for config in whole]
    compose.register(schema)
    with initialize_config_dir(str(compose.CONF), version_base="1.3"):
        cfg = hydra_compose(name)
    inherited = {f.name for f in dataclasses.fields(Config)} if issubclass(schema, Config) else set()
    picked = OmegaConf.masked_copy(cfg, [f.name for f in dataclasses.fields(schema) if f.name not in inherited])
    return [OmegaConf.to_container(picked, resolve=True, enum_to_str=True)]


@cache
def comments(schema: type) -> dict[str, tuple[str, str]]:
    """For each field of a dataclass, or member of an enum: the comment above it, and the one beside it."""
    found: dict[str, tuple[str, str]] = {}
    for parent in reversed([c for c in schema.__mro__ if c.__module__.startswith("qgen.")]):
        source = inspect.getsource(parent)
        lines = source.splitlines()
        words = {t.start[0]: t.string.lstrip("# ") for t in tokenize.generate_tokens(io.StringIO(source).readline)
                 if t.type == tokenize.COMMENT}  # fmt: skip
        alone = {number for number in words if lines[number - 1].lstrip().startswith("#")}
        before = 0
        for node in ast.parse(source).body[0].body:
            target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
            if isinstance(target, ast.Name):
                end = node.end_lineno
                while end + 1 in alone and len(lines[end - 1]) >= FULL:
                    end += 1
                above = " ".join(words[n] for n in range(before + 1, node.lineno) if n in alone)
                beside = " ".join(words[n] for n in range(node.lineno, end + 1) if n in words)
                found[target.id] = (above, beside)
                before = end
            else:
                before = node.end_lineno
    return found


def kind(of: Any) -> str:
    """A type in words; an enum is a link to its values."""
    if isinstance(of, UnionType):
        return " or ".join("null" if part is NoneType else kind(part) for part in get_args(of))
    if get_origin(of) is list:
        return f"list of {kind(get_args(of)[0])}"
    if get_origin(of) is dict:
        return f"mapping to {kind(get_args(of)[1])}"
    if isinstance(of, type) and issubclass(of, Enum):
        return f"[{of.__name__}](#{of.__name__})"
    return "anything" if of is Any else of.__name__


def spanned(key: str, known: dict[str, tuple[float, float]]) -> str:
    """A key's range in words."""
    if key not in known:
        return ""
    low, high = known[key]
    open_ended = key.endswith(ranges.OPEN)
    if high in (float("inf"), ranges.MANY):
        return f"{'above' if open_ended else 'at least'} {low:,}"
    return f"above {low:,}, below {high:,}" if open_ended else f"{low:,} to {high:,}"


def shown(values: list[Any]) -> str:
    """A default, or those of the three stages where they differ."""
    return " · ".join(dict.fromkeys(map(_value, values))) if values.count(values[0]) == len(values) else " · ".join(
        map(_value, values)
    )  # fmt: skip


def _value(value: Any) -> str:
    if isinstance(value, dict) and value:
        return "[the group's file](groups.md)"
    if value == "???":
        return "none: it must be said"
    if isinstance(value, list):
        return "empty" if not value else ", ".join(f"`{one}`" for one in value)
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    if len(text) > LONG or "\n" in text:
        return "[the group's file](groups.md)"
    return f"`{text}`" if text else "empty"


def enumeration(of: type[Enum]) -> str:
    """An enum's values, with the comments beside them."""
    notes = comments(of)
    rows = [f"- `{member.value}`{': ' + cell(notes[member.name][1]) if notes[member.name][1] else ''}" for member in of]
    return f"### {of.__name__} {{ #{of.__name__} }}\n\n{prose(of.__doc__)}\n\n" + "\n".join(rows)


def prose(doc: str | None) -> str:
    """A docstring as paragraphs."""
    return escaped(inspect.cleandoc(doc or ""))


def cell(text: str) -> str:
    """A comment in a table."""
    return escaped(text).replace("|", "\\|")


def escaped(text: str) -> str:
    """Text whose signs Markdown would take for its own."""
    for sign in ("\\", "_", "*", "<", "[", "{"):
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return text


def groups() -> str:
    """The files of conf/, a section a group."""
    parts = [
        "# Config groups\n\n`group=file` on a command line chooses a file; what it sets can be overridden by "
        "`group.key=value`. These are the files, as they lie in `conf/`; keys that a file does not name have the "
        "defaults of [Configuration](configuration.md)."
    ]
    for folder in sorted(path for path in compose.CONF.iterdir() if path.is_dir() and path.name != "hydra"):
        parts.append(f"## {folder.name}")
        for file in sorted(folder.glob("*.yaml")):
            parts.append(f"### {folder.name}={file.stem}\n\n```yaml\n{file.read_text(encoding='utf-8').rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
