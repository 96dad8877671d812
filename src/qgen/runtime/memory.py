"""How much memory a run holds, where in the run, and cleaning when it is too much.

On a GPU the figures are PyTorch's allocator's; without one they are the process's resident memory.
`empty_cache` gives PyTorch itself nothing and costs time when called each step, so it is called only
above the threshold: a share of the device, never a fixed number of GiB.
"""

import gc
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps

import psutil
import torch
from transformers import TrainerCallback

from qgen.settings.runtime import MemoryConfig


@dataclass(frozen=True)
class Memory:
    """Bytes at one moment. Without a GPU `allocated` and `reserved` are both the resident set."""

    device: str
    allocated: int
    reserved: int  # allocated, and what the allocator keeps for later
    peak: int  # the most that was reserved (or resident) so far
    total: int  # of the device, under runtime.memory.cap, or of the machine

    @property
    def share(self) -> float:
        """What is reserved of the device's memory, 0 to 1."""
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
            total=int(total * torch.cuda.get_per_process_memory_fraction()),
        )
    machine = psutil.virtual_memory().total
    resident = psutil.Process().memory_info().rss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # kilobytes on Linux
    return Memory("cpu", resident, resident, max(peak, resident), min(machine, _limit()))


def _limit() -> int:
    """Bytes of data that the operating system lets this process have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def cap(gib: float | None) -> None:
    """Let this process take so much of the GPU as if it had no more; None: all of it. Without a GPU the operating
    system lets it have so much data, Python and its libraries included."""
    if gib is None:
        return
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(min(1.0, gib * 2**30 / torch.cuda.mem_get_info()[1]))
    else:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = int(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))  # -1: no limit


def free() -> int:
    """Bytes that this process can still take: what the device has left, under its cap, and what its allocator keeps."""
    if not torch.cuda.is_available():
        return min(psutil.virtual_memory().available, _limit() - psutil.Process().memory_info().rss)
    left, total = torch.cuda.mem_get_info()
    reserved = torch.cuda.memory_reserved()
    cap = int(total * torch.cuda.get_per_process_memory_fraction()) - reserved
    return min(left, cap) + reserved - torch.cuda.memory_allocated()


def clean() -> None:
    """Give back what nothing refers to: Python's garbage, then the allocator's unused blocks."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class MemoryMonitor(TrainerCallback):
    """Reports memory at named nodes and every `every` steps, and cleans where `clean_above` is exceeded.

    A step's row has its seconds, and for each phase (rollout, rewards, forward-backward, optimizer) the seconds and, in
    bytes, the most allocated and reserved in it, what is reserved and not allocated at its end (fragmentation), and how
    often the allocator had to free its cache (retries) or failed (ooms).

    Args:
        config: the threshold (a share of the device, 0 to 1) and the interval (optimizer steps).
        write: receives one row a report: node, step, bytes, and whether it was cleaned.
        measure: what reads the memory; a test passes its own.

    Attributes:
        peak: the most bytes that were reserved (or resident) so far.
        running: the phase that is under way; None between steps.
    """

    def __init__(self, config: MemoryConfig, write: Callable[[dict], None], measure: Callable[[], Memory] = measure):
        self.config = config
        self.write = write
        self.measure = measure
        self.peak = 0
        self.running: str | None = None
        self.phases: dict[str, dict] = {}
        self.counts: dict[str, int] = {}
        self.began = self.step_began = time.perf_counter()

    def report(self, node: str, step: int | None = None, **more) -> Memory:
        """Measure at a named node, clean if too much is reserved, write a row, return what was found."""
        memory = self.measure()
        self.peak = max(self.peak, memory.peak)
        row = {"node": node, "step": step, **asdict(memory), "peak": self.peak, "share": round(memory.share, 4), **more}
        if memory.share > self.config.clean_above:
            clean()
            row["freed"] = memory.reserved - self.measure().reserved
        self.write(row)
        return memory

    def follow(self, name: str, function: Callable) -> Callable:
        """The function, as a phase within a step."""

        @wraps(function)
        def followed(*args, **kwargs):
            outer = self.running
            self._enter(name)
            result = function(*args, **kwargs)  # where it fails, `running` keeps saying in what
            self._enter(outer)
            return result

        return followed

    def on_train_begin(self, args, state, control, **_):
        self.report("train begins", state.global_step, phases=self.phases)  # a validation's

    def on_step_begin(self, args, state, control, **_):
        self.phases, self.step_began = {}, time.perf_counter()
        self._enter("forward-backward")

    def on_pre_optimizer_step(self, args, state, control, **_):
        self._enter("optimizer")

    def on_optimizer_step(self, args, state, control, **_):
        self._enter("forward-backward")  # whose end is the loss being logged

    def on_step_end(self, args, state, control, **_):
        self._enter(None)
        if state.global_step % self.config.every == 0:
            seconds = round(time.perf_counter() - self.step_began, 4)
            self.report("step", state.global_step, seconds=seconds, phases=self.phases)
        self.phases = {}

    def on_save(self, args, state, control, **_):
        self.report("checkpoint", state.global_step)

    def on_train_end(self, args, state, control, **_):
        self.report("train ends", state.global_step, phases=self.phases)

    def _enter(self, name: str | None) -> None:
        """End the phase that is under way and begin another."""
        found = _allocator()
        now = time.perf_counter()
        if self.running is not None:
            past = self.phases.setdefault(self.running, {"seconds": 0.0, **dict.fromkeys(found, 0)})
            past["seconds"] = round(past["seconds"] + now - self.began, 4)
            for key in ("allocated", "reserved"):
                past[key] = max(past[key], found[key])
            past["fragmentation"] = found["fragmentation"]
            for key in ("retries", "ooms"):
                past[key] += found[key] - self.counts[key]
        self.peak = max(self.peak, found["reserved"])
        self.running, self.began, self.counts = name, now, found
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()


def _allocator() -> dict[str, int]:
    """The most bytes since the peaks were last reset, and its counts; without a GPU what is resident now."""
    if not torch.cuda.is_available():
        resident = psutil.Process().memory_info().rss
        return {"allocated": resident, "reserved": resident, "fragmentation": 0, "retries": 0, "ooms": 0}
    torch.cuda.synchronize()
    stats = torch.cuda.memory_stats()
    return {
        "allocated": torch.cuda.max_memory_allocated(),
        "reserved": torch.cuda.max_memory_reserved(),
        "fragmentation": torch.cuda.memory_reserved() - torch.cuda.memory_allocated(),
        "retries": stats.get("num_alloc_retries", 0),
        "ooms": stats.get("num_ooms", 0),
    }
