"""Checkpoints on the disk: which there are, and which of them are whole. Torch-free."""

import json
import zlib
from pathlib import Path

from qgen.runs import weights

STATE = "qgen_state.json"  # written last into a checkpoint, with the sizes and checksums of the other files
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def inventory(checkpoint: Path) -> dict[str, dict[str, int]]:
    """What a checkpoint's own record says of its other files: the size and the checksum of each."""
    files = {p.relative_to(checkpoint).as_posix(): p for p in sorted(checkpoint.rglob("*"))}
    files = {name: path for name, path in files.items() if path.is_file() and name != STATE}
    return {
        "sizes": {name: path.stat().st_size for name, path in files.items()},
        "sums": {name: _sum(path) for name, path in files.items()},
    }


def last_checkpoint(out: Path) -> tuple[Path | None, str]:
    """The newest whole checkpoint of a stage and a note about it; (None, note) where no whole one was written yet.

    A checkpoint without its record was never finished; if there is no other, the stage simply begins from the start.
    Raises RuntimeError where none is whole and a finished one was damaged later, because beginning again loses its
    work.
    """
    broken, damaged = [], False
    for checkpoint in checkpoints(out):
        if (absent := missing(checkpoint)) is not None:
            broken.append(f"{checkpoint.name} is half written or damaged, it has no whole {absent}")
            damaged |= absent != STATE
        elif (fault := weights.fault(checkpoint / ADAPTER_WEIGHTS)) is not None:
            broken.append(f"{checkpoint.name}/{ADAPTER_WEIGHTS} {fault}")
            damaged = True
        else:
            skipped = f" ({', '.join(broken)}: skipped)" if broken else ""
            return checkpoint, f"resuming from {checkpoint.name}{skipped}"
    if damaged:
        raise RuntimeError(f"{out}: {'; '.join(broken)}. overwrite=true starts the stage again")
    if broken:
        return None, f"resuming: {'; '.join(broken)}, and there is no older one, so from the first step"
    return None, "resuming: no checkpoint had been written yet, so from the first step"


def missing(checkpoint: Path) -> str | None:
    """The first file that a checkpoint lacks, or holds in part or with other bytes; None where it is whole."""
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        sizes, sums = state["sizes"], state.get("sums", {})  # older checkpoints have no checksums
        files = {name: checkpoint / name for name in sizes}
        for name, path in files.items():
            if not path.is_file() or path.stat().st_size != sizes[name]:
                return name
        return next((name for name, path in files.items() if name in sums and _sum(path) != sums[name]), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return STATE


def _sum(path: Path) -> int:
    """A file's CRC-32: 1 GB a second, and enough where nobody means harm."""
    found = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found = zlib.crc32(part, found)
    return found


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which a checkpoint was written, by its name."""
    return int(checkpoint.name.removeprefix("checkpoint-"))


def checkpoints(out: Path) -> list[Path]:
    """Checkpoints of a stage, the newest first."""
    found = [path for path in out.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    return sorted(found, key=step_of, reverse=True)
