"""The dashboard asks for what real offline runs of all three stages logged, and those logged all that they wrote."""

import copy
import json
import os
import re

import pytest
import wandb_file
from conftest import qgen

from qgen.reporting import dashboard
from qgen.runs.files import rows, steps
from qgen.settings.stage import STAGES


@pytest.fixture
def home(pipeline):
    return pipeline[0] / "outputs" / "t"


def specification(*arguments: str, cwd) -> dict:
    done = qgen(*arguments, "--dry-run", cwd=cwd, module="dashboard")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def panels(spec: dict) -> list[dict]:
    sections = spec["spec"]["section"]["panelBankConfig"]["sections"]
    return [panel for section in sections for panel in section["panels"]]


def not_logged(spec: dict, logged: set[str]) -> list[str]:
    """What panels of a specification ask for and no run has."""
    asked = []
    for panel in panels(spec):
        config = panel["config"]
        if "metrics" in config:
            asked += [f"^{re.escape(name)}$" for name in (config["xAxis"], *config["metrics"])]
            asked += [config["metricRegex"]] if config.get("useMetricRegex") else []
        else:
            (table,) = re.findall(r'"val": "(\w+)"', json.dumps(config))
            asked.append(f"^{table}$")
    return [name for name in asked if not any(re.search(name, key) for key in logged)]


def test_the_dashboard_asks_for_what_the_stages_logged(pipeline, home, tmp_path, monkeypatch):
    assert "wandb:" not in pipeline[1]
    logged = set().union(*(wandb_file.read(home / stage).keys() for stage in STAGES))
    spec = specification("entity=us", cwd=tmp_path)
    assert not_logged(spec, logged) == []
    names = [section["name"] for section in spec["spec"]["section"]["panelBankConfig"]["sections"]]
    assert names == ["Learning", "Rewards", "Validation", "Memory", "Samples"]
    lines = [panel["config"] for panel in panels(spec) if "metrics" in panel["config"]]
    assert {(line["xAxis"], line["smoothingType"]) for line in lines} == {(dashboard.AXIS, "none")}
    assert [key["name"] for key in spec["spec"]["section"]["runSets"][0]["grouping"]] == ["group", "jobType"]

    shown = [name for line in lines for name in (*line["metrics"], line.get("metricRegex"))]
    for key in logged:
        if key.startswith(("validation/", "memory/", "train/terms/", "train/trust/")):
            assert any(name == key or (name and re.search(name, key)) for name in shown), key

    for name in ("train/loss", "memory/peak_gib", "samples", "best_problems", dashboard.AXIS):
        assert len(not_logged(spec, logged - {name})) >= 1, name
    wrong = copy.deepcopy(dashboard.SECTIONS)
    wrong["Learning"]["loss"], wrong["Rewards"]["terms (grpo)"] = ["train/los"], ["train/term/*"]
    monkeypatch.setattr(dashboard, "SECTIONS", wrong)
    monkeypatch.setattr(dashboard, "TABLES", ["sample"])
    mistaken = dashboard.specification(dashboard.workspace(dashboard.DashboardConfig(entity="us")))
    assert not_logged(mistaken, logged) == ["^train/los$", "^train/term/.+", "^sample$"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_real_run_is_in_its_offline_file(home, stage):
    out = home / stage
    logged = wandb_file.read(out)
    assert (logged.run.display_name, logged.run.run_group, logged.run.job_type) == (f"t/{stage}", "t", stage)
    assert logged.exit_code == 0
    assert logged.config["stage"]["max_steps"] == 2
    assert logged.config["environment"] == json.loads((out / "environment.json").read_text())

    for name, section in (("metrics", "train"), ("validation", "validation")):
        for row in steps(out / f"{name}.jsonl"):
            for key, value in row.items():
                if key in ("step", "time", "fingerprint", "taken_over") or value is None:
                    continue
                got = [r.get(f"{section}/{key}") for r in logged.history if r.get(dashboard.AXIS) == row["step"]]
                assert value in got, key
    peaks = [row["memory/peak_gib"] for row in logged.history if "memory/peak_gib" in row]
    assert peaks == pytest.approx([row["peak"] / 2**30 for row in rows(out / "memory.jsonl")])
    shown = [row for row in rows(out / "samples.jsonl") if row["mode"] != "train"]
    assert {row["mode"] for row in shown} == ({"validation", "teacher"} if stage == "distill" else {"validation"})
    table = logged.tables["samples"]
    assert table["columns"][6:] == list(shown[0]["terms"])
    assert table["data"] == [
        [row[name] for name in ("mode", "step", "topic", "level", "reward", "completion")] + list(row["terms"].values())
        for row in shown
    ]


def test_a_dry_run_asks_no_network(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def connect(*_):\n    raise OSError('a connection was asked for')\n"
        "socket.socket.connect = connect\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    spec = specification("project=algebra", "name=mine", cwd=tmp_path)
    assert (spec["project"], spec["displayName"]) == ("algebra", "mine")
    done = qgen("entity=us", cwd=tmp_path, module="dashboard", cold=True)
    assert done.returncode == 1
    assert "the dashboard could not be saved" in done.stderr
    assert "a connection was asked for" in (tmp_path / "dashboard.log").read_text()  # so the dry run made none


def test_a_mistyped_key(tmp_path):
    done = qgen("projec=x", "--dry-run", cwd=tmp_path, module="dashboard")
    assert done.returncode == 1
    assert "did you mean project?" in done.stderr
