"""A sweep's jobs by setting: means over seeds, and the differences that the seeds themselves show to the first one."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from qgen.reporting.page import measures
from qgen.reporting.page.charts import Chart, Series
from qgen.reporting.page.curves import Bundle
from qgen.reporting.page.measures import FEWEST, Cell, Estimate, Metric
from qgen.reporting.page.runs import Run, Stage, listed, natural, read
from qgen.runs.files import Row
from qgen.runs.rundir import flat
from qgen.text import redact

# Which job it is and where it lies, not what it does
_ASIDE = ("seed", "run_name", "output_dir", "resume", "overwrite")
_GROUPS = ("sweep.", "tracker.", "hydra.")
_LONG = 40  # characters of a value in a label


@dataclass
class Setting:
    """The jobs that differ in their seed alone."""

    label: str  # the value, where one key is swept; else key=value, …
    name: str  # the same with its key: what tells it outside of the table
    values: dict[str, str]  # every key in which the sweep's jobs differ
    stages: list[Stage]
    cells: list[Cell] = field(default_factory=list)
    shared: int = 0  # seeds that the baseline has too

    @property
    def jobs(self) -> int:
        """How many jobs ran under it."""
        return len(self.stages)

    @property
    def seeds(self) -> list[int | str]:
        """The seeds of its stages, each once."""
        return list(dict.fromkeys(_seed(stage) for stage in self.stages))

    def cell(self, name: str) -> Cell:
        """The cell of a metric by its name."""
        return next(cell for cell in self.cells if cell.metric.name == name)


@dataclass
class Sweep:
    """One kind of stage of one sweep. The first setting is the baseline."""

    home: Path
    name: str
    kind: str
    keys: list[str]  # what was swept: the keys of the labels
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

    @property
    def heading(self) -> str:
        """What stands above the settings' labels, and below the plot."""
        return self.keys[0] if len(self.keys) == 1 else "setting"

    @property
    def chart(self) -> Chart | None:
        """The first metric of every setting; where several keys were swept, by the settings' numbers in the table."""
        if len(self.settings) < 2 or not self.metrics:
            return None
        metric = self.metrics[0]
        places = {float(i): s.label if len(self.keys) == 1 else str(i) for i, s in enumerate(self.settings, 1)}
        cells = [setting.cell(metric.name) for setting in self.settings]
        told = [cell.value or Estimate(math.nan, 0) for cell in cells]
        edges = [(None, None) if value.n < FEWEST else (value.low, value.high) for value in told]
        points = Series(
            "", list(places), [value.value for value in told], points=True, joined=False, whiskers=True,
            low=[low for low, _ in edges], high=[high for _, high in edges],
            dots=[list(cell.seeds.values()) if len(cell.seeds) > 1 else [] for cell in cells],
        )  # fmt: skip
        note = "points: means over seeds; small dots: the seeds" if any(points.dots) else ""
        note += "; whiskers: 95 % interval of the mean" if any(low is not None for low in points.low) else ""
        share, by = metric.unit == "share", self.heading
        return Chart(metric.title, f"by {by}", [points], share, note=note, x=by, places=places)


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
    return [sweep for sweep in found if sum(setting.jobs for setting in sweep.settings) + len(sweep.outside) > 1]


def bundles(stages: list[Stage], sweeps: list[Sweep]) -> list[Bundle]:
    """The page's stages as the curves show them: one bundle a setting of a sweep with several seeds, others alone."""
    homes = {sweep.home for sweep in sweeps}
    found = [
        Bundle(f"{sweep.name}: {setting.name}" if len(homes) > 1 else setting.name, setting.stages)
        for sweep in sweeps
        if any(len(setting.stages) > 1 for setting in sweep.settings)
        for setting in sweep.settings
    ]
    inside = {stage.home for bundle in found for stage in bundle.stages}
    kinds = list(dict.fromkeys(stage.kind for stage in stages))
    found += [Bundle(stage.label, [stage]) for stage in stages if stage.home not in inside]
    return sorted(found, key=lambda bundle: kinds.index(bundle.stages[0].kind))


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
    configs = _differing([_config(run, stage) for run, stage in taking])
    asked = _differing([_asked(manifest.get(run.home.name, {})) for run, _ in taking])
    told = asked if _groups(asked) == _groups(configs) else configs  # `experiment=before` says more than its ten keys
    settings: dict[int, Setting] = {}
    for group, config, named, (_, stage) in zip(_groups(configs), configs, told, taking, strict=True):
        if group not in settings:
            texts = {key: redact.value(key, value) for key, value in config.items()}
            settings[group] = Setting(*_labels(named), texts, [])
        settings[group].stages.append(stage)
    values = {group: list(config.values()) for group, config in zip(_groups(configs), configs, strict=True)}
    if not manifest and all(type(value) in (int, float) for each in values.values() for value in each):
        order = sorted(settings, key=values.__getitem__)  # nothing else orders them
        settings = {group: settings[group] for group in order}
    _measure(kind, list(settings.values()))
    return Sweep(home, home.name, kind, list(told[0]) if told else [], list(settings.values()), outside)


def _asked(row: Row) -> dict[str, str]:
    """A job's overrides as the manifest has them, key by key."""
    found = row.get("overrides")
    return dict(redact.overrides(map(str, found))) if isinstance(found, list) else {}


def _config(run: Run, stage: Stage) -> dict[str, Any]:
    """What a stage was made with; in a pipeline also in what else the stages before it were, by `stage: key`.

    A path of stage.init_from that leads through the job's own directory says nothing: the stages before do.
    """
    config = flat(stage.plain)
    origin = config.get("stage.init_from")
    if isinstance(origin, str) and run.home.name in Path(origin).parts:
        config["stage.init_from"] = "the stage before"
    found = dict(config)
    for before in run.stages[: run.stages.index(stage)]:
        found |= {f"{before.kind}: {key}": value for key, value in flat(before.plain).items()
                  if key != "stage.init_from" and value != config.get(key, "absent")}  # fmt: skip
    return found


def _differing(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The keys in which jobs differ, with each job's values. What only says which job it is does not count."""
    keys = [key for key in dict.fromkeys(key for job in jobs for key in job)
            if (own := key.rpartition(": ")[2]) not in _ASIDE and not own.startswith(_GROUPS)]  # fmt: skip
    differ = [key for key in keys if len({repr(job.get(key, "absent")) for job in jobs}) > 1]
    return [{key: job.get(key, "absent") for key in differ} for job in jobs]


def _groups(jobs: list[dict[str, Any]]) -> list[int]:
    """Which jobs have the same values: a number each, counted in the order in which they are met."""
    seen: dict[str, int] = {}
    return [seen.setdefault(repr(job), len(seen)) for job in jobs]


def _labels(values: dict[str, Any]) -> tuple[str, str]:
    """A setting's label and name; of several keys both are key=value, …, by the keys' last parts where these differ."""
    texts = {key: redact.value(key, value) for key, value in values.items()}
    texts = {key: text if len(text) <= _LONG else text[: _LONG - 1] + "…" for key, text in texts.items()}
    last = {key.rpartition(".")[2] for key in texts}
    brief = len(texts) > 1 and len(last) == len(texts)
    pairs = [f"{key.rpartition('.')[2] if brief else key}={text}" for key, text in texts.items()]
    name = ", ".join(pairs[:3]) + (" …" if len(pairs) > 3 else "") if pairs else "all jobs"
    return next(iter(texts.values())) if len(texts) == 1 else name, name


def _measure(kind: str, settings: list[Setting]) -> None:
    """Fill in the cells: seeds are paired with the baseline's; jobs of one seed and setting count once, as their mean.

    A setting of which a seed never gets to its target has no steps to target: the mean of those that do would flatter.
    """
    if not settings:
        return
    base = settings[0]
    targets = _by_seed([(stage, measures.end(stage)) for stage in base.stages])
    for setting in settings:
        setting.shared = len(set(setting.seeds) & set(base.seeds))
        found = [(stage, measures.figures(stage, targets.get(_seed(stage)))) for stage in setting.stages]
        for metric in measures.metrics(kind):
            seeds, note = _by_seed([(stage, figures.get(metric.name)) for stage, figures in found]), ""
            if metric.name == "target":
                asked = [metric.name in figures for stage, figures in found if _seed(stage) in targets]
                if not all(asked):
                    seeds, note = {}, f"reached by {sum(asked)} of {len(asked)}"
            cell = Cell(metric, seeds, measures.within(measures.estimate(list(seeds.values())), metric), note=note)
            if setting is not base:
                first = base.cell(metric.name).seeds
                cell.difference = measures.estimate([seeds[seed] - first[seed] for seed in seeds if seed in first])
            setting.cells.append(cell)


def _seed(stage: Stage) -> int | str:
    seed = stage.get("seed")
    return seed if isinstance(seed, int) else str(seed)


def _by_seed(values: list[tuple[Stage, float | None]]) -> dict[int | str, float]:
    """Each seed's value: the mean where several jobs have it."""
    found: dict[int | str, list[float]] = {}
    for stage, value in values:
        if value is not None:
            found.setdefault(_seed(stage), []).append(value)
    return {seed: fmean(same) for seed, same in found.items()}
