"""What is computed once and kept for later runs: converted models, what solvers do on real problems."""

import os
from pathlib import Path


def directory() -> Path:
    """Where it lies: QGEN_CACHE, or qgen/ in the user's cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("QGEN_CACHE") or Path(home) / "qgen")
