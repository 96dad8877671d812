"""Writes until enough problems pass the gate: batch after batch, for the topics that are still missing."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from qgen.engine.rollout import Completion
from qgen.papers.certificate import Batch
from qgen.papers.gate import Gate, GateVerdict
from qgen.papers.wishes import Request, requests
from qgen.settings.sampling import SamplingConfig


@dataclass(frozen=True)
class Plan:
    """What is to be written.

    Args:
        wanted: how many problems of which topic.
        level: 1 to 5, or None: all in turn.
        bound: outputs at most.
    """

    wanted: Counter[str]
    level: int | None
    bound: int
    seed: int
    sampling: SamplingConfig


@dataclass
class PassedProblem:
    """A problem that passed: its place in a batch, and what was written there."""

    batch: Batch
    row: int
    verdict: GateVerdict
    completion: str

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self.batch.requests[self.row]


@dataclass
class Tally:
    """What became of the outputs."""

    tries: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.refused.most_common())
        return f"{self.tries} tries" + (f" ({reasons})" if reasons else "")


def write(
    gate: Gate,
    answer: Callable[[Batch], list[Completion]],
    plan: Plan,
    progress: Callable[[int, Tally], None] = lambda passed, tally: None,
) -> tuple[list[PassedProblem], Tally]:
    """Problems that pass, as many of each topic as are wanted, or fewer where the bound's outputs do not yield them.

    Args:
        answer: writes the completions of a batch.
        progress: is called after each batch with how many passed in it, and the tally.
    """
    missing, made, tally = Counter(plan.wanted), [], Tally()
    known = [p for p in gate.known if p.topic in plan.wanted]
    size = plan.sampling.batch_size
    for number in range(-(-plan.bound // size)):
        seed = random.Random(f"{plan.seed}/{number}").randrange(2**31)
        count = min(size, plan.bound - tally.tries)
        batch = Batch(seed, requests(missing, plan.level, known, count, seed), plan.sampling)
        before = len(made)
        for row, (request, written) in enumerate(zip(batch.requests, answer(batch), strict=True)):
            tally.tries += 1
            if not missing[request.topic]:
                tally.refused["more than asked for"] += 1
                continue
            verdict = gate.judge(written.text, written.finished, request.topic)
            if verdict.refused:
                tally.refused[verdict.refused] += 1
                continue
            made.append(PassedProblem(batch, row, verdict, written.text))
            missing -= Counter([request.topic])
        progress(len(made) - before, tally)
        if not missing:
            break
    return made, tally
