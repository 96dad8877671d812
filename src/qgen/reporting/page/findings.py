"""What a sweep says: in a sentence a setting, in charts of the outcome, and as bundles of curves."""

import math
from dataclasses import dataclass

from qgen.reporting.page.axes import Axis
from qgen.reporting.page.charts import Chart, Series
from qgen.reporting.page.curves import Bundle
from qgen.reporting.page.measures import FEWEST
from qgen.reporting.page.runs import Stage
from qgen.reporting.page.sweep import Cell, Setting, Sweep

CHARTED = ("reward", "format_yield", "heldout_loss", "diversity")
WIDE = 20  # times its smallest value that an axis spans before it is logarithmic
TOLD = {"better": ", better", "worse": ", worse", "changed": ""}  # verdicts that say more than chance


def lead(sweep: Sweep) -> str:
    """What was swept, how often, and what everything is compared with."""
    jobs = sum(len(setting.stages) for setting in sweep.settings)
    seeds = ", ".join(str(seed) for seed in sweep.seeds[:8]) + (" …" if len(sweep.seeds) > 8 else "")
    count = f"{_many(jobs, 'job')}, {_many(len(sweep.settings), 'setting')}"
    what = f" of {' and '.join(axis.name for axis in sweep.axes)}" if sweep.axes else ""
    start = f"{count}{what}, {_many(len(sweep.seeds), 'seed')} ({seeds})."
    if len(sweep.settings) < 2:
        return f"{start} Nothing but the seed differs, so this says how much chance alone does." if jobs else ""
    return f"{start} Each setting is compared with the first, {sweep.settings[0].name}, seed by seed."


def sentence(sweep: Sweep, setting: Setting) -> str:
    """What became of a setting against the baseline."""
    base, shared = sweep.settings[0], sweep.shared(setting)
    start = f"{setting.name} against {base.label}"
    if not shared:
        return f"{start}: they have no seed in common, so nothing can be said."
    start += f", over {_many(shared, 'seed')}"
    if shared < FEWEST:
        first = [f"{c.metric.label} {c.change}" for c in setting.cells if c.difference and not c.metric.course]
        listed = "; ".join(first) or "nothing was measured in both"
        return f"{start}: {listed}. Fewer than {FEWEST} seeds cannot tell whether that is more than chance."
    told = [c for c in setting.cells if c.verdict in TOLD]
    same = [f"{c.metric.label} {c.change}" for c in setting.cells if c.verdict == "the same for every seed"]
    open_ = [c.metric.label for c in setting.cells if c.verdict == "too few seeds"]
    rest = f" The same for every seed: {'; '.join(same)}." if same else ""
    rest += f" Not enough seeds to tell: {', '.join(open_)}." if open_ else ""
    rest += "".join(f" {_capital(c.metric.label)}: {c.note}." for c in setting.cells if c.note)
    if not told:
        return f"{start}: nothing differs by more than chance.{rest}"
    items = "; ".join(f"{c.metric.label} {c.change} ({c.between}){TOLD[c.verdict]}" for c in told)
    return f"{start}, larger than chance: {items}. Nothing else differs by more than chance.{rest}"


def charts(sweep: Sweep) -> list[Chart]:
    """The outcome by what was swept: a number's values along the axis, one line a value of what else was swept.

    Where nothing is a number, or more than two things were swept, the settings stand side by side.
    """
    numeric = sorted((axis for axis in sweep.axes if axis.numbers), key=lambda axis: -len(axis.numbers))
    if len(sweep.settings) < 2:
        return []
    if numeric and len(sweep.axes) <= 2:
        other = next((axis for axis in sweep.axes if axis is not numeric[0]), None)
        return [c for name in CHARTED if (c := _lines(sweep, name, numeric[0], other)).known]
    return [c for name in CHARTED if (c := _beside(sweep, name)).known]


def _lines(sweep: Sweep, name: str, axis: Axis, other: Axis | None) -> Chart:
    along, logarithmic = sweep.axes.index(axis), _wide(axis.numbers)
    at = [math.log10(x) if logarithmic else x for x in axis.numbers]
    series = []
    lines = sorted(range(len(other.labels)), key=lambda i: other.numbers[i] if other.numbers else i) if other else [0]
    for colour, line in enumerate(lines):
        mine = [s for s in sweep.settings if other is None or s.place[sweep.axes.index(other)] == line]
        mine.sort(key=lambda setting: at[setting.place[along]])
        label = f"{other.brief}={other.labels[line]}" if other else ""
        series.append(_series(label, [at[s.place[along]] for s in mine], [s.cell(name) for s in mine], colour))
    places = dict(sorted(zip(at, axis.labels, strict=True)))
    return _chart(sweep, name, series, places, f"{axis.name}{', logarithmic' if logarithmic else ''}")


def _beside(sweep: Sweep, name: str) -> Chart:
    settings = sweep.settings
    series = _series("", [float(i) for i in range(len(settings))], [s.cell(name) for s in settings], 0)
    series.joined = False
    several = len(sweep.axes) > 1
    places = {float(i): f"{i + 1} {s.label}" if several else s.label for i, s in enumerate(settings)}
    return _chart(sweep, name, [series], places, "setting" if several else sweep.axes[0].name)


def _series(label: str, xs: list[float], cells: list[Cell], colour: int) -> Series:
    """Means as points, whiskers where there are seeds enough for them to say something, the seeds as dots."""
    told = [cell.value if cell.value and cell.value.n >= FEWEST else None for cell in cells]
    edges = [(None, None) if e is None else (e.low, e.high) for e in told]
    if cells and cells[0].metric.unit == "share":
        edges = [(a if a is None else max(0.0, a), b if b is None else min(1.0, b)) for a, b in edges]
    dots = [list(cell.seeds.values()) if len(cell.seeds) > 1 else [] for cell in cells]
    values = [cell.value.value if cell.value else None for cell in cells]
    return Series(label, xs, values, colour, points=True, low=[a for a, _ in edges], high=[b for _, b in edges],
                  whiskers=True, dots=dots)  # fmt: skip


def _chart(sweep: Sweep, name: str, series: list[Series], places: dict[float, str], x: str) -> Chart:
    metric = sweep.settings[0].cell(name).metric
    return Chart(
        f"{_capital(metric.label)} {metric.arrow}", f"by {x}", series, metric.unit == "share", x=x, places=places
    )


def _wide(numbers: list[float]) -> bool:
    return min(numbers) > 0 and max(numbers) / min(numbers) >= WIDE


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


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


@dataclass
class Shown:
    """A sweep as the page shows it."""

    sweep: Sweep
    lead: str
    sentences: list[str]
    charts: list[Chart]

    @property
    def heading(self) -> str:
        """What stands above the settings' labels."""
        return self.sweep.axes[0].name if len(self.sweep.axes) == 1 else "setting"

    @property
    def many(self) -> bool:
        """Whether a label does not tell all that differs."""
        return any(len(axis.keys) > 1 or axis.name not in axis.keys for axis in self.sweep.axes)

    @property
    def seeds(self) -> bool:
        """Whether a setting has several."""
        return any(len(setting.seeds) > 1 for setting in self.sweep.settings)

    @property
    def whiskers(self) -> bool:
        """Whether any chart has intervals."""
        return any(low is not None for chart in self.charts for series in chart.series for low in series.low)

    @property
    def tables(self) -> list[tuple[str, list]]:
        """What came out, and how the training went: columns that have a figure."""
        metrics = self.sweep.metrics
        parts = (("What came out", False), ("How the training went", True))
        return [(title, found) for title, course in parts if (found := [m for m in metrics if m.course == course])]


def shown(sweep: Sweep) -> Shown:
    """What the page says of a sweep: its lead, a sentence a setting, its charts."""
    return Shown(sweep, lead(sweep), [sentence(sweep, s) for s in sweep.settings[1:]], charts(sweep))
