"""What a run ran on: enough to say why two runs differ."""

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from qgen.text import redact
from qgen.version import __version__

# of the environment, those that change what torch computes or where data come from
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTORCH_ALLOC_CONF", "CUBLAS_WORKSPACE_CONFIG",
              "HF_ENDPOINT", "HF_HUB_OFFLINE", "QGEN_CACHE")  # fmt: skip


def environment(**hashes: str) -> dict:
    """Versions, the code's commit and hash, the machine, and the hashes of data and model that are passed in."""
    return {
        "qgen": __version__,
        "python": platform.python_version(),
        "packages": packages(),
        "git": git_commit(),
        "code": code_hash(),
        "device": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else platform.processor() or platform.machine(),
        "cuda": torch.version.cuda,
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "ranks": int(os.environ.get("WORLD_SIZE", "1")),
        "variables": {name: redact.text(value) for name in _VARIABLES if (value := os.environ.get(name))},
        **hashes,
    }


def packages() -> dict[str, str]:
    """Every installed distribution with its version: one that nobody thinks of may be why two runs differ."""
    found = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def code_hash() -> str:
    """A hash of qgen's own files: for an installed or an edited copy, a commit does not say which code ran."""
    here = Path(__file__).resolve().parents[1]
    found = hashlib.sha256()
    for path in sorted(here.rglob("*")):
        if path.suffix in (".py", ".yaml"):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def git_commit() -> str | None:
    """The commit that qgen runs from, with '+' where the tree has changes; None outside a checkout."""
    here = Path(__file__).resolve().parents[1]
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "."], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if status.stdout.strip() else "")
