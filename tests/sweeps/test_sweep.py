"""A sweep whose jobs die in every way that jobs die, by a reward of a stranger's that does it to them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TINY, install

from qgen.runs.files import rows, steps
from qgen.settings.compose import folder, naming
from qgen.sweeps.board import labels
from qgen.sweeps.jobs import Job
from qgen.sweeps.pool import devices, why

PLUGIN = """
import ctypes, os, resource, signal
from pathlib import Path
import torch


class Doom:
    __name__ = "doom"

    def __init__(self, how="none"):
        self.how, self.calls = how, 0

    def __call__(self, completions, **columns):
        self.calls += 1
        if self.how == "segfault":
            ctypes.string_at(0)
        if self.how == "memory":
            torch.empty(2**50)
        if self.how == "once" and self.calls == 2 and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory runs out
        return [0.5] * len(completions)
"""
SIZE = ("stage=sft", "stage.per_device_train_batch_size=2", "stage.gradient_accumulation_steps=1", "stage.max_steps=4",
        "stage.save_steps=2", "validation.every=3", "reward.gate=null", "~reward.terms.difficulty")  # fmt: skip


@pytest.fixture
def home(tmp_path):
    return install(tmp_path, "doom", "Doom", PLUGIN)


def start(home: Path, *arguments: str, module: str = "train") -> subprocess.Popen:
    env = os.environ | {"PYTHONPATH": str(home / "site")}
    command = [sys.executable, "-m", f"qgen.{module}", *TINY, *SIZE, *arguments]
    return subprocess.Popen(
        command, cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def sweep(home: Path, *arguments: str, code: int) -> tuple[str, str]:
    process = start(home, *arguments)
    out, err = process.communicate(timeout=280)
    assert process.returncode == code, out + err
    return out, err


def manifest(home: Path) -> list[dict]:
    return rows(home / "multirun" / "t" / "manifest.jsonl")


@pytest.mark.slow
@pytest.mark.timeout(900)  # three sweeps, a minute or two each where two tests run beside each other
def test_a_job_takes_no_other_with_it(home):
    ways = "+reward.terms.doom.params.how=segfault,none,memory,once"
    out, err = sweep(home, "-m", ways, code=1)
    found = {row["overrides"][-1].rpartition("=")[2]: row for row in manifest(home)}
    assert {how: row["status"] for how, row in found.items()} == {
        "segfault": "failed", "none": "complete", "memory": "failed", "once": "failed"
    }  # fmt: skip
    assert found["segfault"]["exit_code"] == -signal.SIGSEGV
    assert "crashed (SIGSEGV)" in found["segfault"]["reason"]
    assert "qgen_doom.py" in (home / found["segfault"]["log"]).read_text()  # the stack
    assert found["memory"]["reason"].startswith("out of memory in validation after step 0, and no batch is left")
    assert "killed (SIGKILL)" in found["once"]["reason"]
    assert found["none"]["metrics"]["steps"] == 4
    assert found["none"]["seed"] == 3407
    last = err[err.index("qgen: 3 of 4 jobs failed, 1 are complete") :]
    for row in found.values():
        if row["status"] == "failed":
            assert row["reason"] in last
            assert row["log"] in last
    traceback = (home / found["memory"]["path"] / "train.log").read_text()
    assert "Traceback" in traceback
    assert "qgen_doom.py" in traceback

    before = len(manifest(home))
    out, err = sweep(home, "-m", ways, "sweep.retry=false", code=1)
    assert "how=none: complete already" in out
    assert "how=segfault: failed already: crashed" in out
    assert len(manifest(home)) == before  # nothing was run
    assert err.count("sweep.retry=true tries it again") == 3

    out, err = sweep(home, "-m", ways, "sweep.jobs=2", code=1)  # skips what is complete, tries again what failed
    again = manifest(home)[before:]
    assert len(again) == 3
    survived = next(row for row in again if row["status"] == "complete")
    assert survived["overrides"][-2].endswith("how=once")
    log = (home / survived["log"]).read_text()
    assert "resuming from checkpoint-2" in log
    assert [row["step"] for row in steps(home / survived["path"] / "metrics.jsonl")] == [1, 2, 3, 4]
    assert "qgen: 2 of 4 jobs failed, 2 are complete" in err


BACKGROUND = """
import sys
from pathlib import Path
from qgen.sweeps import pool
from qgen.sweeps.jobs import Job

class Sleeper(Job):
    @property
    def command(self):
        code = ("import pathlib, sys, time\\nhere = pathlib.Path(sys.argv[1])\\ntry:\\n    (here / 'begun').touch()\\n"
                "    time.sleep(60)\\nexcept KeyboardInterrupt:\\n    (here / 'saved').touch()")
        return [sys.executable, "-c", code, str(self.out)]

try:
    pool.run([Sleeper(i, [], Path(sys.argv[1]) / str(i)) for i in range(2)], 2, lambda: None, lambda job: None)
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_a_sweep_in_a_shells_background_hears_no_ctrl_c_but_hands_on_what_ends_it(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", BACKGROUND, str(tmp_path)],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*/begun"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.terminate()
    assert process.wait(30) == 7
    assert len(list(tmp_path.glob("*/saved"))) == 2


@pytest.mark.slow
def test_ctrl_c_stops_a_sweep(home):
    long = ("-m", "seed=0,1,2", "stage.max_steps=300", "stage.save_steps=1", "validation.every=0", "sweep.jobs=2")
    process = start(home, *long)
    jobs = [home / "multirun" / "t" / f"seed={seed}" for seed in range(3)]
    deadline = time.monotonic() + 120
    while not all(list(job.glob("checkpoint-*/qgen_state.json")) for job in jobs[:2]):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert [row["status"] for row in manifest(home)] == ["interrupted", "interrupted"]
    assert not jobs[2].exists()  # it was not started any more
    began = [max(row["step"] for row in steps(job / "metrics.jsonl")) for job in jobs[:2]]
    assert all(began)

    refused = sweep(home, "-m", "seed=0,1", "stage.max_steps=4", code=1)[1]  # what is there has another config
    assert refused.count("holds the run of another config (stage.max_steps: 300 -> 4") == 2


@pytest.mark.parametrize(
    ("code", "text", "says"),
    [
        (1, "step 1\nqgen: seed=x: no\n", "seed=x: no"),
        (1, "qgen: the disk is full\nqgen: stage=grpo failed: exit code 1\n", "the disk is full"),
        (1, "qgen: stage=grpo failed: crashed (SIGSEGV)\n", "stage=grpo failed: crashed"),
        (1, "qgen: OutOfMemoryError: CUDA out of memory. Tried\n", "out of memory: OutOfMemoryError"),
        (-15, "", "ended by SIGTERM"),
        (
            1,
            "qgen: stage=sft takes 16 problems a step, and there are 3\nqgen: stage=sft failed: exit code 1\n",
            "stage=sft tak",
        ),
        (3, "", "exit code 3"),
    ],
)
def test_why_a_job_failed(code, text, says):
    assert why(code, text).startswith(says)


def test_jobs_are_named_by_what_is_swept(tmp_path):
    assert naming(["seed=0,1", "model=tiny", "~reward.terms.rigor", "stage.max_steps=[1"]) == [
        "hydra.job.config.override_dirname.exclude_keys="
        "['resume','overwrite','sweep.jobs','sweep.retry','model','reward.terms.rigor']"
    ]
    assert "'seed'" not in naming(["seed=0", "seed=1,2"])[0]
    assert folder("") == "job"
    assert len(folder("题" * 100).encode()) < 255
    jobs = [Job(i, ["seed=0", f"stage.max_steps={i}"], tmp_path / str(i)) for i in range(2)]
    assert labels(jobs) == {0: "stage.max_steps=0", 1: "stage.max_steps=1"}
    assert labels(jobs[:1]) == {0: "0"}


def test_gpus_are_those_that_are_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5")
    assert devices() == ["2", "GPU-5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices() == []
