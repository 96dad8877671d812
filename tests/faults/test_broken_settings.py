"""Settings that were passed over in silence, and templates that lose what they are about."""

import re
from types import SimpleNamespace

import pytest
from conftest import composed, qgen
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from qgen.cli import explain
from qgen.data import files
from qgen.export import adapter
from qgen.models import model
from qgen.teachers.status import seconds, spoken


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["data.path=mine.jsonl"], "data=champ does not read data.path=mine.jsonl: set data=jsonl"),
        (["+data.fields.statement=q"], "data=champ has no columns to name: set data=jsonl"),
        (["data.variations_path=v.jsonl"], "data.variations_path=v.jsonl is not read where data.mix.variations is 0"),
        (["data.chat_path=c.jsonl"], "data.chat_path=c.jsonl is not read where data.mix.chat is 0"),
    ],
)
def test_fault_f3_what_would_not_be_read_is_refused(overrides, says):
    with pytest.raises(ValueError, match=says):
        composed(*overrides)


def test_fault_f3_what_is_read_passes():
    assert composed("data=openmath", "data.path=copy").data.path == "copy"
    assert composed("data=jsonl", "data.path=p", "data.chat_path=c", "data.mix.chat=.1").data.chat_path == "c"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("prompt.ask='%s'", r"prompt\.ask must say \{topic\} somewhere"),
        ("prompt.ask='{topic:99999999}'", r"prompt\.ask takes its fields as they are"),
        ("prompt.ask='{topic!r} {level}'", r"prompt\.ask takes its fields as they are"),
        ("prompt.ask='{topic} }'", r"prompt\.ask: .*write a literal brace twice"),
        ("prompt.about=x", r"prompt\.about must say \{points\}"),
        ("prompt.vary=x", r"prompt\.vary must say \{original\}"),
        ("prompt.improve=x", r"prompt\.improve must say \{original\}"),
        ("prompt.solve=x", r"prompt\.solve must say \{statement\}"),
    ],
)
def test_fault_f4_a_template_keeps_what_it_is_about(override, says):
    with pytest.raises(ValueError, match=says):
        composed(override)


@pytest.mark.parametrize("override", ["prompt.ask='A {topic} problem, {{please}}.'", "prompt.about=''", "prompt=zh"])
def test_fault_f4_a_template_of_ones_own_passes(override):
    composed(override)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.fields.statement=q", "data.fields.statement: not there in the groups that are chosen: .data.fields.st"),
        ("prompt.topics.Probability=x", "prompt.topics.Probability: not there in the groups that are chosen"),
        ("reward.terms.natural.weight=.1", "reward.terms.natural.weight: not there in the groups that are chosen"),
        ("reward.solver.samples=4", "reward.solver is null, .*reward=verified"),
    ],
)
def test_fault_m1_m2_a_key_that_exists_is_not_called_unknown(override, says):
    with pytest.raises((HydraException, OmegaConfBaseException, AssertionError)) as caught:
        composed(override)
    assert re.match(says, explain(caught.value))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"problem,answer\n", "a JSON object a line, or an array"),
        (rb'{"problem": "\sqrt 2"}' + b"\n", "a backslash, which JSON doubles"),
    ],
)
def test_fault_m8_what_is_no_json_is_told_what_to_do(tmp_path, line, says):
    (tmp_path / "p.jsonl").write_bytes(line)
    with pytest.raises(RuntimeError, match=rf"p\.jsonl:1: not JSON .*{says}"):
        list(files.rows(str(tmp_path / "p.jsonl")))


def test_fault_m9_an_endless_retry_after_is_told_in_words():
    assert [seconds(after) for after in ("nan", "7")] == [0.0, 7.0]
    assert spoken(seconds("inf")) == spoken(seconds("1e400")) == "for ever"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"stage: {max_stepz: 1}", r"experiment/own.yaml: stage.max_stepz: there is no such key; .* stage.max_steps\?"),
        (b"stage: {max_steps: many}", r"experiment/own.yaml: stage.max_steps: Value 'many' .* to Integer"),
        (b"null: 2", "a YAML file of the config has a key that is no word"),
        ("seed: 1  # é".encode("latin-1"), "a YAML file of the config is not UTF-8: save it as UTF-8"),
    ],
)
def test_fault_m3_a_file_of_ones_own_is_named_with_what_is_wrong_in_it(tmp_path, content, says):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/own.yaml").write_bytes(b"# @package _global_\n" + content + b"\n")
    with pytest.raises((HydraException, OmegaConfBaseException, UnicodeDecodeError)) as caught:
        composed("experiment=own", f"hydra.searchpath=[file://{tmp_path}]")
    assert re.match(says, explain(caught.value))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"seed: " + b"9" * 5000, "a number of the config is longer than Python reads"),
        (b'run_name: "\\ud800"', "a value of the config holds half a character"),
        (b"run_name: a\0b", "a YAML file of the config holds a character that no text has"),
        (b'run_name: "a\\0b"', "a value of the config holds a null character"),
        (b"defaults: [/experiment/own]", "the config's files or values refer to one another without end"),
        (b"run_name: caf\xe9", "a YAML file of the config is not UTF-8"),
    ],
)
def test_fault_m3_what_no_config_can_hold_is_told_in_words(tmp_path, content, says):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/own.yaml").write_bytes(b"# @package _global_\n" + content + b"\n")
    done = qgen("model=tiny", "experiment=own", "--config-dir", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"qgen: {says}")
    assert done.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("num_iterations=0", "must be at least 1"),
        ("adam_beta1=abc", "TRL takes float, not str"),
        ("epsilon=true", "TRL takes float, not bool"),
        ("num_iterations=1.5", "TRL takes int, not float"),
    ],
)
def test_fault_m4_what_trl_does_not_take_is_refused_before_anything_is_loaded(given, says):
    with pytest.raises(ValueError, match=rf"(?i)stage\.trl\.{given}:? {says}"):
        composed("stage=grpo", f"+stage.trl.{given}")


def test_fault_m4_what_trl_takes_passes():
    given = {"epsilon": 1, "epsilon_high": None, "adam_beta1": 0.8, "num_iterations": 2, "log_completions": True}
    assert composed("stage=grpo", *(f"+stage.trl.{k}={'null' if v is None else v}" for k, v in given.items()))


def test_fault_m7_a_cut_file_of_an_adapter_is_named(tmp_path):
    home = tmp_path / "adapter"
    home.mkdir()
    (home / "adapter_config.json").write_text('{"r": 8,')
    with pytest.raises(RuntimeError, match=r"adapter: a file of it is no JSON"):
        model.load(composed("model=tiny").model, home, 0)
    with pytest.raises(RuntimeError, match=r"adapter/adapter_config\.json is no JSON .* cut off\?"):
        adapter.write(SimpleNamespace(adapter=home, hub_name="x/y"), tmp_path / "out")
