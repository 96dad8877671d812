"""Curated problems, kept in the cache from one command to the next: of ten thousand, curation takes half a minute."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qgen.data import champ
from qgen.data.curate import Corpus
from qgen.mathematics.problem import Problem
from qgen.runs.files import read_json
from qgen.runtime import cache
from qgen.settings.choices import Source
from qgen.settings.data import DataConfig
from qgen.settings.prompt import PromptConfig

FOLDER = "problems"  # in the cache
MOST = 16  # files there; the one that was made first goes
CODE = ("data", "mathematics", "metrics", "text")  # packages that curation is made of


def kept(config: DataConfig, prompt: PromptConfig | None, make: Callable[[], Corpus]) -> Corpus:
    """The corpus that `make` makes of these settings, of the files that they name, and of this code. It is read from
    the cache; where the cache has none, the cache keeps it. What comes from the hub is made each time, as nobody can
    tell whether it has changed."""
    read = _read(config)
    if read is None:
        return make()
    told = {
        "config": asdict(config),
        "prompt": [prompt.language, prompt.solution] if prompt else None,
        "read": read,
        "code": cache.code(*CODE),
    }
    digest = hashlib.sha256(json.dumps(told, default=str).encode(errors="surrogatepass")).hexdigest()
    file = cache.directory() / FOLDER / f"{digest[:24]}.json"
    if found := read_json(file):
        return _corpus(found)
    corpus = make()
    if _read(config) == read:  # nobody has written to them meanwhile
        cache.keep(file, json.dumps(_plain(corpus)).encode(), MOST)
    return corpus


def _read(config: DataConfig) -> list[str] | None:
    """What tells the files that are read from others of their names; None where nothing does."""
    try:
        if config.source is Source.champ:
            return [_digest(Path(champ.version()))]
        if config.source is Source.jsonl:
            return [_digest(Path(path)) for path in (config.path, config.heldout_path) if path]
    except (OSError, ImportError):  # for the source to tell
        pass
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(corpus: Corpus) -> dict[str, Any]:
    problems = {part: [asdict(p) for p in getattr(corpus, part)] for part in ("train", "heldout")}
    return problems | {"read": corpus.read, "dropped": dict(corpus.dropped), "rows": corpus.rows}


def _corpus(found: dict[str, Any]) -> Corpus:
    problems = {
        part: [Problem(**row | {"points": tuple(row["points"])}) for row in found[part]]
        for part in ("train", "heldout")
    }
    return Corpus(**problems, read=found["read"], dropped=Counter(found["dropped"]), rows=found["rows"])
