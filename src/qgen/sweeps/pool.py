"""Running a sweep's jobs: so many at once, each a process in a session of its own, shared out over the GPUs."""

import contextlib
import logging
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from qgen.runtime import orphans
from qgen.stages.oom import AGAIN
from qgen.sweeps.jobs import COMPLETE, FAILED, INTERRUPTED, Job

log = logging.getLogger(__name__)

_POLL = 0.2  # seconds
_MARK = "\n=== "  # before the command line, at the head of what each attempt prints
_OF_A_STAGE = re.compile(r"stage=\w+ failed: ")
_TAIL = 20_000  # bytes at a log's end in which the reason of a failure is looked for


@dataclass
class Running:
    """A job under way: its process, and the number of the device or share of cores that it has."""

    job: Job
    process: subprocess.Popen
    slot: int


def run(jobs: list[Job], at_once: int, show: Callable[[], None], ended: Callable[[Job], None]) -> None:
    """Run jobs to their end, `at_once` of them at a time. A job that fails leaves the others alone.

    Ctrl-C interrupts the jobs and waits for them to stop, a second one kills them; either way KeyboardInterrupt is
    raised in the end.

    Args:
        show: called often, to show how far they are.
        ended: called once for each job that has ended.
    """
    waiting = list(jobs)
    running: list[Running] = []
    places = devices()
    interrupts = 0

    def interrupted(*_: object) -> None:
        nonlocal interrupts
        interrupts += 1
        for one in running:
            _signal(one.process, signal.SIGINT if interrupts == 1 else signal.SIGKILL)

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupted) for number in numbers}  # nohup has SIGHUP ignored
    if signal.SIGINT not in before:  # as in a shell's background: unheard here, but jobs are to heed it
        before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        while running or (waiting and not interrupts):
            while waiting and len(running) < at_once and not interrupts:
                slot = min(set(range(at_once)) - {one.slot for one in running})
                job = waiting.pop(0)
                try:
                    running.append(_start(job, slot, at_once, places))
                except OSError as error:
                    job.status, job.reason = FAILED, f"it could not be started: {error}"
                    _forgiven(ended, job)
                if interrupts:  # while it was being started
                    interrupted()
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                _finish(one, bool(interrupts))
                _forgiven(ended, one.job)
            _forgiven(show)
            time.sleep(_POLL)
    finally:
        for one in running:  # only where something here went wrong
            _signal(one.process, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupts:
        for job in waiting:
            job.status, job.reason = INTERRUPTED, "not started"
        raise KeyboardInterrupt


def _forgiven(tell: Callable, *arguments: object) -> None:
    """A full disk or a closed terminal is no reason to lose the jobs that run."""
    try:
        tell(*arguments)
    except Exception:
        log.exception("the sweep could not tell how far it is")


def devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; none on a machine without."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip() not in ("", "-1")]
    try:  # not through torch, whose import takes seconds and memory that a sweep's parent does not need
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(i) for i, line in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]


def _start(job: Job, slot: int, at_once: int, places: list[str]) -> Running:
    """Start a job: on a GPU of its own as long as there are enough, else on its share of the cores."""
    more = {"PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}  # a crash leaves its stack in the log
    env = orphans.adopted() | more
    if places:
        env["CUDA_VISIBLE_DEVICES"] = places[slot % len(places)]
    elif at_once > 1:
        env.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // at_once)))
    job.out.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        log.write(f"{_MARK}{shlex.join(job.command)}\n".encode())
        log.flush()
        process = subprocess.Popen(job.command, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
    job.began = time.monotonic()
    return Running(job, process, slot)


def _finish(one: Running, interrupted: bool) -> None:
    job, code = one.job, one.process.returncode
    _signal(one.process, signal.SIGKILL)  # what it may have left behind, such as a pipeline's stage
    job.exit_code, job.seconds = code, time.monotonic() - job.began
    if code == 0 and job.summary():
        job.status = COMPLETE
    elif interrupted:
        job.status, job.reason = INTERRUPTED, "interrupted"
    else:
        job.status, job.reason = FAILED, why(code, _tail(job))


def why(code: int, text: str) -> str:
    """Why a job failed, in a line: what it said itself, or what its exit code tells.

    Args:
        code: as subprocess has it, negative for a signal.
        text: the end of what the job printed.
    """
    number = -code
    if number == signal.SIGKILL:
        return "killed (SIGKILL), most likely for want of memory: lower stage.per_device_train_batch_size or sweep.jobs"
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL):
        return f"crashed ({signal.Signals(number).name}): its log has the stack"
    if number in signal.valid_signals():
        return f"ended by {signal.Signals(number).name}"
    said = [line.removeprefix("qgen: ") for line in text.splitlines() if line.startswith("qgen: ")]
    own = [line for line in said if not _OF_A_STAGE.match(line)]  # a pipeline says which stage, the stage says why
    line = (own or said or [f"exit code {code}"])[-1]
    memory = "out of memory: " if any(words in text.lower() for words in _MEMORY) and "memory" not in line[:20] else ""
    return f"{memory}{line}"[:400]


# torch's words for it on a GPU and on a CPU, then Python's
_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "memoryerror")


def _tail(job: Job) -> str:
    """The end of what a job printed since it was last started."""
    return job.log.read_bytes()[-_TAIL:].decode("utf-8", "replace").rpartition(_MARK)[2].rpartition(AGAIN)[2]


def _signal(process: subprocess.Popen, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)  # a pipeline has a stage below it
