"""Passwords and tokens: refused in a config, which is kept in files that are shared, and crossed out of all other text.

They belong into the environment, of which only what is known to be harmless is written down. Torch-free.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from qgen.text.visible import clean

MARK = "***"
_SECRET = re.compile(
    r"secret|passw(or)?d|passphrase|credential|(api|private|access|teacher)[_-]?key$"
    r"|(?<!pad_|eos_|bos_|unk_|sep_|cls_|end_)(?<!mask_)(?<!start_)token$",
    re.I,
)
_USER = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/?#'\"]*@", re.I)  # https://user:password@
# NAME=VALUE of a command line or a URL, 'NAME': 'VALUE' of a dictionary
_PAIR = re.compile(r"([\w.-]+)(['\"]?(?:=|: ?(?=['\"])))('[^']*'|\"[^\"]*\"|[^\s&#,;)}'\"]+)")


def secret(key: str) -> bool:
    """Whether a key names a password or a token that lets one in; `eos_token` and the like do not."""
    return bool(_SECRET.search(key.rpartition(".")[2]))


def text(said: str) -> str:
    """A text without the passwords of URLs, the values of keys that name a secret, and the environment's own."""
    for name, value in os.environ.items():
        if len(value) >= _OWN and secret(name):
            said = said.replace(value, MARK)
    said = _USER.sub(rf"\1{MARK}@", said)
    return _PAIR.sub(lambda found: found[1] + found[2] + MARK if secret(found[1]) else found[0], said)


def value(key: str, held: object) -> str:
    """A key's value as a text that may be shown."""
    return MARK if secret(key) and isinstance(held, str) and held else text(str(held))


def refuse(pairs: Iterable[tuple[str, Any]]) -> None:
    """Raise ValueError, naming the key and not the value, where a config's value holds a secret."""
    for key, held in pairs:
        if not isinstance(held, str) or not held or held == "null":
            continue
        where = ", or HF_ENDPOINT for the address of a mirror" if "://" in held else ""
        if secret(key) or ("://" in held and text(held) != held):
            raise ValueError(
                f"{key}: holds a password or a token, which would be kept in config.yaml, logs and trackers. Put it "
                f"into the environment instead, which is not written down: HF_TOKEN for the hub{where}, WANDB_API_KEY "
                f"for W&B, QGEN_TEACHER_KEY for a teacher"
            )


def overrides(arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Keys and values of a command line's overrides."""
    for argument in arguments:
        key, _, held = argument.lstrip("+~").partition("=")
        yield key, held.strip("'\"")


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All values of a config as plain data, with their dotted keys."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from leaves(child, f"{prefix}.{name}".lstrip("."))
    elif isinstance(node, list):
        for child in node:
            yield from leaves(child, prefix)
    else:
        yield prefix, node


class Formatter(logging.Formatter):
    """A log's lines, the tracebacks among them; they are read in terminals."""

    def format(self, record: logging.LogRecord) -> str:
        """A record's line without passwords, its control characters visible."""
        return clean(text(super().format(record)))


_OWN = 8  # characters from which an environment's secret is looked for: a shorter one is in any text
