"""What becomes of requests to a teacher when its server or the network fails: python benchmarks/teacher_faults.py

The embedded model is served by llama.cpp on loopback (tests/teachers/loopback.py) behind a proxy that injects faults
(tests/teachers/proxy.py). For each fault, and for all of them together, a fresh client asks for the scores of the same
problems, and the fault hits the first requests. Columns:

    requests    that the client sent
    retries     of them, beyond one a problem
    verdicts    valid scores obtained
    lost        problems without a verdict
    differ      verdicts that are not those of a run without faults (the model is asked at temperature 0)
    paid twice  requests for a problem whose valid reply had already been delivered, a second run of the client included
    charged     tokens that the model worked for, replies included that the fault destroyed
    booked      tokens that the ledger counts against the budget: never fewer than were charged

In the last rows the budget has room for about half of the problems.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "teachers"))

import loopback
from proxy import Proxy

from qgen import data
from qgen.mathematics.problem import Problem
from qgen.runs.environment import git_commit
from qgen.runs.files import write_json
from qgen.settings.compose import composed
from qgen.settings.teacher import TeacherConfig
from qgen.teachers import questions
from qgen.teachers.client import Client, OutOfBudgetError

FAULTS = ("429", "500", "silence", "cut", "reset", "truncated", "schema")
RESULTS = Path(__file__).resolve().parent / "results" / "teacher_faults" / "cpu.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    config = composed(["stage=distill", "teacher=api", "teacher.structured=json_schema", "teacher.temperature=0",
                       "teacher.max_tokens=64", "teacher.requests_per_minute=6000", "teacher.backoff=0.05",
                       "teacher.concurrency=4"])  # fmt: skip
    problems = [replace(p, solution="") for p in data.load(config.data).train[: given.problems]]
    with loopback.teaching() as address:
        rows = table((address, {}), config.teacher, problems)
    show(rows)
    given.out.parent.mkdir(exist_ok=True)
    write_json(given.out, {"problems": len(problems), "commit": git_commit(), "rows": rows})


def table(teacher: tuple[str, dict], settings: TeacherConfig, problems: list[Problem]) -> list[dict]:
    """All rows. `teacher` is the server's address, and what it has replied so far."""
    expected = measure(teacher, settings, "none", [], problems, None)  # computes each reply once
    rows, half = [expected], len(problems) // 2
    # a reply is at hand from here on, so that what does not come in time was withheld
    settings = replace(settings, time_out=5.0)
    for fault in FAULTS:
        rows.append(measure(teacher, settings, fault, [fault] * half, problems, expected))
    rows.append(measure(teacher, settings, "all of them", list(FAULTS) * 2, problems, expected))
    tight = replace(settings, budget=replace(settings.budget, tokens=expected["worst"] + expected["booked"] // 2))
    rows.append(measure(teacher, tight, "half a budget", [], problems, expected))
    rows.append(measure(teacher, tight, "half, with faults", ["cut", "reset", "schema"], problems, expected))
    return rows


def measure(
    teacher: tuple[str, dict],
    settings: TeacherConfig,
    name: str,
    plan: list[str],
    problems: list[Problem],
    expected: dict | None,
) -> dict:
    """One row: the problems asked about through a plan of faults, and once more."""
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(settings, cache=f"{folder}/teacher.jsonl")
        proxy = Proxy(teacher[0], plan, teacher[1], wait=2 * settings.time_out)
        with loopback.serving(proxy.application()) as url:
            os.environ |= {"QGEN_TEACHER_URL": f"{url}/v1", "QGEN_TEACHER_MODEL": loopback.NAME}
            began = time.monotonic()
            verdicts, client = ask(settings, problems)
            seconds, tally = time.monotonic() - began, proxy.tally
            _, second = ask(settings, problems)
            reservations = [json.loads(line) for line in Path(settings.cache).read_text().splitlines()]
        got = [v for v in verdicts if v]
        return {
            "fault": name,
            "requests": client.asked,
            "retries": client.asked - len(tally.times),
            "verdicts": len(got),
            "lost": len(problems) - len(got),
            "differ": 0
            if not expected
            else sum(v not in (None, e) for v, e in zip(verdicts, expected["scores"], strict=True)),
            "paid twice": tally.again,
            "charged": tally.tokens,
            "booked": second.ledger.spent.tokens,
            "budget": settings.budget.tokens,
            "budget kept": tally.tokens <= second.ledger.spent.tokens <= settings.budget.tokens,
            "worst": max(row.get("tokens", 0) for row in reservations),
            "seconds": round(seconds, 1),
            "scores": verdicts,
        }


def ask(settings: TeacherConfig, problems: list[Problem]) -> tuple[list[dict | None], Client]:
    """The scores of the problems as far as the budget goes, and the client that asked."""
    client = Client(settings)

    async def one(problem: Problem) -> dict | None:
        try:
            scores = await client.ask(questions.score(problem))
        except OutOfBudgetError:
            return None
        return scores.model_dump() if scores else None

    return client.run(one, problems), client


def show(rows: list[dict]) -> None:
    columns = ("requests", "retries", "verdicts", "lost", "differ", "paid twice", "charged", "booked", "budget kept",
               "seconds")  # fmt: skip
    print(f"{'fault':<18}" + "".join(f"{c:>12}" for c in columns))
    for row in rows:
        values = ("yes" if row[c] is True else "NO" if row[c] is False else row[c] for c in columns)
        print(f"{row['fault']:<18}" + "".join(f"{v:>12}" for v in values))


if __name__ == "__main__":
    main()
