"""Programs through the pool: what becomes of them, and that the wall holds what no fence has seen."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from qgen.programs import REASONS, Limits, NoWallError, Pool, background, pool, run

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the whole wall stands on Linux alone")
SHORT = Limits(seconds=0.5, memory=128, output=1000)


@pytest.fixture(scope="module")
def warm():
    with Pool(workers=2) as two:
        yield two


def one(of: Pool, program: str, **kwargs):
    return of.run([program], SHORT, **kwargs)[0]


def test_programs_that_compute(warm):
    programs = {
        "print(sum(n for n in range(1000) if n % 3 == 0 or n % 5 == 0))": "233168",
        "print(pow(10, 2020, 13))": "3",
        "from fractions import Fraction\nprint(Fraction(1, 2) + Fraction(1, 3))": "5/6",
        "import sympy as sp\nx = sp.symbols('x')\nprint(sp.solve(x**2 - 2, x))": r"- \sqrt{2}, \sqrt{2}",
        "from sympy import *\nx = symbols('x')\nprint(nsolve(x**3 - 8, x, 1))": "2.0",
        "from sympy import *\nprint(S.Reals, sympify('1/3') + Rational(1, 6))": "Reals 1/2",
        "import sympy as s\nx = s.Symbol('x')\nprint(s.calculus.util.continuous_domain(s.sqrt(x), x, s.S.Reals))":
        r"\left[0, \infty\right)",
        "from itertools import permutations\nprint(len(set(permutations('banana'))))": "60",
        "from functools import cache\n@cache\ndef f(n): return n and f(n - 1) + n\nprint(f(900))": "405450",
        "print('step', 1)\nprint('The answer is', 7)\nexit()": "7",
    }  # fmt: skip
    outcomes = warm.run(list(programs), Limits(seconds=3))
    for (program, answer), outcome in zip(programs.items(), outcomes, strict=True):
        told = outcome.answer if answer != "2.0" else str(round(float(outcome.answer), 6))
        assert (told, outcome.reason) == (answer, ""), (program, outcome)
    assert [outcome.exact for outcome in outcomes] == [True] * 4 + [False] + [True] * 5


@pytest.mark.parametrize(
    ("program", "reason", "detail"),
    [
        ("import os", "refused", "line 1: the module os"),
        ("x = 1\nprint(x.__class__)", "refused", "line 2: the name __class__"),
        ("print(1 / 0)", "error", "line 1: ZeroDivisionError: division by zero"),
        ("print(", "error", "line 1: SyntaxError"),
        ("from math import cot", "error", "ImportError: cannot import name 'cot'"),
        ("while True: pass", "timeout", ""),
        ("print(10**10**10)", "timeout", ""),
        ("x = [0] * 10**9", "memory", ""),
        ("x = 'x'\nwhile True:\n    try: x += x\n    except Exception: pass", "timeout", ""),
        ("while True:\n    try: print('x' * 99)\n    except Exception: pass", "output", "more than 1000"),
        ("def f(n): return f(n + 1)\nf(0)", "error", "RecursionError"),
        ("print.room = 10**9", "error", "AttributeError"),
        ("print(type(int)('A', (), {}))", "error", "TypeError: type() of a class"),
        ("from sympy import FunctionClass", "error", "ImportError"),
        ("def f(n): return n", "empty", ""),
        ("x = None", "empty", ""),
        ("print('\\n  ')", "empty", ""),
        ("#" * 60_000, "refused", "longer than"),
        ("print('\ud800')", "refused", "surrogates"),
        ("from sympy import S\nprint(S('().__class__'))", "refused", "the name __class__"),
        ("from sympy import solve\nprint(solve('open(\"/etc/passwd\")'))", "error", ""),
        (
            "from sympy import *\ny = Symbol('y')\nprint(nsolve(Symbol('__import__(\"os\").getpid()') + y, y, 1))",
            "",
            "",
        ),
    ],
)
def test_reasons(warm, program, reason, detail):
    outcome = one(warm, program)
    if reason:
        assert outcome.reason == reason, outcome
        assert outcome.reason in REASONS
        assert detail in outcome.detail
    else:
        assert not outcome.ran


def test_a_program_that_prints_nothing_shows_its_last_value(warm):
    programs = {
        "total = sum(range(5))": "10",
        "total = 1\ntotal += 6  # what a notebook would not show": "7",
        "total: int = 4": "4",
        "from math import comb\ncomb(5, 2)": "10",
        "def f(n):\n    return n * 2\nf(21)": "42",
        "def solution():\n    return 12": "12",
        "x = 5\nprint(3)": "3",
        "x = 5\ny = [1]\ny.append(x)": "",
        "def f():\n    print(2)\nx = 5": "",
    }
    for (program, answer), found in zip(programs.items(), warm.run(list(programs), SHORT), strict=True):
        assert (found.answer, found.reason) == (answer, "" if answer else "empty"), program


HOLES = {  # with the fence off, each of these is Python that would do it
    "read": "import os\nprint(os.read(os.open('/etc/passwd', 0), 9))",
    "open": "import io\nprint(io.open('/etc/hostname').read())",
    "write": "import os\nos.open('{watch}/x', 65, 511)\nprint('done')",
    "list": "import os\nprint(os.listdir('/'))",
    "unlink": "import os\nos.unlink('{watch}/keep')\nprint('done')",
    "shell": "import os\nprint('done' if os.system('touch {watch}/x') == 0 else 1 / 0)",
    "fork": "import os\nos.fork()\nprint('done')",
    "thread": "import _thread\n_thread.start_new_thread(print, (1,))",
    "socket": "import _socket\n_socket.socket()\nprint('done')",
    "kill the server": "import os\nos.kill(os.getppid(), 9)\nprint('done')",
    "kill all": "import os\nos.kill(-1, 9)\nprint('done')",
    "signal the caller": "import os\nos.kill({pid}, 10)\nprint('done')",
    "a deeper way": "(g for g in ()).gi_frame.f_builtins['__import__']('posix').mkdir('{watch}/x')\nprint('done')",
    "SymPy": 'import sympy\nprint(sympy.sympify(\'__import__("os").listdir("/")\'))',
    "ignoring signals": "import signal\n[signal.signal(n, signal.SIG_IGN) for n in (15, 24, 27)]\nwhile True: pass",
    "forged": 'import os\n[os.write(n, b\'{"printed": "", "broken": 1}\') for n in range(3, 9) if n]\nprint(\'done\')',
    "closed": "import os\nos.closerange(0, 64)\nwhile True: pass",
    "flood": "import os\nwhile True:\n  for n in range(3, 9):\n    try: os.write(n, b'x' * 99)\n    except: 0",
    "crash": "import ctypes\nctypes.string_at(1)",
    "exit": "import os\nos._exit(0)",
    "text that raises": "class A:\n    def __str__(self): raise BaseException\nprint(A())",
    "text without end": "class A(Exception):\n    def __str__(self):\n        while True: pass\nraise A",
}


@LINUX
@pytest.mark.parametrize("hole", HOLES)
def test_the_wall_alone_holds(warm, hole, tmp_path):
    (tmp_path / "keep").touch()
    tmp_path.chmod(0o777)
    program = HOLES[hole].replace("{watch}", str(tmp_path)).replace("{pid}", str(os.getpid()))
    outcome = one(warm, program, fence=False)
    assert not outcome.ran, outcome
    assert outcome.seconds < SHORT.clock + 1
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]
    assert one(warm, "print(1)").answer == "1"


@LINUX
def test_without_namespaces_and_as_nobody_the_filter_still_holds(monkeypatch, tmp_path):
    monkeypatch.setattr(pool, "_ENTRY", pool._ENTRY.replace("from qgen", PATCH.format("namespaces") + "from qgen", 1))
    with Pool(workers=1) as alone:
        assert "namespaces: no (off for a test)" in alone.protection()
        assert one(alone, HOLES["kill the server"], fence=False).reason == "error"
        assert one(alone, HOLES["read"], fence=False).reason == "error"
        assert one(alone, "print(2)").answer == "2"


PATCH = "import qgen.programs.sandbox as s; s.{} = lambda: 'off for a test'; "


@LINUX
def test_without_a_filter_it_is_said_and_what_forks_is_swept(monkeypatch):
    monkeypatch.setattr(pool, "_ENTRY", pool._ENTRY.replace("from qgen", PATCH.format("unfiltered") + "from qgen", 1))
    with Pool(workers=1) as strict, pytest.raises(NoWallError, match=r"(?s)seccomp: no .off for a test.*weak=True"):
        strict.run(["print(1)"])
    before = len(family(os.getpid()))
    with Pool(workers=1, weak=True) as weak:
        if "namespaces: no" in weak.protection():
            pytest.skip("no namespaces here")
        fork = "import os\nfor _ in range(4): os.fork()\nos.setsid() if os.getpid() % 2 else 0\nwhile True: pass"
        assert one(weak, fork, fence=False).reason == "timeout"
        assert one(weak, "print(1)").answer == "1"
        assert len(family(os.getpid())) == before + 2  # launcher and server


def family(caller: int) -> list[psutil.Process]:
    """The servers, and what they started, of the pools of a process."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("QGEN_PROGRAMS") == str(caller) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_server_that_dies_is_replaced(warm):
    warm.run(["print(1)"] * 2)
    for server in warm._servers:
        os.killpg(server._process.pid, signal.SIGKILL)
    assert [outcome.answer for outcome in warm.run(["print(1)"] * 4)] == ["1"] * 4


@LINUX
def test_nothing_of_a_pool_is_left_when_it_has_closed():
    before = set(family(os.getpid()))
    for _ in range(5):
        with Pool(workers=2) as several:
            several.run(["print(1)"] * 2)
        assert set(family(os.getpid())) <= before


@LINUX
def test_a_server_that_stands_still_is_replaced(monkeypatch):
    monkeypatch.setattr(pool, "_GRACE", 0.2)
    before = family(os.getpid())
    with Pool(workers=1) as alone:
        assert one(alone, "print(1)").answer == "1"
        stopped = set(family(os.getpid())) - set(before)
        for process in stopped:
            process.suspend()
        assert alone.run(["print(2)"], Limits(seconds=0.2))[0].answer == "2"
        assert not stopped & set(family(os.getpid()))


CALLER = """
import signal, sys
from qgen.programs import Limits, run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to Ctrl-C
{before}
run(['print(1)'])
print('warm', flush=True)
{then}
"""


@LINUX
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_its_caller(how):
    busy = "run(['while True: pass'] * 9, Limits(seconds=60))"
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER.format(before="", then=busy)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert caller.stdout.readline() == b"warm\n"
    time.sleep(0.3)
    assert family(caller.pid)
    caller.send_signal(how)
    caller.communicate(timeout=90)
    until = time.monotonic() + 5
    while (left := family(caller.pid)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left


def test_torch_is_not_forked_and_a_fork_has_its_own_servers():
    assert [outcome.answer for outcome in run(["print(1)", "print(2)"])] == ["1", "2"]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if run(["print(3)"])[0].answer == "3" else 2
            background._shared.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run(["print(4)"])[0].answer == "4"
    background._shared.close()


def test_a_package_that_sympy_cannot_use_keeps_no_server_from_starting(tmp_path, monkeypatch):
    fault = "def initialize():\n    raise RuntimeError('deprecated')\n"  # llvmlite 0.50, on the first GPU machine
    for package in ("llvmlite", "aesara"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(fault + "initialize()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with Pool(workers=1) as pool:
        assert one(pool, "from sympy import *\nprint(factorint(60)[2])").answer == "2"


def test_limits_and_programs_that_make_no_sense():
    with pytest.raises(ValueError, match="limits"):
        Limits(seconds=0)
    with pytest.raises(TypeError, match="a text, not NoneType"):
        Pool().run([None])
    assert Pool().run([]) == []


@pytest.mark.slow
def test_the_benchmark_holds_for_a_few_hundred():
    script = Path(__file__).parents[2] / "benchmarks" / "programs.py"
    done = subprocess.run([sys.executable, script, "400", "100", "7"], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout


def test_programs_that_are_submitted_run_beside_their_caller(monkeypatch):
    began = time.monotonic()
    endless, *rest = [background.submit(program, SHORT) for program in ("while True: pass", "print(1)", "import os")]
    assert time.monotonic() - began < 0.4
    assert [future.result().reason or future.result().answer for future in rest] == ["1", "refused"]
    assert endless.result().reason == "timeout"
    assert background.submit("print(2)").result().answer == "2"

    def broken(*_, **__):
        raise NoWallError("no wall")

    monkeypatch.setattr(Pool, "run", broken)
    with pytest.raises(NoWallError, match="no wall"):
        background.submit("print(3)").result()
    monkeypatch.undo()
    assert background.submit("print(4)").result().answer == "4"


def test_a_program_whose_caller_has_gone_is_not_begun(monkeypatch):
    ran, begun, go = [], threading.Event(), threading.Event()
    give = pool._Server.give

    def held(server, index, source, *args):
        ran.append(source)
        begun.set()
        go.wait(10)
        return give(server, index, source, *args)

    monkeypatch.setattr(pool._Server, "give", held)
    first = background.submit("print(1)", SHORT)
    assert begun.wait(10)
    assert background.submit("print(5)", SHORT).cancel()
    go.set()
    assert first.result().answer == "1"
    assert background.submit("print(6)", SHORT).result().answer == "6"
    assert ran == ["print(1)", "print(6)"]


def test_one_that_waits_for_others_handed_over_with_it_is_not_begun_either():
    run(["print(1)"] * 8)  # the servers are there
    futures = [background.submit(f"while True: {number}", SHORT) for number in range(40)]
    time.sleep(0.3)  # all have been taken, and most have not begun
    gone = sum(future.cancel() for future in futures)
    assert gone >= 40 - 3 * background._kept().workers
    assert background.submit("print(2)", SHORT).result(10).answer == "2"


@pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt"])
def test_python_ends_without_waiting_for_all_that_was_submitted(end):
    script = f"""
import time
from qgen.programs import Limits, run, submit
run(["print(1)"])
futures = [submit(f"while True: {{n}}", Limits(seconds=1)) for n in range(100)]
print("begun", flush=True)
time.sleep(0.5)
{end}
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"begun\n"
        process.wait(10)  # all of them take 100 s on one core, and 12 on eight


@LINUX
def test_a_fork_made_while_programs_run_runs_its_own():
    script = """
import os, signal, time
from qgen.programs import Limits, run, submit
run(["print(1)"])
futures = [submit(f"while True: {n}", Limits(seconds=1)) for n in range(4)]
time.sleep(0.3)
child = os.fork()
if child == 0:
    signal.alarm(30)  # a lock that nobody gives back
    print(run(["print(6)"])[0].answer, submit("print(7)").result().answer, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], {future.result().reason for future in futures})
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=90)
    assert done.stdout == "6 7\n0 {'timeout'}\n", done.stderr
