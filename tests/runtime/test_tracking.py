import json
import math

import pytest
import torch
from conftest import composed

from qgen.runtime.tracking import Tracker, read, tracking


def test_rows_are_appended_and_the_last_of_a_step_is_read(tmp_path):
    tracker = Tracker(tmp_path)
    tracker.metrics(1, {"loss": 2.0})
    tracker.metrics(2, {"loss": torch.tensor(1.5)})
    Tracker(tmp_path).metrics(2, {"loss": 1.0})  # a resumed run does step 2 again
    assert [row["loss"] for row in read(tmp_path / "metrics.jsonl")] == [2.0, 1.0]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_torn_last_line_is_passed_over(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"step": 2, "lo')
    assert read(tmp_path / "m.jsonl") == [{"step": 1}]
    assert read(tmp_path / "none.jsonl") == []


def test_whatever_a_model_writes_can_be_written(tmp_path):
    Tracker(tmp_path).write("samples", {"text": "\ud800 \0 数学 \n</script>", "nan": math.nan, "inf": [math.inf, 1]})
    row = json.loads((tmp_path / "samples.jsonl").read_text())
    assert row["nan"] is None
    assert row["inf"] == [None, 1]
    assert "数学" in row["text"]


def test_wandb_offline_gets_the_same_events(tmp_path):
    config = composed("tracker=wandb", "tracker.mode=offline")
    with tracking(config, tmp_path, {"seed": 1}) as tracker:
        tracker.metrics(1, {"loss": 2.0})
        tracker.validation(1, {"format_yield": 0.5})
    assert [row["loss"] for row in read(tmp_path / "metrics.jsonl")] == [2.0]
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    import wandb

    assert wandb.run is None  # finished


def test_a_tracker_that_cannot_start(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "not a url")
    with pytest.raises(RuntimeError, match=r"tracker\.mode=offline"), tracking(composed("tracker=wandb"), tmp_path, {}):
        pass
    with tracking(composed("tracker=wandb", "tracker.required=false"), tmp_path, {}) as tracker:
        tracker.metrics(1, {"loss": 2.0})
    assert read(tmp_path / "metrics.jsonl")[0]["loss"] == 2.0
