"""Intervals are as wide as they should be, also where outputs to one prompt resemble each other."""

import numpy as np
import pytest
from scipy.stats import binomtest

from qgen.metrics.intervals import (
    Interval,
    auroc,
    mean,
    mean_difference,
    paired_difference,
    proportion,
    proportion_difference,
)


@pytest.mark.parametrize(("ones", "of"), [(0, 30), (1, 30), (15, 30), (30, 30), (140, 200)])
def test_a_share_of_independent_outputs_has_wilsons_interval(ones, of):
    values = np.array([1.0] * ones + [0.0] * (of - ones))
    found = proportion(values, np.arange(of))
    known = binomtest(ones, of).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.005)
    assert f"{found.low:.0%}" != "-0%"


def test_outputs_that_all_say_the_same_of_a_prompt_count_once():
    once = np.array([1.0] * 12 + [0.0] * 18)
    alone = proportion(once, np.arange(30))
    repeated = proportion(np.repeat(once, 5), np.repeat(np.arange(30), 5))
    assert repeated.value == alone.value
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=0.05)
    independent = proportion(np.repeat(once, 5), np.arange(150))
    assert independent.high - independent.low < 0.6 * (alone.high - alone.low)


def test_outputs_without_a_value_do_not_count():
    values = np.array([1.0, np.nan, 0.0, np.nan, 1.0, 1.0])
    assert proportion(values, np.arange(6)).value == mean(values, np.arange(6)).value == 0.75
    assert proportion(np.full(3, np.nan), np.arange(3)) is None
    assert mean(np.full(3, np.nan), np.arange(3)) is None
    assert mean_difference(values, np.full(6, np.nan), np.arange(6)) is None


def test_nineteen_of_twenty_intervals_hold_the_truth():
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        prompts = np.repeat(np.arange(40), 3)
        values = np.repeat(rng.normal(1.0, 1.0, 40), 3) + rng.normal(0.0, 0.5, 120)  # prompts differ, outputs less
        found = mean(values, prompts)
        held += found.low <= 1.0 <= found.high
    assert 180 <= held <= 199


def test_a_paired_difference_is_surer_than_two_means():
    rng = np.random.default_rng(2)
    hard = rng.normal(0.0, 2.0, 50)
    before, after = hard + rng.normal(0.0, 0.1, 50), hard + 0.2 + rng.normal(0.0, 0.1, 50)
    found = mean_difference(before, after, np.arange(50))
    assert found.value == pytest.approx(0.2, abs=0.06)
    assert found.low > 0
    assert mean(after, np.arange(50)).low < mean(before, np.arange(50)).high
    seeds = np.tile(np.arange(50), 3)  # three outputs to a prompt against one
    thrice = mean_difference(before, np.tile(after, 3), np.arange(50), seeds)
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((found.value, found.low, found.high))
    assert mean_difference(before, before, np.arange(50)) == Interval(0.0, 0.0, 0.0)


def test_a_handful_of_outputs_is_rarely_more_than_chance():
    rng, starred = np.random.default_rng(3), 0
    for _ in range(400):  # 12 outputs and 140 of the same true share
        few, many = ((rng.random(n) < 0.08).astype(float) for n in (12, 140))
        found = proportion_difference(proportion(few, np.arange(12)), proportion(many, np.arange(140)))
        starred += not found.low <= 0 <= found.high
    assert starred <= 24
    clear = proportion_difference(Interval(0.0, 0.0, 0.02), Interval(0.5, 0.43, 0.57))
    assert clear.value == 0.5
    assert 0.4 < clear.low < 0.5 < clear.high < 0.6


def test_two_judgements_of_the_same_things_hold_the_truth_and_are_surer_than_of_others():
    rng, held, narrower = np.random.default_rng(0), 0, 0
    for _ in range(300):  # .3 and .2, mostly of the same things
        kind = rng.choice(4, 100, p=[0.16, 0.14, 0.04, 0.66])
        first, second = np.isin(kind, (0, 1)).astype(float), np.isin(kind, (0, 2)).astype(float)
        pair = paired_difference(second, first)
        apart = proportion_difference(*(proportion(values, np.arange(100)) for values in (second, first)))
        held += pair.low <= 0.1 <= pair.high
        narrower += pair.high - pair.low < apart.high - apart.low
    assert 0.93 <= held / 300 <= 0.99
    assert narrower > 290
    assert paired_difference(np.array([np.nan]), np.array([1.0])) is None


def test_outputs_that_are_all_alike_count_by_their_prompts():
    found = proportion(np.zeros(600), np.arange(600) % 44)
    assert found.high == pytest.approx(proportion(np.zeros(44), np.arange(44)).high)


def test_auroc():
    assert auroc(np.array([2.0, 3.0, np.nan]), np.array([0.0, 1.0])).value == 1.0
    assert auroc(np.array([1.0, 1.0]), np.array([1.0])).value == 0.5
    rng = np.random.default_rng(4)
    areas = [auroc(rng.normal(1, 1, 36), rng.normal(0, 1, 36)) for _ in range(200)]  # the truth is .760
    assert 180 <= sum(a.low <= 0.760 <= a.high for a in areas) <= 199


@pytest.mark.parametrize("kind", ["share", "mean"])
def test_ten_prompts_of_twenty_outputs_hold_the_truth_nineteen_times_in_twenty(kind):
    rng, held, draws = np.random.default_rng(0), 0, 400
    prompts = np.repeat(np.arange(10), 20)
    for _ in range(draws):
        chance = np.clip(0.5 + 0.2 * rng.standard_normal(10), 0.02, 0.98)[prompts]  # prompts differ
        values = (rng.random(200) < chance).astype(float)
        found = (proportion if kind == "share" else mean)(values, prompts)
        held += found.low <= 0.5 <= found.high
    assert held / draws >= 0.93
