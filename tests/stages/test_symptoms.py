"""What a run shows when it goes wrong is told, once, and nothing is told of one that goes well."""

import pytest

from qgen.runs.remarks import remarks
from qgen.stages.symptoms import MANY, Symptoms, loops

GOOD = "Problem: How many primes are below $100$?\nAnswer: 25"


@pytest.mark.parametrize("text", ["", " \n", "!" * 40, "!!!! " * 12, "the " * 9, "ab" * 20])
def test_what_says_nothing_loops(text):
    assert loops(text)


@pytest.mark.parametrize("text", [GOOD, "no no", "Answer: 11111", "1+1+1+1+1+1+1+1+1=9", "x y z " * 6])
def test_what_says_something_does_not(text):
    assert not loops(text)


def trained(texts, rewards, steps, symptoms=None):
    symptoms = symptoms or Symptoms("grpo")
    for step in range(steps):
        symptoms.see("train", step, texts, rewards)
    return symptoms


@pytest.mark.parametrize(
    ("texts", "rewards", "said"),
    [
        (["!" * 40] * 2, [0.1, 0.2], "over and over"),
        ([GOOD] * 2, [0.0, 0.0], "earns 0"),
        ([GOOD] * 2, [0.5, 0.5], "earn the same"),
    ],
)
def test_many_steps_of_a_symptom_are_told_once(texts, rewards, said, capsys):
    assert not trained(texts, rewards, MANY - 1).told
    symptoms = trained(texts, rewards, 3 * MANY)
    assert len(symptoms.told) == 1
    assert said in symptoms.told[0]
    assert capsys.readouterr().out.count(said) == 1


def test_a_good_step_ends_a_row_of_bad_ones():
    symptoms = trained([GOOD] * 2, [0.0, 0.0], MANY - 1)
    symptoms.see("train", MANY, [GOOD] * 2, [0.0, 0.4])
    assert not trained([GOOD] * 2, [0.0, 0.0], MANY - 1, symptoms).told


def test_a_whole_rollout_cut_off_is_told():
    symptoms = Symptoms("grpo")
    for share in [1.0] * MANY:
        symptoms.on_log(None, None, None, logs={"completions/clipped_ratio": share})
    assert "sampling.max_new_tokens" in symptoms.told[0]


def test_one_validation_after_the_first_is_enough():
    symptoms = Symptoms("sft")
    symptoms.see("validation", 0, [GOOD], [0.0])  # a model that has not learned yet
    assert not symptoms.told
    symptoms.see("validation", 20, [GOOD], [0.0])
    assert "step 20" in symptoms.told[0]
    symptoms.see("validation", 40, ["!" * 40], [0.0])
    assert len(symptoms.told) == 2


def test_what_was_told_before_a_resume_is_not_told_again():
    symptoms = Symptoms("sft", told=["the validation at step 20: x"])
    assert symptoms.told == ["the validation at step 20: x"]


def test_remarks_are_of_what_went_wrong_alone():
    fine = {"stage": "sft", "steps": 20, "learned": True, "nonfinite_steps": 0, "told": [], "stopped": None}
    assert remarks(fine) == []
    bad = fine | {"learned": False, "nonfinite_steps": 3, "told": ["x"], "stopped": "y"}
    said = remarks(bad)
    assert said[0].startswith("sft LEARNED NOTHING")
    assert "3 of 20 steps" in said[1]
    assert said[2:] == ["sft: x", "sft ended early: y"]
    assert "none of its steps was finite" in remarks(fine | {"learned": False, "nonfinite_steps": 20})[0]
    assert remarks({"stage": "sft", "steps": 3}) == []  # of an older run


def test_a_stage_that_gained_nothing_says_so():
    fell = {"stage": "distill", "steps": 12, "learned": True, "reward": [0.454, 0.375], "heldout_loss": [1.37, 1.35]}
    assert remarks(fell) == ["distill GAINED NOTHING: the reward in validation went from 0.454 to 0.375"]
    assert remarks(fell | {"reward": [0.454, 0.455]}) == []
    assert remarks(fell | {"stage": "sft"}) == []  # the loss fell, which is what it is for
    assert "GAINED NOTHING" in remarks(fell | {"stage": "sft", "heldout_loss": [1.37, 1.38]})[0]
