import numpy as np
import pytest
from conftest import SPHERES, composed, corpus

from qgen.mathematics.problem import render
from qgen.rewards import JudgeError, Rewards, check, registry, term, text
from qgen.rewards.normalize import ZScore
from qgen.settings.reward import RewardConfig, TermConfig

GOOD, BAD = render(SPHERES), "broken"


@term("letters")
def letters(completions, scale=1000, **_):
    return [min(1.0, len(text(c)) / scale) for c in completions]


@term("silent")
def silent(completions, **_):
    return [None] * len(completions)


def rewards(gate=None, **terms):
    return Rewards(RewardConfig(terms=terms, gate=gate), corpus().train)


def test_a_strangers_term_is_weighted_and_parameterised():
    made = rewards(letters=TermConfig(weight=0.5, params={"scale": 10}), silent=TermConfig(weight=9.0))
    scores = made.score(["p"], ["12345"])
    assert scores.terms == {"letters": [0.5], "silent": [None]}
    assert scores.total == [0.25]


def test_the_gate_shuts_every_term():
    made = rewards("format", format=TermConfig(0.0), letters=TermConfig(1.0))
    scores = made.score(["p", "p"], [GOOD, BAD])
    assert scores.terms["format"] == [1.0, 0.0]
    assert scores.terms["letters"][1] == 0.0 < scores.terms["letters"][0]


def test_unknown_term_lists_what_exists():
    with pytest.raises(ValueError, match=r"unknown reward term 'novlty'; there are: .*difficulty.*novelty"):
        rewards(novlty=TermConfig())


def test_unknown_parameter_names_the_term():
    with pytest.raises(ValueError, match=r"reward\.terms\.novelty\.params"):
        rewards(novelty=TermConfig(params={"treshold": 0.5}))


def test_a_parameter_is_checked_before_anything_is_built():
    with pytest.raises(ValueError, match=r"reward\.terms\.rigor\.params: no depth; rigor takes no parameters"):
        check(RewardConfig(terms={"format": TermConfig(), "rigor": TermConfig(params={"depth": 3})}))


def test_a_term_that_asks_the_base_needs_one():
    with pytest.raises(ValueError, match="reward term 'natural' needs a base"):
        rewards(natural=TermConfig())
    with pytest.raises(ValueError, match="reward term 'solvable' needs a solver: set"):
        rewards(solvable=TermConfig())


def test_gate_must_be_a_term():
    with pytest.raises(ValueError, match=r"reward\.gate=format"):
        rewards("format", letters=TermConfig())


def test_a_name_is_taken_once():
    term("letters")(letters)  # the same again is fine
    with pytest.raises(ValueError, match="already registered"):
        term("letters")(silent)


def test_a_broken_term_raises():
    @term("short_list")
    def short_list(completions, **_):
        return []

    with pytest.raises(JudgeError, match="0 values for 1 completions"):
        rewards(short_list=TermConfig()).score(["p"], [GOOD])
    del registry.TERMS["short_list"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1, "good"])
def test_a_term_that_gives_anything_else_than_a_share_raises(value):
    @term("odd")
    def odd(completions, **_):
        return [value] * len(completions)

    with pytest.raises(JudgeError, match="reward term 'odd'"):
        rewards(odd=TermConfig()).score(["p"], [GOOD])
    del registry.TERMS["odd"]


def test_a_term_that_fails_names_itself_and_keeps_the_cause():
    @term("failing")
    def failing(completions, **_):
        return 1 / 0

    with pytest.raises(JudgeError, match="reward term 'failing' broke: ZeroDivisionError") as raised:
        rewards(failing=TermConfig()).score(["p"], [GOOD])
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    del registry.TERMS["failing"]


def test_other_terms_never_see_what_the_gate_refuses():
    seen = []

    @term("watching")
    def watching(completions, level, **_):
        watching.facts = [{"level": n} for n in level]
        seen.extend(level)
        return [0.5] * len(completions)

    made = rewards("format", format=TermConfig(0.0), watching=TermConfig(1.0))
    made.terms["watching"] = watching
    scores = made.score(["a", "b", "c"], [BAD, GOOD, BAD], level=[1, 2, 3])
    assert seen == [2]
    assert scores.terms["watching"] == [0.0, 0.5, 0.0]
    assert scores.facts == [{}, {"level": 2}, {}]
    assert made.score(["a"], [BAD], level=[1]).total == [0.0]
    del registry.TERMS["watching"]


def test_trl_sees_one_function_a_term_and_each_batch_is_scored_once():
    calls = []

    @term("counted")
    def counted(completions, **_):
        calls.append(len(completions))
        return [0.5] * len(completions)

    made = rewards(counted=TermConfig(), letters=TermConfig(weight=2.0))
    seen = []
    made.sink = lambda prompts, completions, scores, columns: seen.append((completions, columns["level"]))
    batch = [[{"role": "assistant", "content": GOOD}]]
    for function in made.functions():
        function(prompts=["p"], completions=batch, completion_ids=None, level=[3])
    assert [f.__name__ for f in made.functions()] == ["counted", "letters"]
    assert made.trl_weights() == [1.0, 2.0]
    assert calls == [1]
    assert seen == [(batch, [3])]
    del registry.TERMS["counted"]


def test_zscore_is_numpys_over_the_window():
    zscore = ZScore(window=50)
    values = np.random.default_rng(0).normal(3, 2, size=200)
    for start in range(0, 200, 20):
        got = zscore("t", list(values[start : start + 20]))
    recent = values[150:200]
    assert got == pytest.approx((values[180:] - recent.mean()) / (recent.std() + 1e-8), abs=1e-9)


def test_zscore_keeps_none_and_survives_a_checkpoint():
    zscore = ZScore(window=10)
    assert zscore("t", [None, None]) == [None, None]
    zscore("t", [1.0, None, 3.0])
    again = ZScore(window=10)
    again.load_state_dict(zscore.state_dict())
    assert again("t", [2.0]) == zscore("t", [2.0])


def test_normalisation_reaches_trl():
    config = composed("reward.normalize=zscore", "reward.window=4").reward
    made = Rewards(RewardConfig(terms={"letters": TermConfig()}, gate=None, normalize=config.normalize, window=4), [])
    (function,) = made.functions()
    assert sum(function(prompts=["p"] * 2, completions=["a" * 10, "a" * 30])) == pytest.approx(0.0)
    assert made.aggregation() == "sum_then_normalize"
    assert Rewards(composed("reward.normalize=group").reward, corpus().train).aggregation() == "normalize_then_sum"
