"""Do fence and wall hold, and how fast: python benchmarks/programs.py [N [M [SEED]]]  (10,000, 2,500 and 0 unless told)

First N hostile and broken programs of many families, each drawn anew, with programs whose answer is known among them,
through the pool as it is; then M with the fence switched off, so that the wall alone holds them; then programs a
second. What took effect is looked for where it would show: in what was
printed, in a directory that anybody may write to, at a listening socket, in signals, and among the processes.
"""

import math
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import psutil

from qgen.programs import Limits, Outcome, Pool

LIMITS = Limits(seconds=0.25, memory=256, output=2000)
EFFECT = "EFFECT"
WATCH, PORT = tempfile.mkdtemp(prefix="qgen-programs-"), 0
Family = Callable[[random.Random], str]

ROUTES = {  # Python expressions that give the module os, or would
    "__import__": "__import__('os')",
    "subclasses": "[c.__init__.__globals__ for c in ().__class__.__base__.__subclasses__() if hasattr(c.__init__, "
    "'__globals__') and 'sys' in c.__init__.__globals__][0]['sys'].modules['os']",
    "mro": "''.__class__.__mro__[1].__subclasses__()[0].__class__.__call__.__self__ and __import__('os')",
    "builtin's self": "sum.__self__.__import__('os')",
    "function's globals": "(lambda: 0).__globals__['__builtins__'].__import__('os')",
    "generator's frame": "(g for g in [1]).gi_frame.f_builtins['__import__']('os')",
    "comprehension": "[b('os') for b in [(g for g in ()).gi_frame.f_builtins['__import__']]][0]",
    "reduce": "[].__reduce_ex__(2)[0].__globals__['__builtins__']['__import__']('os')",
    "print's class": "print.__func__.__globals__['__builtins__']['__import__']('os')",
    "eval": "eval(\"__imp\" + \"ort__('os')\")",
    "getattr": "getattr(sum, '__se' + 'lf__').__import__('os')",
    "vars": "vars(sum.__self__)['__import__']('os')",
    "attrgetter": "__import__('operator').attrgetter('__self__')(sum).__import__('os')",
    "SymPy's modules": "__import__('sympy').core.sympify.__builtins__['__import__']('os')",
    "sympify": "__import__('sympy').sympify(\"__import__('os')\", locals={'__import__': __import__})",
    "sys.modules": "__import__('sys').modules['os']",
    "importlib": "__import__('importlib').import_module('os')",
    "posix": "__import__('posix')",
}  # fmt: skip
EFFECTS = {  # what a program does with it; {0} is the module
    "read": "t = {0}.read({0}.open('/etc/passwd', 0), 99)\nprint('EFFECT' if b'root' in t else '')",
    "open": "t = open('/etc/hostname').read()\nprint('EFFECT', t)",
    "list": "print('EFFECT', {0}.listdir('/'))",
    "write": "{0}.write({0}.open('{watch}/{n}', 65, 511), b'x')\nprint('EFFECT')",
    "mkdir": "{0}.mkdir('{watch}/{n}')\nprint('EFFECT')",
    "unlink": "{0}.unlink('{watch}/keep')\nprint('EFFECT')",
    "link": "{0}.symlink('/etc', '{watch}/{n}')\nprint('EFFECT')",
    "shell": "print('EFFECT' if {0}.system('touch {watch}/{n}') == 0 else '')",
    "exec": "{0}.execv('/bin/sh', ['sh', '-c', 'touch {watch}/{n}'])",
    "fork": "{0}.fork()\nprint('EFFECT')",
    "fork bomb": "while True:\n    try:\n        {0}.fork(), print('EFFECT')\n    except OSError:\n        pass",
    "kill": "{0}.kill({pid}, 10)\nprint('EFFECT')",
    "kill all": "{0}.kill(-1, 10)\nprint('EFFECT')",
    "subprocess": "import subprocess\nprint(subprocess.run(['/bin/touch', '{watch}/{n}']))\nprint('EFFECT')",
    "socket": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\nprint('EFFECT')",
    "udp": "import socket\nsocket.socket(2, 2).sendto(b'x', ('127.0.0.1', {port}))\nprint('EFFECT')",
    "thread": "import _thread\n_thread.start_new_thread(print, (1,))\nprint('EFFECT')",
    "library": "import ctypes\nprint('EFFECT' if ctypes.CDLL(None).system(b'touch {watch}/{n}') == 0 else '')",
    "pipe": "{0}.pipe()\nprint('EFFECT')",
    "memory file": "{0}.memfd_create('x')\nprint('EFFECT')",
    "priority": "{0}.nice(-5)\nprint('EFFECT')",
    "limits": "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))\nprint('EFFECT')",
    "alarm": "import signal\nsignal.alarm(1)\nsignal.setitimer(2, 0)\nprint('EFFECT')",
}  # fmt: skip
TAMPERING = (  # with the fence off: what only harms the program's own process, or tries to reach the server by its pipe
    "class A:\n    def __str__(self): return self.x\n    def __getattr__(self, n): return str(self)\nprint(A())",
    "import os\n[os.write(fd, b'{{\"broken\": 1, \"printed\": \"\"}}') for fd in range(3, 9) if 1 - 0]",
    "import signal\n[signal.signal(n, signal.SIG_IGN) for n in (14, 15, 24, 27)]\nwhile True: pass",
    "import os\nfor fd in range(64):\n    try: os.write(fd, b'x' * {n})\n    except OSError: pass",
    "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E", "import os\nos.closerange(0, 64)",
    "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return [f(n + 1)]\nf(0)", "import os\nos.kill(os.getpid(), 9)",
    "class A:\n    def __str__(self): raise BaseException('{n}')\nprint(A())", "import os\nos.write = lambda fd, b: 0",
    "class I(int):\n    def __str__(self): return 'x' * {n}0000\nprint(I(1))", "import os\nos._exit({n} % 256)",
    "class A:\n    def __del__(self):\n        while True: pass\na = A()", "import os\nos.setsid()\nwhile True: pass",
    "import gc\n[o.clear() for o in gc.get_objects() if type(o) is dict]", "import sys\nsys.exit({n})",
    "import json\njson.dumps = lambda *a, **k: 'x' * 10**7", "import sys\nsys.stdout = None\nsys.stdout.write(1)",
    "import os\nos.closerange(0, 64)\nwhile True: pass", "import sys\nsys.modules.clear()\nprint({n} + )",
    "import ctypes\nctypes.string_at({n} % 4096)", "raise KeyboardInterrupt", "import os\nos.abort()",
)  # fmt: skip
SUBSET = (  # no Python that programs may be written in, whatever it does
    "try:\n    raise ExceptionGroup('', [ValueError({n})])\nexcept* ValueError as e:\n    print(e)", "print(input())",
    "from sympy import Integer, sqrt\nprint(sqrt(\"[c for c in ().__class__.__mro__]\"))", "e = globals()\nprint(e)",
    "from sympy import *\nf = sympify('lambda: __import__(\"os\")')\nprint(f)", "'{{0.__class__.__mro__}}'.format({n})",
    "from sympy import sympify\nprint(sympify('().__class__.__base__'))", "from fractions import operator\nprint({n})",
    "try:\n    ({n}).x\nexcept AttributeError as e:\n    print(e.obj)", "from sympy import *\nprint(parse_expr('{n}'))",
    "from sympy import S\nprint(S('open(\"{watch}/{n}\", \"w\")'))", "s = '{{0.real.__class__}}'\nprint(s.format({n}))",
    "import sympy\nprint(sympy.core.sympify.sympify.__globals__)", "match {n}:\n    case object(__class__=c): print(c)",
    "from sympy.utilities.autowrap import autowrap\nprint({n})", "from sympy import solve\nprint(solve('({n}).real'))",
    "from functools import update_wrapper as u\nprint({n})", "print('{{0.__init__.__globals__}}'.format(print))",
    "print('{{x.__class__}}'.format_map({{'x': {n}}}))", "from sympy import *\nprint(Symbol('x').__class__)",
    "async def f(): return {n}\nprint(f().cr_frame)", "import sympy\nprint(sympy.utilities.misc.sys)", "breakpoint()",
    "print('{{:{{0.__class__}}}}'.format({n}))", "print(str.format('{{0.__doc__}}', {n}))", "ｐrint(__ｉmport__('os'))",
    "from sympy import preview\npreview({n})", "from sympy import lambdify\nprint({n})", "class A: x = {n}\nprint(A.x)",
    "from statistics import sys\nprint({n})", "from math import *\nprint(__loader__)", "import builtins\nprint({n})",
    "print(type('A', (), {{'n': {n}}}).n)", "print(print.lines)\nprint._values", "import os.path as sympy",
    "@exec\ndef f(): pass", "f'{{().__class__}}'", "print(help)",
)  # fmt: skip
BROKEN = (
    "import math\nprint(math.nothing_{n})", "from sympy import nothing_{n}", "print()\nprint(' ' * {n})", "print({n}))",
    "\tprint(1)\n  print({n}", "raise ValueError('{n}')", "```python\nprint({n})", "print(undefined_{n})", "return {n}",
    "assert {n} < 0, 'no'", "'\ud800{n}'\nprint(", "print(int('x{n}'))", "if {n}:\nprint(1)", "print(None + {n})", "",
    "def f(:\n  pass", "print('\0', {n}", "print([1][{n}])", "print({n} / 0)", "\0print({n})", "{n}{n} print", "# {n}",
    "“print({n})”", "print(‘{n}’)", "print({n}", "x = = {n}", "x = {n}", "pass",
)  # fmt: skip
GREEDY = (  # reason that each must end with: any but that it ran
    "from sympy import *\nprint(factorint(prime({n}0000) * nextprime(10**40) * nextprime(10**41)))", "while True: pass",
    "from decimal import *\ngetcontext().prec = 10**{k}\nprint(Decimal(2).sqrt() * {n})", "print(sum(range(10**{k}0)))",
    "from fractions import Fraction as F\nx = F(1, {n})\nwhile True: x = x * x + 1", "print(format({n}, '1000000000'))",
    "from decimal import *\ngetcontext().prec = 10**6\nprint(Decimal({n}).exp())", "x = [{n}]\nwhile True: x += x",
    "from sympy import *\nprint(expand((Symbol('x') + Symbol('y') + {n})**9999))", "print(pow(3, 10**10**{k}, 7))",
    "from itertools import *\nprint(len(list(product(range(99), repeat={k}))))", "print(f'{{1:{n}000000000}}')",
    "x = 'ab'\nwhile True:\n    try: x += x\n    except Exception: pass", "from sympy import *\nprint(prime(10**1{k}))",
    "while True:\n    try: print('x' * 999)\n    except Exception: pass", "from sympy import *\nprint(N(pi, 10**{k}))",
    "def f(n): return g(n)\ndef g(n): return f(n)\nprint(f({n}))", "x = []\nfor i in range(10**9): x = [x]\nprint(x)",
    "d = {{}}\nn = 0\nwhile True:\n    d[n] = str(n)\n    n += 1", "def g():\n    yield from g()\nprint(list(g()))",
    "from itertools import count\nfor i in count({n}): pass", "from math import factorial\nprint(factorial({n}00000))",
    "from sympy import *\nprint(S('{k}**{k}**{k}**{k}'))", "def f(n): return f(n + 1) + 1\nprint(f({n}))",
    "print(list(range(10**{k})))", "print(len(str(7**10**{k})))", "f = lambda n: f(n)\nf({n})", "print(9**9**{k} % 7)",
    "print('%{n}00000000d' % 1)", "print('1'.ljust(10**1{k}))", "n = {n}\nwhile n: n += 1", "print(max(iter(int, 1)))",
    "while True: print({n})", "print([0] * 10**{k})", "print('x' * 10**{k})", "print('x' * {n}0000)",
    "print(10**10**{k})",
)  # fmt: skip


def hostile(rng: random.Random) -> tuple[str, str]:
    """A family's name, and a program that would do something to the machine if fence or wall had a hole."""
    route, effect = rng.choice(list(ROUTES)), rng.choice(list(EFFECTS))
    text = EFFECTS[effect].replace("{0}", "m")
    for name, value in {"watch": WATCH, "n": f"f{rng.randrange(10**9)}", "pid": os.getpid(), "port": PORT}.items():
        text = text.replace(f"{{{name}}}", str(value))
    text = f"m = {ROUTES[route]}\n{text}"
    match rng.randrange(4):
        case 1:
            text = "def main():\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "main()"
        case 2:
            text = "try:\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "except ValueError:\n    pass"
        case 3:
            text = f"from math import comb\nx = comb({rng.randrange(9, 30)}, 4)\n{text}\nprint(x)"
    return f"to os by {route}" if rng.random() < 0.5 else f"os: {effect}", text


def drawn(templates: tuple[str, ...]) -> Family:
    def draw(rng: random.Random) -> str:
        values = {"n": rng.randrange(2, 999), "k": rng.randrange(8, 10), "watch": WATCH}
        text = rng.choice(templates)
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text.replace("{{", "{").replace("}}", "}") + "\n" * rng.randrange(3)

    return draw


def deep(rng: random.Random) -> str:
    """Source that is nested or long beyond reason."""
    n = rng.choice((150, 1000, 8000, 24_000))
    return rng.choice((
        "(" * n + ")" * n, "[" * n + "]" * n, "-" * n + "1", "not " * n + "1", "+".join("1" * n) + "\nprint(",
        "lambda: " * n + "0", "x" + ".x" * n, "x" + "[0]" * n, "if 1:" * n + "pass", "1" * 40 * n + "y", "#" * 10**6,
        "".join(" " * i + "if 1:\n" for i in range(n % 2000)), "x = 1\n" * 200_000, "'" + "a" * 10**6 + "'",
        "f'{" * n + "1" + "}'" * n, "print(" + "1if 1else " * n + "0",
    ))  # fmt: skip


def benign(rng: random.Random) -> tuple[str, str]:
    """A program that computes, in one of several shapes, and its answer."""
    a, b, n = rng.randrange(2, 40), rng.randrange(2, 40), rng.randrange(5, 60)
    fibonacci = (0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89)[n % 12]
    return rng.choice((
        (f"print(sum(k for k in range({n}) if k % {a} == 0))", str(sum(k for k in range(n) if k % a == 0))),
        (f"from math import comb\nprint(comb({n}, 3))", str(math.comb(n, 3))),
        (f"from fractions import Fraction as F\nprint(F(1, {a}) + F(1, {b}))", str(Fraction(1, a) + Fraction(1, b))),
        (f"import sympy as sp\nx = sp.symbols('x')\nprint(sp.solve({a} * x - {b}, x))", str(Fraction(b, a))),
        (f"from sympy import *\nx = symbols('x')\nprint(expand((x + {a})**2).coeff(x))", str(2 * a)),
        (f"def f(n):\n  return n if n < 2 else f(n - 1) + f(n - 2)\nprint('It is:', f({n % 12}))", str(fibonacci)),
        (f"n = {n}\nd = 0\nwhile n:\n    d += n % 10\n    n //= 10\nprint(f'{{d}}')", str(sum(map(int, str(n))))),
        (f"import itertools as i\nprint(len(list(i.combinations(range({n}), 2))))", str(math.comb(n, 2))),
        (f"from decimal import Decimal as D\nprint(D('{a}.5') * 2)", f"{2 * a + 1}.0"),
        (f"print(pow({a}, {n}, {b}))", str(pow(a, n, b))),
        (f"try:\n    print({a} // 0)\nexcept ZeroDivisionError:\n    print('{{}}'.format({b}))", str(b)),
    ))  # fmt: skip


def draw(count: int, rng: random.Random, fence: bool) -> Iterator[tuple[str, str, str | None]]:
    """(family, program, the answer of a benign one)."""
    others = {
        "tampering": drawn(TAMPERING),
        "time, memory, output": drawn(GREEDY),
        "deep or long": deep,
        "broken": drawn(BROKEN),
    }
    others |= {"outside the subset": drawn(SUBSET)} if fence else {}
    share = {"tampering": 6, "time, memory, output": 12, "deep or long": 6, "broken": 10, "outside the subset": 14}
    for _ in range(count):
        kind = rng.choices(["hostile", "benign", *others], [32, 20, *(share[name] for name in others)])[0]
        if kind == "benign":
            yield "benign", *benign(rng)
        else:
            yield *(hostile(rng) if kind == "hostile" else (kind, others[kind](rng))), None


def wrong(family: str, outcome: Outcome, answer: str | None, fence: bool) -> str:
    """What is wrong with an outcome; '' where nothing is."""
    if family == "benign":
        return "" if outcome.answer == answer else f"{outcome.reason or outcome.answer} for {answer}"
    if outcome.ran and (EFFECT in outcome.printed or family == "time, memory, output"):
        return "took effect"
    if fence and outcome.ran and family in ("outside the subset", "tampering"):
        return "ran"
    return "hung" if outcome.seconds > LIMITS.clock + 2 else ""


def trial(count: int, seed: int, fence: bool) -> bool:
    rows = list(draw(count, random.Random(seed), fence))
    before = {path: sorted(os.listdir(path)) for path in ("/", WATCH)}
    start, table, faults = time.monotonic(), defaultdict(Counter), []
    with Pool() as pool:
        print(f"\n{count} programs, fence {'on' if fence else 'off'}; {pool.protection()}")
        for at in range(0, count, 500):
            part = rows[at : at + 500]
            outcomes = pool.run([program for _, program, _ in part], LIMITS, fence=fence)
            for (family, program, answer), outcome in zip(part, outcomes, strict=True):
                table[family][outcome.reason or "ran"] += 1
                if fault := wrong(family, outcome, answer, fence):
                    faults.append((fault, family, program[:300], outcome))
        alive = [p for p in marked() if p.status() != psutil.STATUS_ZOMBIE]
        extra = len(alive) - 2 * pool.workers  # a launcher and a server each
    until = time.monotonic() + 2
    while (left := marked()) and time.monotonic() < until:  # a busy kernel takes its time over an end
        time.sleep(0.1)
    after = {path: sorted(os.listdir(path)) for path in ("/", WATCH)}
    print(f"{'family':32}{'programs':>9}  outcomes")
    for family in sorted(table):
        print(f"{family:32}{table[family].total():9}  " + ", ".join(f"{k} {n}" for k, n in table[family].most_common()))
    files = "none" if before == after else after
    print(f"{'all':32}{count:9}  in {time.monotonic() - start:.0f} s; wrong: {len(faults)}; files: {files}")
    print(
        f"processes beside servers: {extra}, after: {len(left)}; connections: {connections()}; signals: {len(SIGNALS)}"
    )
    for process in left:
        print("  left:", process.pid, process.status(), process.cmdline()[-1:])
    for fault in faults[:20]:
        print("  wrong:", fault)
    return not faults and not left and before == after and not SIGNALS and extra <= 0


def marked() -> list[psutil.Process]:
    """The processes that this one's pools have started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("QGEN_PROGRAMS") == str(os.getpid()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def connections() -> int:
    LISTENER.setblocking(False)
    try:
        LISTENER.accept()
    except BlockingIOError:
        return 0
    return 1


def speed() -> None:
    rng = random.Random(1)
    programs = [benign(rng)[0] for _ in range(1000)]
    with Pool() as pool:
        pool.run(programs[:20])
        for name, some in (("mixed, benign", programs), ("print(1 + 1)", ["print(1 + 1)"] * 1000)):
            start = time.monotonic()
            pool.run(some)
            print(f"{name}: {len(some) / (time.monotonic() - start):.0f} programs a second with {pool.workers} workers")


LISTENER = socket.create_server(("127.0.0.1", 0))
SIGNALS: list[int] = []

if __name__ == "__main__":
    PORT = LISTENER.getsockname()[1]
    Path(WATCH).chmod(0o777)
    (Path(WATCH) / "keep").touch()
    signal.signal(signal.SIGUSR1, lambda number, _: SIGNALS.append(number))
    fenced, bare, seed = (int(value) for value in (sys.argv[1:] + ["10000", "2500", "0"][len(sys.argv) - 1 :]))
    held = [trial(n, seed, fence) for n, fence in ((fenced, True), (bare, False)) if n]
    speed()
    sys.exit(not all(held))
