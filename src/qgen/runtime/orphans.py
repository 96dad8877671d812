"""A process that ends with the one that started it. That one, where it is killed, can tell nobody to stop: its jobs
would train on, unseen, and hold their directories against the command that is to go on with them."""

import os
import sys
import time
from threading import Thread

_PARENT = "QGEN_PARENT"
_LOOK = 0.2  # seconds
_followed: dict[str, str] = {}  # the variable, where there was one


def adopted() -> dict[str, str]:
    """The environment for a process of qgen's that is to end with this one."""
    return os.environ | {_PARENT: str(os.getpid())}


def kept() -> dict[str, str]:
    """The environment for what this process becomes (os.execve), which is to end with the same one."""
    return os.environ | _followed


def follow() -> None:
    """End this process when the one that started it so is gone; what is saved by then is gone on from."""
    if parent := os.environ.pop(_PARENT, None):  # popped, as it is not the parent of what is started from here
        _followed[_PARENT] = parent
        Thread(target=_end_with, args=(int(parent),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    said = "the process that started this one was killed, so it ends too: the same command goes on from what is saved"
    print(f"\nqgen: {said}", file=sys.stderr, flush=True)
    os._exit(1)
