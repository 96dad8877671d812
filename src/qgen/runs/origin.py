"""The adapter that a stage started from, found again where its run was moved or is named from another directory."""

from collections.abc import Iterator
from pathlib import Path

from qgen.runs import rundir
from qgen.runs.files import read_json
from qgen.settings.stage import STAGES


def started_from(home: Path) -> str:
    """The path that a stage's adapter had when it started from it, as it was named then; 'base' for the base model."""
    return read_json(home / rundir.ENVIRONMENT).get("started_from", "base")


def origin(home: Path) -> Path | None:
    """The adapter that a stage started from; None for the base model, or where those weights are not found any more.

    The path that was kept may be relative to an unknown directory. So several places are looked at: the end of that
    path beside the stage, the path itself, and the path below each directory above the stage. The hash of the weights,
    which was kept beside the path, tells which of them holds the adapter.
    """
    if started_from(home) == "base":
        return None
    known = read_json(home / rundir.ENVIRONMENT).get("started_from_hash")
    for place in dict.fromkeys(_places(home, Path(started_from(home)))):
        if (place / rundir.ADAPTER_WEIGHTS).is_file() and rundir.fingerprint(place) == known:
            return place
    return None


def _places(home: Path, named: Path) -> Iterator[Path]:
    """Where an adapter may lie: first beside the stage, so that a copied run is one of its own."""
    here = home.resolve()
    for length in (2, 3):  # sft/adapter, sft/checkpoint-20; sft/best/adapter
        yield here.parent / Path(*named.parts[-length:])
    yield named
    yield from (folder / named for folder in here.parents)
    yield from (here.parent / stage / rundir.ADAPTER for stage in reversed(STAGES) if stage != here.name)
