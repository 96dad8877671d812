"""A pool of fork servers: programs in, outcomes out, in order.

    with Pool() as pool:
        outcomes = pool.run(programs, Limits(seconds=2))

Servers are started by exec, so that a process with torch's threads is never forked; they end with the pool, with the
process that opened it however that ends, and on Ctrl-C.
"""

import contextlib
import json
import os
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

from qgen.programs.allowed import SOURCE
from qgen.programs.outcome import REASONS, Limits, Outcome

_START = 120.0  # seconds for a server's imports on a machine that is busy
_GRACE = 10.0  # seconds beyond a program's own, after which its server counts as dead
_ENTRY = "import sys; sys.path[:] = {path!r}; from qgen.programs.server import main; main()"


class NoWallError(RuntimeError):
    """This machine has nothing that would hold a hostile program."""


class Pool:
    """Warm workers for programs. Safe to use from several threads, one run at a time.

    Args:
        workers: servers, one program at a time each; None for as many as this process may use cores, at most 8.
        weak: whether to run programs too where system calls cannot be filtered (macOS, other processors): then the
            fence, the limits that there are, and the kill are all that holds them.

    Raises:
        NoWallError: at the first run, where system calls cannot be filtered and `weak` is False.
        RuntimeError: where servers do not start, or cannot put up their wall.
    """

    def __init__(self, workers: int | None = None, weak: bool = False):
        self.workers = workers or min(8, _cores())
        self.weak = weak
        self._servers: list[_Server] = []
        self._lock = RLock()
        self._owner = os.getpid()

    def run(
        self,
        programs: Sequence[str],
        limits: Limits | None = None,
        *,
        fence: bool = True,
        wanted: Callable[[int], bool] = lambda index: True,
    ) -> list[Outcome]:
        """What became of each program, in their order.

        Args:
            programs: Python sources.
            limits: what each may use.
            fence: False runs programs that the fence would refuse, to show that the wall holds them; for tests alone.
            wanted: is asked, when a program's turn has come, whether it shall run; its place among them is given.
        """
        self._as_own()
        limits = limits or Limits()
        outcomes: list[Outcome | None] = [_unfit(program) for program in programs]
        waiting = deque(index for index, outcome in enumerate(outcomes) if outcome is None)
        with self._lock:
            if waiting:
                try:
                    self._open(len(waiting))
                    self._work(programs, limits, fence, outcomes, waiting, wanted)
                except BaseException:  # Ctrl-C too: no program goes on after its caller has left
                    self.close()
                    raise
        return [outcome for outcome in outcomes if outcome is not None]

    def protection(self) -> str:
        """What holds programs on this machine, a line for each part of the wall."""
        self._as_own()
        with self._lock:
            self._open(1)
            return _told(self._servers[0].wall)

    def close(self) -> None:
        """End the servers, and whatever they run. It waits for a `run` of another thread."""
        self._as_own()
        with self._lock:
            while self._servers:
                self._servers.pop().kill()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _as_own(self) -> None:
        """In a fork: its parent's servers are not its own, and whoever held the lock is not there to give it back."""
        if self._owner != os.getpid():
            self._servers, self._lock, self._owner = [], RLock(), os.getpid()

    def _open(self, wanted: int) -> None:
        fresh = [_Server() for _ in range(min(self.workers, wanted) - len(self._servers))]
        self._servers += fresh
        for server in fresh:
            server.ready()
            if server.wall["seccomp"] and not self.weak:
                raise NoWallError(
                    f"programs that a model wrote are not run here: {_told(server.wall)}\nRun them on Linux on x86-64 "
                    "or arm64, or accept what is left with Pool(weak=True)"
                )

    def _work(
        self,
        programs: Sequence[str],
        limits: Limits,
        fence: bool,
        outcomes: list,
        waiting: deque[int],
        wanted: Callable[[int], bool],
    ) -> None:
        tries: dict[int, int] = {}
        with selectors.DefaultSelector() as selector:
            busy: set[_Server] = set()
            idle = list(self._servers)
            while waiting or busy:
                while waiting and idle:
                    index = waiting.popleft()
                    if not wanted(index):
                        outcomes[index] = Outcome(reason="killed", detail="nobody waited for it any more")
                        continue
                    server = idle.pop()
                    if server.give(index, programs[index], limits, fence):
                        selector.register(server.pipe, selectors.EVENT_READ, server)
                        busy.add(server)
                    else:
                        idle.append(self._again(server, outcomes, waiting, tries))
                left = min((server.until for server in busy), default=0.0) - time.monotonic()
                ready = {key.data for key, _ in selector.select(max(left, 0.0))}
                for server in [s for s in busy if s in ready or s.until < time.monotonic()]:
                    busy.discard(server)
                    selector.unregister(server.pipe)
                    reply = server.take() if server in ready else None
                    if reply is None:
                        idle.append(self._again(server, outcomes, waiting, tries))
                        continue
                    outcomes[server.index] = _outcome(reply)
                    idle.append(server)

    def _again(self, dead: "_Server", outcomes: list, waiting: deque[int], tries: dict[int, int]) -> "_Server":
        """A server in the place of a dead one; its program waits once more, and no more than once."""
        tries[dead.index] = tries.get(dead.index, 0) + 1
        if tries[dead.index] > 1:
            outcomes[dead.index] = Outcome(reason="killed", detail="its server died, twice")
        else:
            waiting.append(dead.index)
        dead.kill()
        self._servers.remove(dead)
        new = _Server()
        self._servers.append(new)
        new.ready()
        return new


class _Server:
    """One fork server, as its caller sees it."""

    def __init__(self):
        path = [os.path.abspath(place) for place in sys.path]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _ENTRY.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": os.defpath, "QGEN_PROGRAMS": str(os.getpid())},
            cwd="/",
            start_new_session=True,  # a terminal's Ctrl-C is for the caller, who ends this one
        )
        pipes: Any = self._process  # its three are None for another Popen
        self._stdin, self.pipe, self._stderr = pipes.stdin, pipes.stdout, pipes.stderr
        self.index, self.until = -1, 0.0
        self.wall: dict[str, Any] = {}

    def ready(self) -> None:
        """Wait until it has imported what programs use."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.pipe, selectors.EVENT_READ)
            self.wall = (self.take() if selector.select(_START) else None) or {}
        if "ready" not in self.wall:
            os.killpg(self._process.pid, signal.SIGKILL)
            said = self._stderr.read().decode(errors="replace").strip().splitlines()
            self.kill()
            raise RuntimeError(
                f"the server that runs programs did not start: {said[-1] if said else 'it said nothing'}"
            )

    def give(self, index: int, source: str, limits: Limits, fence: bool) -> bool:
        """Send it a program; False where it is dead."""
        job = {"source": source, "fence": fence, "seconds": limits.seconds, "clock": limits.clock}
        data = json.dumps(job | {"memory": limits.memory, "output": limits.output}).encode()
        self.index, self.until = index, time.monotonic() + limits.clock + _GRACE
        try:
            self._stdin.write(struct.pack(">I", len(data)) + data)
            self._stdin.flush()
        except OSError:
            return False
        return True

    def take(self) -> dict[str, Any] | None:
        """Its reply; None where it is dead."""
        head = self.pipe.read(4)
        if len(head) < 4:
            return None
        (length,) = struct.unpack(">I", head)
        body = self.pipe.read(length)
        return json.loads(body) if len(body) == length else None

    def kill(self) -> None:
        """End it and all it started, and return once they are gone."""
        self._process.terminate()  # its launcher ends the namespace, and waits for that
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._stdin, self.pipe, self._stderr):
            with contextlib.suppress(OSError):  # what was not sent any more
                pipe.close()


def _unfit(program: str) -> Outcome | None:
    """The outcome of what need not be sent anywhere."""
    if not isinstance(program, str):
        raise TypeError(f"a program is a text, not {type(program).__name__}")
    return (
        Outcome(reason="refused", detail=f"line 1: longer than {SOURCE} characters") if len(program) > SOURCE else None
    )


def _outcome(reply: dict[str, Any]) -> Outcome:
    """A reply as an outcome; of a program that wrote its own reply, only what has the right form."""
    if "broken" in reply:
        raise RuntimeError(f"programs cannot be run here: {reply['broken']}")
    kept = {key: str(reply.get(key, "")) for key in ("answer", "printed", "reason", "detail")}
    if kept["reason"] and kept["reason"] not in REASONS:
        kept = {"reason": "killed", "detail": "its reply was none"}
    elif not kept["reason"] and not kept["answer"]:
        kept["reason"] = "empty"
    return Outcome(**kept, exact=reply.get("exact") is True, seconds=float(reply.get("seconds", 0.0)))


def _told(wall: dict[str, Any]) -> str:
    lines = [f"fence: yes; time, and a kill of the session: yes; memory: {'yes' if sys.platform == 'linux' else 'no'}"]
    for part in ("seccomp", "namespaces"):
        why = wall.get(part)
        lines.append(f"{part}: {f'no ({why})' if why else 'yes'}")
    return "; ".join(lines)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
