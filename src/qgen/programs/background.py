"""The pool that this process keeps until it ends: for whoever waits, and beside whoever goes on meanwhile.

What was submitted runs beside its caller: whoever leaves cancels what has not begun, and no program begins once Python
ends.
"""

import atexit
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from functools import partial
from queue import SimpleQueue
from threading import Event, Lock, Thread

from qgen.programs.outcome import Limits, Outcome
from qgen.programs.pool import Pool

_Job = tuple[Future[Outcome], str, Limits]
_starting = Lock()
_ending = Event()  # set when Python ends: no program begins any more
_shared: Pool | None = None
_runner: Thread | None = None
_submitted: "SimpleQueue[_Job]" = SimpleQueue()


def run(programs: Sequence[str], limits: Limits | None = None) -> list[Outcome]:
    """What became of each program, by a pool that this process keeps until it ends."""
    return _kept().run(programs, limits)


def submit(program: str, limits: Limits | None = None) -> "Future[Outcome]":
    """What will become of a program, which runs beside whatever the caller goes on with. What `run` raises, the future
    raises; one that is cancelled before its program has begun runs nothing.
    """
    global _runner, _submitted
    with _starting:
        if _runner is None or not _runner.is_alive():  # a fork has the thread's name alone, and a copy of what waits
            _submitted = SimpleQueue()
            _runner = Thread(target=_serve, args=(_submitted,), name="programs", daemon=True)
            _runner.start()
    future: Future[Outcome] = Future()
    _submitted.put((future, program, limits or Limits()))
    return future


def _serve(submitted: "SimpleQueue[_Job]") -> None:
    """Run what was submitted, all that waits with the same limits in one go."""
    while True:
        taken = [submitted.get()]
        while not submitted.empty():
            taken.append(submitted.get())
        for limits in dict.fromkeys(limits for _, _, limits in taken):
            _run_submitted([(future, program) for future, program, own in taken if own == limits], limits)


def _run_submitted(jobs: "list[tuple[Future[Outcome], str]]", limits: Limits) -> None:
    futures = [future for future, _ in jobs]

    def wanted(index: int) -> bool:
        future = futures[index]  # it runs already where its first server died
        return not _ending.is_set() and (future.running() or future.set_running_or_notify_cancel())

    told: list[Callable[[], None]]
    try:
        outcomes = _kept().run([program for _, program in jobs], limits, wanted=wanted)
        told = [partial(future.set_result, outcome) for future, outcome in zip(futures, outcomes, strict=True)]
    except BaseException as error:  # whoever waits is told, whatever it is
        told = [partial(future.set_exception, error) for future in futures]
    for tell in told:
        with contextlib.suppress(InvalidStateError):  # it was cancelled
            tell()


def _kept() -> Pool:
    """The pool that this process keeps until it ends."""
    global _shared
    with _starting:
        if _shared is None:
            _shared = Pool()
            atexit.register(_end, _shared)
    return _shared


def _end(pool: Pool) -> None:
    _ending.set()  # else closing waits for all programs that were submitted
    pool.close()
