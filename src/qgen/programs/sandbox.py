"""The wall: what the operating system lets a program's process do, whatever the program says.

    what                        holds on                      keeps a program from
    system calls (seccomp)      Linux, x86-64 and arm64       opening any file, sockets, other processes, signals, sleep
    namespaces                  Linux, where users may        the network and other processes, if a system call slipped
    resource limits             Linux; macOS but for memory   more than its time, memory; files of more than 0 bytes
    its own session, killed     everywhere                    outliving its time
    another user, where root    everywhere without namespaces root's rights

Of 37 calls that are left, none opens anything: what a program can do to the machine is to compute and to write into
the one pipe that its answer comes through. Without seccomp only fence, limits and the kill are left, and a pool is not
opened unless the caller says that this is enough.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys

_READ, _X86, _ARM = 0, 0xC000003E, 0xC00000B7
# fmt: off
_CALLS = {  # read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn mremap
    # madvise getpid exit exit_group futex clock_gettime clock_getres gettimeofday getrandom sigaltstack sched_yield
    # getrusage gettid restart_syscall; x86-64's time
    "x86_64": (_X86, (0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 25, 28, 39, 60, 231, 202, 228, 229, 96, 318, 131, 24,
                      98, 186, 219, 201)),
    "aarch64": (_ARM, (63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 216, 233, 172, 93, 94, 98, 113, 114, 169,
                       278, 132, 124, 165, 178, 128)),
}
# fmt: on
_NEWUSER, _NEWPID, _NEWNET, _NEWIPC, _NEWUTS = 0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x04000000
_PDEATHSIG, _NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 1, 38, 22, 2
_NOBODY = 65534


def namespaces() -> str:
    """Give the processes that this one forks from here on namespaces of their own, without a network; '' where that is
    done, else why not. The first of them is the others' init: when it ends, the kernel ends them all."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has none"
    if _libc().unshare(_NEWUSER | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS):
        return f"unshare: {os.strerror(ctypes.get_errno())}"
    return ""


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that forked it ends (Linux; elsewhere nothing)."""
    if sys.platform.startswith("linux"):
        _libc().prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def unfiltered() -> str:
    """Why no filter of system calls can be put up here; '' where one can, as a process found that tried."""
    if not sys.platform.startswith("linux") or platform.machine() not in _CALLS:
        return f"none is written for {sys.platform} on {platform.machine()}"
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            _filter()
            with contextlib.suppress(PermissionError):
                os.open("/", os.O_RDONLY)
                os._exit(2)
            os._exit(0)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "" if code == 0 else f"the kernel refused one (status {code})"


def confine(seconds: float, memory: int, keep: int, filtered: bool, spaced: bool) -> None:
    """Put this process, just forked for one program, behind the wall; there is no way back.

    Args:
        seconds: of processor time, after which SIGPROF ends it; a second later SIGXCPU, then SIGKILL.
        memory: MiB of address space beyond what it has.
        keep: the only file descriptor that stays open, beside three of /dev/null.
        filtered: whether system calls are filtered; OSError where that fails.
        spaced: whether it is in namespaces of its own; where it is not, root becomes nobody.
    """
    os.setsid()
    end_with_parent()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # where the machine has no memory left, this one goes first
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGPROF, signal.SIGXCPU, signal.SIGCHLD):
        signal.signal(name, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, keep)
    os.closerange(keep + 1, max(keep + 1, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 65536 else 65536))
    _limits(seconds, memory)
    if not spaced and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        end_with_parent()  # a change of user forgets it
    signal.setitimer(signal.ITIMER_PROF, seconds)
    if filtered:
        _filter()


def _limits(seconds: float, memory: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime + seconds) + 2
    for name, soft, hard in (
        ("RLIMIT_CPU", spent, spent + 1),
        ("RLIMIT_FSIZE", 0, 0),
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_NOFILE", 8, 8),
        ("RLIMIT_NPROC", 0, 0),
        ("RLIMIT_AS", _held() + (memory << 20), _held() + (memory << 20)),
    ):
        with contextlib.suppress(ValueError, OSError, AttributeError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(getattr(resource, name), (soft, hard))


def _held() -> int:
    """Bytes of address space that this process has; where /proc is not there, enough for a worker."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 1 << 30


def _filter() -> None:
    """Let through the calls of the list, and answer all others with EPERM; calls of another architecture kill."""
    architecture, calls = _CALLS[platform.machine()]
    load, equal, give, above = 0x20, 0x15, 0x06, 0x35
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000 | 1
    rows = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0)]
    rows += [(above, 0, 1, 0x40000000), (give, 0, 0, kill)]  # x86-64's x32 calls have other numbers
    rows += [row for call in calls for row in ((equal, 0, 1, call), (give, 0, 0, allow))]
    rows += [(give, 0, 0, refuse)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in rows))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("rows", ctypes.c_void_p))

    filters = Program(len(rows), ctypes.addressof(program))
    libc = _libc()
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(filters), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    for name in ("prctl", "unshare"):
        if hasattr(libc, name):
            getattr(libc, name).argtypes = None
    return libc
