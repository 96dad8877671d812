"""Whether a program says only what programs may say: an allowlist over its syntax tree, before anything of it runs.

First the known escapes from other people's interpreters were studied. asteval read attributes through format strings,
`__reduce__` and the `obj` of an AttributeError; RestrictedPython through generators' frames, `except*`, match patterns
and string.Formatter (CVE-2026-76825); smolagents' executor through getattr, dunders in classes and augmented
assignments (CVE-2025-5120, -9959, CVE-2026-4963), and its authors say that it is no boundary. An interpreter in Python
that has a hole is open wide, is 10 to 100 times slower, and does not stop SymPy, which evaluates any text that it is
given. So programs run as what they are, behind a wall of the operating system (sandbox.py) that would hold them without
any fence; this one is small, refuses what it does not know, and says in which line.
"""

import ast
import builtins
import importlib
from string import Formatter
from typing import Any

from qgen.programs.allowed import (
    ATTRIBUTES,
    BUILTINS,
    FORBIDDEN,
    MODULES,
    NODES,
    PREFIXES,
    SOURCE,
    SYMPY,
    SYNTAX,
)

_BUILTINS = frozenset(dir(builtins)) - BUILTINS
_FIELDS = ("names", "name", "attr", "arg", "id", "asname")


class RefusedError(Exception):
    """A program says what it may not say; the message tells what, and in which line."""


def check(source: str, mode: str = "exec") -> ast.Module | ast.Expression:
    """The syntax tree of a program, or of an expression (mode 'eval'), that says nothing it may not.

    Raises RefusedError, and SyntaxError where it is no Python. The parser recurses: call it on
    a model's text only where a crash does no harm.
    """
    if len(source) > SOURCE:
        raise RefusedError(f"line 1: longer than {SOURCE} characters")
    try:
        source.encode()
        tree: Any = ast.parse(source, "<program>", mode)  # what mode says
    except UnicodeEncodeError:
        raise RefusedError("line 1: characters that are none (surrogates)") from None
    except (RecursionError, MemoryError):
        raise RefusedError("line 1: nested too deeply") from None
    except ValueError as error:  # null bytes, in some versions of Python
        raise SyntaxError(str(error)) from None
    for count, node in enumerate(ast.walk(tree)):
        fault = f"more than {NODES} parts" if count > NODES else _fault(node)
        if fault:
            raise RefusedError(f"line {getattr(node, 'lineno', 1)}: {fault}")
    _formats(tree)
    return tree


def importable(module: str, name: str = "") -> bool:
    """Whether a program may import the module, or the name from it ('*' all that it may)."""
    root, _, rest = module.partition(".")
    if root == "sympy":
        packages = {package.split(".")[0] for package in SYMPY} | SYMPY
        known = not rest or rest.split(".")[0] in packages
        return known and all(part not in FORBIDDEN and not part.startswith("_") for part in (*rest.split("."), name))
    if module not in MODULES or name.startswith("_"):
        return False
    names = MODULES[module]
    return names is None or name in ("", "*") or name in names


def _fault(node: ast.AST) -> str:
    """What is wrong with one node by itself, '' where nothing is."""
    if not isinstance(node, SYNTAX):
        return f"{type(node).__name__}, which is not of the subset"
    for field in _FIELDS:
        for name in [value] if isinstance(value := getattr(node, field, None), str) else value or ():
            if (
                isinstance(name, str)
                and name.startswith("__")
                and (name != "__name__" or not isinstance(node, ast.Name))
            ):
                return f"the name {name}"
    match node:
        case ast.Name(id=name) if name in _BUILTINS and name != "__name__":
            return f"the name {name}"
        case ast.Attribute(attr=name) if name.startswith(PREFIXES) or name in ATTRIBUTES:
            return f"the attribute {name}"
        case ast.Call(func=ast.Name(id="type")) if len(node.args) != 1 or node.keywords:
            return "type() of more than one thing"
        case ast.Call(func=ast.Name(id="print")) if any(k.arg == "file" for k in node.keywords):
            return "print(file=...)"
        case ast.Import():
            return next((f"the module {a.name}" for a in node.names if not importable(a.name)), "")
        case ast.ImportFrom() if node.level or not importable(node.module or ""):
            return f"the module {'.' * node.level}{node.module or ''}"
        case ast.ImportFrom():
            return next((f"{a.name} of {node.module}" for a in node.names if _hidden(node.module or "", a.name)), "")
    return ""


def _hidden(module: str, name: str) -> bool:
    """Whether a module has a name that a program may not have; one that nothing has is an error like others."""
    if importable(module, name):
        return False
    return module.startswith("sympy") or hasattr(importlib.import_module(module), name)


def _formats(tree: ast.AST) -> None:
    """Refuse str.format unless it is that of a text which stands there, and reads no attribute or item."""
    fine = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="format", value=ast.Constant(value=str(text))) as method):
                if _plain_fields(text):
                    fine.add(method)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "format" and node not in fine:
            raise RefusedError(
                f"line {node.lineno}: format of a text that is not written there, or that reads attributes"
            )


def _plain_fields(text: str) -> bool:
    try:
        fields = [(field or "", spec or "") for _, field, spec, _ in Formatter().parse(text)]
    except ValueError:
        return True  # raises where it runs
    return all(not set(field) & set(".[") and (not spec or _plain_fields(spec)) for field, spec in fields)
