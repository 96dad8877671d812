"""The proof of each answer that is handed out: a solver votes beside the programs, and what was found is kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qgen.mathematics.problem import Problem
from qgen.mathematics.programmed import Computed
from qgen.proofs.proof import STATED, Proof, digest, prove
from qgen.proofs.solver import Solver
from qgen.runs.files import append, rows


class Prover:
    """Proves answers.

    Args:
        wanted: what an answer must be, at least: computed, voted or stated.
        solver: whose attempts vote; None: nobody's do.
        origin: what certificates say of the solver.
        kept: a file in which proofs are looked up that an earlier command found, and written.
    """

    def __init__(
        self,
        wanted: str = STATED,
        solver: Solver | None = None,
        origin: dict[str, Any] | None = None,
        kept: Path | None = None,
    ):
        self.wanted, self.solver, self.origin, self.kept = wanted, solver, origin or {}, kept

    def prove(self, problems: Sequence[Problem], computed: Sequence[Computed | None]) -> list[Proof]:
        """The proof of each problem's answer.

        Args:
            computed: what running its program gave; None for a problem without one.
        """
        if self.solver is None:
            return prove(problems, computed, None, self.origin)
        keys = [digest(p.statement, p.answer, p.program, self.origin) for p in problems]
        known = {row["key"]: Proof(row["proof"]["proof"], row["proof"]) for row in rows(self.kept)} if self.kept else {}
        new = [i for i, key in enumerate(keys) if key not in known]
        fresh = prove([problems[i] for i in new], [computed[i] for i in new], self.solver, self.origin)
        known |= {keys[i]: proof for i, proof in zip(new, fresh, strict=True)}
        if self.kept and new:
            append(self.kept, [{"key": keys[i], "proof": known[keys[i]].certificate} for i in new])
        return [known[key] for key in keys]
