"""A teacher by its logits: the two-layer model of the tests learns from what SFT made of it."""

import json
import shutil

import pytest
from conftest import TINY, composed

from qgen import data
from qgen.models import model
from qgen.runs.files import rows, steps
from qgen.runs.rundir import Claim
from qgen.stages import run as stages
from qgen.teachers import local

SIZE = ("stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=2", "stage.max_steps=4",
        "stage.save_steps=2", "stage.learning_rate=1e-2", "reward.gate=null", "~reward.terms.difficulty")  # fmt: skip


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """What four steps of SFT make of the student, merged into a directory of its own."""
    out, home = tmp_path_factory.mktemp("sft"), tmp_path_factory.mktemp("teacher")
    config = composed("stage=sft", *TINY, *SIZE, "validation.every=0")
    stages.run(config, data.load(config.data), out, None, Claim(), {})
    trained, tokenizer = model.load(config.model, out / "adapter", config.seed)
    trained.merge_and_unload().save_pretrained(home)
    tokenizer.save_pretrained(home)
    return home


def settings(teacher, *overrides: str):
    return composed("stage=distill", "teacher=local", f"teacher.model={teacher}", *TINY, *SIZE, *overrides)


def test_the_student_comes_nearer_to_its_teacher_and_a_resume_changes_nothing(teacher, tmp_path):
    config, whole, resumed = settings(teacher), tmp_path / "whole", tmp_path / "resumed"
    corpus = data.load(config.data)
    whole.mkdir()
    stages.run(config, corpus, whole, None, Claim(), {})
    losses = [row["loss"] for row in steps(whole / "metrics.jsonl")]
    assert len(losses) == 4
    assert 0 < losses[-1] < losses[0]  # the divergence from the teacher, in nats a token
    train = [row for row in rows(whole / "samples.jsonl") if row["mode"] == "train"]
    assert [row["step"] for row in train] == [step for step in range(4) for _ in range(8)]
    assert all(row["topic"] and row["completion"] for row in train)
    shutil.copytree(whole, resumed, ignore=shutil.ignore_patterns("checkpoint-4", "adapter", "summary.json"))
    stages.run(config, corpus, resumed, None, Claim(checkpoint=resumed / "checkpoint-2"), {})
    assert [row["loss"] for row in steps(resumed / "metrics.jsonl")] == losses


def test_a_teacher_of_another_vocabulary_is_refused(teacher, tmp_path):
    student, tokenizer = model.load(composed(*TINY).model, None, 0)
    wrong, wide = tmp_path / "wrong", tmp_path / "wide"
    shutil.copytree(teacher, wrong)
    shutil.copytree(teacher, wide)
    other = model.load_tokenizer(composed(*TINY).model)
    other.add_tokens(["<lemma>"])
    other.save_pretrained(wrong)
    shape = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps(shape | {"vocab_size": shape["vocab_size"] + 64}))
    for path, said in ((wrong, "another tokenizer"), (wide, "logits"), (tmp_path / "none", "no such directory")):
        with pytest.raises(RuntimeError, match=said):
            local.load(settings(path), student, tokenizer)


def test_a_typo_in_trls_keys_and_a_missing_path_are_told_at_once():
    with pytest.raises(ValueError, match=r"stage.trl.beta\?"):
        settings("x", "+stage.trl.bta=0.5")
    assert settings("x", "+stage.trl.beta=0.5").stage.trl == {"beta": 0.5}
    with pytest.raises(ValueError, match=r"teacher.model=PATH"):
        composed("stage=distill", "teacher=local")
