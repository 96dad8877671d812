"""What a run ran on: enough to say why two runs differ."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from qgen import __version__

PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "hydra-core", "omegaconf", "numpy",
            "scikit-learn", "scipy", "math-verify", "wandb", "unsloth", "bitsandbytes", "vllm")  # fmt: skip


def environment(**hashes: str) -> dict:
    """Versions, the code's commit, the machine, and the hashes of data and model that are passed in."""
    return {
        "qgen": __version__,
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": git_commit(),
        "device": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else platform.processor() or platform.machine(),
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        **hashes,
    }


def git_commit() -> str | None:
    """The commit that qgen runs from, with '+' where the tree has changes; None outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "."], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if status.stdout.strip() else "")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
