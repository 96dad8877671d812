"""What was asked of a teacher, what it replied, and what that cost: one file, appended to, which is cache and account.

Before a request is sent its worst case is written down, and afterwards what it came to. So the budget holds whenever
the process ends: a request whose end is not known counts as its worst case.
"""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, TypeGuard

from filelock import FileLock

from qgen.runs.files import Row, append


@dataclass(frozen=True)
class Cost:
    """Tokens of prompts and replies together, and money in the currency of teacher.price."""

    tokens: int = 0
    money: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.tokens + other.tokens, self.money + other.money)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.tokens - other.tokens, self.money - other.money)

    def times(self, factor: int) -> "Cost":
        """This cost so many times over."""
        return Cost(self.tokens * factor, self.money * factor)

    def within(self, limit: "Cost") -> bool:
        """Whether neither tokens nor money are above a limit's."""
        return self.tokens <= limit.tokens and self.money <= limit.money + 1e-9


class Ledger:
    """The file, as read.

    Args:
        path: of the file; it need not exist.
        server: whose failures count, for what a wrong address could not answer the right one may; None for all. The
            file does not name it: it holds a hash of it with the request's key.

    Attributes:
        spent: all that was paid, with the worst case of what is not settled.
        replies: accepted replies, by the key of their request.
        failed: requests whose every reply was invalid, and why the last was.
        invalid: how many invalid replies each request has had.
    """

    def __init__(self, path: Path, server: str | None = None):
        self.path, self.server = path, server
        self._read, self._lines = 0, 1  # bytes that were read, and the line that comes next
        self.spent = Cost()
        self.replies: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.invalid: Counter[str] = Counter()
        self._costs: dict[str, Cost] = {}  # of each attempt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the file against other processes, and read what they have written meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            self._catch_up()
            yield

    def reserve(self, key: str, worst: Cost) -> str:
        """Write down that a request is about to be sent; returns the number of this attempt."""
        attempt = uuid.uuid4().hex[:12]
        self._write({"attempt": attempt, "key": key, "tokens": worst.tokens, "money": worst.money})
        return attempt

    def settle(self, attempt: str, cost: Cost, outcome: str, key: str, reply: str | None = None) -> None:
        """Write down what an attempt came to: answered (with the reply), invalid, or refused."""
        row = {"attempt": attempt, "key": key, "tokens": cost.tokens, "money": cost.money, "outcome": outcome}
        self._write(row | self._server(key) | ({"reply": reply} if reply is not None else {}))

    def give_up(self, key: str, why: str) -> None:
        """Write down that a request has failed for good at this server."""
        self._write({"key": key, "outcome": "failed", "why": why} | self._server(key))

    def _server(self, key: str) -> Row:
        if self.server is None:
            return {}
        return {"server": hashlib.sha256(f"{key} {self.server.rstrip('/')}".encode()).hexdigest()[:16]}

    def _catch_up(self) -> None:
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, _, _ = file.read().rpartition(b"\n")  # what follows was cut short, and the next row closes it
        for number, line in enumerate(whole.split(b"\n")):
            try:
                row = json.loads(line)
            except ValueError:
                continue  # half a line, which a kill left
            except RecursionError:
                row = None
            if wrong := _wrong(row):
                raise RuntimeError(
                    f"{self.path}:{self._lines + number}: no row of a teacher's file, for {wrong}: mend or remove the "
                    f"line, or set teacher.cache to another file"
                )
            self._take(row)
        self._read += len(whole)
        self._lines += whole.count(b"\n")

    def _write(self, row: Row) -> None:
        append(self.path, [row])
        self._catch_up()

    def _take(self, row: Row) -> None:
        if "attempt" in row:
            cost, before = Cost(row["tokens"], row["money"]), self._costs.get(row["attempt"], Cost())
            self._costs[row["attempt"]] = cost
            self.spent += cost - before
        outcome = row.get("outcome")
        if outcome == "answered":
            self.replies[row["key"]] = row["reply"]
        elif self.server is not None and outcome and row.get("server") != self._server(row["key"])["server"]:
            return  # a failure elsewhere, or one of a file of before servers were told apart
        elif outcome == "invalid":
            self.invalid[row["key"]] += 1
        elif outcome == "failed":
            self.failed[row["key"]] = row["why"]


def _number(value: object, kind: Any) -> TypeGuard[float]:
    """Whether a value is a number of a kind, which True and False are not."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _wrong(row: object) -> str | None:
    """Why a row cannot be one of the file, or None."""
    if not isinstance(row, dict) or not isinstance(row.get("key"), str):
        return "it names no request"
    if "attempt" in row:
        tokens, money = row.get("tokens"), row.get("money")
        if not (isinstance(row["attempt"], str) and _number(tokens, int) and _number(money, int | float)):
            return "its attempt, tokens or money are missing, or of another type"
        if tokens < 0 or not 0 <= money < inf:
            return "its tokens or money are no amount"
    said = {"answered": "reply", "failed": "why"}.get(str(row.get("outcome")))
    return f"its {said} is no text" if said and not isinstance(row.get(said), str) else None
