"""A sweep's jobs by setting: what differs between them apart from the seed, and how each compares with the first."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from qgen.reporting.page import measures
from qgen.reporting.page.axes import Axis, axes, flat
from qgen.reporting.page.evaluation import write
from qgen.reporting.page.measures import Estimate, Metric
from qgen.reporting.page.runs import Run, Stage, listed, natural, read
from qgen.runs.files import Row


@dataclass
class Cell:
    """One metric of one setting: its mean over seeds, and the mean of the seeds' own differences to the baseline."""

    metric: Metric
    seeds: dict[int | str, float]
    value: Estimate | None
    difference: Estimate | None = None
    verdict: str = ""  # better, worse, changed, may be chance, no difference, too few seeds, …, or ""
    note: str = ""

    @property
    def text(self) -> str:
        """The value as the table writes it."""
        return self._write(self.value.value) if self.value else "–"

    @property
    def interval(self) -> str:
        """The 95 % interval of the mean; empty where there is none."""
        if self.value is None or self.value.low is None:
            return ""
        low, high = max(0.0, self.value.low), self.value.high  # no metric is below 0
        if self.metric.unit == "share":
            high = min(1.0, high)
        return f"{self._write(low).removesuffix('%')} to {self._write(high)}"

    @property
    def change(self) -> str:
        """The paired difference, of shares in points."""
        points = " points" if self.metric.unit == "share" else ""
        return f"{self._write(self.difference.value, True)}{points}" if self.difference else ""

    @property
    def between(self) -> str:
        """The 95 % interval of the paired difference; empty where there is none."""
        if self.difference is None or self.difference.low is None:
            return ""
        return f"{self._write(self.difference.low, True)} to {self._write(self.difference.high, True)}"

    def _write(self, value: float, sign: bool = False) -> str:
        return write({"unit": self.metric.unit}, value, sign)


@dataclass
class Setting:
    """The jobs that differ in their seed alone."""

    label: str  # the value, where one thing is swept; else key=value, …
    name: str  # the same with its key: what tells it outside of the table
    values: dict[str, str]  # every key in which the sweep's jobs differ
    place: tuple[int, ...]  # on each axis, which of its values it has
    stages: list[Stage]
    cells: list[Cell] = field(default_factory=list)

    @property
    def seeds(self) -> list[int | str]:
        """The seeds of its stages, each once."""
        return list(dict.fromkeys(_seed(stage) for stage in self.stages))

    def cell(self, name: str) -> Cell | None:
        """The cell of a metric by its name; None without one."""
        return next((cell for cell in self.cells if cell.metric.name == name), None)


@dataclass
class Sweep:
    """One kind of stage of one sweep. The first setting is the baseline."""

    home: Path
    name: str
    kind: str
    axes: list[Axis]
    settings: list[Setting]
    outside: list[tuple[str, str, str]]  # jobs that take no part: name, status, reason

    @property
    def metrics(self) -> list[Metric]:
        """The columns of which any setting has a figure."""
        columns = zip(*(setting.cells for setting in self.settings), strict=True)
        return [cells[0].metric for cells in columns if any(cell.value or cell.note for cell in cells)]

    @property
    def seeds(self) -> list[int | str]:
        """The seeds of all settings, each once."""
        return list(dict.fromkeys(seed for setting in self.settings for seed in setting.seeds))

    def shared(self, setting: Setting) -> int:
        """How many seeds a setting and the baseline both have."""
        return len(set(setting.seeds) & set(self.settings[0].seeds))


def sweeps(homes: list[Path]) -> list[Sweep]:
    """What the sweeps among some directories found, a kind of stage each; runs and stages are passed over.

    Raises RuntimeError where a directory holds no run at all.
    """
    return compare(homes, read(homes))


def compare(homes: list[Path], runs: list[Run]) -> list[Sweep]:
    """The same of runs that were read already."""
    found = []
    for home in dict.fromkeys(Path(home).resolve() for home in homes):
        jobs = [run for run in runs if run.home.parent == home]
        if any(run.home == home for run in runs) or not jobs:
            continue
        manifest = listed(home)
        order = {name: i for i, name in enumerate(manifest)}
        jobs.sort(key=lambda run: (order.get(run.home.name, len(order)), natural(run.home.name)))
        kinds = dict.fromkeys(stage.kind for run in jobs for stage in run.stages)
        found += [_sweep(home, kind, jobs, manifest) for kind in kinds]
    return [sweep for sweep in found if sum(len(s.stages) for s in sweep.settings) + len(sweep.outside) > 1]


def _sweep(home: Path, kind: str, jobs: list[Run], manifest: dict[str, Row]) -> Sweep:
    taking: list[tuple[Run, Stage]] = []
    outside = [(name, str(row.get("status")), str(row.get("reason") or "")) for name, row in manifest.items()
               if name not in {run.home.name for run in jobs} and _asked(row).get("stage", kind) == kind]  # fmt: skip
    for run in jobs:
        row, whole = manifest.get(run.home.name, {}), run.stages[0].home == run.home
        status = str(row.get("status") or "complete")
        stage = next((stage for stage in run.stages if stage.kind == kind), None)
        if stage is None and whole:
            continue  # a job for another stage
        if stage is None or not stage.finished or (whole and status != "complete"):
            at = f"it stands at step {stage.step}" if stage and not stage.finished else ""
            outside.append((run.name, "unfinished" if status == "complete" else status, str(row.get("reason") or at)))
        else:
            taking.append((run, stage))
    configs = [_config(run, stage) for run, stage in taking]
    found = axes(configs, [_asked(manifest.get(run.home.name, {})) for run, _ in taking])
    settings: dict[tuple[int, ...], Setting] = {}
    for i, (_, stage) in enumerate(taking):
        place = tuple(axis.places[i] for axis in found)
        if place not in settings:
            values = {key: text for axis in found for key, text in axis.values(configs[i]).items()}
            label, name = _labels(found, place)
            settings[place] = Setting(label, name, values, place, [])
        settings[place].stages.append(stage)
    ordered = list(settings.values())
    if not manifest and found and all(axis.numbers for axis in found):
        ordered.sort(key=lambda setting: [axis.numbers[at] for axis, at in zip(found, setting.place, strict=True)])
    _measure(kind, ordered)
    return Sweep(home, home.name, kind, found, ordered, outside)


def _asked(row: Row) -> dict[str, str]:
    """A job's overrides as the manifest has them, key by key."""
    overrides = row.get("overrides") if isinstance(row.get("overrides"), list) else []
    pairs = (str(override).lstrip("+~").partition("=") for override in overrides)
    return {key: value for key, _, value in pairs}


def _config(run: Run, stage: Stage) -> dict[str, Any]:
    """What a stage was made with; in a pipeline also in what else the stages before it were, by `stage: key`.

    A path of stage.init_from that leads through the job's own directory says nothing: the stages before do.
    """
    config = flat(stage.plain)
    origin = config.get("stage.init_from")
    if isinstance(origin, str) and run.home.name in Path(origin).parts:
        config["stage.init_from"] = "the stage before"
    for before in run.stages[: run.stages.index(stage)]:
        config |= {f"{before.kind}: {key}": value for key, value in flat(before.plain).items()
                   if key != "stage.init_from"}  # fmt: skip
    return config


def _labels(found: list[Axis], place: tuple[int, ...]) -> tuple[str, str]:
    """A setting's label and name; of several axes both are key=value, …, by the keys' last parts where these differ."""
    if not found:
        return "all jobs", "all jobs"
    brief = len(found) > 1 and len({axis.brief for axis in found}) == len(found)
    values = [axis.labels[at] for axis, at in zip(found, place, strict=True)]
    name = ", ".join(f"{axis.brief if brief else axis.name}={value}" for axis, value in zip(found, values, strict=True))
    return values[0] if len(found) == 1 else name, name


def _measure(kind: str, settings: list[Setting]) -> None:
    """Fill in the cells: seeds are paired with the baseline's; jobs of one seed and setting count once, as their mean.

    A setting of which a seed never gets to its target has no steps to target: the mean of those that do would flatter.
    """
    columns, targets = measures.metrics(kind), {}
    for number, setting in enumerate(settings):
        figures = [measures.figures(stage) for stage in setting.stages]
        if number == 0:
            ends = [curve[-1][1] if (curve := measures.smooth(measures.curve(s))) else None for s in setting.stages]
            targets = _by_seed(setting.stages, ends)
        reached = [measures.reached(stage, targets[_seed(stage)]) if _seed(stage) in targets else None
                   for stage in setting.stages]  # fmt: skip
        asked = sum(_seed(stage) in targets for stage in setting.stages)
        got = sum(step is not None for step in reached)
        for metric in columns:
            values, note = [row.get(metric.name) for row in figures], ""
            if metric.name == "target":
                values = reached if got == asked else [None] * len(reached)
                note = f"reached by {got} of {asked}" if got < asked else ""
            seeds = _by_seed(setting.stages, values)
            cell = Cell(metric, seeds, measures.estimate(list(seeds.values())), note=note)
            if number:
                base = settings[0].cells[len(setting.cells)].seeds
                cell.difference = measures.estimate([seeds[seed] - base[seed] for seed in seeds if seed in base])
                cell.verdict = measures.verdict(cell.difference, metric.better)
            setting.cells.append(cell)


def _seed(stage: Stage) -> int | str:
    seed = stage.get("seed")
    return seed if isinstance(seed, int) else str(seed)


def _by_seed(stages: list[Stage], values: list[float | None]) -> dict[int | str, float]:
    found: dict[int | str, list[float]] = {}
    for stage, value in zip(stages, values, strict=True):
        if value is not None:
            found.setdefault(_seed(stage), []).append(value)
    return {seed: fmean(same) for seed, same in found.items()}
