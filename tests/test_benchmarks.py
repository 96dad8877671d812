"""What benchmarks keep of a session on a GPU, and how it is printed."""

import importlib
from pathlib import Path

import pytest

from qgen.runs import files

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("gpu")


def test_a_row_measured_again_replaces_its_own_of_that_session_alone(gpu, tmp_path):
    for name, session, seconds in (("qgen", 1, 3.1), ("qgen", 2, 3.2), ("stock", 2, 26.3), ("qgen", 2, 3.3)):
        gpu.keep({"row": f"grpo-14b/{name}", "session": session, "seconds": seconds}, tmp_path)
    kept = [(row["row"], row["session"], row["seconds"]) for row in files.rows(tmp_path / "grpo-14b.jsonl")]
    assert kept == [("grpo-14b/qgen", 1, 3.1), ("grpo-14b/stock", 2, 26.3), ("grpo-14b/qgen", 2, 3.3)]


def test_a_table_has_a_line_a_row_with_its_session(gpu, tmp_path, capsys):
    gpu.keep({"row": "sft-14b/stock", "session": 1, "seconds": 4.1689, "device": "NVIDIA H100"}, tmp_path)
    gpu.keep({"row": "sft-14b/unsloth", "session": 2, "failed": ["no memory"]}, tmp_path)
    gpu.show(tmp_path)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]
    assert lines == [
        ["sft-14b,", "NVIDIA", "H100"],
        ["row", "session", "s", "a", "step"],
        ["stock", "1", "4.169"],
        ["unsloth", "2", "failed"],
    ]
