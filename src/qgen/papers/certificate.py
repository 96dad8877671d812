"""Where a problem comes from, and how the same machine writes it again.

An output depends on the weights, on what stood beside it in its batch, on the seed that the batch was drawn with, and
on who wrote it: the model itself or a compiled copy. A certificate holds all four, and what was found of the problem.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgen.papers.wishes import Request
from qgen.runs.files import rows
from qgen.settings.sampling import SamplingConfig
from qgen.version import __version__


@dataclass(frozen=True)
class Batch:
    """Requests that are answered together, in one call of the model, and the seed of their tokens."""

    seed: int
    requests: list[Request]
    sampling: SamplingConfig

    def plain(self) -> dict[str, Any]:
        """The batch as plain data: its seed, sampling and requests, from which it can be written again."""
        asked = [[r.topic, r.level, *r.points] for r in self.requests]
        return {"seed": self.seed, "sampling": vars(self.sampling), "batch": asked}


def certificate(origin: dict[str, Any], batch: Batch, row: int, **more: Any) -> dict[str, Any]:
    """Everything that it takes to write a problem again, under a number that tells whether it was changed.

    Args:
        origin: the model, the adapter's hash, who wrote, the stage's directory, the language, what is varied, and the
            machine.
        row: of the batch.
        more: the prompt, the completion, the gate's verdicts, the reward and its terms, a solver's votes.
    """
    return sealed({"qgen": __version__, **origin, **batch.plain(), "row": row, **more})


def sealed(found: dict[str, Any]) -> dict[str, Any]:
    """A certificate with its id, a hash of all else that it holds."""
    rest = {key: value for key, value in found.items() if key != "id"}
    return {"id": digest(rest), **rest}


def digest(value: dict[str, Any]) -> str:
    """A hash of plain data, 12 hexadecimal digits, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode(errors="surrogatepass")).hexdigest()[:12]


def batch_of(certificate: dict[str, Any]) -> Batch:
    """The batch that a certificate tells of."""
    asked = [Request(topic, level, tuple(points)) for topic, level, *points in certificate["batch"]]
    return Batch(certificate["seed"], asked, SamplingConfig(**certificate["sampling"]))


def read(reference: str) -> dict[str, Any]:
    """The certificate of PATH/problems.jsonl:N, the Nth problem of a file (from 1).

    Raises ValueError where there is no such file or problem, or where the certificate was changed.
    """
    path, _, number = reference.rpartition(":")
    if not number.isdigit() or not Path(path).is_file():
        raise ValueError(f"reproduce={reference}: name a problem of a file, such as DIR/problems.jsonl:1")
    problems = rows(Path(path))
    if not 1 <= int(number) <= len(problems):
        raise ValueError(f"reproduce={reference}: the file holds the problems 1 to {len(problems)}")
    problem = problems[int(number) - 1]
    found = problem.get("certificate") if isinstance(problem, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"reproduce={reference}: that problem has no certificate")
    if found.get("id") != sealed(found)["id"]:
        raise ValueError(f"reproduce={reference}: the certificate was changed: its id is not that of what it holds")
    return found
