"""What is known of a problem's answer, by two routes that know nothing of each other: its program, and votes.

    computed  the program gives the answer exactly, and the votes of attempts at the statement alone are clear for it
    voted     the votes are clear for the answer; there is no program, or it gave nothing, or floats that are not whole
    stated    neither: somebody says so, or a program that no votes bear out
    refuted   the votes are clear for another answer, or the program gives another

A program that prints a constant, or that belongs to another problem, proves nothing by itself. The votes do not depend
on it: attempts are shown the statement alone. A certificate holds everything that the verdict was concluded from.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qgen.mathematics.problem import Problem
from qgen.mathematics.programmed import Computed
from qgen.proofs.solver import Solver
from qgen.proofs.votes import CLEAR, SILENT, Votes

COMPUTED, VOTED, STATED, REFUTED = "computed", "voted", "stated", "refuted"
KINDS = (COMPUTED, VOTED, STATED, REFUTED)  # from the best to the worst


@dataclass(frozen=True)
class Proof:
    """What is known of one answer. `kind` is one of KINDS; `certificate` is plain data."""

    kind: str
    certificate: dict[str, Any]

    def proves(self, wanted: str) -> bool:
        """Whether this is at least as much as was asked for: computed, voted or stated."""
        return KINDS.index(self.kind) <= KINDS.index(wanted)


def prove(
    problems: Sequence[Problem],
    computed: Sequence[Computed | None],
    solver: Solver | None,
    origin: dict[str, Any] | None = None,
) -> list[Proof]:
    """The proof of each problem's answer, as it stands there.

    Args:
        computed: what running its program gave; None for a problem without one.
        solver: whose attempts vote; None: nobody's do.
        origin: what else the certificates say: who solves, with which weights and settings.
    """
    votes: Sequence[Votes | None] = solver.votes(list(problems)) if solver else [None] * len(problems)
    found = []
    for problem, ran, counted in zip(problems, computed, votes, strict=True):
        agrees = _agrees(problem, ran)
        floats = ran is not None and not ran.outcome.exact
        kind = decide(None if agrees and floats else agrees, counted)
        found.append(Proof(kind, _certificate(kind, problem, ran, counted, origin or {})))
    return found


def decide(program: bool | None, votes: Votes | None) -> str:
    """The kind of a proof.

    Args:
        program: whether the program gives the answer that is to be proved; None where none gave one, or only in floats.
        votes: on that answer; None where nobody was asked.
    """
    if program is False or (votes is not None and against(votes)):
        return REFUTED
    if votes is None or not votes.solvable:
        return STATED
    return COMPUTED if program else VOTED


def against(votes: Votes) -> bool:
    """Whether the votes are as clear for another answer as Votes.solvable asks them to be for the problem's own."""
    return votes.samples > 0 and votes.confidence <= 1 - CLEAR and votes.unanswered <= SILENT + 1e-9


def words(certificate: dict[str, Any]) -> str:
    """A proof for people, in a line: "computed: its program, and 5 of 6 attempts"."""
    votes, kind = certificate.get("votes"), certificate["proof"]
    said = f"{round(votes['agree'] * votes['samples'])} of {votes['samples']} attempts" if votes else ""
    told = {
        COMPUTED: f"its program, and {said}",
        VOTED: said,
        STATED: "by its program alone" if certificate["agrees"] else "nothing bears it out",
        REFUTED: f"{said or 'its program disagrees'}; another answer: {another(certificate)}",
    }[kind]
    return f"{kind}: {told}"


def another(certificate: dict[str, Any]) -> str:
    """The answer that speaks against a problem's own: the program's, else that of the most votes; '' without one."""
    outcome, votes = certificate["outcome"], certificate["votes"]
    if certificate["agrees"] is False:
        return outcome["answer"]
    return votes["other"] if votes else ""


def digest(*parts: Any) -> str:
    """A hash of texts or other plain data, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode(errors="surrogatepass")).hexdigest()[:16]


def _agrees(problem: Problem, ran: Computed | None) -> bool | None:
    """Whether the program gives the problem's answer, which it does by construction where its own stands there; None
    where it gave none."""
    return (ran.same or problem == ran.problem) if ran is not None and ran.same is not None else None


def _certificate(
    kind: str, problem: Problem, ran: Computed | None, votes: Votes | None, origin: dict[str, Any]
) -> dict[str, Any]:
    outcome = None
    if ran is not None:
        outcome = {name: getattr(ran.outcome, name) for name in ("exact", "reason", "detail")}
        outcome["answer"] = ran.outcome.value or ran.outcome.answer
    return {
        "proof": kind,
        "answer": problem.answer,
        "agrees": _agrees(problem, ran),
        "program": problem.program,
        "outcome": outcome,
        "stated": ran.stated if ran is not None else problem.answer,
        "stated_agrees": ran.same if ran is not None else None,
        "votes": votes and votes.plain(),
        "hashes": {"statement": digest(problem.statement), "program": problem.program and digest(problem.program)},
        **origin,
    }
