"""What the gate refuses: python benchmarks/gate.py [--real FILE.jsonl ...] [--hostile FILE.jsonl ...] [key=value ...]

The gate (`problem.parse` and the term `format`) learns from the configured corpus, and reads what it has not seen: the
held-out problems of that corpus, the real problems of other hands in the files, and hostile ones, none of which it
should let through. Files hold a JSON object a line with the columns `problem` and `answer`. A share has Wilson's 95 %
interval, and the reasons stand beside it. The second table says what the gate makes of each real set when spoiled
(evaluation/controls.py): the share that it lets through, and how often (AUROC, ties by half) a real problem has more
than a spoiled one. Copies are not its business.
"""

import argparse
import random
import time
from collections import Counter
from pathlib import Path

import numpy as np

from qgen import data
from qgen.adversary.controls import CONTROLS
from qgen.data import jsonl
from qgen.mathematics.problem import Fault, Problem, parse, render
from qgen.metrics.intervals import auroc, proportion
from qgen.rewards.format import Format
from qgen.settings.choices import Language
from qgen.settings.compose import composed
from qgen.settings.data import DataConfig

COLUMNS = {"statement": "problem", "topic": "subject"}
SPOILED = ("shuffle", "stuff", "truncate", "deletion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="files of good problems")
    parser.add_argument("--hostile", type=Path, nargs="*", default=[], help="files of what should be refused")
    parser.add_argument("--sample", type=int, default=500, help="problems of a file, at most")
    parser.add_argument("--show", type=int, default=0, help="wrong verdicts of each set to print")
    parser.add_argument("overrides", nargs="*", help="of the config, as on qgen's command line")
    given = parser.parse_intermixed_args()
    config = composed(given.overrides)
    language = config.prompt.language
    corpus = data.load(config.data, config.prompt)
    began = time.perf_counter()
    gate = Format(corpus.train, language=language)
    built = time.perf_counter() - began
    print(f"{len(corpus.train)} training problems, {len(corpus.heldout)} held out; fitted in {built:.1f} s\n")
    sets = {"held out": corpus.heldout} | {named(path): read(path, given.sample) for path in given.real}
    print(f"{'refused':34} {'n':>5} {'share':>6}  95 %            reasons")
    times = []
    for name, problems in sets.items():
        began = time.perf_counter()
        reasons = [refused(gate, p, language) for p in problems]
        times.append((time.perf_counter() - began) / len(problems))
        row(name, problems, reasons)
        show([(p, r) for p, r in zip(problems, reasons, strict=True) if r][: given.show])
    for path in given.hostile:
        problems = read(path, given.sample)
        reasons = [refused(gate, p, language) for p in problems]
        row(f"{named(path)} (hostile)", problems, reasons)
        show([(p, "let through") for p, r in zip(problems, reasons, strict=True) if not r][: given.show])
    print(f"\na completion takes {1000 * max(times):.2f} ms, mathematics parsed for the first time\n")
    print(f"{'let through (AUROC)':34}" + "".join(f"{name:>16}" for name in SPOILED))
    for name, problems in sets.items():
        good = passed(gate, problems, language)
        cells = []
        for control in SPOILED:
            rng = random.Random(f"{control}/{name}")
            bad = passed(gate, [CONTROLS[control](p, corpus.train, rng) for p in problems], language)
            cells.append(f"{bad.mean():8.1%} ({auroc(good, bad).value:.2f})")
        print(f"{name:34}" + "".join(f"{cell:>16}" for cell in cells))


def named(path: Path) -> str:
    return "/".join(path.parts[-2:]).removesuffix(".jsonl")


def read(path: Path, limit: int) -> list[Problem]:
    rows = [row for row in jsonl.read(DataConfig(path=str(path), fields=COLUMNS)) if isinstance(row, Problem)]
    return random.Random(0).sample(rows, limit) if len(rows) > limit else rows


def refused(gate: Format, problem: Problem, language: Language) -> str | None:
    """Why the gate refuses a problem, in a word or two, or None."""
    found = parse(render(problem, language.value))
    if isinstance(found, Fault):
        return f"{found.kind}: {found.detail}" if found.kind == "latex" else found.kind
    wrong = gate.fault(found)
    return wrong and ("length" if "characters" in wrong else wrong)


def passed(gate: Format, problems: list[Problem], language: Language) -> np.ndarray:
    return np.array([refused(gate, p, language) is None for p in problems], dtype=float)


def row(name: str, problems: list[Problem], reasons: list[str | None]) -> None:
    found = proportion(np.array([r is not None for r in reasons], dtype=float), np.arange(len(problems)))
    said = Counter(r.split(":")[0] for r in reasons if r).most_common()
    band = f"{found.low:5.1%} to {found.high:5.1%}"
    print(f"{name:34} {len(problems):5} {found.value:6.1%}  {band}  " + ", ".join(f"{n} {r}" for r, n in said))


def show(verdicts: list[tuple[Problem, str]]) -> None:
    for problem, reason in verdicts:
        print(f"    [{reason}] {' '.join(problem.statement.split())} | {problem.answer}")


if __name__ == "__main__":
    main()
