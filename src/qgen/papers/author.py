"""Writes until enough problems pass the gate: batch after batch, for the topics that are still missing."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from qgen.engine.completion import Completion
from qgen.mathematics.problem import Problem
from qgen.papers.certificate import Batch
from qgen.papers.gate import Gate, GateVerdict
from qgen.papers.prover import Prover
from qgen.papers.wishes import Request, requests
from qgen.proofs import reading
from qgen.proofs.proof import COMPUTED, Proof
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
    loose: bool = False  # a problem may stand in the place of one of another topic: nobody asked for any

    def place(self, topic: str, missing: Counter[str]) -> str | None:
        """Of which topic's missing problems one that was asked for as this topic's counts; None: it is not needed."""
        if missing[topic]:
            return topic
        return next(iter(sorted(missing)), None) if self.loose else None

    def taken(self, topic: str, missing: Counter[str]) -> Counter[str]:
        """What is no longer missing once a problem has its place: one of that topic, or nothing."""
        place = self.place(topic, missing)
        return Counter() if place is None else Counter([place])


@dataclass
class PassedProblem:
    """A problem that passed: its place in a batch, and what was written there."""

    batch: Batch
    row: int
    verdict: GateVerdict
    completion: str
    problem: Problem  # with the answer that its program computes, where it has one
    proof: Proof | None = None

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
    prover: Prover | None = None,
) -> tuple[list[PassedProblem], Tally]:
    """Problems that pass, as many of each topic as are wanted, or fewer where the bound's outputs do not yield them.

    Args:
        answer: writes the completions of a batch.
        progress: is called with how many more have passed, and the tally, as often as either changes.
        prover: what an answer must be proved by; None: answers are as stated, or as programs compute them.
    """
    missing, made, tally = Counter(plan.wanted), [], Tally()
    prover = prover or Prover()
    known = [p for p in gate.known if p.topic in plan.wanted]
    size = plan.sampling.batch_size
    for number in range(-(-plan.bound // size)):
        seed = random.Random(f"{plan.seed}/{number}").randrange(2**31)
        count = min(size, plan.bound - tally.tries)
        batch = Batch(seed, requests(missing, plan.level, known, count, seed), plan.sampling)
        found: list[PassedProblem] = []
        completions = answer(batch)
        reading.read([written.text for written in completions])  # all programs in one go: the gate reads one by one
        for row, (request, written) in enumerate(zip(batch.requests, completions, strict=True)):
            tally.tries += 1
            left = Counter(missing)
            for m in [] if prover.solver else found:  # with a solver some of them may not be proved
                left -= plan.taken(m.request.topic, left)
            if plan.place(request.topic, left) is None:
                tally.refused["more than asked for"] += 1
                continue
            verdict = gate.judge(written.text, written.finished, request.topic)
            if verdict.refused:
                tally.refused[verdict.refused] += 1
            elif verdict.problem:
                found.append(PassedProblem(batch, row, verdict, written.text, verdict.problem))
        progress(0, tally)
        for passed in _proved(found, prover, plan, missing, tally):
            made += passed
            progress(len(passed), tally)
        if not missing:
            break
    return made, tally


def _proved(
    found: list[PassedProblem], prover: Prover, plan: Plan, missing: Counter[str], tally: Tally
) -> Iterator[list[PassedProblem]]:
    """What passed the gate, with its proof, as far as it has the one that is asked for: no more problems are put to the
    vote at once than are missing, and none that no vote could prove."""
    for m, ran in zip(list(found), reading.computed([m.completion for m in found]), strict=True):
        if prover.wanted == COMPUTED and not (ran and ran.outcome.exact):
            tally.refused["answer without an exact program"] += 1
            found.remove(m)
    while found:
        room = Counter(missing)
        now: list[PassedProblem] = []
        later: list[PassedProblem] = []
        for m in found:
            (later if plan.place(m.request.topic, room) is None else now).append(m)
            room -= plan.taken(m.request.topic, room)
        if not now:
            tally.refused["more than asked for"] += len(later)
            return
        passed = []
        proofs = prover.prove([m.problem for m in now], reading.computed([m.completion for m in now]))
        for m, proof in zip(now, proofs, strict=True):
            if not proof.proves(prover.wanted):
                tally.refused[f"answer {proof.kind}"] += 1
                continue
            m.proof = proof
            passed.append(m)
            missing -= plan.taken(m.request.topic, missing)
        yield passed
        found = later
