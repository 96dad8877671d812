"""Proofs: what program and votes conclude together, and what engines write."""

import json
from dataclasses import replace

import pytest
from conftest import DIGITS, composed
from llama_loopback import loopback

from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.programmed import compute
from qgen.proofs import engines
from qgen.proofs.proof import COMPUTED, REFUTED, STATED, VOTED, against, another, decide, prove, words
from qgen.proofs.solver import Solver
from qgen.proofs.votes import Votes
from qgen.settings.model import ModelConfig
from qgen.settings.reward import SolverConfig
from qgen.settings.sampling import SamplingConfig

CLEAR = Votes(1.0, 0.0, 0.0, "", 4)
SPLIT = Votes(0.5, 0.5, 0.0, "9", 4)
SILENT = Votes(0.0, 0.0, 1.0, "", 4)
OTHER = Votes(0.0, 1.0, 0.0, "9", 4)


@pytest.mark.parametrize(
    ("program", "votes", "kind"),
    [
        (True, CLEAR, COMPUTED),
        (None, CLEAR, VOTED),
        (False, CLEAR, REFUTED),
        (True, SPLIT, STATED),
        (True, SILENT, STATED),
        (True, None, STATED),
        (None, None, STATED),
        (False, None, REFUTED),
        (True, OTHER, REFUTED),
        (None, OTHER, REFUTED),
    ],
)
def test_kinds(program, votes, kind):
    assert decide(program, votes) == kind


def test_attempts_that_mostly_say_nothing_are_against_nothing():
    assert against(OTHER)
    assert not against(Votes(0.0, 0.25, 0.75, "9", 8))
    assert not against(Votes(0.0, 0.0, 0.0, "", 0))


def solved(answers: list[str]):
    """A server whose attempts, programs and words, give these answers in turn."""
    turns = iter(answers * 20)

    def reply(prompt, seed):
        answer = next(turns)
        return f"Count:\n```python\nprint({answer})\n```" if "Python" in prompt else f"So it is \\boxed{{{answer}}}."

    return loopback(reply)


@pytest.mark.parametrize(
    ("program", "answers", "kind"),
    [
        ("print(210)", ["210"], "computed"),
        (None, ["210"], "voted"),
        ("print(210)", ["5040"], "refuted"),
        ("print(211)", ["210"], "refuted"),
        ("while True: pass", ["210"], "voted"),
        ("print(210)", ["1", "2", "3", "4"], "stated"),
        ("print(0.1 * 3 * 700)", ["210"], "voted"),  # computed is exact
        ("print(420 / 2)", ["210"], "computed"),
        ("print(422 / 2)", ["210"], "refuted"),
        ("print(1e300)", ["210"], "voted"),
    ],
)
def test_a_certificate_holds_what_a_proof_was_concluded_from(program, answers, kind):
    problem = replace(DIGITS, program=program)
    agreement = AnswerComparer()
    computed = compute([problem], agreement)[0] if program else None
    with solved(answers) as engine:
        solver = Solver(engines.Solving(engine), composed().prompt, SolverConfig(samples=4))
        (proof,) = prove([problem], [computed], solver, {"solved_by": engines.told(engine)})
    found = json.loads(json.dumps(proof.certificate))
    assert (proof.kind, found["proof"]) == (kind, kind)
    assert found["answer"] == "210"
    assert found["program"] == program
    assert found["solved_by"] == {"engine": "llama.cpp", "weights": "loopback@1"}
    assert sum(made["made"] for made in found["votes"]["kinds"].values()) == found["votes"]["samples"]
    if kind == "refuted":
        assert another(found) in ("5040", "211")
        assert another(found) in words(found)
    if program == "while True: pass":
        assert found["outcome"]["reason"] == "timeout"
    agreement.close()


def test_an_attempt_stops_where_its_answer_stands():
    with loopback(lambda prompt, seed: "It is \\boxed{7} indeed and more words follow here") as engine:
        sampling = SamplingConfig(max_new_tokens=100)
        prompts = [[{"role": "user", "content": name}] for name in "abc"]
        (one, *_) = engines.Solving(engine).write(prompts, sampling, 0)
        assert (one.text, one.finished) == (
            "It is \\boxed{7} indeed and more words follow here",
            True,
        )  # " " ends a token
        engine.over = lambda text: "7" in text
        found = engine.write(prompts, sampling, 0)
        assert [c.text for c in found] == ["It is \\boxed{7} "] * 3
        assert all(c.finished and c.tokens == 3 for c in found)
        (cut,) = engine.write(prompts[:1], SamplingConfig(max_new_tokens=2), 0)
        assert not cut.finished


def test_llama_cpp_writes_several_at_once_and_can_be_asked_again():
    pytest.importorskip("xllamacpp")
    with engines.opened(ModelConfig(name="embedded", max_length=256), at_once=3) as engine:
        assert engine.identity.startswith("HuggingFaceTB/SmolLM2-135M-Instruct@")
        prompts = [[{"role": "user", "content": f"What is {i} + {i}?"}] for i in range(4)]
        found = engine.write(prompts, SamplingConfig(max_new_tokens=12, temperature=0.7), 1)
        assert len(found) == 4
        assert all(0 < c.tokens <= 12 and c.text for c in found)
        assert engine.written == sum(c.tokens for c in found)
        engine.over = lambda text: len(text) > 3
        assert all(c.tokens < 12 for c in engine.write(prompts, SamplingConfig(max_new_tokens=12), 1))
