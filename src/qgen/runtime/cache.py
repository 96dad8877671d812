"""What is computed once and kept for later runs: converted models, curated problems, what is fitted to them, what
solvers do on real problems."""

import hashlib
import os
from contextlib import suppress
from functools import cache as once
from pathlib import Path


def directory() -> Path:
    """Where it lies: QGEN_CACHE, or qgen/ in the user's cache directory."""
    if own := os.environ.get("QGEN_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qgen"


def keep(file: Path, data: bytes, most: int) -> None:
    """Write a file of the cache, named by a hash, in one move, and leave the newest so many of its folder. A cache that
    cannot be written is no reason to stop."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            fresh.write_bytes(data)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)  # what a full disk took of it
        own = "[0-9a-f]" * len(file.stem) + file.suffix  # hashes: what somebody else keeps there stays
        for old in sorted(file.parent.glob(own), key=lambda path: path.stat().st_mtime)[:-most]:
            old.unlink()


@once
def code(*packages: str) -> str:
    """A hash of the files of some of qgen's packages: what other code has made is made anew."""
    home = Path(__file__).parents[1]
    files = sorted(path for name in packages for path in (home / name).rglob("*") if path.suffix in (".py", ".txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
