"""What is computed once and kept for later runs: converted models, curated problems, what is fitted to them, what
solvers do on real problems."""

import hashlib
import os
from contextlib import suppress
from functools import cache as once
from pathlib import Path


def directory() -> Path:
    """Where it lies: QGEN_CACHE, or qgen/ in the user's cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("QGEN_CACHE") or Path(home) / "qgen")


def keep(file: Path, data: bytes, most: int) -> None:
    """Write a file of the cache in one move, and leave the newest so many of its folder. A cache that cannot be written
    is no reason to stop."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        fresh.write_bytes(data)
        fresh.replace(file)
        for old in sorted(file.parent.glob(f"*{file.suffix}"), key=lambda path: path.stat().st_mtime)[:-most]:
            old.unlink()


@once
def code(*packages: str) -> str:
    """A hash of the files of some of qgen's packages: what other code has made is made anew."""
    home = Path(__file__).parents[1]
    files = sorted(path for name in packages for path in (home / name).rglob("*") if path.suffix in (".py", ".txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
