"""Runs that were killed, and what the next command makes of what they left."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import composed
from safetensors.numpy import save

from qgen import data
from qgen.data import apart
from qgen.runs import rundir, saved
from qgen.runs.files import append, rows, write_json
from qgen.runtime import orphans
from qgen.settings.config import to_yaml
from qgen.sweeps.jobs import Job, consider

WEIGHTS = save({"a": np.ones(3, np.float32)})
PARTS = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt", "best/adapter/adapter_model.safetensors")


def config(tmp_path, *overrides):
    return composed(f"output_dir={tmp_path}", "run_name=r", *overrides)


def begun(tmp_path, *overrides) -> Path:
    """A run that has written a row."""
    settings = config(tmp_path, *overrides)
    out = tmp_path / "r" / settings.stage.name
    rundir.begin(settings, out, rundir.Claim())
    (out / "metrics.jsonl").write_text('{"step": 1}\n')
    return out


def checkpoint(out: Path, step: int) -> Path:
    folder = out / f"checkpoint-{step}"
    for name in ("adapter_model.safetensors", *PARTS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(WEIGHTS)
    (folder / saved.STATE).write_text(json.dumps({"step": step, **saved.inventory(folder)}))
    return folder


def half_written(out: Path, step: int) -> Path:
    """What a kill leaves: the record, which comes last, is not there."""
    folder = checkpoint(out, step)
    (folder / saved.STATE).unlink()
    (folder / "optimizer.pt").write_bytes(b"some")
    return folder


def test_fault_12_a_kill_in_the_first_checkpoint_starts_again(tmp_path):
    out = begun(tmp_path)
    half_written(out, 20)
    again = config(tmp_path, "resume=true")
    claimed = rundir.claim(again, out)
    assert claimed.checkpoint is None
    assert "checkpoint-20 is half written" in claimed.note
    assert "there is no older one, so from the first step" in claimed.note
    assert (out / "checkpoint-20").exists()  # until all else is loaded
    rundir.begin(again, out, claimed)
    assert not (out / "checkpoint-20").exists()
    assert not (out / "metrics.jsonl").exists()
    job = Job(0, [], out, configs=[again])  # and in a sweep
    half_written(out, 20)
    (out / "metrics.jsonl").write_text("{}\n")
    consider(job, None, retry=True)
    assert job.resume
    assert job.status is None


@pytest.mark.parametrize("name", PARTS)
def test_fault_12_a_file_with_other_bytes_of_the_same_size_is_not_whole(tmp_path, name):
    out = begun(tmp_path)
    whole, broken = checkpoint(out, 10), checkpoint(out, 20)
    (broken / name).write_bytes(WEIGHTS[:-1] + b"x")
    claimed = rundir.claim(config(tmp_path, "resume=true"), out)
    assert claimed.checkpoint == whole
    assert f"checkpoint-20 is half written or damaged, it has no whole {name}: skipped" in " ".join([claimed.note])[:-1]
    rundir.begin(config(tmp_path, "resume=true"), out, claimed)
    assert not broken.exists()  # the Trainer would keep it as the newest, and remove those that are written before it
    assert whole.exists()


def test_fault_12_a_finished_checkpoint_that_was_damaged_is_not_thrown_away_unasked(tmp_path):
    out = begun(tmp_path)
    (checkpoint(out, 2000) / "optimizer.pt").write_bytes(b"some")
    half_written(out, 2020)
    with pytest.raises(RuntimeError, match=r"checkpoint-2000 is half written or damaged.*overwrite=true"):
        rundir.claim(config(tmp_path, "resume=true"), out)


def test_fault_12_a_checkpoint_without_checksums_is_taken(tmp_path):
    out = begun(tmp_path)
    old = checkpoint(out, 10)
    state = json.loads((old / saved.STATE).read_text())
    del state["sums"]
    (old / saved.STATE).write_text(json.dumps(state))
    assert saved.last_checkpoint(out)[0] == old


@pytest.mark.parametrize("removed", range(3))
def test_fault_14_an_overwrite_that_is_killed_leaves_nothing_that_counts_as_complete(tmp_path, monkeypatch, removed):
    out = begun(tmp_path)
    for step in (10, 20):
        checkpoint(out, step)
    (out / "adapter").mkdir()
    (out / "summary.json").write_text("{}")
    remove, left = shutil.rmtree, [removed]

    def killed(path, **more):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        remove(path, **more)

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        rundir.begin(config(tmp_path, "overwrite=true"), out, rundir.Claim())
    with pytest.raises(RuntimeError, match="unfinished run"):
        rundir.claim(config(tmp_path), out)
    found = rundir.claim(config(tmp_path, "resume=true"), out).checkpoint
    assert (found is not None) == (removed < 2)
    assert (out / "metrics.jsonl").exists()  # with a checkpoint go its rows


def test_fault_14_a_report_is_one_that_came_after_the_summary(tmp_path):
    out = begun(tmp_path)
    write_json(out / rundir.SUMMARY, {"stage": "sft"})
    job = Job(0, [], out, configs=[config(tmp_path)])
    for stale in (False, True):
        if stale:
            (out / rundir.REPORT).write_text("of the run before")
            os.utime(out / rundir.REPORT, (0, 0))
        assert not rundir.reported(out, [out])
        job.resume, job.status = False, None
        consider(job, None, retry=True)
        assert job.status is None  # so its command is run, which writes the report
        assert job.resume
    (out / rundir.REPORT).write_text("this one's")
    assert rundir.reported(out, [out])
    consider(job, None, retry=True)
    assert job.status == "complete"


def test_fault_11_completions_are_kept_once(tmp_path):
    out = begun(tmp_path)
    append(out / "samples.jsonl", [{"mode": "validation", "step": 0}])
    for step in range(8):  # checkpoint-4, a validation every second step, killed in the eighth
        append(out / "samples.jsonl", [{"mode": "train", "step": step}])
        append(out / "samples.jsonl", [{"mode": "validation", "step": step + 1}] if step % 2 else [])
    append(out / "nonfinite.jsonl", [{"step": 4}, {"step": 5}])
    claim = rundir.Claim(checkpoint=checkpoint(out, 4))
    rundir.begin(config(tmp_path, "resume=true"), out, claim)
    left = [(row["mode"], row["step"]) for row in rows(out / "samples.jsonl")]
    assert [step for mode, step in left if mode == "train"] == [0, 1, 2, 3]
    assert [step for mode, step in left if mode == "validation"] == [0, 2, 4]
    assert [row["step"] for row in rows(out / "nonfinite.jsonl")] == [4]


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        ((), []),
        (("drafts.jsonl",), ["draft"]),  # the lessons are scored again
        (("drafts.jsonl", "verdicts.jsonl", "winners.jsonl"), ["draft", "teacher"]),
    ],
)
@pytest.mark.parametrize("changed", [False, True])
def test_fault_11_a_resume_before_the_first_checkpoint_keeps_a_teachers_rows(tmp_path, files, kept, changed):
    out = begun(tmp_path, "stage=distill")
    for mode in ("draft", "teacher", "validation", "train"):
        append(out / "samples.jsonl", [{"mode": mode, "step": 0}])
    for name in files:
        append(out / name, [{"a": 1}])
    rundir.begin(config(tmp_path, "stage=distill", "resume=true"), out, rundir.Claim(changed=changed))
    assert [row["mode"] for row in rows(out / "samples.jsonl")] == ([] if changed else kept)
    assert [name for name in files if (out / name).exists()] == ([] if changed else list(files))


PARENT = """
import sys
from pathlib import Path
from qgen.sweeps import pool
from qgen.sweeps.jobs import Job

CHILD = "from qgen.runtime import orphans; orphans.follow(); import os, time; print('pid', os.getpid(), flush=True)"
STAGE = f"{CHILD}; time.sleep(60)"
STARTED = f"import sys; child([sys.executable, '-c', {STAGE!r}], 'stage')"
PIPELINE = f"{CHILD}; from qgen.sweeps.process import child; {STARTED}"


class Sleeper(Job):
    command = [sys.executable, "-c", PIPELINE]


pool.run([Sleeper(i, [], Path(sys.argv[1]) / str(i)) for i in range(2)], 2, lambda: None, lambda job: None)
"""


def test_fault_13_jobs_and_their_stages_end_with_a_sweep_that_is_killed(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], env=os.environ | {"OMP_NUM_THREADS": "1"})
    logs = [tmp_path / str(i) / "output.log" for i in range(2)]

    def said() -> list[str]:
        return [log.read_text() if log.exists() else "" for log in logs]

    wait(lambda: all(text.count("\npid ") == 2 for text in said()))
    parent.kill()
    parent.wait()
    pids = [int(line.split()[1]) for text in said() for line in text.splitlines() if line.startswith("pid ")]
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 10)
    assert all("qgen: the process that started this one was killed, so it ends too" in text for text in said())


def test_fault_13_a_process_that_becomes_another_follows_on(monkeypatch):
    """As a stage does that runs out of memory."""
    monkeypatch.setenv("QGEN_PARENT", str(os.getppid()))
    orphans.follow()
    assert "QGEN_PARENT" not in os.environ
    assert orphans.kept()["QGEN_PARENT"] == str(os.getppid())
    monkeypatch.setattr(orphans, "_followed", {})


def test_fault_13_a_process_without_such_a_parent_goes_on(tmp_path):
    code = "from qgen.runtime import orphans; orphans.follow(); import threading; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def wait(true, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


EASY = ("data=jsonl", "data.min_quality=0", "data.near_duplicate=1")


def stage_on(tmp_path, *overrides, started_from: Path | None = None) -> Path:
    """A stage that was trained on what its config says; its adapter."""
    settings = config(tmp_path, *overrides)
    out, corpus = tmp_path / "r" / settings.stage.name, data.load(settings.data, settings.prompt)
    out.mkdir(parents=True)
    (out / rundir.CONFIG).write_text(to_yaml(settings))
    hashes = {"data": data.fingerprint(corpus.train), "heldout": data.fingerprint(corpus.heldout)}
    hashes["started_from_hash"] = rundir.fingerprint(started_from)
    write_json(out / rundir.ENVIRONMENT, {**hashes, "started_from": str(started_from or "base")})
    (out / rundir.ADAPTER).mkdir()
    (out / rundir.ADAPTER / saved.ADAPTER_WEIGHTS).write_bytes(save({out.name: np.ones(3, np.float32)}))
    return out / rundir.ADAPTER


def apart_from(tmp_path, adapter, *overrides) -> None:
    settings = config(tmp_path, *overrides)
    apart.check(settings, data.load(settings.data, settings.prompt), adapter)


def written(path: Path, begin: int, end: int) -> str:
    """Problems of a file of one's own."""
    colours, animals = ("red", "blue", "green", "grey", "black"), ("sheep", "goats", "hens", "cows", "pigs", "ducks")
    words = [f"{colour} {animal}" for colour in colours for animal in animals]
    found = [{"problem": f"A farmer who owns {n + 3} {word} sells {n} of them on market day number {n * 7}. How many "
                           f"{word} are left when the farmer goes home to field {n}?", "answer": str(n)}
             for n, word in enumerate(words[begin:end], begin)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return str(path)


def test_fault_6_what_an_earlier_stage_trained_on_is_not_held_out(tmp_path):
    mine = (*EASY, f"data.path={written(tmp_path / 'mine.jsonl', 0, 30)}")
    sft = stage_on(tmp_path, "stage=sft", *mine)
    apart_from(tmp_path, None, "stage=grpo", *mine, "data.split_seed=1")
    apart_from(tmp_path, sft, "stage=grpo", *mine, "data.mix.problems=2")
    told = r"r/sft was trained on \d+ of the \d+ problems that stage=grpo would hold out.*data\.split_seed: 0 -> 1"
    with pytest.raises(RuntimeError, match=told):
        apart_from(tmp_path, sft, "stage=grpo", *mine, "data.split_seed=1")
    for other in ("data.heldout=0.5", "data.limit=20"):
        with pytest.raises(RuntimeError, match=r"was trained on \d+ of the .*init_from=base"):
            apart_from(tmp_path, sft, "stage=grpo", *mine, other)
    grpo = stage_on(tmp_path, "stage=grpo", *mine, "data.split_seed=1", started_from=sft)
    with pytest.raises(RuntimeError, match=r"r/sft was trained on"):  # not by the stage before, but by its own
        apart_from(tmp_path, grpo, "stage=distill", *mine, "data.split_seed=1")


def test_fault_6_other_problems_may_be_held_out(tmp_path):
    one, other = written(tmp_path / "one.jsonl", 0, 15), written(tmp_path / "other.jsonl", 15, 30)
    sft = stage_on(tmp_path, "stage=sft", *EASY, f"data.path={one}")
    apart_from(tmp_path, sft, "stage=grpo", *EASY, f"data.path={other}")
    written(tmp_path / "one.jsonl", 5, 20)
    with pytest.raises(RuntimeError, match=r"with other problems than its data hold now"):
        apart_from(tmp_path, sft, "stage=grpo", *EASY, f"data.path={other}")
    os.unlink(one)
    with pytest.raises(RuntimeError, match=r"cannot be read any more .*one\.jsonl"):
        apart_from(tmp_path, sft, "stage=grpo", *EASY, f"data.path={other}")
