"""What runs left behind, read from their directories: stages, whole runs and sweeps alike.

Whatever a kill left is read as far as it goes; only a directory that holds no run at all is an error.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from qgen import data
from qgen.runs import rundir
from qgen.runs.files import Row, read_json, rows, steps
from qgen.settings.stage import STAGES

EVALUATION = Path("evaluation") / "evaluation.json"
MANIFEST = "manifest.jsonl"  # of a sweep: what became of each job


@dataclass
class Stage:
    """One stage's directory. `run` and `name` label it on the page; `kind` is sft, grpo or distill."""

    home: Path
    run: str
    kind: str
    text: str  # of config.yaml
    plain: dict[str, Any]  # the same, parsed
    environment: dict[str, Any]
    summary: dict[str, Any]  # empty where the stage is not finished
    metrics: list[Row]
    validation: list[Row]
    memory: list[Row]
    samples: list[Row]
    label: str = ""  # what tells it from the other stages of the page

    @property
    def finished(self) -> bool:
        """Whether it left a summary."""
        return bool(self.summary)

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the config by its dotted key, whatever version wrote it."""
        node: Any = self.plain
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return default if node is None else node

    @property
    def step(self) -> int:
        """The last step that any of its files tells of."""
        return max((row["step"] for row in (*self.metrics, *self.validation)), default=0)

    @property
    def pair(self) -> tuple[Row, Row]:
        """The first validation and that of the model that was kept: the last, unless the summary says otherwise."""
        if not self.validation:
            return {}, {}
        kept = self.summary.get("kept_step")
        after = next((row for row in self.validation if row["step"] == kept), self.validation[-1])
        return self.validation[0], after if len(self.validation) > 1 else {}


@dataclass
class Run:
    """What one directory holds: the stages of a run, or one stage, such as a sweep's job."""

    name: str
    home: Path
    stages: list[Stage]
    evaluations: list[tuple[str, dict]] = field(default_factory=list)  # where below `home` each was, and what it says


def read(homes: list[Path]) -> list[Run]:
    """The runs in directories that a user names. Raises RuntimeError where one of them holds none."""
    found = [run for home in dict.fromkeys(homes) for run in _runs(Path(home))]
    names = [run.name for run in found]
    for run in found:
        if names.count(run.name) > 1:  # then by what their paths do not share
            shared = os.path.commonpath(
                [r.home.parent for r, name in zip(found, names, strict=True) if name == run.name]
            )
            run.name = str(run.home.relative_to(shared))
        for stage in run.stages:
            stage.run = run.name
            several = run.name if stage.home == run.home else f"{run.name}/{stage.kind}"
            stage.label = several if len(found) > 1 else stage.kind
    return found


def _runs(home: Path) -> list[Run]:
    if not home.is_dir():
        raise RuntimeError(f"{home}: there is no such directory; name a run's, a stage's or a sweep's, as outputs/NAME")
    home = home.resolve()
    if (home / rundir.CONFIG).is_file():
        name = f"{home.parent.name}/{home.name}"
        return [_run(name, home, [home])]
    if stages := _stages(home):
        return [_run(home.name, home, stages)]
    jobs = [path for path in sorted(home.iterdir(), key=lambda path: natural(path.name)) if path.is_dir()]
    found = [_run(job.name, job, stages) for job in jobs if (stages := _job(job))]
    if not found:
        raise RuntimeError(
            f"{home} holds no run: neither it nor a directory in it has a {rundir.CONFIG}. Name the directory of a "
            f"stage or of a run under outputs/, or of a sweep under multirun/{_failures(home)}"
        )
    return found


def _stages(home: Path) -> list[Path]:
    """The stages of a whole run."""
    return [home / stage for stage in STAGES if (home / stage / rundir.CONFIG).is_file()]


def _job(home: Path) -> list[Path]:
    """What a sweep's job left: one stage, or those of a whole run."""
    return [home] if (home / rundir.CONFIG).is_file() else _stages(home)


def listed(home: Path) -> dict[str, Row]:
    """The rows of a sweep's manifest by job, in the sweep's order; of a job's rows the last."""
    found: dict[str, Row] = {}
    for row in rows(home / MANIFEST):
        if isinstance(row, dict) and isinstance(row.get("job"), str):
            found[row["job"]] = row
    return dict(sorted(found.items(), key=lambda item: item[1].get("index") or 0))


def _failures(home: Path) -> str:
    """What the manifest says of a sweep of which nothing else is left."""
    jobs = [
        f"{name} {row.get('status')}: {row.get('reason') or 'no reason given'}" for name, row in listed(home).items()
    ]
    return f". Its manifest says: {'; '.join(jobs[:3])}" if jobs else ""


def _run(name: str, home: Path, stages: list[Path]) -> Run:
    run = Run(name, home, [_stage(path) for path in stages])
    for place in dict.fromkeys((home, *stages)):
        if found := _evaluation(place):
            run.evaluations.append(("" if place == home else f"/{place.name}", found))
    return run


def evaluations(homes: list[Path], runs: list[Run]) -> list[tuple[str, dict]]:
    """What was measured, with the name of where: of many runs together, as qgen.teach does, and of each of them."""
    own = {run.home for run in runs}
    together = [(home.name, found) for home in homes if home.resolve() not in own and (found := _evaluation(home))]
    return together + [(run.name + where, found) for run in runs for where, found in run.evaluations]


def _evaluation(home: Path) -> dict | None:
    """The evaluation that lies in a directory, where it is one."""
    evaluation = read_json(home / EVALUATION)
    rows_there = evaluation.get("rows")
    known = (
        isinstance(evaluation.get("metrics"), list)
        and isinstance(rows_there, list)
        and all(isinstance(row, dict) and isinstance(row.get("values"), dict) for row in rows_there)
    )
    return evaluation if known else None


def _stage(home: Path) -> Stage:
    text = (home / rundir.CONFIG).read_text(encoding="utf-8", errors="replace")
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RuntimeError(
            f"{home / rundir.CONFIG} cannot be read ({error}): restore it, or leave the run out"
        ) from error
    plain = plain if isinstance(plain, dict) else {}
    kind = (plain.get("stage") or {}).get("name") or home.name
    return Stage(
        home=home,
        run="",
        kind=str(kind),
        text=text,
        plain=plain,
        environment=read_json(home / rundir.ENVIRONMENT),
        summary=read_json(home / rundir.SUMMARY),
        metrics=_steps(home / "metrics.jsonl"),
        validation=_steps(home / "validation.jsonl"),
        memory=_memory(home / "memory.jsonl"),
        samples=[row for row in rows(home / "samples.jsonl") if isinstance(row, dict) and "completion" in row],
    )


def _steps(path: Path) -> list[Row]:
    return sorted(steps(path), key=lambda row: row["step"])


def _memory(path: Path) -> list[Row]:
    """What was measured of memory, without what is no number."""
    found = []
    for row in rows(path):
        if isinstance(row, dict):
            phases = row.get("phases")
            whole = {
                name: phase
                for name, phase in (phases.items() if isinstance(phases, dict) else ())
                if isinstance(phase, dict) and all(_known(phase.get(key)) for key in ("reserved", "seconds"))
            }
            held = {key: row[key] if _known(row.get(key)) else None for key in ("reserved", "peak")}
            found.append(row | held | {"phases": whole})
    return found


def _known(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def natural(name: str) -> list:
    """A sort key under which job 10 comes after job 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


class Corpora:
    """The real problems of stages, read once for each distinct data config.

    Args:
        given: the problems of all stages, where the caller has them already.
    """

    def __init__(self, given: data.Corpus | None = None):
        self.given = given
        self._read: dict[str, tuple[data.Corpus | None, str]] = {}

    def of(self, stage: Stage) -> tuple[data.Corpus | None, str]:
        """The corpus that a stage trained on, or None and why it cannot be had."""
        if self.given is not None:
            return self.given, ""
        key = repr([stage.plain.get(part) for part in ("data", "prompt")])
        if key not in self._read:
            try:
                run = rundir.config_at(stage.home)
                self._read[key] = data.load(run.data, run.prompt), ""
            except (
                Exception
            ) as error:  # a file that moved, a package that is missing, an older config: no page the less
                self._read[key] = None, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        return self._read[key]
