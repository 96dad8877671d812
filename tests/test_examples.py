"""The example package is installed with pip, its terms score real problems, and a stage trains with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY

PLUGIN = Path(__file__).parents[1] / "examples" / "reward_plugin"
SCORE = """
import json
from qgen.settings import compose
from qgen import data
from qgen.mathematics.problem import render
from qgen.rewards import Rewards
config = compose.composed(["+reward.terms.on_topic.weight=0.2"])
corpus = data.load(config.data)
held = corpus.heldout
columns = {"topic": [p.topic for p in held], "level": [p.level for p in held]}
scores = Rewards(config.reward, corpus.train).score(["a"] * len(held), [render(p) for p in held], **columns)
print(json.dumps(scores.terms["on_topic"]))
"""


@pytest.mark.slow
def test_the_example_is_installed_and_trained_with(tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, str(PLUGIN)], check=True, capture_output=True)
    env = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", SCORE], env=env, check=True, capture_output=True, text=True)
    values = json.loads(done.stdout.splitlines()[-1])
    assert sum(values) / len(values) > 0.5
    terms = ("reward.gate=null", "+reward.terms.on_topic.weight=0.2", "+reward.terms.concise.weight=0.5",
             "+reward.terms.concise.params.characters=20")  # fmt: skip
    batch = ("stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=2", "stage.max_steps=2")
    command = [sys.executable, "-m", "qgen.train", "stage=grpo", *batch, *TINY, *terms]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "outputs" / "t" / "grpo"
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < row["terms/concise"] <= 1 and row["terms/on_topic"] == 0 for row in metrics)
    assert all(row["rewards/concise/mean"] == pytest.approx(row["terms/concise"]) for row in metrics)  # TRL's own
    assert all(row["rewards/novelty/mean"] == row["terms/novelty"] == 0 for row in metrics)
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert all({"concise", "on_topic", "format"} <= set(row["terms"]) for row in samples)


def test_without_the_package_the_term_is_unknown_at_once(tmp_path):
    command = [sys.executable, "-m", "qgen.train", "stage=grpo", "+reward.terms.on_topic.weight=0.2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "unknown reward term 'on_topic'; there are: " in done.stderr
    assert "solvable" in done.stderr
