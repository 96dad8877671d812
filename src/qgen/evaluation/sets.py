"""What is measured: outputs of a model, of real authors, and of the controls that spoil what these wrote."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from qgen.adversary.controls import CONTROLS, number_swap
from qgen.mathematics.problem import Fault, Problem, render
from qgen.proofs import reading

Request = dict[str, Any]  # topic, level
SPOILED = 100  # real problems of which controls are made, at most


@dataclass(frozen=True)
class OutputSet:
    """What one writer wrote, in the order of the requests.

    Attributes:
        kind: model, real or control.
        requests: what was asked for, one an output.
        prompts: which prompt each output answers, integers of shape (outputs,).
    """

    name: str
    kind: str
    requests: list[Request]
    prompts: np.ndarray
    texts: list[str]

    @cached_property
    def parsed(self) -> list[Problem | Fault]:
        """Each output as a problem, or why it is none, shape (outputs,)."""
        return reading.read(self.texts)

    @cached_property
    def good(self) -> np.ndarray:
        """The outputs that are problems: their numbers."""
        return np.array([i for i, p in enumerate(self.parsed) if isinstance(p, Problem)], dtype=int)

    @property
    def problems(self) -> list[Problem]:
        """The outputs that are problems, in the order of `good`."""
        return [p for p in self.parsed if isinstance(p, Problem)]

    @cached_property
    def statements(self) -> list[str]:
        """The statements of the outputs that are problems, in the order of `good`."""
        return [problem.statement for problem in self.problems]


def real(problems: list[Problem], language: str) -> OutputSet:
    """Real problems, as if each had been written for a request for its own topic and level."""
    return _row("real", "real", problems, problems, language)


def controls(problems: list[Problem], corpus: list[Problem], language: str) -> list[OutputSet]:
    """Real problems spoiled: the first SPOILED in the ways of controls.py, and three that spoil no text.

    `collapse` is a writer who knows a quarter of the problems, of few topics, and changes their numbers; `answers` has
    their answers mixed up; `levels` and `topics` are all problems as they were, written for a request for another level
    or topic, which costs nobody an attempt.
    """
    rng, every, problems = random.Random(0), problems, problems[:SPOILED]
    rows = [
        _row(name, "control", problems, [spoil(p, corpus, random.Random(f"{name}/{p.statement}")) for p in problems],
             language)
        for name, spoil in CONTROLS.items()
    ]  # fmt: skip
    known = sorted(problems, key=lambda p: p.topic)[: -(-len(problems) // 4)]
    again = [number_swap(p, [p], rng) for p in (known * 4)[: len(problems)]]
    answers = [replace(p, answer=problems[i - 1].answer) for i, p in enumerate(problems)]
    other = {"level": lambda p: p.level, "topic": lambda p: p.topic}
    swapped = [
        replace(_row(f"{key}s", "control", every, every, language), requests=_swapped(every, key, of, rng))
        for key, of in other.items()
    ]
    return [*rows, _row("collapse", "control", problems, again, language), *swapped,
            _row("answers", "control", problems, answers, language)]  # fmt: skip


def _row(name: str, kind: str, asked: list[Problem], written: list[Problem], language: str) -> OutputSet:
    requests = [{"topic": p.topic, "level": p.level} for p in asked]
    return OutputSet(name, kind, requests, np.arange(len(asked)), [render(p, language) for p in written])


def _swapped(problems: list[Problem], key: str, of: Callable[[Problem], Any], rng: random.Random) -> list[Request]:
    values = sorted({of(p) for p in problems})
    requests = []
    for problem in problems:
        others = [value for value in values if value != of(problem)] or values
        requests.append({"topic": problem.topic, "level": problem.level, key: rng.choice(others)})
    return requests
