"""How much memory a run holds, where in the run, and cleaning when it is too much.

On a GPU the figures are PyTorch's allocator's; without one they are the process's resident memory.
`empty_cache` gives PyTorch itself nothing and costs time when called each step, so it is called only
above the threshold: a share of the device, never a fixed number of GiB.
"""

import gc
import resource
from collections.abc import Callable
from dataclasses import asdict, dataclass

import psutil
import torch
from transformers import TrainerCallback

from qgen.config import MemoryConfig


@dataclass(frozen=True)
class Memory:
    """Bytes at one moment. Without a GPU `allocated` and `reserved` are both the resident set."""

    device: str
    allocated: int
    reserved: int  # allocated, and what the allocator keeps for later
    peak: int  # the most that was reserved (or resident) so far
    total: int  # of the device, or of the machine

    @property
    def share(self) -> float:
        return self.reserved / self.total


def measure() -> Memory:
    """What this process holds now."""
    if torch.cuda.is_available():
        _, total = torch.cuda.mem_get_info()
        return Memory(
            device=torch.cuda.get_device_name(),
            allocated=torch.cuda.memory_allocated(),
            reserved=torch.cuda.memory_reserved(),
            peak=torch.cuda.max_memory_reserved(),
            total=total,
        )
    resident = psutil.Process().memory_info().rss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # kilobytes on Linux
    return Memory("cpu", resident, resident, max(peak, resident), psutil.virtual_memory().total)


def clean() -> None:
    """Give back what nothing refers to: Python's garbage, then the allocator's unused blocks."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class MemoryMonitor(TrainerCallback):
    """Reports memory at named nodes and every `every` steps, and cleans where `clean_above` is exceeded.

    Args:
        config: the threshold (a share of the device, 0 to 1) and the interval (optimizer steps).
        write: receives one row a report: node, step, bytes, and whether it was cleaned.
        measure: what reads the memory; a test passes its own.
    """

    def __init__(self, config: MemoryConfig, write: Callable[[dict], None], measure: Callable[[], Memory] = measure):
        self.config = config
        self.write = write
        self.measure = measure

    def report(self, node: str, step: int | None = None) -> Memory:
        """Measure at a named node, clean if too much is reserved, write a row, return what was found."""
        memory = self.measure()
        row = {"node": node, "step": step, **asdict(memory), "share": round(memory.share, 4)}
        if memory.share > self.config.clean_above:
            clean()
            row["freed"] = memory.reserved - self.measure().reserved
        self.write(row)
        return memory

    def on_train_begin(self, args, state, control, **_):
        self.report("train begins", state.global_step)

    def on_step_end(self, args, state, control, **_):
        if state.global_step % self.config.every == 0:
            self.report("step", state.global_step)

    def on_save(self, args, state, control, **_):
        self.report("checkpoint", state.global_step)

    def on_train_end(self, args, state, control, **_):
        self.report("train ends", state.global_step)
