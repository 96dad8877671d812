"""What the tests share: composed configs, hand-written problems, and qgen as a command."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: torch's threads of two would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import copy
import json
import multiprocessing
import runpy
import subprocess
import sys
import tempfile
from functools import cache
from multiprocessing import forkserver
from pathlib import Path

import pytest
from filelock import FileLock

from qgen import data
from qgen.data import Corpus
from qgen.mathematics.problem import Problem
from qgen.settings import compose
from qgen.settings.config import Config

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


LONG = (  # only one of the first two wants the pipeline, so that no core waits for another to have run it
    "test_stages",
    "test_page_browser",
    "test_evaluate",
    "test_doctor",
    "test_sweep",
    "test_ranks",
    "test_validation",
    "test_canaries",
    "test_launchers",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes first, so that at the end no core waits for another."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture
def problems() -> list[Problem]:
    return [SPHERES, DIGITS, CUBES]


def composed(*overrides: str) -> Config:
    """The checked config of a command line; a copy of one's own."""
    environment = frozenset((name, value) for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST")
    return copy.deepcopy(_composed(overrides, os.getcwd(), environment))


@cache
def _composed(overrides: tuple[str, ...], *read: object) -> Config:
    """Composing takes a quarter of a second, and reads nothing but the files, the directory and the environment."""
    return compose.composed(list(overrides))


@cache
def corpus() -> Corpus:
    """The embedded problems, as they are trained on. Not to be written to."""
    return data.load(composed().data)


def qgen(
    *arguments: str, cwd: Path, module: str = "train", timeout: float = 280, cold: bool = False
) -> subprocess.CompletedProcess:
    """Run python -m qgen.MODULE in a directory, as a user would: in a process of its own, but one that is forked from a
    server which has imported torch, transformers and TRL before, which takes seven seconds.

    Args:
        cold: start Python anew, for tests of how long that takes.
    """
    if cold:
        command = [sys.executable, "-m", f"qgen.{module}", *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        context = multiprocessing.get_context("forkserver")
        _serve(context)
        task = (f"qgen.{module}", arguments, str(cwd), dict(os.environ), str(out), str(err))
        process = context.Process(target=_command, args=task)
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired([module, *arguments], timeout)
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(), err.read_text())


def _serve(context: multiprocessing.context.ForkServerContext) -> None:
    """Start the server, unless it runs: its children inherit what preload.py has imported and read."""
    context.set_forkserver_preload(["preload"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parent), before)))
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _command(module: str, arguments: tuple[str, ...], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    """What python -m MODULE does, in a fresh process."""
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = ["", *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.modules.pop(module, None)
    sys.argv = [module, *arguments]
    sys.stdout, sys.stderr = (os.fdopen(descriptor, "w", buffering=1, closefd=False) for descriptor in (1, 2))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


TINY = (
    "model=tiny",
    "sampling.max_new_tokens=8",
    "validation.prompts=4",
    "validation.problems=4",
    "stage.warmup_steps=1",
    "run_name=t",
)  # a stage in seconds

PLUGIN = """
def letters(completions, **columns):
    texts = [completion[0]["content"] for completion in completions]
    return [sum(ch.isalpha() for ch in t) / (1 + len(t)) for t in texts]
"""
LETTERS = ("reward.gate=null", "+reward.terms.letters.weight=1", "reward.normalize=zscore")
PIPELINE = ("stage.max_steps=2", "stage.per_device_train_batch_size=4", "stage.num_prompts=8",
            "stage.gradient_accumulation_steps=2", "stage.learning_rate=1e-2", "runtime.memory.every=1",
            "tracker=wandb", "tracker.mode=offline")  # fmt: skip


def letters(home: Path) -> Path:
    """Install a reward that random weights can earn."""
    return install(home, "letters", "letters", PLUGIN)


def install(home: Path, term: str, name: str, code: str) -> Path:
    """Install a reward term into home/site: a package of a stranger's, as pip would."""
    site = home / "site"
    info = site / f"qgen_{term}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: qgen-{term}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[qgen.rewards]\n{term} = qgen_{term}:{name}\n")
    (site / f"qgen_{term}.py").write_text(code)
    return home


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory) -> tuple[Path, str]:
    """Where a pipeline of two steps a stage was run from Python (files in outputs/t), once for all processes of the
    tests, and what it printed. Not to be written to."""
    own = tmp_path_factory.getbasetemp()
    home = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "pipeline"  # else that of an earlier commit
    code = """
from qgen import QuestionsGenTrainer
import sys
print([str(p) for p in QuestionsGenTrainer(*sys.argv[1:]).train_full_pipeline()])
"""
    with FileLock(f"{home}.lock"):
        if not home.exists():
            env = os.environ | {"PYTHONPATH": str(letters(home) / "site")}
            command = [sys.executable, "-c", code, *PIPELINE, *TINY, *LETTERS]
            done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=280, check=False)
            (home / "said.json").write_text(json.dumps([done.returncode, done.stdout + done.stderr]))
    code, said = json.loads((home / "said.json").read_text())
    assert code == 0, said
    return home, said
