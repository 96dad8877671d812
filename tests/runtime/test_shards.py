"""What goes with sharded weights. That they train is in test_ranks.py, on two ranks."""

import pytest
from conftest import composed

from qgen.runtime import shards

LAUNCHED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"}


@pytest.fixture
def launched(monkeypatch):
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_all_that_does_not_go_with_sharding_is_named_at_once(launched):
    shards.check(composed("model=tiny").model)
    launched.setenv("FSDP_VERSION", "1")
    with pytest.raises(RuntimeError, match=r"fsdp_version: 2 .*load_in_4bit=false; model.rollout=auto"):
        shards.check(composed("model=tiny", "model.load_in_4bit=true", "model.rollout=compiled").model)


def test_without_fsdp_nothing_is_refused():
    shards.check(composed("model=tiny", "model.load_in_4bit=true", "model.rollout=compiled").model)


def test_a_checkpoint_is_resumed_as_it_was_written(launched, tmp_path):
    (tmp_path / "optimizer.pt").touch()
    with pytest.raises(RuntimeError, match="without FSDP"):
        shards.same_kind(tmp_path)
    launched.delenv("ACCELERATE_USE_FSDP")
    shards.same_kind(tmp_path)
    (tmp_path / "optimizer.pt").rename(tmp_path / "optimizer.bin")
    with pytest.raises(RuntimeError, match="with FSDP"):
        shards.same_kind(tmp_path)
