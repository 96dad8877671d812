import pytest
from conftest import composed

from qgen.rewards import Rewards, knows_truth
from qgen.settings.reward import RewardConfig, TermConfig

SOLVED = ["So it is \\boxed{\\frac{1}{2}}", "The answer is 0.5.", "It is \\boxed{2}", "I do not know.", "\\boxed{}"]


def test_a_solution_is_right_in_whatever_spelling():
    rewards = Rewards(composed("stage=grpo", "stage.task=solve", "reward=solution").reward, [])
    scores = rewards.score(["a"] * 5, SOLVED, answer=["$\\frac12$"] * 5)
    assert scores.total == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert [fact.get("said") for fact in scores.facts] == ["\\frac{1}{2}", "0.5", "2", None, None]


def test_the_form_of_an_answer_is_paid_right_or_wrong():
    rewards = Rewards(RewardConfig(terms={"boxed": TermConfig()}, gate="boxed"), [])
    assert rewards.score(["a"] * 5, SOLVED, answer=["7"] * 5).total == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_the_right_answer_is_truth_and_its_form_is_not():
    assert knows_truth(RewardConfig(terms={"right": TermConfig()}, gate="right"))
    assert not knows_truth(RewardConfig(terms={"boxed": TermConfig()}, gate="boxed"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["stage=grpo", "stage.task=solve"], "judge problems, not solutions: set reward=solution"),
        (["stage=grpo", "reward=solution"], "judges solutions: set stage.task=solve"),
        (["stage=sft", "stage.task=solve", "reward=solution"], "stage.task=solve is for stage=grpo"),
        (
            ["stage=distill", "teacher=local", "teacher.model=x", "stage.task=solve", "reward=solution"],
            "set teacher=self",
        ),
        (["stage=distill", "stage.task=variation", "reward=variation"], "is for stage=grpo"),
    ],
)
def test_who_solves_is_paid_for_solutions(keys, said):
    with pytest.raises(ValueError, match=said):
        composed(*keys)
