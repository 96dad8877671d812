"""Faults of what is measured: answers compared, prompts beside a corpus of another language, stages that were moved."""

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import qgen

from qgen import data
from qgen.data import scripts
from qgen.data.apart import lineage
from qgen.evaluation import outputs
from qgen.mathematics.answers import plain
from qgen.mathematics.equivalence import _same
from qgen.mathematics.problem import Problem, render
from qgen.rewards import Rewards
from qgen.rewards.format import Format
from qgen.runs import repeat, rundir
from qgen.runs.files import write_json
from qgen.runs.origin import origin
from qgen.settings.choices import Language, Source
from qgen.settings.data import DataConfig
from qgen.settings.reward import RewardConfig, TermConfig
from qgen.settings.stage import STAGES

CORPUS = data.load(DataConfig(source=Source.champ))
SAME = [
    ("2 1/2", "5/2"),
    ("2 1/2", "2.5"),
    ("-2½", "-\\frac{5}{2}"),
    ("2\\frac12", "$\\frac{5}{2}$"),
    ("x=1 or x=2", "x=2 or x=1"),
    ("$x=1$ and $x=2$", "1, 2"),
    ("x=1或x=2", "$\\{2, 1\\}$"),
    ("x=0.5, x=3", "x=3 or x=1/2"),
    ("x=\\pm 1", "1 and -1"),
    ("$x=0, y=2$ and $x=9, y=11$", "x=9, y=11; y=2, x=0"),
    ("1, 2 and 3", "3, 2, 1"),
    ("５", "5"),
    ("ｘ＝１／２", "x=0.5"),
    ("x²", "x^2"),
    ("1,000", "1000"),
    ("10\\,000", "10{,}000"),
    ("5 m", "5 meters"),
    ("5 m", "5\\text{ m}"),
    ("5 m", "5m"),
    ("5米", "5.0 m"),
    ("5 m", "5"),
    ("5 cm²", "5 square centimeters"),
    ("98 values", "98"),
    ("30^\\circ", "30°"),
    ("\\$5", "5 dollars"),
    ("50%", "50\\%"),
    ("50%", "50 percent"),
    ("50%", "50"),
    ("50%", "0.5"),
    ("No.", "no"),
    ("$5/14$, or approximately 35.7%", "5/14"),
]
OTHER = [
    ("2 1/2", "21/2"),
    ("1 2", "3"),
    ("x=1 or x=2", "x=1 or x=3"),
    ("1 or 2", "1"),
    ("1, 1", "1, 2"),
    ("a=1, b=2", "a=2, b=1"),
    ("$x=0, y=2$ and $x=9, y=11$", "x=0, y=11 and x=9, y=2"),
    ("(1, 2)", "(2, 1)"),
    ("1,234", "234, 1"),
    ("5 m", "5 cm"),
    ("5 m", "6 m"),
    ("5 m", "5 square meters"),
    ("3 hours", "180 minutes"),
    ("60 km/h", "60 mph"),
    ("5%", "5 m"),
    ("50%", "0.5%"),
    ("2t", "2"),
    ("10²", "102"),
    ("３", "5"),
]


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("math_verify").setLevel(logging.ERROR)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_fault_8_answers_that_mean_the_same_agree(one, other):
    assert _same(one, [other]) == {other: one}
    assert _same(other, [one]) == {one: other}


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_fault_8_answers_that_differ_do_not_agree(one, other):
    assert _same(one, [other])[other] != one
    assert _same(other, [one])[one] != other


@pytest.mark.parametrize("text", ["", "$$", "\ud800", "\x00{", "]1,2[", "9" * 5000 + " 1/2", "(" * 500, "a,,b and"])
def test_fault_8_the_plain_form_takes_any_text(text):
    assert plain(plain(text)) == plain(text)


def test_fault_8_who_always_answers_the_same_in_another_spelling_is_found_out():
    gate = Format(CORPUS.train)
    real = [p for p in CORPUS.heldout if gate.fault(p) is None][:12]
    spellings = ["$x=7$ or $x=8$", "x=8 or x=7", "$x = 8$, $x = 7$"]
    written = [render(replace(p, answer=spellings[i % 3])) for i, p in enumerate(real)]
    assert len(real) == 12
    assert sum(gate(written)) == 0.0


CHINESE = [
    Problem("设三角形 ABC 的三边长为 $a, b, c$，且 $a+b=2c$，求 $c$ 与周长之比的最大值。", "1/3"),
    Problem("已知正整数 $n$ 满足 $n^2+1$ 整除 $n+7$，求所有这样的正整数之和是多少？", "3"),
]


def test_fault_10_a_prompt_beside_a_corpus_of_another_language_is_refused(capsys):
    scripts.check(CORPUS.train, Language.en)
    scripts.check(CHINESE, Language.zh)
    with pytest.raises(RuntimeError, match=r"prompt=zh asks for Chinese, and 0% .* choose prompt=en, or problems in C"):
        scripts.check(CORPUS.train, Language.zh)
    with pytest.raises(RuntimeError, match=r"prompt=en asks for English, and 0% .* choose prompt=zh"):
        scripts.check(CHINESE, Language.en)
    with pytest.raises(RuntimeError, match="choose problems in English"):
        scripts.check([Problem("Найдите все целые числа $n$.", "1")], Language.en)
    assert capsys.readouterr().out == ""
    scripts.check([*CHINESE, *CORPUS.train[:8]], Language.zh)
    assert "prompt=zh asks for Chinese, and 20% of the training problems are in it" in capsys.readouterr().out


def test_fault_10_a_run_whose_prompt_does_not_fit_ends_in_one_message(tmp_path):
    done = qgen("model=tiny", "prompt=zh", "stage=sft", cwd=tmp_path, cold=True)
    assert done.returncode == 1
    assert "qgen: prompt=zh asks for Chinese" in done.stderr
    assert "Traceback" not in done.stderr


def test_fault_10_the_scripts_of_the_prompts_language_pass_the_gate():
    english = [p for p in CORPUS.train if scripts.scripts(p.statement) == {"LATIN"}]
    statement = CHINESE[0].statement
    assert "letters that are CJK" in Format(english).fault(replace(CHINESE[0], statement=statement * 3))
    only = [replace(p, statement=p.statement.replace("ABC", "")) for p in CHINESE] * 4
    assert Format(only, language=Language.zh).scripts == {"CJK", "LATIN"}
    rewards = Rewards(RewardConfig(terms={"format": TermConfig()}), english, language=Language.zh)
    assert rewards.terms["format"].scripts == {"CJK", "LATIN"}


@pytest.fixture
def moved(tmp_path) -> Path:
    """A run of three stages that was trained in outputs/t of a directory that nobody knows, and lies elsewhere now."""
    started = [
        ("sft", "base", "base"),
        ("grpo", "outputs/t/sft/adapter", "sft"),
        ("distill", "/o/t/grpo/adapter", "grpo"),
    ]
    for stage, named, weights in started:
        home = tmp_path / "elsewhere" / stage
        (home / "adapter").mkdir(parents=True)
        (home / "adapter" / rundir.ADAPTER_WEIGHTS).write_bytes(stage.encode())
        known = "base" if weights == "base" else hashlib.sha256(weights.encode()).hexdigest()[:16]
        write_json(home / rundir.ENVIRONMENT, {"started_from": named, "started_from_hash": known})
    return tmp_path / "elsewhere"


def _writers(run: Path) -> list[outputs.Candidate]:
    stages = [outputs.Candidate(name, run / name, None, run / name / "adapter") for name in STAGES]
    return [outputs.Candidate("base", run / "sft", None, None), *stages]


def test_fault_9_stages_of_a_moved_run_are_compared_with_what_they_started_from(moved, capsys):
    writers = _writers(moved)
    assert [outputs.compared_with(writer, writers) for writer in writers[1:]] == ["base", "sft", "grpo"]
    assert capsys.readouterr().out == ""


def test_fault_9_a_run_named_from_another_directory_keeps_its_lineage(moved, monkeypatch):
    monkeypatch.chdir(moved / "grpo")
    assert [home.name for home in lineage(Path("../distill/adapter"))] == ["distill", "grpo", "sft"]
    assert origin(Path("../sft")) is None


def test_fault_9_weights_that_were_trained_again_are_not_what_a_stage_started_from(moved, capsys):
    (moved / "sft/adapter" / rundir.ADAPTER_WEIGHTS).write_bytes(b"trained again")
    writers = _writers(moved)
    assert outputs.compared_with(writers[2], writers) == "base"
    assert "grpo was started from outputs/t/sft/adapter, which is not measured here" in capsys.readouterr().out


def test_fault_9_weights_of_another_run_are_found_above_and_not_taken_for_the_stage_of_that_name(moved):
    other = moved.parent / "outputs/t/sft/adapter"
    other.mkdir(parents=True)
    (moved / "sft/adapter" / rundir.ADAPTER_WEIGHTS).rename(other / rundir.ADAPTER_WEIGHTS)
    (moved / "sft/adapter" / rundir.ADAPTER_WEIGHTS).write_bytes(b"another")
    assert origin(moved / "grpo") == other


def test_fault_9_repeating_a_moved_stage_starts_from_its_weights(moved):
    assert repeat._origin(moved / "grpo") == str(moved / "sft/adapter")
