"""What the tests share: composed configs, hand-written problems, and qgen as a command."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: torch's threads of two would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
from pathlib import Path

import pytest

from qgen import compose
from qgen.config import Config
from qgen.problem import Problem

SPHERES = Problem(
    statement="Three spheres of radius $2$ touch each other and a plane. What is the radius of the circle through "
    "the three points where they touch the plane?",
    answer="$\\frac{4}{\\sqrt{3}}$",
    solution="The points form an equilateral triangle of side $4$, whose circumradius is $\\frac{4}{\\sqrt{3}}$.",
    topic="Geometry",
    level=3,
    id="spheres",
)
DIGITS = Problem(
    statement="How many four-digit numbers have digits that strictly decrease from left to right?",
    answer="210",
    solution="Choose four of the ten digits; one order of them decreases. So there are $\\binom{10}{4}=210$.",
    topic="Combinatorics",
    level=2,
    id="digits",
)
CUBES = Problem(
    statement="Find the largest integer $n$ below $1000$ for which $n^3+1$ is divisible by $n+7$.",
    answer="335",
    solution="Modulo $n+7$ we have $n^3+1\\equiv -342$, so $n+7$ divides $342$, and $n=335$ is the largest.",
    topic="Number Theory",
    level=4,
    id="cubes",
)


@pytest.fixture
def problems() -> list[Problem]:
    return [SPHERES, DIGITS, CUBES]


def composed(*overrides: str) -> Config:
    """The checked config of a command line."""
    return compose.composed(list(overrides))


def qgen(*arguments: str, cwd: Path, module: str = "train", timeout: float = 280) -> subprocess.CompletedProcess:
    """Run python -m qgen.MODULE in a directory, as a user would."""
    command = [sys.executable, "-m", f"qgen.{module}", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, env=os.environ.copy())


TINY = (
    "model=tiny",
    "sampling.max_new_tokens=8",
    "validation.prompts=4",
    "validation.problems=4",
    "stage.warmup_steps=1",
    "run_name=t",
)  # a stage in seconds
