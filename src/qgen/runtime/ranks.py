"""The processes of one job: what each of them computes, seen by all. With one process these change nothing."""

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout


def gather(items: list) -> list:
    """The items of all ranks in the ranks' order, on every rank."""
    if _count() == 1:  # accelerate is imported by several ranks alone, for it imports torch
        return items
    from accelerate.utils import gather_object

    return gather_object(items)


def spread(work: Callable[[list], list], items: list) -> list:
    """`work(items)` for items that every rank holds: each rank works on its share, and all get the whole."""
    count = _count()
    if count == 1:
        return work(items)
    mine = [i for i in range(len(items)) if i % count == rank()]
    found = dict(gather(list(zip(mine, work([items[i] for i in mine]), strict=True))))
    return [found[i] for i in range(len(items))]


def first() -> bool:
    """Whether this process is the one that prints and writes. True before torch is imported too, where it is alone."""
    return int(os.environ.get("RANK", "0")) == 0


def start() -> None:
    """Bring the ranks of a job together, over gloo on CPUs and NCCL on GPUs, each on a GPU of its own."""
    if size() > 1:
        import torch
        from accelerate import PartialState

        PartialState(cpu=not torch.cuda.is_available())
        atexit.register(_part)


def _part() -> None:
    """Leave the group: gloo's threads abort a process that ends while they run."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def wait() -> None:
    """Return once every rank is here."""
    gather([None])


def size() -> int:
    """How many processes the launcher gave the job."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def quiet_but_first() -> Iterator[None]:
    """What is printed to standard output is printed once."""
    if first():
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


def rank() -> int:
    """This process's number among those of the job, from 0."""
    if _count() == 1:
        return 0
    from torch import distributed

    return distributed.get_rank()


def _count() -> int:
    torch = sys.modules.get("torch")  # rewards are scored without it too
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return 1
    return torch.distributed.get_world_size()
