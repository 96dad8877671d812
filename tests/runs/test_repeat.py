"""A run is repeated from what it left behind, figure for figure, and what makes two runs differ is named."""

import shutil

import pytest
from conftest import TINY, qgen

from qgen.runs.files import read_json, rows, steps, write_json

SIZE = (
    "reward.gate=null",
    "stage.per_device_train_batch_size=2",
    "stage.gradient_accumulation_steps=2",
    "stage.max_steps=3",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A stage's run, in outputs/t/sft."""
    home = tmp_path_factory.mktemp("repeat")
    first = qgen(*TINY, *SIZE, "stage=sft", "stage.learning_rate=1e-2", "seed=5", cwd=home)
    assert first.returncode == 0, first.stderr
    return home


def test_a_stage_is_repeated_to_the_bit(home, tmp_path):
    shutil.copytree(home / "outputs", tmp_path / "outputs")
    was, again = tmp_path / "outputs/t/sft", tmp_path / "outputs/t-again/sft"
    done = qgen("--from", "outputs/t/sft", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loss: identical in all 3 steps" in done.stdout
    assert "completions: identical, all 8" in done.stdout
    for name, keys in (("metrics", ("loss", "grad_norm")), ("samples", ("completion", "reward"))):
        a, b = ([[row.get(key) for key in keys] for row in rows(out / f"{name}.jsonl")] for out in (was, again))
        assert a == b
    weights = "adapter/adapter_model.safetensors"
    assert (was / weights).read_bytes() == (again / weights).read_bytes()

    other = qgen("--from", "outputs/t/sft", "seed=6", "run_name=other", cwd=tmp_path)
    assert other.returncode == 0, other.stderr
    assert steps(tmp_path / "outputs/other/sft/metrics.jsonl")[0]["loss"] != steps(was / "metrics.jsonl")[0]["loss"]
    environment = read_json(tmp_path / "outputs/other/sft/environment.json")
    environment["packages"]["torch"], environment["code"] = "1.0", "edited"
    write_json(tmp_path / "outputs/other/sft/environment.json", environment)
    said = qgen("diff", "outputs/t/sft", "outputs/other/sft", module="report", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    for part in (" seed ", "packages: torch", "1.0", "code", "edited", "loss: first differs at step 1"):
        assert part in said.stdout
    assert "stage.max_steps" not in said.stdout
    assert "packages: numpy" not in said.stdout


def test_repeating_what_is_not_there(tmp_path):
    for arguments, says in (
        (["--from", "nowhere"], "--from nowhere: it holds no config.yaml"),
        (["--from", "a=b"], "--from needs the directory of a stage"),
        (["--from"], "--from needs the directory of a stage"),
        (["--from", "seed=1"], "--from needs the directory of a stage"),
    ):
        done = qgen(*arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert qgen("diff", "a", module="report", cwd=tmp_path).returncode == 1
    done = qgen("diff", "a", "b", module="report", cwd=tmp_path)
    assert "a: it holds no config.yaml" in done.stderr
    assert done.returncode == 1


def test_another_start_is_refused(home, tmp_path):
    shutil.copytree(home / "outputs", tmp_path / "outputs")
    home = tmp_path / "outputs/t/sft"
    told = read_json(home / "environment.json") | {"started_from": "outputs/t/sft/adapter", "started_from_hash": "x"}
    write_json(home / "environment.json", told)
    done = qgen("--from", "outputs/t/sft", cwd=tmp_path)
    assert done.returncode == 1
    assert "was started from outputs/t/sft/adapter, which holds another adapter now" in done.stderr
    shutil.rmtree(home / "adapter")
    done = qgen("--from", "outputs/t/sft", cwd=tmp_path)
    assert "outputs/t/sft/adapter does not exist" in done.stderr
