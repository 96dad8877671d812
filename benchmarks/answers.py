"""Are proved answers right? python benchmarks/answers.py FILE.jsonl

FILE holds problems that a model wrote, a line each: statement, answer, program, the proof that qgen.verify found, and
under "read" what somebody found who worked the problem out without seeing program or proof. Printed is how many of each
proof were read, are well posed, and are right, with Wilson's intervals; below, the same of those that the gate passes
as it is today, which may refuse more than it did when they were written.
"""

import argparse
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np

from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Problem
from qgen.mathematics.programmed import compute
from qgen.metrics.intervals import proportion
from qgen.proofs.proof import KINDS
from qgen.reporting.tables import plain_table, show
from qgen.runs.files import rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    found = rows(parser.parse_args().file)
    show(table("answers that were worked out by hand", found))
    show(table("of those that the gate passes today", passed(found)))


def passed(found: list[dict]) -> list[dict]:
    """Those whose programs, run today, give the answer that was read, and that the gate finds nothing wrong with."""
    problems = [Problem(row["statement"], row["answer"], program=row["program"]) for row in found]
    with closing(AnswerComparer()) as agreement:
        today = compute(problems, agreement)
    return [row for row, one in zip(found, today, strict=True) if isinstance(one.problem, Problem) and one.same]


def table(title: str, found: list[dict]):
    """A row for each proof."""
    by_proof = defaultdict(list)
    for row in found:
        by_proof[row["proof"]].append(row)
    made = plain_table(title)
    for column in ("proof", "problems", "read", "well posed", "right", "of those read", "95 %"):
        made.add_column(column, justify="left" if column == "proof" else "right", no_wrap=True)
    for proof in KINDS:
        read = [row["read"] for row in by_proof[proof] if "read" in row]
        right = np.array([float(one["right"]) for one in read])
        share = proportion(right, np.arange(len(read))) if read else None
        told = (f"{share.value:.0%}", f"{share.low:.0%}–{share.high:.0%}") if share else ("–", "–")
        posed = sum(one["well_posed"] for one in read)
        made.add_row(proof, *map(str, (len(by_proof[proof]), len(read), posed, int(right.sum()))), *told)
    return made


if __name__ == "__main__":
    main()
