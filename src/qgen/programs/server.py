"""The fork server: a process that has imported SymPy, never torch, and forks a child for each program.

It reads jobs and writes replies, each four bytes of length and JSON, at its stdin and stdout, one at a time: a pool
runs one server a core. Where it can, it is init of a namespace of processes, so that whatever a program might have
started ends with it; its own end comes with the caller's, by the kernel or by the end of its stdin.
"""

import contextlib
import gc
import json
import os
import select
import signal
import struct
import sys
import time
from typing import Any

from qgen.programs import guard, sandbox
from qgen.programs.worker import NO_WALL, OUT_OF_MEMORY, work

_LOOK = 1.0  # seconds between looks whether the caller is still there
_KEYS = ("answer", "exact", "printed", "reason", "detail")
_REPLY = 16  # bytes of a reply for a character that may be printed, and then some


def main() -> None:
    caller = os.getppid()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)
    spaceless = sandbox.namespaces()
    if not spaceless:
        _launch(caller)
        caller = 0  # in its namespace of processes a parent outside has the number 0
    unfiltered = sandbox.unfiltered()
    guard.warm()
    gc.collect()
    gc.freeze()
    _write({"ready": os.getpid(), "namespaces": spaceless, "seccomp": unfiltered})
    while (job := _read(caller)) is not None:
        _write(_serve(job, not unfiltered, not spaceless))


def _launch(caller: int) -> None:
    """Go on as the first process of a new namespace; the one outside ends it when told to, or when the caller is gone,
    and waits until the kernel has ended all that is in it."""
    server = os.fork()
    if server == 0:
        sandbox.end_with_parent()
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(server, signal.SIGKILL))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    while os.waitpid(server, os.WNOHANG) == (0, 0):
        if os.getppid() != caller:
            os.kill(server, signal.SIGKILL)
        _wait_for_child()
    os._exit(0)


def _wait_for_child() -> None:
    """Until a child ends, or a look's time is over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    signal.sigtimedwait({signal.SIGCHLD}, _LOOK)


def _serve(job: dict[str, Any], filtered: bool, spaced: bool) -> dict[str, Any]:
    """Fork a child for a job, and say what became of it, in a time that the child has no say in."""
    start, (read, write) = time.monotonic(), os.pipe()
    child = os.fork()
    if child == 0:
        work(job, write, filtered, spaced)
    os.close(write)
    try:
        text, ending = _listen(read, start + job["clock"], _REPLY * job["output"] + 4096)
    finally:
        os.close(read)
        status = _ended(child, 0.05 if ending == "end" else 0.0)
        if spaced and os.getpid() == 1:  # init of its namespace: this reaches nothing outside of it
            _sweep()
    return _read_reply(text, ending, status) | {"seconds": round(time.monotonic() - start, 4)}


def _listen(pipe: int, deadline: float, room: int) -> tuple[bytes, str]:
    """What comes through the pipe, and how that ended: 'end', 'timeout', or 'output' where it was too much."""
    poll, text = select.poll(), b""
    poll.register(pipe, select.POLLIN)
    poll.register(0, 0)  # the caller's end: POLLHUP comes unasked
    while (left := deadline - time.monotonic()) > 0:
        for file, event in poll.poll(left * 1000):
            if file == 0:
                if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                    os._exit(0)
            elif chunk := os.read(pipe, 65536):
                text += chunk
                if len(text) > room:
                    return b"", "output"
            else:
                return text, "end"
    return b"", "timeout"


def _ended(child: int, grace: float) -> int:
    """The exit status of a child that had closed its pipe, or else was killed with all of its session."""
    until = time.monotonic() + grace
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            break
        time.sleep(0.0002)
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # before its setsid; macOS after its end
            kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _sweep() -> None:
    """End all other processes of this namespace: with the filter of system calls there are none."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)


def _read_reply(text: bytes, ending: str, status: int) -> dict[str, Any]:
    """A child's reply if it is one, else the reason that its end tells."""
    if ending != "end":
        return {"reason": ending, "detail": ""}
    try:
        reply = json.loads(text)
        if isinstance(reply, dict) and isinstance(reply.get("printed"), str):
            return {key: reply[key] for key in _KEYS if key in reply}
    except (ValueError, RecursionError):
        pass
    if status == OUT_OF_MEMORY:
        return {"reason": "memory", "detail": ""}
    if status == NO_WALL:
        return {"broken": "the wall could not be put up around a program"}
    if -status in (signal.SIGPROF, signal.SIGXCPU):
        return {"reason": "timeout", "detail": ""}
    return {"reason": "killed", "detail": signal.Signals(-status).name if status < 0 else f"exit code {status}"}


def _read(caller: int) -> dict[str, Any] | None:
    """The next job; None where the caller is gone."""
    while not select.select([0], [], [], _LOOK)[0]:
        if os.getppid() != caller:
            return None
    head = _exactly(4)
    body = _exactly(struct.unpack(">I", head)[0]) if head else None
    return json.loads(body) if body else None


def _exactly(count: int) -> bytes | None:
    parts = b""
    while len(parts) < count:
        chunk = os.read(0, count - len(parts))
        if not chunk:
            return None
        parts += chunk
    return parts


def _write(reply: dict[str, Any]) -> None:
    data = json.dumps(reply).encode()
    data = struct.pack(">I", len(data)) + data
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
