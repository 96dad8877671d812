"""Why two runs differ: their configs, code, packages, data and machines, and from which step on their figures do."""

import subprocess
from pathlib import Path

from rich.table import Table
from rich.text import Text

from qgen.reporting.tables import plain_table
from qgen.runs import rundir
from qgen.runs.files import read_json, rows, steps
from qgen.text import redact

_SAMPLE = ("mode", "step", "completion")


def compare(before: Path, after: Path) -> list[Table | Text]:
    """What differs between the directories of two stages, as tables and sentences.

    Raises RuntimeError where one of them holds no stage.
    """
    for home in (before, after):
        if not (home / rundir.CONFIG).is_file():
            raise RuntimeError(f"{home}: it holds no {rundir.CONFIG}; name a stage's directory, as outputs/NAME/sft")
    texts = [rundir.settings(home) for home in (before, after)]
    config = {k: v for k, v in rundir.differences(*texts).items() if k not in ("run_name", "output_dir")}
    environments = [read_json(home / rundir.ENVIRONMENT) for home in (before, after)]
    found = [rundir.flat(environment, ": ") for environment in environments]
    ran = {
        k: (redact.text(str(found[0].get(k, "absent"))), redact.text(str(found[1].get(k, "absent"))))
        for k in sorted((found[0] | found[1]).keys() - {"started_from", "run_id"})  # a hash tells more than a path
        if found[0].get(k) != found[1].get(k)
    }
    shown: list[Table | Text] = [
        _table("config", config) if config else Text("their configs are the same"),
        _table("environment", ran) if ran else Text("code, packages, data and machine are the same"),
    ]
    if commits := _commits(*(environment.get("git") for environment in environments)):
        shown.append(Text(f"commits between them that touch src or conf:\n{commits}"))
    return [*shown, Text(figures(before, after))]


def figures(before: Path, after: Path) -> str:
    """Whether two stages' losses, rewards and completions are the same, and from which step on they are not."""
    told = []
    for name in ("loss", "reward"):
        found = [
            {row["step"]: row[name] for row in steps(home / "metrics.jsonl") if name in row} for home in (before, after)
        ]
        both = sorted(found[0].keys() & found[1].keys())
        if both:
            apart = next((step for step in both if found[0][step] != found[1][step]), None)
            told.append(
                f"{name}: identical in all {len(both)} steps"
                if apart is None
                else f"{name}: first differs at step {apart} ({found[0][apart]}, {found[1][apart]})"
            )
    samples = [[tuple(r.get(k) for k in _SAMPLE) for r in rows(home / "samples.jsonl")] for home in (before, after)]
    same = sum(a == b for a, b in zip(*samples, strict=False))
    most = max(map(len, samples))
    told.append(f"completions: {'identical, all' if same == most else f'{same} identical of'} {most}")
    return "\n".join(told)


def _table(title: str, values: dict[str, tuple[str, str]]) -> Table:
    table = plain_table(title)
    for column in ("", "first", "second"):
        table.add_column(column, overflow="fold")
    for key, pair in values.items():
        table.add_row(key, *pair)
    return table


def _commits(before: str | None, after: str | None) -> str:
    """The commits from one to the other, where this checkout has both; what is uncommitted has no name."""
    if not before or not after or before == after:
        return ""
    span = f"{before.rstrip('+')}..{after.rstrip('+')}"
    command = ["git", "log", "--oneline", "--no-decorate", span, "--", "src", "conf"]
    try:
        root = Path(__file__).resolve().parents[3]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
