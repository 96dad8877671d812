"""Values that no run can mean, and whether what is said of a mistake is true."""

import codecs
import gzip
import json
import random
from fractions import Fraction

import numpy as np
import pyarrow
import pytest
from conftest import CUBES, DIGITS, SPHERES, composed, qgen
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from pyarrow import parquet

from qgen.cli import explain
from qgen.data import files, jsonl
from qgen.data.prompts import epochs, of_task
from qgen.rewards import registry
from qgen.settings import ranges
from qgen.settings.choices import Task
from qgen.settings.generate import GenerateConfig


@pytest.mark.parametrize(
    "override",
    [
        "reward.terms.novelty.weight=nan",
        "+reward.terms.novelty.params.x=nan",
        "stage.weight_decay=inf",
        "stage.max_grad_norm=nan",
        "stage.learning_rate=nan",
        "stage.learning_rate=inf",
        "+stage.trl.adam_epsilon=nan",
        "validation.stop_below=-inf",
        "teacher.price.prompt=inf",
        "scale=nan",
        "scale=inf",
    ],
)
def test_fault_18_every_number_is_finite(override):
    key = override.partition("=")[0].lstrip("+")
    with pytest.raises(ValueError, match=rf"^{key}=\S+ must be a finite number$"):
        composed(override)


def test_fault_18_every_commands_numbers_are_finite():
    with pytest.raises(ValueError, match="temperature=nan must be a finite number"):
        GenerateConfig(run=".", temperature=float("nan")).check()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stage.max_steps=1000000000", "stage.max_steps=1000000000 must be between 1 and 1000000"),
        ("stage.num_prompts=1000000000", "stage.num_prompts=1000000000 must be between 1 and"),
        ("validation.prompts=1000000000", "validation.prompts=1000000000 must be between 1 and"),
        ("data.split_seed=1000000000000000000000", "data.split_seed must be between"),
        ("seed=-1", "seed=-1 must be between 0 and"),
        ("seed=99999999999", "seed=99999999999 must be between 0 and"),
        ("scale=1e300", "scale=1e+300 must be between 0 and"),
        ("stage.weight_decay=-1", "stage.weight_decay=-1.0 must be at least 0"),
        ("model.lora.alpha=-1", "model.lora.alpha=-1 must be at least 1"),
    ],
)
def test_fault_18_numbers_are_of_a_size_that_can_be_meant(override, says):
    with pytest.raises(ValueError, match="must be") as caught:
        composed(override)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("name", ["", " ", ".", "..", "../../x", "a/../../x", "a/..", "/tmp/x"])
def test_fault_18_a_run_stays_in_its_output_dir(name):
    with pytest.raises(ValueError, match=r"must name a folder inside of output_dir=outputs"):
        composed(f"run_name='{name}'")
    with pytest.raises(ValueError, match="output_dir is empty"):
        composed("output_dir=''")


@pytest.mark.parametrize("name", ["a", "a/b", "a/../b", "..a", "a..b"])
def test_fault_18_a_run_may_lie_in_a_subfolder(name):
    assert composed(f"run_name={name}").run_name == name
    assert ranges.home("/data", name) == f"/data/{name}"


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("train", ["run_name=../x"]), ("train", ["-m", "seed=0,1", "run_name=../x"]), ("pipeline", ["run_name=../x"]),
     ("rewards.check", ["run_name=../x"]), ("rewards.attack", ["run_name=../x"])],
)  # fmt: skip
def test_fault_18_nothing_is_made_outside_before_it_is_refused(tmp_path, module, arguments):
    (tmp_path / "here").mkdir()
    done = qgen(*arguments, cwd=tmp_path / "here", module=module, cold=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("qgen: run_name=../x must name a folder inside of output_dir=")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize("task", Task)
def test_fault_18_requests_of_a_long_run_are_those_of_before_and_held_once(task):
    config, train = composed("stage=grpo"), [SPHERES, DIGITS, CUBES]
    rows, order = epochs(config.prompt, train, task, config.seed, 50)
    before = []
    for epoch in range(17):
        shuffled = list(train)
        random.Random(f"{config.seed}/{epoch}").shuffle(shuffled)
        before += [of_task(config.prompt, p, task, len(before) + i) for i, p in enumerate(shuffled)]
    assert [rows[i] for i in order] == before[:50]
    assert len(rows) <= 3 * {Task.variation: 5, Task.both: 10}.get(task, 1)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stage.max_steps='${seeed}'", "stage.max_steps: ${seeed} is no key; did you mean seed?"),
        ("reward.terms.novelty.weight='${sed}'", "reward.terms.novelty.weight: ${sed} is no key; did you mean seed?"),
        ("stage.max_steps='${stage.max_steps}'", "stage.max_steps: Recursive interpolation"),
        ("stage.max_steps='${run_name}'", "stage.max_steps: While dereferencing interpolation '${run_name}'"),
        ("seed='${oc.env:NOPE}'", "seed: KeyError raised while resolving interpolation"),
        ("run_name='${'", "run_name: no viable alternative"),
        ("run_name=???", "run_name has no value: set run_name=VALUE"),
        ("+reward.terms.format.weight=1", "reward.terms.format.weight is there already: set it without the +"),
        (f"stage.learning_rate=1{'0' * 400}", "stage.learning_rate: int too large to convert to float"),
        ("stage.max_stepz=1", "stage.max_stepz: there is no such key; did you mean stage.max_steps?"),
        ("data.path=a,b", "data.path=a,b: several values are a sweep, which -m starts; one value with a comma"),
        ("data.path=a=[b", "data.path=a=[b: this override cannot be read"),
    ],
)
def test_fault_20_what_is_wrong_with_an_override_is_said(override, says):
    with pytest.raises((HydraException, OmegaConfBaseException, OverflowError)) as caught:
        composed(override)
    said = explain(caught.value)
    assert said.startswith(says)
    assert "did you mean stage.max_steps?" not in said or "stepz" in override
    assert "," not in override or "\"data.path='a,b'\"" in said


def test_fault_20_the_quoting_that_is_told_works():
    assert composed("data=jsonl", "data.path='a,b'").data.path == "a,b"


def test_fault_20_a_sweep_that_split_a_value_says_so(tmp_path):
    from qgen.sweeps import _split
    from qgen.sweeps.jobs import Job

    jobs = [
        Job(i, ["data=jsonl", f"data.path={p}"], tmp_path / p, reason=f"{p}: no such file") for i, p in enumerate("xy")
    ]
    assert _split(jobs, jobs) == "data.path=x, data.path=y"
    for other in ("seed=3", "stage.max_steps=3", "model=max", "data.path=step"):  # nothing that it says is of a piece
        swept = [
            Job(0, ["stage=sft", other], tmp_path, reason="stage.max_steps=3 is max"),
            Job(1, ["stage=sft"], tmp_path),
        ]
        assert _split(swept, swept[:1]) == ""


ROWS = [
    {"problem": "Find the sum of the digits of $2^{10}$.", "answer": 7},
    {"problem": "What is $6^2$?", "answer": "36"},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
ARRAY = json.dumps(ROWS, indent=1).encode()


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("content", [LINES, ARRAY, b"\n\n" + LINES])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_fault_20_rows_are_read_whatever_holds_them(tmp_path, mark, content, pack):
    path = tmp_path / "p"  # whatever its name
    path.write_bytes(pack(mark + content))
    assert [row for _, row in files.rows(str(path))] == ROWS


def test_fault_20_parquet_is_read(tmp_path):
    path = tmp_path / "p.parquet"
    rows = [row | {"answer": str(row["answer"])} for row in ROWS]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert list(files.rows(str(path))) == [(1, rows[0]), (2, rows[1])]
    (first, _) = jsonl.read(composed("data=jsonl", f"data.path={path}").data)
    assert (first.answer, first.source) == ("7", "p.parquet")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(LINES, mtime=0)[:-12], "broken gzip"),
        (b"PAR1" + LINES, "broken Parquet"),
        (ARRAY[:-5], r"p:\d+: not JSON .*truncated"),
        (b"[1, 2]\n", "p:1: not a JSON object but int"),
        (b"\xff\xfe{\x00", r"p:1: not UTF-8 .*gzip; or Parquet"),
        (b"", "p: the file is empty"),
        (b"[]", "p: the file is empty"),
    ],
)
def test_fault_20_a_file_that_cannot_be_read_says_what_it_is(tmp_path, content, says):
    path = tmp_path / "p"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match=says):
        list(files.rows(str(path)))
    with pytest.raises(RuntimeError, match="is a directory: name a file in it"):
        list(files.rows(str(tmp_path)))


class Scalar:
    """A tensor without dimensions, as far as a term's value is concerned."""

    ndim = 0

    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


@pytest.mark.parametrize("value", [0.5, Fraction(1, 2), np.float32(0.5), np.array(0.5), Scalar(0.5)])
def test_fault_20_a_terms_value_is_any_number(value):
    assert registry.call("t", lambda completions: [value, None], ["a", "b"]) == [0.5, None]
    assert registry.call("t", lambda completions: np.array([0.5, 1.0]), ["a", "b"]) == [0.5, 1.0]


@pytest.mark.parametrize(
    ("value", "says"),
    [(Scalar(1.5), "gave 1.5, which is not between 0 and 1"), (float("nan"), "nan, which is not between"),
     ("0.5", "gave '0.5', which is no number"), (np.array([0.5]), r"gave array\(\[0.5\]\), which is no number")],
)  # fmt: skip
def test_fault_20_what_is_no_value_is_said_truly(value, says):
    with pytest.raises(registry.JudgeError, match=says):
        registry.call("t", lambda completions: [value], ["a"])


async def later(completions, **columns):
    return [1.0] * len(completions)


class Later:
    async def __call__(self, completions, **columns):
        return [1.0] * len(completions)


@pytest.mark.parametrize("factory", [later, Later])
def test_fault_20_an_async_term_is_refused_by_name(monkeypatch, factory):
    monkeypatch.setitem(registry.TERMS, "late", factory)
    with pytest.raises(ValueError, match="reward term 'late': async terms are not supported"):
        registry.find("late", {})
    with pytest.raises(registry.JudgeError, match=r"reward term 'late' broke: .*async terms are not supported"):
        registry.call("late", lambda completions: later(completions), ["a"])


@pytest.mark.parametrize(("steps", "times"), [(1, "every step (1)"), (4, "every step (4)"), (30, "10 steps in a row")])
def test_fault_20_a_run_that_shows_nothing_else_is_told_of_once(steps, times):
    from qgen.stages.symptoms import Symptoms

    symptoms = Symptoms("grpo")
    for step in range(steps):
        symptoms.see("train", step, ["How many?"] * 2, [0.0, 0.0])
        symptoms.on_log(None, None, None, logs={"completions/clipped_ratio": 1.0})
    symptoms.on_train_end(None, None, None)
    zero, cut = symptoms.told
    assert zero.startswith(f"{times}: every completion earns 0")
    assert cut.startswith(f"{times}: every completion is cut off")


def test_fault_20_completions_that_are_chosen_from_and_earn_nothing_are_told():
    from qgen.stages.symptoms import Symptoms

    symptoms = Symptoms("distill")
    symptoms.see("teacher", 0, ["How many?"] * 2, [0.0, 0.4])
    assert symptoms.told == []
    symptoms.see("teacher", 0, ["How many?"] * 2, [0.0, 0.0])
    assert symptoms.told[0].startswith("of what is chosen from, every completion earns 0")


def test_fault_20_one_good_step_is_enough_in_a_short_run():
    from qgen.stages.symptoms import Symptoms

    symptoms = Symptoms("grpo")
    for step, reward in enumerate([0.5, 0.0, 0.0]):
        symptoms.see("train", step, ["How many?"] * 2, [0.0, reward])
        symptoms.on_log(None, None, None, logs={"completions/clipped_ratio": 1.0 - reward})
    symptoms.on_train_end(None, None, None)
    assert symptoms.told == []
