"""Format directories on the hub: a private repository each, as the hub's loaders expect it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from huggingface_hub import HfApi

from qgen.settings.choices import Format
from qgen.text import redact

SUFFIX = {Format.adapter: "-adapter", Format.merged: "", Format.gguf: "-GGUF"}  # of the repository's name


def reach() -> None:
    """Raise RuntimeError where the hub does not know who asks, before anything is made."""
    with _strict("nothing was made"):
        _api().whoami()


def push(out: Path, formats: list[Format], repo: str) -> list[str]:
    """Upload the directories of formats, and return their addresses. Raises RuntimeError where the hub refuses."""
    api = _api()
    pushed: list[str] = []
    for format in formats:
        name = repo + SUFFIX[format]
        with _strict(f"{len(pushed)} of {len(formats)} were pushed, all are in {out}, and the same command goes on"):
            address = api.create_repo(name, private=True, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=out / format.value, commit_message="qgen.export")
        pushed.append(redact.text(str(address)))  # HF_ENDPOINT's
    return pushed


def _api() -> HfApi:
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"))


@contextmanager
def _strict(kept: str) -> Iterator[None]:
    try:
        yield
    except (OSError, httpx.HTTPError) as error:  # huggingface_hub's own are OSErrors
        endpoint = redact.text(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
        said = redact.text((str(error).strip().splitlines() or [""])[0])[:200]
        raise RuntimeError(
            f"push=true: the hub at {endpoint} could not be written to ({type(error).__name__}: {said}); {kept}. Set "
            f"HF_TOKEN to a token that may write, HF_ENDPOINT to a hub that you can reach, and unset HF_HUB_OFFLINE"
        ) from error
