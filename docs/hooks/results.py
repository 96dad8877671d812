"""The reference's pages about what was measured, made of the files in benchmarks/results.

measured.md is printed by the benchmarks' own functions; read.md has the problems that were read one by one.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from schemas import escaped

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def measured() -> str:
    """What benchmarks/results holds, as the benchmarks print it. Raises ValueError where a file is in no table."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    sys.path.insert(0, str(ROOT / "tests" / "teachers"))
    parts = [
        "# Measured results\n\nPrinted from the files in `benchmarks/results` when this page was built, so that no "
        "figure is typed by hand. A directory is one session on one machine; where several are "
        "of one kind, the later ones follow changes that [the engine](../explanation/engine.md) describes."
    ]
    used: set[Path] = set()
    for title, command, text, files in (*runs(), *tables(), *plain()):
        parts.append(f"## {title}\n\n{command}\n\n```text\n{text.rstrip()}\n```")
        used |= set(files)
    if left := sorted(str(p.relative_to(RESULTS)) for p in set(RESULTS.rglob("*.json")) - used):
        raise ValueError(f"benchmarks/results: no table of docs/hooks/results.py shows {', '.join(left)}")
    return "\n\n".join(parts) + "\n"


Table = tuple[str, str, str, list[Path]]  # title, what made it, what is printed, the files that it is made of


def runs() -> Iterator[Table]:
    """Sessions on a GPU, by the commands that print them."""
    for folder in sorted({*RESULTS.glob("h[12]00*/"), *RESULTS.glob("h200-real/*/")}):
        if files := sorted(folder.glob("*.json")):
            script, what = next((KINDS[f.name] for f in files if f.name in KINDS), ("gpu.py", "steps on one GPU"))
            name = folder.relative_to(RESULTS).as_posix()
            seen = [file for file in files if file.name in ALSO or script != "real.py"]
            yield f"{name}: {what}", *commanded(f"benchmarks/{script} --out benchmarks/results/{name} --show"), seen
    for folder in ("h200-real", "h200-real/taught"):
        yield f"{folder}/answers", *commanded(f"benchmarks/answers.py benchmarks/results/{folder}/answers.jsonl"), []


KINDS = {"training.json": ("real.py", "a real model"), "verify.json": ("verify.py", "true problems and false ones")}
ALSO = ("training.json", "evaluation.json", "course.json")


def commanded(command: str) -> tuple[str, str]:
    """A command of the repository, and what it prints."""
    env = os.environ | {"COLUMNS": "120"}
    text = subprocess.run([sys.executable, *command.split()], cwd=ROOT, env=env, capture_output=True, text=True,
                          check=True).stdout  # fmt: skip
    return f"`python {command}`:", "\n".join(line.rstrip() for line in text.splitlines())


def tables() -> Iterator[Table]:
    """Files that a benchmark prints with a function of its own."""
    import solver
    import survival
    import teacher_faults
    import trajectories

    from qgen.reporting.tables import show

    for name in ("survival_cpu", "survival_h100"):
        made = "`python benchmarks/survival.py --out DIR` made it:"
        yield printed(name, made, lambda found: survival.table(found["settings"]))
    for name in ("trajectories_cpu", "trajectories_h100"):
        made = "`python benchmarks/trajectories.py --adapter DIR --out FILE` made it:"
        yield printed(name, made, trajectories.show)
    made = "`python benchmarks/teacher_faults.py` made it:"
    yield printed("teacher_faults", made, lambda found: teacher_faults.show(found["rows"]))
    made = "`python benchmarks/solver.py ATTEMPTS --corpus FILE --out FILE` made it:"
    yield printed("h200-real/solver", made, lambda found: show(
        *(solver.printed(key, rows) for key, rows in found.items() if isinstance(rows, list))
    ))  # fmt: skip


def printed(name: str, made: str, show: Any) -> Table:
    """A file as a function prints it."""
    path = RESULTS / f"{name}.json"
    told = io.StringIO()
    with redirect_stdout(told), mock.patch.dict(os.environ, {"COLUMNS": "120"}):
        show(json.loads(path.read_text(encoding="utf-8")))
    return name, made, "\n".join(line.rstrip() for line in told.getvalue().strip("\n").splitlines()), [path]


def plain() -> Iterator[Table]:
    """Files that are their own print."""
    for name, script in (("h200-real/attention", "attention"), ("h200-real/attention_steps", "attention"),
                         ("h200-real/finite", "finite"), ("rollout_h100", "rollout")):  # fmt: skip
        path = RESULTS / f"{name}.json"
        yield name, f"`python benchmarks/{script}.py` printed it:", path.read_text(encoding="utf-8"), [path]


def read() -> str:
    """The real model's problems that were read and worked out one by one, with what was found."""
    parts = [
        "# Problems that were read\n\nForty problems of each model ([the runs](../explanation/real-model.md)), as it "
        "wrote them, unselected, each worked out by language-model assistants. They lie in the folders `read` of "
        "`benchmarks/results/h200-real`; those of `taught` were asked for with a program."
    ]
    for file in sorted((RESULTS / "h200-real").glob("**/read/*.jsonl")):
        parts.append(f"## {file.relative_to(RESULTS / 'h200-real').with_suffix('').as_posix().replace('read/', '')}")
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            fence = "`" * 8  # longer than any in a problem
            parts.append(
                f"**{row['n']}**, {escaped(row['topic'])}, level {row['level']}: {judged(row)}\n\n"
                f"{fence}text\n{row['text'].strip()}\n{fence}\n\n{escaped(row['why'])}"
            )
    return "\n\n".join(parts) + "\n"


def judged(row: dict) -> str:
    """What was found of a problem, in words."""
    if not row["form"]:
        return "not in form"
    if not row["well_posed"]:
        return "not well posed"
    told = [("right" if row["right"] else f"wrong; the answer is {escaped(str(row['true_answer']))}")]
    told += [f"not {words}" for key, words in (("on_topic", "on topic"), ("level_ok", "at its level")) if not row[key]]
    return ", ".join(told + ["known"] * bool(row["chestnut"]))
