import random
import time
from dataclasses import replace
from statistics import mean

import pytest
import torch
from conftest import CUBES, DIGITS, SPHERES, composed, corpus

from qgen.adversary.controls import shuffle
from qgen.mathematics.answers import plain
from qgen.mathematics.equivalence import LONGEST, AnswerComparer, final_answer
from qgen.mathematics.problem import render
from qgen.models.model import load
from qgen.proofs.calibration import Calibration, Tried
from qgen.proofs.solver import Solver
from qgen.proofs.votes import Votes
from qgen.rewards import JudgeError, Rewards
from qgen.rewards.base import Base
from qgen.settings.reward import RewardConfig, SolverConfig, TermConfig

CORPUS = corpus()
QUICK = SolverConfig(samples=2, max_new_tokens=8, calibrate=2)


@pytest.fixture(scope="module")
def agreement():
    made = AnswerComparer(time_out=5.0)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tiny():
    config = composed("model=tiny")
    model, tokenizer = load(config.model, None, seed=0)
    return Base(model, tokenizer, config.prompt)


@pytest.mark.parametrize(
    ("key", "answers", "agree", "runner_up"),
    [
        ("$\\frac{1}{2}$", ["0.5", "\\frac{1}{3}", "\\frac{2}{4}", None], 2, 1),
        ("$x=11$", ["11", "x = 11", "12", "12"], 2, 2),
        ("No", ["no", "No.", "yes", "3"], 2, 1),
        ("\\frac{4}{\\sqrt{3}}", ["\\frac{4\\sqrt{3}}{3}", "2.3", "4"], 1, 1),
        ("7", [None, None], 0, 0),
        ("", ["", "\ud800", "\x00{"], 1, 1),
        ("\\infty", ["3", "\\infty", "10^{400}"], 1, 1),
        ("$\\cos\\left(\\frac{2\\cdot 180^\\circ}{3}\\right)$", ["-\\frac12", "-0.5", "0.28369"], 2, 1),  # no radians
        ("\\sin 30°", ["1/2", "-0.98803"], 1, 1),
        ("\\cos(36)^\\circ", ["-0.127963689627405", "\\sin\\frac{180}{7}^\\circ"], 0, 1),
        ("A=30^\\circ, \\sin A=\\frac12", ["A=30, \\sin A=1/2"], 1, 0),
        ("30^\\circ", ["30", "\\frac{\\pi}{7}"], 1, 1),
        ("2^{100}", ["2^{100}+1", "1267650600228229401496703205376"], 1, 1),
        ("3", ["\\gcd(4,6)", "\\cot(0)", "(-1)!", "\\sum_{k=1}^{\\infty} 1", "3"], 1, 1),
    ],
)
def test_answers_are_counted_by_what_they_mean(agreement, key, answers, agree, runner_up):
    ((found, runner, _),) = agreement.count([key], [answers])
    assert (found, runner) == (agree, runner_up)


def test_a_list_of_a_thousand_numbers_is_compared_as_it_is_written(agreement):
    long = ", ".join(map(str, range(1, 9000, 9)))
    began = time.perf_counter()
    ((found, runner, other),) = agreement.count(["7"], [[long, f" {long}.", "1 + 6", "14/2", long + ", 0"]])
    assert time.perf_counter() - began < 4
    assert (found, runner) == (2, 2)
    assert len(other) > LONGEST
    assert agreement.same([long], [[long, "7"]]) == [[long, "7"]]


def test_an_answer_is_as_long_as_its_plain_form(agreement):
    spaced = "1 +" + " " * LONGEST + "6"
    assert agreement.same(["7"], [["1 + 6", spaced]]) == [["7", "7"]]


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "~", "\\quad", "\u3000"])
def test_blanks_are_read_in_a_time_that_grows_with_their_number_alone(blank):
    began = time.process_time()
    assert plain("1" + blank * 20_000 + "+ !") == "1+!"
    assert time.process_time() - began < 1  # it took six seconds, and for most of these more than that


def test_what_is_written_as_the_key_asks_no_algebra():
    one = AnswerComparer()
    assert one.same(["$7$"], [["7", None, "7."]]) == [["$7$", None, "$7$"]]
    assert one._pool is None


def test_an_answer_that_hangs_is_killed_and_the_next_is_counted(agreement):
    began = time.perf_counter()
    hanging = "\\sum_{k=1}^{10^{12}} \\gcd(k, 10^{11}!)!"
    huge = "9^{9^{9^{9^{9}}}}"
    counted = agreement.count(["4", "4"], [[hanging, huge, f"{huge}+1", "5", "5"], ["4", "4"]])
    assert counted[1][:2] == (2, 0)
    assert counted[0][0] == 0
    assert time.perf_counter() - began < 30


@pytest.mark.slow
def test_a_comparing_process_that_dies_is_a_named_error(agreement, monkeypatch):
    import qgen.mathematics.equivalence as module

    monkeypatch.setattr(module, "_same", _die)
    with pytest.raises(JudgeError, match="compares answers broke"):
        agreement.count(["1"], [["2"]])


def _die(*_):
    import os

    os._exit(3)


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so we get \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("\\boxed{3} is wrong, \\boxed{4}", "4"),
        ("Thus the answer is $12$.\nDone.", "12"),
        ("The final answer is: 3.5", "3.5"),
        ("答案是 7。", "7"),
        ("The answer is None", None),
        ("\\boxed{}", None),
        ("\\boxed{\\text{None}}", None),
        ("\\boxed{3", None),
        ("We add 2 and 3 and then 7", None),
        ("", None),
    ],
)
def test_final_answers(solution, answer):
    assert final_answer(solution) == answer


def test_votes_are_clear_only_with_support_a_lead_and_answers():
    assert Votes(agree=0.5, runner_up=0.125, unanswered=0.25, other="3", samples=8).solvable
    assert not Votes(0.125, 0.0, 0.0, "", 8).solvable  # one attempt may be luck
    assert not Votes(0.5, 0.5, 0.0, "3", 8).solvable
    assert not Votes(0.5, 0.25, 0.25, "3", 8).solvable  # four against two may be chance
    assert not Votes(0.375, 0.0, 0.625, "", 8).solvable


def test_the_base_is_the_policy_without_its_adapter(tiny):
    texts = [p.statement for p in (SPHERES, DIGITS, CUBES)]
    before = tiny.losses(texts)
    with torch.no_grad():
        for name, parameter in tiny.model.named_parameters():
            if "lora_" in name:
                parameter += 0.5
    assert tiny.losses(texts) == pytest.approx(before)
    assert tiny.losses(texts[::-1]) == pytest.approx(before[::-1], abs=1e-4)
    assert tiny.losses(["", "\ud800", "\x00"])


def test_a_base_that_cannot_solve_is_found_out_and_difficulty_is_estimated(tiny):
    terms = {"format": TermConfig(0.0), "difficulty": TermConfig(), "solvable": TermConfig()}
    rewards = Rewards(RewardConfig(terms=terms, solver=QUICK), CORPUS.train, tiny)
    assert rewards.terms["solvable"].solver.usable is False
    assert rewards.trust() == {"difficulty": pytest.approx(rewards.terms["difficulty"].spearman)}
    assert any("used because the base answers 0% of real problems" in note for note in rewards.notes())
    text = render(CORPUS.heldout[1])
    state = torch.random.get_rng_state()
    scores = rewards.score(["a", "b"], [text, "broken"], level=[3, 3])
    assert torch.equal(state, torch.random.get_rng_state())  # training's own random numbers are left alone
    assert scores.terms["solvable"] == [0.0, 0.0]
    counted = {"agree", "runner_up", "unanswered", "other", "samples"}
    assert set(scores.facts[0]["votes"]) == {*counted, "kinds", "confidence"}
    assert scores.facts[1] == {}
    assert rewards.frozen().terms["solvable"] is rewards.terms["solvable"]


def test_difficulty_follows_the_votes_of_a_base_that_can():
    class Known(Solver):  # votes that stand for a large model's; all that uses them is the real thing
        def __init__(self):
            self.config = SolverConfig()
            shares = {1: 0.9, 2: 0.7, 3: 0.5, 4: 0.3, 5: 0.1}
            self.calibration = Calibration([
                Tried(level, "", share, {"words": {"made": 10, "agree": round(10 * share), "unanswered": 0}}, 0)
                for level, share in shares.items()
                for _ in range(4)
            ])  # fmt: skip

        def votes(self, problems):
            return [Votes(agree, 0.1, 0.0, "1", 10) for agree in (0.9, 0.5, 0.1)[: len(problems)]]

    from qgen.rewards.difficulty import Difficulty

    texts = [render(p) for p in CORPUS.heldout[:3]]
    easy, hard = (Difficulty(CORPUS.train, Known())(completions=texts, level=[n] * 3) for n in (1, 5))
    assert easy == pytest.approx([1.0, 1 - 0.4 / 0.9, 0.0])  # one attempt of ten agrees: not solvable
    assert hard == pytest.approx([1 - 0.8 / 0.9, 1 - 0.4 / 0.9, 0.0])
    assert Difficulty(CORPUS.train, Known()).spearman is None


def test_solving_is_asked_once_and_the_same_each_time(tiny):
    solver = Solver(tiny, tiny.prompt, QUICK, CORPUS.train)
    problems = CORPUS.heldout[:2]
    first = solver.votes(problems)
    assert solver.votes(problems) is not first
    assert solver.votes(problems) == first
    assert Solver(tiny, tiny.prompt, QUICK, CORPUS.train).votes(problems) == first
    assert solver.votes([replace(problems[0], statement="Find \ud800 $x$.")])[0].samples in (1, 2)  # settled after one


@pytest.mark.parametrize("key", ["samples=1", "programs=2.0", "temperature=0.0", "time_out=0.0", "usable=2.0"])
def test_a_solver_out_of_range_is_refused(key):
    with pytest.raises(ValueError, match=rf"reward\.solver\.{key} must be "):
        composed("reward=verified", f"reward.solver.{key}")


@pytest.mark.slow
def test_natural_tells_real_problems_from_shuffled_ones():
    config = composed()
    model, tokenizer = load(config.model, None, seed=0)
    rewards = Rewards(
        RewardConfig(terms={"natural": TermConfig(params={"sample": 48})}, gate=None),
        CORPUS.train,
        Base(model, tokenizer, config.prompt),
    )
    real = [p for p in CORPUS.heldout if len(p.statement) > 60]
    shuffled = [shuffle(p, [], random.Random(0)) for p in real]
    names = ["a"] * len(real)
    scores = rewards.score(names, [render(p) for p in real]).terms["natural"]
    worse = rewards.score(names, [render(p) for p in shuffled]).terms["natural"]
    assert mean(scores) > 0.9
    assert mean(worse) < 0.5  # where nearly all is mathematics, there are few words to shuffle
