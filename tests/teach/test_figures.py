import numpy as np
import pytest
from conftest import CUBES, DIGITS, SPHERES

from qgen.teach.figures import POWER, intervals, results


def test_a_gain_is_the_mean_over_problems_and_seeds():
    before = np.array([[0.0, 0.0, 1.0, 0.5]])
    after = np.array([[1.0, 0.0, 1.0, 0.5], [0.0, 0.0, 1.0, 1.0]])
    means, between = intervals({"untrained": before, "real": after}, [("untrained", "real")])
    assert means["untrained"].value == 0.375
    assert means["real"].value == 0.5625
    gain, spread = between["untrained", "real"]
    assert gain.value == 0.1875
    assert gain.low < 0.1875 < gain.high
    assert spread > 0


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng, inside, wrong = np.random.default_rng(1), 0, 0
    for _ in range(120):
        ease = rng.beta(1, 1, size=150)
        better = np.clip(ease + 0.05, 0, 1)
        true = float((better - ease).mean())
        luck = rng.normal(0, 0.02, size=(3, 1))
        after = rng.binomial(4, np.clip(better + luck, 0, 1), size=(3, 150)) / 4
        before = rng.binomial(4, ease, size=(1, 150)) / 4
        _, between = intervals({"a": before, "b": after, "c": before}, [("a", "b"), ("a", "c")])
        gain, _ = between["a", "b"]
        inside += gain.low <= true <= gain.high
        wrong += between["a", "c"][0].low > 0
    assert inside >= 108  # nine of ten at least, of intervals of 95 %
    assert wrong == 0


def test_where_nothing_differs_three_in_n_may():
    same = np.zeros((2, 30))
    means, between = intervals({"a": same, "b": same}, [("a", "b")])
    assert (means["a"].low, means["a"].high) == (0.0, pytest.approx(0.1))
    assert (between["a", "b"][0].low, between["a", "b"][0].high) == (pytest.approx(-0.1), pytest.approx(0.1))
    assert between["a", "b"][1] == pytest.approx(0.1 / 1.96)


def test_the_luck_of_seeds_widens_an_interval():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2, size=(1, 400)).astype(float)
    steady = np.repeat(base, 3, axis=0)
    lucky = np.clip(steady + np.array([[0.2], [0.0], [-0.2]]), 0, 1)
    _, between = intervals({"a": base, "b": steady, "c": lucky}, [("a", "b"), ("a", "c")])
    assert between["a", "c"][1] > 3 * between["a", "b"][1] / 2


def test_results_have_levels_topics_and_the_smallest_difference_that_would_be_seen():
    rng = np.random.default_rng(0)
    found = {arm: {how: rng.integers(0, 2, size=(2, 3)).astype(float) for how in ("greedy", "sampled")}
             for arm in ("untrained", "real", "problems")}  # fmt: skip
    result = results(found, [SPHERES, DIGITS, CUBES])
    names = [metric["name"] for metric in result["metrics"]]
    assert names[:5] == ["greedy", "sampled", "level/2", "level/3", "level/4"]
    assert set(names[5:]) == {"topic/Geometry", "topic/Combinatorics", "topic/Number Theory"}
    pairs = [(d["before"], d["after"]) for d in result["differences"]]
    assert pairs == [("untrained", "real"), ("untrained", "problems"), ("real", "problems")]
    row = result["rows"][2]
    assert row["values"]["level/3"][0] == found["problems"]["sampled"][:, 0].mean()
    assert all(0 < d["smallest"] <= POWER for d in result["differences"])
