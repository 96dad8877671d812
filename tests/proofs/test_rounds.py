"""A solver's rounds, on prepared texts in the place of a model's; all else is the real thing, the sandbox too."""

from dataclasses import replace

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen.engine.completion import Completion
from qgen.mathematics.problem import Problem
from qgen.proofs.attempts import PROGRAM, WORDS
from qgen.proofs.calibration import Calibration, Tried, chosen
from qgen.proofs.solver import Solver
from qgen.rewards.difficulty import Difficulty
from qgen.rewards.solvable import Solvable
from qgen.settings.reward import SolverConfig

PROMPT = composed().prompt


class Prepared:
    """Says what was prepared for a problem, and takes down what it was asked."""

    identity = "prepared"

    def __init__(self, said: dict[str, list[str]]):
        self.said, self.calls = said, []

    def write(self, prompts, sampling, seed, wrote):
        self.calls.append((len(prompts), seed))
        found = []
        for prompt in prompts:
            text = prompt[-1]["content"]
            answers = next(answers for statement, answers in self.said.items() if statement in text)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if "```python" in text:
                answer = f"```python\nfrom sympy import *\nprint({answer})\n```"
            else:
                answer = f"\\boxed{{{answer}}}"
            found.append(Completion(answer, 10, True))
            wrote(len(found) - 1, found[-1])
        return found


def solver(said, corpus=None, **options) -> Solver:
    return Solver(Prepared(said), PROMPT, SolverConfig(**options), corpus)


def test_clear_votes_end_early_and_all_that_was_attempted_counts():
    made = solver({
        DIGITS.statement: ["210"],
        SPHERES.statement: ["4/sqrt(3)", "5", "5", "4*sqrt(3)/3", "\\frac{4}{\\sqrt{3}}"],
        CUBES.statement: ["7"],
    })  # fmt: skip
    digits, spheres, cubes = made.votes([DIGITS, SPHERES, CUBES])
    assert digits.samples == cubes.samples == 4
    assert digits.kinds == {PROGRAM: {"made": 4, "agree": 4, "unanswered": 0}}
    assert digits.solvable
    assert not cubes.solvable
    assert cubes.other == "7"
    assert spheres.samples == 8
    assert spheres.agree == 0.75
    assert spheres.kinds[WORDS] == {"made": 4, "agree": 4, "unanswered": 0}
    assert [count for count, _ in made.engine.calls] == [12, 2, 2]
    assert Solvable(made)(["broken"]) == [0.0]


@pytest.mark.parametrize(
    ("together", "calls"), [(24, [24]), (23, [12, 4]), (4, [12, 4]), (3, [12, 2, 2]), (1, [12, 2, 2])]
)
def test_what_is_left_is_written_together_where_that_takes_no_longer_and_votes_are_the_same(together, calls):
    said = {
        DIGITS.statement: ["210", "210", "210", "210", "7"],
        SPHERES.statement: ["4/sqrt(3)", "5", "5", "4*sqrt(3)/3", "\\frac{4}{\\sqrt{3}}"],
        CUBES.statement: ["335"],
    }
    alone, made = (solver({statement: list(answers) for statement, answers in said.items()}) for _ in range(2))
    made.together = together
    assert made.votes([DIGITS, SPHERES, CUBES]) == alone.votes([DIGITS, SPHERES, CUBES])
    assert [count for count, _ in made.engine.calls] == calls


def test_the_same_batch_has_the_same_seeds_and_each_round_another():
    first, again = (solver({DIGITS.statement: ["1", "2", "3", "4", "5", "6", "7", "8"]}) for _ in range(2))
    assert first.votes([DIGITS]) == again.votes([DIGITS])
    seeds = [seed for _, seed in first.engine.calls]
    assert seeds == [seed for _, seed in again.engine.calls]
    assert len(set(seeds)) == len(seeds) > 1
    other = solver({DIGITS.statement: ["1"], CUBES.statement: ["1"]})
    other.votes([DIGITS, CUBES])
    assert other.engine.calls[0][1] not in seeds
    assert first.votes([DIGITS]) == again.votes([DIGITS])
    assert len(first.engine.calls) == len(seeds)


@pytest.mark.parametrize(("share", "kinds"), [(0.0, {WORDS}), (1.0, {PROGRAM}), (0.5, {PROGRAM})])
def test_the_share_of_programs_is_configured(share, kinds):
    (votes,) = solver({DIGITS.statement: ["210"]}, programs=share).votes([DIGITS])
    assert set(votes.kinds) == kinds
    assert votes.solvable


def graded(levels=(1, 2, 3, 4, 5), each=4) -> list[Problem]:
    return [
        replace(
            DIGITS, statement=f"What is the number of level {n}, of problem {i}?", answer="1", level=n, id=f"{n}{i}"
        )
        for n in levels
        for i in range(each)
    ]


def test_calibration_finds_rates_by_kind_and_level_once_for_a_model(monkeypatch, tmp_path):
    monkeypatch.setenv("QGEN_CACHE", str(tmp_path))
    said = {f"level {n}, of problem {i}?": ["1"] * (8 - n - (i > 1)) + ["2"] for n in range(1, 6) for i in range(4)}
    first = solver(said, graded(), calibrate=20)
    found = first.calibration
    assert sum(count for count, _ in first.engine.calls) == 20 * 8
    assert found.rate == pytest.approx(sum(8 - n - 0.5 for n in range(1, 6)) / 40)
    assert found.share(PROGRAM).value > found.share(WORDS).value
    assert found.share(level=1).low < 6.5 / 8 < found.share(level=1).high
    assert found.share(topic="Geometry") is None
    assert found.tells_levels
    assert found.ease(1) >= found.ease(3) > found.ease(5)
    assert "20 tried" in first.note
    assert "\n" not in first.note
    again = solver(said, graded(), calibrate=20)
    assert again.engine.calls == []
    assert again.calibration.tried == found.tried
    for changed in ({"temperature": 0.8}, {"calibrate": 19}):
        assert solver(said, graded(), **{"calibrate": 20} | changed).engine.calls
    assert len(list(tmp_path.rglob("*.json"))) == 3


def test_a_solver_that_cannot_tell_levels_apart_says_so_and_difficulty_has_no_weight(monkeypatch, tmp_path):
    from qgen import data
    from qgen.rewards import Rewards
    from qgen.settings.reward import RewardConfig, TermConfig

    monkeypatch.setenv("QGEN_CACHE", str(tmp_path))
    train = data.load(composed().data).train
    said = {"": ["1", "2", "3", "4", "5", "6", "7", "8", "9"]}
    flat = solver({**said}, train, calibrate=3)
    right = {"made": 8, "agree": 4, "unanswered": 0}
    flat.calibration = Calibration([Tried(1 + i % 5, "", 0.5, {WORDS: right}, 0) for i in range(50)])
    assert flat.usable
    assert not flat.calibration.tells_levels
    assert "cannot tell their levels apart" in flat.note
    term = Difficulty(train, flat)
    assert term.weightless
    assert "without weight" in term.note
    assert "\n" not in term.note
    monkeypatch.setattr("qgen.rewards._solver", lambda *_: flat)
    terms = {"format": TermConfig(0.0), "difficulty": TermConfig(0.5)}
    rewards = Rewards(RewardConfig(terms=terms, solver=SolverConfig()), train, base=object())
    assert rewards.weights["difficulty"] == 0.0
    assert rewards.trl_weights() == [0.0, 0.0]
    assert "difficulty" in rewards.trust()


def test_eases_of_levels_never_rise_and_missing_levels_lie_between():
    one = {WORDS: {"made": 4, "agree": 2, "unanswered": 0}}
    shares = {1: 0.8, 2: 0.4, 3: 0.6, 5: 0.1}
    found = Calibration([Tried(level, "", share, one, 0) for level, share in shares.items() for _ in range(5)])
    assert found.eases == pytest.approx({1: 0.8, 2: 0.5, 3: 0.5, 5: 0.1})
    assert found.ease(4) == pytest.approx(0.3)
    assert found.tells_levels
    assert Calibration([]).note
    assert not Calibration([]).tells_levels
    assert Calibration([]).rate == 0.0


def test_problems_to_be_tried_are_spread_over_levels():
    picked = chosen(graded(each=10), 10)
    assert sorted(p.level for p in picked) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert picked == chosen(graded(each=10), 10)
    assert len(chosen(graded(each=1), 200)) == 5
