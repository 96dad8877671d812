"""What qgen imports is declared; constraints.txt pins whatever that pulls in, and the tests run on what it pins."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]


def needed(name: str, extras: frozenset[str], seen: dict[str, set]) -> dict[str, set]:
    """Names of all that a package needs in turn here, with the extras that each is needed with."""
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        wanted = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker is None or any(requirement.marker.evaluate(env) for env in wanted):
            child = canonicalize_name(requirement.name)
            if not requirement.extras <= seen.get(child, set()) or child not in seen:
                seen.setdefault(child, set()).update(requirement.extras)
                needed(child, frozenset(requirement.extras), seen)
    return seen


def test_every_transitive_dependency_is_pinned_and_installed():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = dict(re.fullmatch(r"([\w.-]+)==(\S+)", line).groups() for line in lines)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    tree = needed("qgen", frozenset({"dev"}), {})
    assert len(tree) > 60
    assert set(tree) - set(pins) == set()
    for name in tree:
        assert Version(metadata.version(name)).public == pins[name], name


def imported(folder: str) -> set[str]:
    """The first names of all modules that a folder's files import, but for Python's own."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    product = [project["dependencies"], *(lines for name, lines in extras.items() if name != "dev")]
    own = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"qgen", "hydra_plugins"}
    distributions = metadata.packages_distributions()
    for folder, lines in (("src", product), ("tests", [*product, extras["dev"]])):
        declared = {canonicalize_name(Requirement(line).name) for group in lines for line in group}
        for module in imported(folder) - own - {"triton"}:  # triton comes with PyTorch for a GPU
            names = {canonicalize_name(name) for name in distributions.get(module, [module])}
            assert names & declared, f"{folder} imports {module}, which pyproject.toml does not declare"


def test_the_search_is_pinned_too():
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["optuna"]
    assert set(lines) <= set(pins)


def test_no_registry_is_named():
    for file in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run"):
        assert "://" not in (ROOT / file).read_text()
