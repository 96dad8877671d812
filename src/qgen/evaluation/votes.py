"""The judging solver's votes, each made once and kept in evaluation/votes.jsonl beside the outputs."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from qgen.mathematics.problem import Problem
from qgen.proofs.votes import Votes
from qgen.runs.files import append, rows

if TYPE_CHECKING:
    from qgen.proofs.solver import Solver

FIELDS = [field.name for field in fields(Votes)]


class KeptVotes:
    """Votes on problems: those in a file that only grows, and the solver's on all others. An evaluation that was
    stopped goes on from there, and what the votes are taken for can be changed without asking anybody again.

    Args:
        path: the file.
        by: who votes and how: votes of another solver, prompt or number of attempts are not used.
        solver: makes the solver, which is not needed before a vote is missing.
    """

    def __init__(self, path: Path, by: str, solver: Callable[[], "Solver"]):
        self.path, self.by, self.solver = path, by, solver
        found = rows(path)
        self.known = {row["key"]: Votes(**{f: row[f] for f in FIELDS}) for row in found if row.get("key")}
        self.notes = {row["by"]: row["note"] for row in found if row.get("note")}  # what is to be known of who voted
        self._solver: Solver | None = None

    def __call__(self, problems: list[Problem]) -> list[Votes]:
        """The votes on each problem."""
        keys = [self._key(p) for p in problems]
        if new := {key: p for key, p in zip(keys, problems, strict=True) if key not in self.known}:
            if self._solver is None:
                self._solver = self.solver()
                note = f"answers {self._solver.rate:.0%} of real problems"
                note += "" if self._solver.usable else ": too few for its figures to say much"
                if self.notes.get(self.by) != note:
                    self.notes[self.by] = note
                    append(self.path, [{"by": self.by, "note": note}])
            self.known |= zip(new, self._solver.votes(list(new.values())), strict=True)
            append(self.path, [{"key": key, **asdict(self.known[key])} for key in new])
        return [self.known[key] for key in keys]

    @property
    def note(self) -> str | None:
        """What is to be known of the solver; None where it has never been asked."""
        return self.notes.get(self.by)

    def _key(self, problem: Problem) -> str:
        text = "\0".join((self.by, problem.statement, problem.answer))
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
