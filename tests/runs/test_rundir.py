import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import composed
from safetensors.numpy import save

from qgen.runs import rundir, saved


def config(tmp_path, *overrides):
    return composed(f"output_dir={tmp_path}", "run_name=r", *overrides)


WEIGHTS = save({"a": np.ones(3, np.float32), "b": np.zeros((2, 2), np.float16)})
FILES = ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def checkpoint(out, step):
    folder = out / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(WEIGHTS)
    (folder / saved.STATE).write_text(json.dumps({"sizes": dict.fromkeys(FILES, len(WEIGHTS))}))
    return folder


def begun(tmp_path, *overrides):
    """A run that has written a row."""
    out = tmp_path / "r" / "sft"
    rundir.begin(config(tmp_path, *overrides), out, rundir.Claim())
    (out / "metrics.jsonl").write_text("written\n")
    return out


def test_a_fresh_directory_is_claimed(tmp_path):
    out = tmp_path / "r" / "sft"
    assert rundir.claim(config(tmp_path), out) == rundir.Claim()
    rundir.begin(config(tmp_path), out, rundir.Claim())
    assert "max_steps: 200" in (out / "config.yaml").read_text()
    assert rundir.claim(config(tmp_path, "seed=1"), out) == rundir.Claim()  # nothing was trained yet


def test_an_unfinished_run_wants_to_be_told(tmp_path):
    out = begun(tmp_path)
    with pytest.raises(RuntimeError, match=r"unfinished run.*resume=true.*overwrite=true"):
        rundir.claim(config(tmp_path), out)
    newest = checkpoint(out, 20)
    checkpoint(out, 10)
    assert rundir.claim(config(tmp_path, "resume=true"), out).checkpoint == newest


def test_another_configs_run_is_refused_and_nothing_is_lost(tmp_path):
    out = begun(tmp_path)
    with pytest.raises(RuntimeError, match=r"stage\.max_steps: 200 -> 7"):
        rundir.claim(config(tmp_path, "stage.max_steps=7"), out)
    assert (out / "metrics.jsonl").read_text() == "written\n"
    assert "max_steps: 200" in (out / "config.yaml").read_text()


def test_resume_may_change_the_config_and_says_what(tmp_path):
    out = begun(tmp_path)
    (out / "summary.json").write_text("{}")
    claimed = rundir.claim(config(tmp_path, "stage.max_steps=300", "resume=true"), out)
    assert not claimed.complete
    assert "stage.max_steps: 200 -> 300" in claimed.note


def test_a_complete_run_is_left_alone(tmp_path):
    out = begun(tmp_path)
    (out / "summary.json").write_text("{}")
    assert rundir.claim(config(tmp_path), out).complete
    assert rundir.claim(config(tmp_path, "resume=true"), out).complete


def test_overwrite_removes_what_a_run_wrote_and_nothing_else(tmp_path):
    out = begun(tmp_path)
    checkpoint(out, 10)
    for mine in ("notes.json", "mine.jsonl", "checkpoint-best"):
        (out / mine).write_text("mine")
    again = config(tmp_path, "overwrite=true", "seed=1")
    assert rundir.claim(again, out) == rundir.Claim()
    assert (out / "metrics.jsonl").exists()  # until everything else has been loaded
    rundir.begin(again, out, rundir.Claim())
    assert sorted(p.name for p in out.iterdir()) == ["checkpoint-best", "config.yaml", "mine.jsonl", "notes.json"]


@pytest.mark.parametrize("changed", [False, True])
def test_what_is_not_gone_on_from_is_cleared(tmp_path, changed):
    out = begun(tmp_path)
    (out / "winners.jsonl").write_text("a teacher's work\n")
    rundir.begin(config(tmp_path, "resume=true"), out, rundir.Claim(changed=changed))
    assert not (out / "metrics.jsonl").exists()
    assert (out / "winners.jsonl").exists() is not changed
    (out / "metrics.jsonl").write_text("written\n")
    rundir.begin(config(tmp_path, "resume=true"), out, rundir.Claim(checkpoint=checkpoint(out, 10)))
    assert (out / "metrics.jsonl").exists()


def test_overwrite_removes_nothing_where_no_run_was(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("mine")
    rundir.begin(config(tmp_path, "overwrite=true"), tmp_path, rundir.Claim())
    assert (tmp_path / "metrics.jsonl").read_text() == "mine"


def test_a_directory_is_one_processs(tmp_path):
    with rundir.locked(tmp_path):
        code = f"from pathlib import Path; from qgen.runs import rundir\nwith rundir.locked(Path({str(tmp_path)!r})): 0"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process is at work in" in other.stderr
    with rundir.locked(tmp_path):
        pass


def test_what_a_stage_started_from_may_not_change(tmp_path):
    start = adapter(tmp_path / "r" / "sft")
    out = tmp_path / "r" / "grpo"
    out.mkdir()
    was = {"started_from": str(start), "started_from_hash": rundir.fingerprint(start), "data": "d"}
    (out / "environment.json").write_text(json.dumps(was))
    rundir.same_origin(out, start, "d")
    with pytest.raises(RuntimeError, match="other problems"):
        rundir.same_origin(out, start, "other")
    (start / "adapter_model.safetensors").write_text("retrained")
    with pytest.raises(RuntimeError, match=r"r/sft/adapter holds now: overwrite=true"):
        rundir.same_origin(out, start)


@pytest.mark.parametrize("name", [*FILES, saved.STATE])
@pytest.mark.parametrize("content", [None, "", "some"])
def test_a_half_written_checkpoint_is_skipped_for_a_whole_one(tmp_path, name, content):
    whole = checkpoint(tmp_path, 10)
    broken = checkpoint(tmp_path, 20) / name
    broken.unlink() if content is None else broken.write_text(content)
    found, note = saved.last_checkpoint(tmp_path)
    assert found == whole
    assert "checkpoint-20 is half written" in note
    assert name in note


def test_only_half_written_checkpoints_end_the_resume(tmp_path):
    (checkpoint(tmp_path, 10) / "optimizer.pt").write_text("some")
    with pytest.raises(RuntimeError, match=r"half written.*optimizer\.pt.*overwrite=true"):
        saved.last_checkpoint(tmp_path)


def test_no_checkpoint_yet(tmp_path):
    assert saved.last_checkpoint(tmp_path)[0] is None


def adapter(out):
    (out / "adapter").mkdir(parents=True)
    (out / "adapter" / "adapter_config.json").write_text("{}")
    (out / "adapter" / "adapter_model.safetensors").write_bytes(WEIGHTS)
    (out / "summary.json").write_text("{}")
    return out / "adapter"


def test_a_stage_starts_from_the_one_before(tmp_path):
    assert rundir.starting_adapter(config(tmp_path, "stage=grpo")) is None
    first = adapter(tmp_path / "r" / "sft")
    assert rundir.starting_adapter(config(tmp_path, "stage=grpo")) == first
    assert rundir.starting_adapter(config(tmp_path, "stage=distill")) == first
    second = adapter(tmp_path / "r" / "grpo")
    assert rundir.starting_adapter(config(tmp_path, "stage=distill")) == second
    assert rundir.starting_adapter(config(tmp_path, "stage=sft")) is None
    assert rundir.starting_adapter(config(tmp_path, "stage=distill", "stage.init_from=base")) is None
    assert rundir.starting_adapter(config(tmp_path, "stage=distill", f"stage.init_from={tmp_path}/r/sft")) == first


def test_an_unfinished_stage_before_is_refused(tmp_path):
    begun(tmp_path)
    with pytest.raises(RuntimeError, match=r"not finished.*stage=sft resume=true"):
        rundir.starting_adapter(config(tmp_path, "stage=grpo"))


def test_a_path_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="does not exist"):
        rundir.adapter_at(tmp_path / "none")
    (tmp_path / "checkpoint-3").mkdir()
    with pytest.raises(RuntimeError, match="holds no adapter"):
        rundir.adapter_at(tmp_path / "checkpoint-3")
    (tmp_path / "checkpoint-3" / "adapter_config.json").write_text("{}")
    with pytest.raises(RuntimeError, match="half written"):
        rundir.adapter_at(tmp_path / "checkpoint-3")


def test_differences_name_keys():
    assert rundir.differences("a: {b: 1, c: 2}", "a: {b: 1, c: 3}\nd: 4") == {"a.c": ("2", "3"), "d": ("absent", "4")}
    assert rundir.differences("resume: true", "resume: false") == {}


def bits(dtype, value):
    """A tensor of safetensors' dtype with one such value, as a file."""
    kinds = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
    held = np.zeros(5, kinds[dtype])
    held[3] = value
    fine = {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}
    broken = {"dtype": dtype, "shape": [5], "data_offsets": [8, 8 + held.nbytes]}
    header = json.dumps({"fine": fine, "x": broken}).encode()
    return len(header).to_bytes(8, "little") + header + b"\xff" * 8 + held.tobytes()


NOT_FINITE = [("F32", np.nan), ("F32", -np.inf), ("F16", np.inf), ("BF16", 0x7FC0), ("BF16", 0xFF80)]


@pytest.mark.parametrize(("dtype", "value"), NOT_FINITE)
def test_weights_that_are_not_finite_are_read_by_nobody(tmp_path, dtype, value):
    place = adapter(tmp_path / "r" / "sft")
    (place / "adapter_model.safetensors").write_bytes(bits(dtype, value))
    for path in (place, tmp_path / "r" / "sft", tmp_path / "r"):
        with pytest.raises(RuntimeError, match=r"not finite, first in x"):
            rundir.adapter_at(path)
    whole, broken = checkpoint(tmp_path, 10), checkpoint(tmp_path, 20)
    size = (broken / "adapter_model.safetensors").write_bytes(bits(dtype, value))
    sizes = dict.fromkeys(FILES, len(WEIGHTS)) | {"adapter_model.safetensors": size}
    (broken / saved.STATE).write_text(json.dumps({"sizes": sizes}))
    found, note = saved.last_checkpoint(tmp_path)
    assert found == whole
    assert "checkpoint-20/adapter_model.safetensors holds numbers that are not finite, first in x: skipped" in note


@pytest.mark.parametrize(("dtype", "value"), [("F32", 3.4e38), ("F16", 65504), ("BF16", 0x7F7F), ("BF16", 0xFF7F)])
def test_the_largest_numbers_are_finite(tmp_path, dtype, value):
    place = adapter(tmp_path)
    (place / "adapter_model.safetensors").write_bytes(bits(dtype, value))
    assert rundir.adapter_at(tmp_path) == place


def test_an_adapter_of_another_base_is_refused(tmp_path, capsys):
    place = adapter(tmp_path / "r" / "sft")
    now = "dir/b@" + "2" * 16
    for was, refused in ((now, False), ("dir/a@" + "1" * 16, True), ("user/model@" + "3" * 40, False)):
        (place.parent / "environment.json").write_text(json.dumps({"model": was}))
        if refused:
            with pytest.raises(RuntimeError, match=r"trained on dir/a@1+, and model\.name gives dir/b"):
                rundir.same_base(place, now)
        else:
            rundir.same_base(place, now)
    assert "user/model" in capsys.readouterr().out
