"""The rules of the house that import-linter does not check (which packages may import which: pyproject.toml)."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import qgen

SRC = Path(qgen.__file__).parent
FILES = sorted(path for path in SRC.rglob("*.py") if "conf" not in path.parts)
PACKAGES = sorted(path.parent for path in SRC.glob("*/__init__.py"))
# documented once, where they are called: Hydra's and transformers' hooks, and what rewards/registry.py asks of a term;
# Worked's docstring would be sent to teachers with its schema
KNOWN = ("main", "forward", "check", "state_dict", "load_state_dict", "Worked")


def named(path: Path) -> str:
    """A file as a module."""
    return ".".join(("qgen", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")


def imported(path: Path, modules: set[str]) -> set[str]:
    """qgen's modules that a file imports, at its head, within functions or for type checkers alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole & modules or {node.module}
    return (found & modules) - {named(path)}


def test_no_file_is_above_300_lines():
    long = {named(path): count for path in FILES if (count := len(path.read_text("utf-8").splitlines())) > 300}
    assert not long


def test_no_file_imports_what_imports_it():
    modules = {named(path) for path in FILES}
    try:
        TopologicalSorter({named(path): imported(path, modules) for path in FILES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_settings_import_no_torch():
    modules = ", ".join(named(path) for path in FILES if path.parent.name == "settings")
    code = f"import sys, {modules}; print(*({{'torch', 'transformers', 'trl', 'sklearn', 'scipy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_says_what_belongs_in_it_and_what_does_not(package):
    said = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(said.split("\n\n")) > 1
    assert any(word in said for word in ("Nothing", "nothing", "not", "Not"))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_what_is_public_is_documented(path):
    bare = list(undocumented(ast.parse(path.read_text(encoding="utf-8"))))
    assert not bare


def undocumented(node: ast.AST, prefix: str = ""):
    """Names of the module itself, and of public classes, functions and methods, that have no docstring."""
    if isinstance(node, ast.Module) and not ast.get_docstring(node) and node.body:
        yield "the module"
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith(("_", "on_")):
            if not ast.get_docstring(child) and child.name not in KNOWN:
                yield prefix + child.name
            if isinstance(child, ast.ClassDef):
                yield from undocumented(child, f"{prefix}{child.name}.")


def test_no_two_files_of_tests_have_one_name():
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]  # which pytest imports by
    assert sorted(names) == sorted(set(names))
