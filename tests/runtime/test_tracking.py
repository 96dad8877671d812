import pytest
import torch
from conftest import composed

from qgen.runtime.files import rows, steps
from qgen.runtime.tracking import Tracker, tracking


def test_the_last_row_of_a_step_is_steps(tmp_path):
    tracker = Tracker(tmp_path)
    tracker.metrics(1, {"loss": 2.0})
    tracker.metrics(2, {"loss": torch.tensor(1.5)})
    Tracker(tmp_path).metrics(2, {"loss": 1.0})  # a resumed run does step 2 again
    assert [row["loss"] for row in steps(tmp_path / "metrics.jsonl")] == [2.0, 1.0]
    assert len(rows(tmp_path / "metrics.jsonl")) == 3


def test_wandb_offline_gets_the_same_events(tmp_path):
    config = composed("tracker=wandb", "tracker.mode=offline")
    with tracking(config, tmp_path, {"seed": 1}) as tracker:
        tracker.metrics(1, {"loss": 2.0})
        tracker.validation(1, {"format_yield": 0.5})
    assert [row["loss"] for row in steps(tmp_path / "metrics.jsonl")] == [2.0]
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    import wandb

    assert wandb.run is None  # finished


def test_a_tracker_that_cannot_start(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "not a url")
    with pytest.raises(RuntimeError, match=r"tracker\.mode=offline"), tracking(composed("tracker=wandb"), tmp_path, {}):
        pass
    with tracking(composed("tracker=wandb", "tracker.required=false"), tmp_path, {}) as tracker:
        tracker.metrics(1, {"loss": 2.0})
    assert steps(tmp_path / "metrics.jsonl")[0]["loss"] == 2.0
