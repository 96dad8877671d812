"""Checks the answers in a file of problems: python -m qgen.verify FILE [key=value ...]

There are two checks: the problem's program, if it has one, and the votes of a solver that sees only the statement. The
verdicts are written beside the file, to NAME.verified.jsonl. The same command goes on where it was stopped.
"""

import os
import sys
from pathlib import Path

from qgen.cli import entry
from qgen.settings.compose import quoted
from qgen.settings.verify import VerifyConfig

NAMED = 5  # lines that are told of each reason


def verify(config: VerifyConfig, _: Path, plain: dict) -> None:
    """Judge a file's problems and say what was found."""
    from qgen.reporting.tables import show
    from qgen.reporting.verified import verified_table
    from qgen.runtime.quiet import quiet

    quiet()
    from qgen.proofs import verification

    out, found = verification.verify(config)
    lines: dict[str, list[str]] = {}
    for row in found:
        if row["proof"] == verification.NONE:
            lines.setdefault(row["why"], []).append(str(row["line"]))
    refuted = [row for row in found if row["proof"] == "refuted"]
    notes = [
        f"{len(of)} not verified: {why} (line {', '.join(of[:NAMED])}{', ...' if len(of) > NAMED else ''})"
        for why, of in lines.items()
    ]
    notes += [f"line {row['line']}: {row['says']} (stated: {row['answer']})" for row in refuted[:NAMED]]
    show(verified_table(verification.by_level(found)), *notes, f"verdicts: {out}")


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.argv[1:] = [f"file={quoted(a)}" if a[:1] != "-" and _file(a) else a for a in sys.argv[1:]]
    entry(verify, "verify", VerifyConfig)()


def _file(argument: str) -> bool:
    """Whether an argument is the file's name rather than key=value."""
    return "=" not in argument.lstrip("~+") or Path(argument).is_file()


if __name__ == "__main__":
    main()
