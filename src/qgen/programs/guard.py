"""What a program finds when it runs: builtins and modules of the lists alone, and a SymPy that evaluates no text which
the fence would refuse."""

import ast
import builtins
import contextlib
import importlib
import pkgutil
import sys
import warnings
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from qgen.programs.allowed import BUILTINS, FORBIDDEN, MODULES, SYMPY
from qgen.programs.fence import RefusedError, check, importable

_modules: dict[str, ModuleType] = {}
_WARM = """
from sympy import *
x, y = symbols('x y')
for shown in (solve(x**2 - 2, x), solve([x + y - 3, x - y - 1], [x, y]), solveset(x**2 - 1, x, S.Reals),
              integrate(sin(x) * x, (x, 0, pi)), diff(x**3, x), limit(sin(x) / x, x, 0), factor(x**4 - 1),
              simplify(sin(x)**2 + cos(x)**2), summation(x, (x, 1, 10)), factorint(360), nsolve(x**2 - 2, x, 1),
              Matrix([[1, 2], [3, 4]]).inv(), Matrix([[2, 1], [1, 2]]).eigenvals(), expand((x + y)**3), N(pi, 20),
              sympify('x/2 + 1/3'), solve_univariate_inequality(x**2 < 4, x), apart(1 / (x**2 - 1)),
              nsimplify(0.5), Poly(x**2 - 1, x).all_roots(), Triangle(Point(0, 0), Point(1, 0), Point(0, 1)).area,
              discrete_log(41, 15, 7), totient(12), isprime(101), binomial(9, 3), sqrt(8), diophantine(x - 2 * y),
              Piecewise((1, x > 0), (0, True)), series(exp(x), x, 0, 3), solve(x**3 - x, x),
              reduce_inequalities(x > 1)):
    print(shown, latex(shown))
"""


def warm() -> None:
    """Import what programs may use, and what SymPy imports only when it is used: later it can open no file."""
    absent: dict[str, Any] = dict.fromkeys(_ABSENT)  # SymPy takes them where they are: hundreds of MiB for each fork
    sys.modules.update(absent)
    import sympy

    for name in MODULES:
        importlib.import_module(name)
    packages = [importlib.import_module(f"sympy.{name}") for name in sorted(SYMPY)]
    packages += [
        importlib.import_module(f"sympy.{name}") for name in ("assumptions", "printing", "parsing", "strategies")
    ]
    for package in packages:
        for _, name, _ in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + "."):
            if not set(name.split(".")[1:]) & _COLD and not name.startswith("sympy.parsing."):
                # what SymPy does with other packages may fail as they change, and no program needs it
                with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
                    importlib.import_module(name)
    for name in ("sympy.parsing.sympy_parser", "sympy.printing.lambdarepr", "encodings.ascii", "unicodedata"):
        importlib.import_module(name)
    for name in MODULES:
        _modules[name] = _only(name, importlib.import_module(name), MODULES[name])
    _modules["sympy"] = _only("sympy", sympy, {name for name in sympy.__all__ if importable("sympy", name)})
    for name in sorted(sys.modules):
        if name.startswith("sympy.") and importable(name) and _listed(name):
            _modules[name] = _only(name, sys.modules[name], _defined(sys.modules[name]))
    for name in sorted(_modules):
        if name.startswith("sympy.") and (parent := _modules.get(name.rpartition(".")[0])) is not None:
            vars(parent).setdefault(name.rpartition(".")[2], _modules[name])
    exec(compile(_WARM, "<warm>", "exec"), {"print": lambda *_: None})


def namespace(show: Callable, fenced: bool) -> dict[str, Any]:
    """The globals of a program whose print is `show`; without a fence, with all of Python's builtins."""
    if not fenced:
        return {"__name__": "__main__", "__builtins__": builtins, "print": show}
    known = {name: getattr(builtins, name) for name in BUILTINS}
    known |= {"print": show, "__import__": _import, "type": _type, "exit": _exit, "quit": _exit}
    return {"__name__": "__main__", "__builtins__": known}


def closed() -> None:
    """From here on nothing in this process compiles or evaluates what the fence refuses, or opens a file."""
    compiled: set[int] = set()
    plain_compile, plain_eval, plain_exec = compile, eval, exec
    vars(ast)["compile"] = plain_compile  # the fence's own parser

    def guarded_compile(source, filename, mode, *args, **kwargs):
        if isinstance(source, str):
            check(source, mode)
        code = plain_compile(source, filename, mode, *args, **kwargs)
        if isinstance(code, CodeType):
            compiled.add(id(code))
            kept.append(code)
        return code

    def guarded(run: Callable, mode: str) -> Callable:
        def evaluate(source, /, *args, **kwargs):
            if isinstance(source, CodeType) and id(source) not in compiled:
                raise RefusedError("line 1: code that the fence has not seen")
            if not isinstance(source, CodeType):
                check(source.strip() if isinstance(source, str) else "?", mode)
            if not args and not kwargs:
                frame = sys._getframe(1)
                args = (frame.f_globals, frame.f_locals)
            return run(source, *args, **kwargs)

        return evaluate

    kept: list[CodeType] = []
    builtins.compile, builtins.eval, builtins.exec = (
        guarded_compile,
        guarded(plain_eval, "eval"),
        guarded(plain_exec, "exec"),
    )
    for name in ("open", "input", "breakpoint"):
        setattr(builtins, name, _shut)


def _import(name: str, globals=None, locals=None, fromlist=(), level: int = 0) -> ModuleType:
    """import, for a program: from what `warm` has laid out, and nothing else."""
    if level or name not in _modules:
        raise ImportError(f"No module named {name!r}")
    return _modules[name] if fromlist else _modules[name.partition(".")[0]]


def _only(name: str, module: ModuleType, names: set[str] | None) -> ModuleType:
    """A module of that name with the public names of another, or with those that are listed."""
    copy = ModuleType(name)
    for each in names if names is not None else [n for n in vars(module) if not n.startswith("_")]:
        value = getattr(module, each, None)
        if value is not None and not isinstance(value, ModuleType) and not _makes_classes(value):
            setattr(copy, each, value)
    vars(copy)["__all__"] = [each for each in vars(copy) if not each.startswith("_")]
    return copy


def _makes_classes(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, type)


def _listed(name: str) -> bool:
    rest = name.removeprefix("sympy.")
    return any(rest == package or rest.startswith(package + ".") for package in SYMPY)


def _defined(module: ModuleType) -> set[str]:
    """The public names of a SymPy module that are SymPy's own, and may be used."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name not in FORBIDDEN
        and getattr(value, "__name__", name) not in FORBIDDEN
        and (getattr(value, "__module__", "") or "").startswith("sympy")
    }


def _type(value: Any) -> type:
    """type() of a value that is no class: the class of a class makes others, with any methods."""
    if isinstance(value, type):
        raise TypeError("type() of a class")
    return type(value)


def _exit(*_: Any) -> None:
    raise SystemExit


def _shut(*_: Any, **__: Any) -> None:
    raise PermissionError("a program opens nothing")


_ABSENT = (
    "torch", "numpy", "scipy", "tensorflow", "matplotlib", "pandas", "gmpy2", "flint", "IPython", "jax", "cupy",
    "llvmlite",
)  # fmt: skip
_COLD = {
    "tests",
    "benchmarks",
    "plotting",
    "codegen",
    "autowrap",
    "matchpy_connector",
    "rubi",
    "compatibility",
    "trace",
    "hyperexpand_doc",
    "meijerint_doc",
}
