"""Sweeps with what others wrote for Hydra: submitit's launcher, ray's, optuna's search."""

import os
import subprocess
import sys

import pytest
import yaml
from conftest import TINY, qgen

from qgen.runs.files import read_json, rows

SIZE = ("stage.per_device_train_batch_size=2", "stage.gradient_accumulation_steps=1", "stage.max_steps=2")


@pytest.mark.slow
def test_a_search_is_told_each_jobs_metric(tmp_path):
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'qgen[optuna]'")
    search = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.direction=minimize", "hydra.sweeper.n_trials=2",
              "hydra.sweeper.n_jobs=1", "sweep.metric=heldout_loss",
              "stage.learning_rate=interval(0.0001,0.01)")  # fmt: skip
    done = qgen(*TINY, *SIZE, *search, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    home = tmp_path / "multirun" / "t"
    losses = [row["metrics"]["heldout_loss"][-1] for row in rows(home / "manifest.jsonl")]
    assert len(losses) == 2
    assert yaml.safe_load((home / "optimization_results.yaml").read_text())["best_value"] == min(losses)


@pytest.mark.slow
def test_submitit_runs_a_job_and_its_failure_is_seen(tmp_path):
    done = qgen(*TINY, *SIZE, "-m", "hydra/launcher=submitit_local", "stage.init_from=base,nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert "stage.init_from=nowhere failed" in done.stderr
    home = tmp_path / "multirun" / "t" / "stage.init_from=base"
    assert read_json(home / "summary.json")["steps"] == 2


@pytest.mark.parametrize("launcher", ["submitit_slurm", "submitit_local", "ray", "ray_aws"])
def test_launchers_of_clusters_compose(tmp_path, launcher):
    env = os.environ.copy()
    if launcher.startswith("ray"):  # composing needs the plugin alone; ray itself is as large as torch
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path / "site")]
        subprocess.run([*pip, "hydra-ray-launcher==1.2.2"], check=True, capture_output=True)
        env["PYTHONPATH"] = str(tmp_path / "site")
    command = [sys.executable, "-m", "qgen.train", f"hydra/launcher={launcher}", "--cfg", "hydra"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    target = yaml.safe_load(done.stdout)["hydra"]["launcher"]["_target_"]
    assert target.startswith(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher.")
