"""Reward terms of somebody else's that end the run, or break outside of their call."""

import sys
import threading

import numpy as np
import pytest
from conftest import SPHERES, composed

from qgen.mathematics.problem import render
from qgen.rewards import JudgeError, Rewards, registry


class Term:
    """A term whose methods can be replaced by what breaks."""

    def __call__(self, completions, **columns):
        return [0.5] * len(completions)

    def observe(self, completions):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def broken(*_, **__):
    raise KeyError("x")


def rewards(monkeypatch, term) -> Rewards:
    monkeypatch.setitem(registry.TERMS, "bad", term)
    return Rewards(composed("+reward.terms.bad.weight=1", "~reward.terms.difficulty").reward, [SPHERES])


@pytest.mark.parametrize("end", [lambda: sys.exit(0), lambda: sys.exit(3), lambda: exec("raise GeneratorExit")])
def test_fault_f2_a_term_that_exits_breaks_by_name(end):
    with pytest.raises(JudgeError, match=r"reward term 'bad' broke: (SystemExit|GeneratorExit)"):
        registry.call("bad", lambda completions: end(), ["a"])


def test_fault_f2_ctrl_c_in_a_term_is_ctrl_c():
    with pytest.raises(KeyboardInterrupt):
        registry.call("bad", lambda completions: exec("raise KeyboardInterrupt"), ["a"])


def test_fault_m5_a_term_is_named_whatever_of_it_breaks(monkeypatch):
    texts = [[{"role": "assistant", "content": "x"}]]
    steps = {
        "observe": ("shown what was trained on", lambda: rewards(monkeypatch, Term).value("bad", ["?"], texts)),
        "state_dict": ("saved", lambda: rewards(monkeypatch, Term).state_dict()),
        "load_state_dict": (
            "restored",
            lambda: rewards(monkeypatch, Term).load_state_dict({"terms": {"bad": {}}, "zscore": None}),
        ),
    }
    for method, (done, step) in steps.items():
        with monkeypatch.context() as patched:
            patched.setattr(Term, method, broken)
            with pytest.raises(JudgeError, match=f"reward term 'bad' broke as it was {done}: KeyError"):
                step()


def test_fault_m5_what_cannot_be_copied_or_told_is_named(monkeypatch):
    made = rewards(monkeypatch, Term)
    made.terms["bad"].lock = threading.Lock()
    with pytest.raises(JudgeError, match="reward term 'bad' broke as it was copied: TypeError"):
        made.frozen()
    made.terms["bad"].facts = [None]
    made.config.gate = None
    with pytest.raises(JudgeError, match="reward term 'bad': its facts are not a list of 1 dictionaries"):
        made.score(["?"], ["x"])


@pytest.mark.parametrize(
    ("value", "says"),
    [("nowhere_at_all:x", "broke as it was loaded: ModuleNotFoundError"), ("sys:nothing", "loaded: AttributeError"),
     ("qgen.rewards.registry:GROUP", "neither a function nor a class"), ("sys", "neither a function nor a class")],
)  # fmt: skip
def test_fault_m5_an_entry_point_that_leads_nowhere_is_named(monkeypatch, value, says):
    points = [registry.metadata.EntryPoint("bad", value, registry.GROUP)]
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: points)
    with pytest.raises((ValueError, JudgeError), match=f"reward term 'bad'.*{says}"):
        registry.find("bad", {})


def test_fault_f2_facts_that_no_file_holds_break_by_name(monkeypatch):
    made = rewards(monkeypatch, Term)
    made.terms["bad"].facts = [{"what": object()}]
    with pytest.raises(JudgeError, match=r"reward term 'bad' broke as it was asked for its facts: .*is no plain"):
        made.score(["p"], [render(SPHERES)])
    made.terms["bad"].facts = [{"what": np.float32(0.5), "more": [None, "x"]}]
    assert made.score(["p"], [render(SPHERES)]).facts[0]["what"] == 0.5


def test_fault_f2_a_packages_list_of_terms_that_cannot_be_read_is_told(monkeypatch):
    def garbage(**_):
        raise TypeError("Pair.__new__() missing 1 required positional argument: 'value'")

    monkeypatch.setattr(registry.metadata, "entry_points", garbage)
    with pytest.raises(ValueError, match=r"an installed package's entry_points\.txt cannot be read \(TypeError: Pair"):
        registry.find("none", {})
