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
SPEED, REAL = RESULTS / "speed", RESULTS / "real" / "h200"


def measured() -> str:
    """What benchmarks/results holds, as the benchmarks print it. Raises ValueError where a file is in no table."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    sys.path.insert(0, str(ROOT / "tests" / "teachers"))
    parts = [
        "# Measured results\n\nPrinted from the files in `benchmarks/results` when this page was built, so that no "
        "figure is typed by hand. They lie there by what was measured and on which device."
    ]
    used: set[Path] = set()
    for title, command, text, files in (*runs(), *tables(), *plain()):
        parts.append(f"## {title}\n\n{command}\n\n```text\n{text.rstrip()}\n```")
        used |= set(files)
    if left := sorted(str(p.relative_to(RESULTS)) for p in {*RESULTS.rglob("*.json"), *SPEED.rglob("*.jsonl")} - used):
        raise ValueError(f"benchmarks/results: no table of docs/hooks/results.py shows {', '.join(left)}")
    return "\n\n".join(parts) + "\n"


Table = tuple[str, str, str, list[Path]]  # title, what made it, what is printed, the files that it is made of


def runs() -> Iterator[Table]:
    """Folders, by the commands that print them."""
    yield "speed: steps on one GPU", *commanded("benchmarks/gpu.py --show"), sorted(SPEED.rglob("*.jsonl"))
    for file in sorted((RESULTS / "engine").glob("*.json")):
        shown = commanded(f"benchmarks/engine.py --out benchmarks/results/engine/{file.name} --show")
        yield titled(f"engine/{file.stem}"), *shown, [file]
    for file in sorted((RESULTS / "decoding").glob("*.json")):
        shown = commanded(f"benchmarks/decoding.py --out benchmarks/results/decoding/{file.name} --show")
        yield titled(f"decoding/{file.stem}"), *shown, [file]
    for file in sorted((RESULTS / "levels").glob("*.json")):
        shown = commanded(f"benchmarks/levels.py --out benchmarks/results/levels/{file.name} --show")
        yield titled(f"levels/{file.stem}"), *shown, [file]
    for script, (what, *names) in KINDS.items():
        for folder in (REAL, *sorted(REAL.glob("*/"))):
            if files := [folder / name for name in names if (folder / name).exists()]:
                name = folder.relative_to(RESULTS).as_posix()
                shown = commanded(f"benchmarks/{script} --out benchmarks/results/{name} --show")
                yield f"{name}: {what}", *shown, files
    for folder in ("real/h200", "real/h200/taught"):
        yield f"{folder}/answers", *commanded(f"benchmarks/answers.py benchmarks/results/{folder}/answers.jsonl"), []


KINDS = {  # what a script prints, and the files that it prints
    "real.py": ("a real model", "training.json", "evaluation.json", "course.json", "winners.json"),
    "verify.py": ("true problems and false ones", "verify.json"),
    "memories.py": ("what completions earn under other memories", "memories.json"),
}


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

    from qgen.reporting.attacked import earnings_table, level_table
    from qgen.reporting.tables import show

    for name in ("seed", "verified", "proved"):
        made = f"`python -m qgen.rewards.attack reward={name} model=qwen_coder data=jsonl data.path=FILE attack.n=64 "
        made += "attack.budget=256 attack.problems=200` printed it (`seed` on a CPU, the others on one H200 141GB):"
        yield printed(f"attack/{name}", made, lambda found: show(earnings_table(found), level_table(found)))
    for name in ("survival/cpu", "survival/h100"):
        made = "`python benchmarks/survival.py --out DIR` made it:"
        yield printed(name, made, lambda found: survival.table(found["settings"]))
    for name in ("trajectories/cpu", "trajectories/h100"):
        made = "`python benchmarks/trajectories.py --adapter DIR --out FILE` made it:"
        yield printed(name, made, trajectories.show)
    made = "`python benchmarks/teacher_faults.py` made it:"
    yield printed("teacher_faults/cpu", made, lambda found: teacher_faults.show(found["rows"]))
    made = "`python benchmarks/solver.py ATTEMPTS --corpus FILE --out FILE` made it:"
    yield printed("solver/h200", made, lambda found: show(
        *(solver.printed(key, rows) for key, rows in found.items() if isinstance(rows, list))
    ))  # fmt: skip


def printed(name: str, made: str, show: Any) -> Table:
    """A file as a function prints it."""
    path = RESULTS / f"{name}.json"
    told = io.StringIO()
    with redirect_stdout(told), mock.patch.dict(os.environ, {"COLUMNS": "120"}):
        show(json.loads(path.read_text(encoding="utf-8")))
    return titled(name), made, "\n".join(line.rstrip() for line in told.getvalue().strip("\n").splitlines()), [path]


def plain() -> Iterator[Table]:
    """Files that are their own print."""
    for name in ("attention/h200", "attention/h200_steps", "finite/h200", "rollout/h100"):
        path = RESULTS / f"{name}.json"
        made = f"`python benchmarks/{path.parent.name}.py` printed it:"
        yield titled(name), made, path.read_text(encoding="utf-8"), [path]


def titled(name: str) -> str:
    """A file's title, whose words its link joins by hyphens: survival-on-h100."""
    return name.replace("/", " on ").replace("_", " ")


def read() -> str:
    """The real model's problems that were read and worked out one by one, with what was found."""
    parts = [
        "# Problems that were read\n\nTen to sixty of each model ([the runs](../explanation/real-model.md)), as it "
        "wrote them, unselected, each worked out by language-model assistants. They lie in the folders `read` of "
        "`benchmarks/results/real/h200`; those of `taught`, `hundred`, `course`, `levels`, `points` and `printed` were "
        "asked for with a program."
    ]
    for file in sorted(REAL.glob("**/read/*.jsonl")):
        parts.append(f"## {file.relative_to(REAL).with_suffix('').as_posix().replace('read/', '')}")
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
    return ", ".join(told + ["known"] * bool(row["chestnut"]) + ["a trick"] * bool(row.get("trick")))
