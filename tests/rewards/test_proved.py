"""reward=proved: terms that are multiplied, and what each of them is worth."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import CUBES, DIGITS, SPHERES, composed, corpus

from qgen import data, rewards
from qgen.mathematics.problem import Problem, render
from qgen.metrics.levels import LevelModel
from qgen.proofs.calibration import Calibration, Tried, chosen
from qgen.proofs.solver import Solver
from qgen.proofs.votes import Votes
from qgen.rewards import Rewards, knows_truth, registry, term, text
from qgen.rewards.band import Band
from qgen.rewards.diversity import Distinct
from qgen.rewards.novelty import Novelty
from qgen.rewards.points import Points
from qgen.rewards.topic import Topic
from qgen.runs.files import write_rows
from qgen.runs.remarks import FORM_ONLY, remarks
from qgen.settings.choices import Combine
from qgen.settings.reward import RewardConfig, SolverConfig, TermConfig

CORPUS = corpus()
# share of right attempts of qwen_coder at problems of MATH whose votes are clear (one H200 141GB, 4 + 4 attempts)
EASES = {1: 0.76, 2: 0.74, 3: 0.62, 4: 0.55, 5: 0.5}


class Known(Solver):
    """Votes that stand for a large model's; all that uses them is the real thing."""

    def __init__(self, agree=(), eases=EASES):
        self.config, self.agree = SolverConfig(), list(agree)
        self.calibration = Calibration([
            Tried(p.level, p.topic, ease, {"words": counts}, 0)
            for p in chosen(CORPUS.train, 120)
            for ease in [eases[p.level]]
            for counts in [{"made": 100, "agree": round(100 * ease), "unanswered": 0}]
        ])  # fmt: skip

    def votes(self, problems):
        return [Votes(agree, 0.0, 0.0, "", 8) for agree in self.agree[: len(problems)]]


@pytest.fixture
def terms():
    """Two terms that read their value off the completion: "0.5 0.2"."""

    @term("first")
    def first(completions, **_):
        return [float(text(c).split()[0]) for c in completions]

    @term("second")
    def second(completions, **_):
        return [None if text(c).split()[1] == "-" else float(text(c).split()[1]) for c in completions]

    yield
    del registry.TERMS["first"], registry.TERMS["second"]


def test_terms_are_multiplied_to_the_power_of_their_weights(terms):
    config = RewardConfig(
        terms={"first": TermConfig(2.0), "second": TermConfig(0.5)}, gate=None, combine=Combine.product
    )
    rewards = Rewards(config, [])
    written = ["0.5 0.25", "0 1", "1 0", "0.5 -", "1 1"]
    assert rewards.score(["p"] * 5, written).total == pytest.approx([0.125, 0.0, 0.0, 0.25, 1.0])
    assert rewards.trl_weights() == [1.0]
    (function,) = rewards.functions()
    assert function.__name__ == "product"
    batch = [[{"role": "assistant", "content": c}] for c in written]
    assert function(prompts=["p"] * 5, completions=batch) == pytest.approx([0.125, 0.0, 0.0, 0.25, 1.0])


def test_a_term_of_weight_0_is_shown_and_changes_nothing(terms):
    config = RewardConfig(
        terms={"first": TermConfig(1.0), "second": TermConfig(0.0)}, gate=None, combine=Combine.product
    )
    scores = Rewards(config, []).score(["p"], ["0.5 0"])
    assert scores.total == [0.5]
    assert scores.terms["second"] == [0.0]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("reward.normalize=zscore", "no sense beside reward.combine=product"),
        ("reward.terms.novelty.weight=-1", r"reward\.terms\.novelty\.weight is a power .*: at least 0"),
    ],
)
def test_what_has_no_sense_in_a_product_is_refused(override, told):
    with pytest.raises(ValueError, match=told):
        composed("reward=proved", override)


def test_a_reward_that_asks_nobody_says_so():
    seed, verified, proved = (composed(f"reward={name}").reward for name in ("seed", "verified", "proved"))
    assert [knows_truth(config) for config in (seed, verified, proved)] == [False, True, True]
    assert Rewards(seed, CORPUS.train).notes()[0] == f"reward: {FORM_ONLY}"
    assert remarks({"stage": "grpo", "steps": 3, "form_only": True}) == [f"grpo: {FORM_ONLY}"]


class Reader:
    """A base whose states hold the level of each real problem, and of others what it is told."""

    def __init__(self, told=(), noise=0.5):
        dice = np.random.default_rng(0)
        self.known = {p.statement: p.level + noise * dice.normal() for p in CORPUS.train} | dict(told)

    def levels(self, problems, depth):
        assert 0 < depth < 1
        return LevelModel(problems, lambda statements: [np.array([self.known[s], 1.0]) for s in statements])


def test_the_band_is_where_real_problems_of_the_level_lie():
    four = CORPUS.heldout[:4]
    written = [render(p) for p in four]
    band = Band(CORPUS.train, Reader(zip((p.statement for p in four), (1.0, 2.0, 3.2, 5.0), strict=True)))

    def worth(level, written=written):
        return band(completions=written, level=[level] * 4)

    assert worth(1)[0] == 1.0  # nothing is too easy for the easiest level
    assert worth(5)[3] == 1.0  # nor too hard for the hardest
    assert worth(1) == sorted(worth(1), reverse=True)
    assert worth(5) == sorted(worth(5))
    assert worth(1)[3] == worth(5)[0] == 0.0
    assert max(worth(3)[0], worth(3)[3]) < worth(3)[2]
    assert worth(3, ["broken", *written[:3]])[0] == 0.0
    assert "have a rank correlation of 0." in band.note


def test_a_solver_that_cannot_be_believed_ends_the_run(monkeypatch):
    weak = Known(eases=dict.fromkeys(range(1, 6), 0.02))
    monkeypatch.setattr(rewards, "_solver", lambda *_: weak)
    with pytest.raises(RuntimeError, match=r"reward\.solver\.model=NAME, or choose reward=seed"):
        Rewards(composed("reward=proved").reward, CORPUS.train, Reader())


def test_levels_that_cannot_be_told_apart_have_no_band():
    flat = Band(CORPUS.train, Reader([(CORPUS.heldout[0].statement, 3.0)], noise=1e6))
    assert flat.weightless
    assert "without weight" in flat.note
    assert flat(completions=[render(CORPUS.heldout[0]), "broken"], level=[5, 5]) == [1.0, 0.0]


def test_topics_are_found_as_surely_as_real_problems_show_them():
    topic = Topic(CORPUS.train)
    known = [p for p in CORPUS.heldout if p.topic in topic.number]
    right = topic(completions=[render(p) for p in known], topic=[p.topic for p in known])
    other = [next(t for t in topic.number if t != p.topic) for p in known]
    wrong = topic(completions=[render(p) for p in known], topic=other)
    assert np.mean(right) > 0.7
    assert np.mean(wrong) < 0.4
    assert topic(completions=["broken", render(CUBES)], topic=[known[0].topic, "Cooking"]) == [0.0, None]


def test_what_a_request_names_is_to_be_used():
    term = Points([replace(CUBES, points=("prime",))])
    asked = [["divisor", "prime"], ["divisor", "sphere"], ["sphere"], [], ["Vieta's formulas"], ["divisor"]]
    divisors = Problem("How many divisors of $10!$ are prime?", "4")
    texts = [render(divisors)] * 5 + ["broken"]
    found = registry.call("points", term, texts, points=asked)
    assert found == [1.0, pytest.approx(2 / 3), 0.5, 1.0, 1.0, 0.0]
    assert term(texts) == [1.0] * 5 + [0.0]  # of a dataset that names none
    longer = render(Problem("A right triangle has legs 3 and 4. Find the number of its prime factors.", "1"))
    assert term([longer] * 2, points=[["triangle"], ["angle"]]) == [1.0, 0.5]
    assert Points([replace(CUBES, points=("Vieta's formulas",))]).weightless


def test_real_problems_use_the_points_that_they_are_asked_for_by(tmp_path):
    path = tmp_path / "problems.jsonl"  # with no points of their own
    write_rows(path, [{"problem": p.statement, "answer": p.answer, "solution": p.solution} for p in CORPUS.train])
    known = [p for p in data.load(composed("data=jsonl", f"data.path={path}").data).train if p.points]
    assert len(known) > 60
    term = Points(known)
    assert not getattr(term, "weightless", False)
    assert term([render(p) for p in known], points=[list(p.points[:2]) for p in known]) == [1.0] * len(known)


def test_eight_alike_are_worth_what_one_is():
    distinct = Distinct(CORPUS.train)
    others = [render(p) for p in CORPUS.heldout[:8]]
    assert sum(distinct(completions=[others[0]] * 8)) == pytest.approx(1.0)
    assert distinct(completions=others) == pytest.approx([1.0] * 8)
    distinct.observe(others[:1] * 3)
    assert distinct(completions=others[:2]) == [0.25, 1.0]


def test_problems_whose_programs_do_the_same_are_one():
    a = replace(SPHERES, program="n = 3\nprint(sum(k * k for k in range(n)))")
    b = replace(DIGITS, program="top = 99  # other names\nprint(sum(i * i for i in range(top)))")
    c = replace(CUBES, program="n = 3\nprint(max(k * k for k in range(n)))")
    written = [render(p, solution="program") for p in (a, b, c)]
    distinct = Distinct(CORPUS.train)
    assert distinct(completions=written) == [0.5, 0.5, 1.0]
    distinct.observe(written[:1])
    again = Distinct(CORPUS.train)
    again.load_state_dict(json.loads(json.dumps(distinct.state_dict())))
    assert again(completions=written[1:]) == [0.5, 1.0]


def test_an_archive_lasts_over_runs_and_a_resumed_run_knows_what_it_knew(tmp_path):
    file = tmp_path / "kept" / "archive.jsonl"
    first = Novelty(CORPUS.train, archive=str(file))
    state = json.loads(json.dumps(first.state_dict()))
    mine = render(CORPUS.heldout[0])
    before = first(completions=[mine])[0]
    first.observe([mine, "broken"])
    first.observe([mine])
    assert [json.loads(line)["statement"] for line in file.read_text().splitlines()] == [CORPUS.heldout[0].statement]
    assert Novelty(CORPUS.train, archive=str(file))(completions=[mine])[0] < 0.1 < before
    resumed = Novelty(CORPUS.train, archive=str(file))
    resumed.load_state_dict(state)
    assert resumed(completions=[mine])[0] == before
    file.write_text('{"text": "no"}\n')
    with pytest.raises(ValueError, match="line 1 has no statement"):
        Novelty(CORPUS.train, archive=str(file))
