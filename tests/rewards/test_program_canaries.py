"""Programs that compute nothing of their problem: none of them is paid, or proves anything, without votes.

Votes are on the statement alone. A program that prints a constant says no more than its writer's word does, and no rule
over its text could tell: print(7 + 0) computes.
"""

from dataclasses import replace
from itertools import count, repeat

import pytest
from conftest import DIGITS, composed
from llama_loopback import loopback

from qgen import data
from qgen.mathematics.problem import Fault, parse, render
from qgen.proofs import engines, reading
from qgen.proofs.proof import COMPUTED, REFUTED, STATED, prove
from qgen.proofs.solver import Solver
from qgen.rewards import Rewards
from qgen.rewards.solvable import Solvable
from qgen.settings.reward import SolverConfig

CANARIES = {
    "a constant": "print(7)",
    "a constant in disguise": "x = 3\nprint(x + 4)",
    "another problem": "from math import comb\nprint(comb(8, 3))",
    "a text": "print('The digits can be chosen freely.')",
    "the statement's numbers and nothing else": "print(4)",
    "two answers": "print(210)\nprint(7)",
    "two answers in a line": "print(210, 7)",
    "a list of answers": "print([210, 7, 5040])",
    "a float near by": "print(210.0001)",
    "all it can think of": "for n in range(1000): print(n)",
}
NOTHING = {
    "endless": "while True: pass",
    "endless text": "while True: print(210)",
    "nothing": "def digits():\n    return 210\n\nfor _ in [1]:\n    digits()",
    "a value that is not printed": "x = 210",
    "not a number": "print(float('nan'))",
    "infinite": "print(float('inf'))",
    "no Python": "print(210",
    "what reads": "print(input())",
    "what looks": "print(open('answers.txt').read())",
}
RIGHT = "from math import comb\nprint(comb(10, 4))"


def wrote(program: str, stated: str = "210") -> str:
    return render(replace(DIGITS, program=program, answer=stated), solution="program")


def solver(engine) -> Solver:
    return Solver(engines.Solving(engine), composed().prompt, SolverConfig(samples=4))


def solved(answer: str | None):
    """A solver whose attempts all give one answer, or each another."""
    turns = repeat(answer) if answer else map(str, count(10_000))

    def reply(prompt, seed):
        answer = next(turns)
        return f"```python\nprint({answer})\n```" if "Python" in prompt else f"It is \\boxed{{{answer}}}."

    return loopback(reply)


def proofs(programs: list[str], by: Solver | None) -> list[str]:
    texts = [wrote(program) for program in programs]
    return [proof.kind for proof in prove(reading.read(texts), reading.computed(texts), by)]


@pytest.mark.parametrize("name", NOTHING)
def test_a_program_without_a_result_is_no_problem(name):
    (found,) = reading.read([wrote(NOTHING[name])])
    assert isinstance(found, Fault)
    assert found.kind == "program"


def test_canaries_prove_nothing_without_votes_and_are_refuted_by_them():
    programs = [*CANARIES.values(), "print(210)", RIGHT]
    assert set(proofs(programs, None)) == {STATED}
    with solved(None) as engine:  # which solves nothing
        assert set(proofs(programs, solver(engine))) == {STATED}
    with solved("210") as engine:
        *canaries, constant, right = proofs(programs, solver(engine))
    assert set(canaries) == {REFUTED}
    assert constant == right == COMPUTED  # the votes bear the constant out


def test_canaries_are_paid_nothing_without_votes():
    texts = [wrote(program) for program in (*CANARIES.values(), *NOTHING.values())]
    with solved("210") as engine:
        reward = Solvable(solver(engine))
        assert reward(texts) == [0.0] * len(texts)
        assert reward([wrote(RIGHT, "7")])[0] > 0.5  # whatever is stated beside it
    with solved(None) as engine:
        assert Solvable(solver(engine))([wrote("print(210)"), wrote(RIGHT)]) == [0.0, 0.0]


def test_no_term_pays_for_a_program_by_itself():
    rewards = Rewards(composed().reward, data.load(composed().data).train)

    def total(text: str) -> float:
        return rewards.score(["ask"], [text], topic=["Combinatorics"], level=[2]).total[0]

    for program in ("print(7)", "x = 3\nprint(x + 4)", RIGHT):
        (problem,) = reading.read([wrote(program)])
        bare = render(problem)
        assert parse(bare).answer == problem.answer
        assert total(wrote(program)) == total(bare)
    assert all(total(wrote(program)) == 0.0 for program in NOTHING.values())
