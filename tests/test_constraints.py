"""constraints.txt pins whatever qgen pulls in, and the tests run on what it pins."""

import re
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


def test_no_registry_is_named():
    for file in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run"):
        assert "://" not in (ROOT / file).read_text()
