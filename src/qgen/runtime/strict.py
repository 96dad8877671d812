"""Strict mode: what could not be had is an error that says how to get it, never a substitute."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from qgen.runtime.quiet import quiet
from qgen.text import redact


def require(module: str, install: str) -> ModuleType:
    """Import a module, or raise ImportError with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{module} is not usable ({error}); install it with: {install}") from error


@contextmanager
def hub(what: str) -> Iterator[None]:
    """Wrap a load from the hub, so that a failure for want of a network says which setting names a mirror.

    Raises RuntimeError naming HF_ENDPOINT where the hub could not be reached, or does not have `what`; and where
    `what` needs code that comes with it.
    """
    quiet()  # its retries are for the log
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise RuntimeError(
            f"{what} comes with code of its own (auto_map in its config.json or tokenizer_config.json), which qgen "
            f"does not run: name a model whose classes are transformers' own, or save this one as such"
        ) from error
    except OSError as error:  # connection errors and those of huggingface_hub are OSErrors
        endpoint = redact.text(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
        raise RuntimeError(
            f"{what} could not be loaded from the hub at {endpoint} ({_first_line(error)}). Set HF_ENDPOINT to a "
            f"mirror that you can reach, unset HF_HUB_OFFLINE if it is set, or name a local directory instead."
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return redact.text(f"{type(error).__name__}: {lines[0] if lines else ''}")[:200]
