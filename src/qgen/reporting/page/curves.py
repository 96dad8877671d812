"""Which charts a report shows: each stage's loss, rewards, validation, memory and pace, all runs over one another."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from qgen.reporting.page.charts import Chart, Series, Value, is_known
from qgen.reporting.page.runs import Stage
from qgen.runs.files import Row

KINDS = {
    "sft": "supervised fine-tuning on real problems",
    "grpo": "reinforcement learning under the rewards",
    "distill": "training on the best of its own problems",
}
GIB = 2**30


@dataclass
class Bundle:
    """Stages that are drawn as one line: a stage alone, or the seeds of a sweep's setting as their mean."""

    label: str
    stages: list[Stage]


@dataclass
class Group:
    """The charts of one kind of stage, under headings."""

    kind: str
    explain: str
    bundles: list[Bundle]
    sections: list[tuple[str, list[Chart]]]
    phases: list[tuple[str, float, float]]  # where in the run, most memory held there and peak so far, in GiB

    @property
    def stages(self) -> list[Stage]:
        """The stages of all its bundles."""
        return [stage for bundle in self.bundles for stage in bundle.stages]

    @property
    def seeds(self) -> bool:
        """Whether a line is the mean of several stages."""
        return any(len(bundle.stages) > 1 for bundle in self.bundles)


def groups(bundles: list[Bundle]) -> list[Group]:
    """A group for each kind of stage, in the order in which they are met."""
    kinds = list(dict.fromkeys(bundle.stages[0].kind for bundle in bundles))
    return [_group(kind, [bundle for bundle in bundles if bundle.stages[0].kind == kind]) for kind in kinds]


def _group(kind: str, bundles: list[Bundle]) -> Group:
    stages = [stage for bundle in bundles for stage in bundle.stages]
    names = sorted(
        {key[6:] for s in stages for row in (*s.metrics, *s.validation) for key in row if key[:6] == "terms/"}
    )
    sections = {
        "Learning": [
            *_loss(kind, bundles),
            _reward(bundles),
            _pair(bundles, "Held-out quality", "mean reward at validations", "", "reward", floor=0.0),
            _pair(bundles, "Format yield", "share that parses, at validations", "", "format_yield", True, 0.0, 1.0),
        ],
        "Reward terms, each the mean of its raw values": [
            _pair(bundles, name, "0 to 1", f"terms/{name}", f"terms/{name}", floor=0.0, ceiling=1.0) for name in names
        ],
        "Optimization, time and memory": [
            _one(bundles, "Learning rate", "of the optimizer", "learning_rate"),
            _one(bundles, "Gradient norm", "before clipping", "grad_norm"),
            _one(bundles, "Entropy", "nats a token", "entropy"),
            _one(bundles, "Token accuracy", "share predicted right", "mean_token_accuracy", True),
            _one(bundles, "Completion length", "tokens, mean", "completions/mean_length"),
            _pace(bundles),
            _one(bundles, "Scoring the rewards", "seconds a step", "seconds/rewards"),
            _by_phase(bundles, "Time a step by phase", "seconds", "seconds", 1),
            _memory(bundles),
            _by_phase(bundles, "Memory by phase", "GiB, the most reserved in it", "reserved", GIB),
        ],
    }
    shown = [(title, [c for c in charts if c.known]) for title, charts in sections.items()]
    return Group(
        kind, KINDS.get(kind, ""), bundles, [(title, charts) for title, charts in shown if charts], _phases(stages)
    )


def _loss(kind: str, bundles: list[Bundle]) -> list[Chart]:
    """Training and held-out loss; apart in grpo, whose training loss is a policy objective and no likelihood."""
    if kind != "grpo":
        return [_pair(bundles, "Loss", "nats a token", "loss", "heldout_loss")]
    objective = _one(bundles, "Policy objective", "GRPO's loss, near 0 by construction", "loss")
    return [objective, _pair(bundles, "Held-out loss", "nats a token", "", "heldout_loss")]


def _reward(bundles: list[Bundle]) -> Chart:
    """The training reward; of a single run with the spread within groups, from which GRPO learns."""
    chart = _one(bundles, "Training reward", "mean of a step", "reward", what="training")
    chart.floor = 0.0
    if len(bundles) == 1 and len(bundles[0].stages) == 1:
        rows = [row for row in bundles[0].stages[0].metrics if "reward" in row]
        edges = [_edges(row.get("reward"), row.get("reward_std")) for row in rows]
        chart.series[0].low, chart.series[0].high = ([edge[i] for edge in edges] for i in (0, 1))
        chart.note = "band: one standard deviation within groups"
    return chart


def _edges(mean: Value, spread: Value) -> tuple[Value, Value]:
    return (None, None) if mean is None or spread is None else (max(0.0, mean - spread), mean + spread)


def _pair(
    bundles: list[Bundle], title: str, unit: str, train: str, heldout: str, percent: bool = False,
    floor: float | None = None, ceiling: float | None = None,
) -> Chart:  # fmt: skip
    """What is measured while training, as a line, and at validations, as points that a dashed line joins."""
    series = []
    train = train if any(train in row for b in bundles for stage in b.stages for row in stage.metrics) else ""
    for i, bundle in enumerate(bundles):
        if train:
            series.append(_line(bundle, _metrics, train, i, _named(bundles, bundle, "training")))
        second = i if len(bundles) > 1 or not train else 1
        line = _line(bundle, _validation, heldout, second, _named(bundles, bundle, "held-out"))
        line.dashed, line.points = bool(train), True
        series.append(line)
    return Chart(title, unit, series, percent, floor, ceiling)


def _one(bundles: list[Bundle], title: str, unit: str, key: str, percent: bool = False, what: str = "") -> Chart:
    series = [_line(bundle, _metrics, key, i, _named(bundles, bundle, what)) for i, bundle in enumerate(bundles)]
    return Chart(title, unit, series, percent)


def _pace(bundles: list[Bundle]) -> Chart:
    """Seconds a step: as TRL measured them, or from the time between two steps' rows."""
    series = [_line(bundle, _paced, "step_time", i, _named(bundles, bundle, "")) for i, bundle in enumerate(bundles)]
    clock = any(not _timed(stage) for stage in bundles[-1].stages)
    note = "from the clock: what stood between two steps (validation, checkpoints) counts too" if clock else ""
    return Chart("Time a step", "seconds", series, floor=0.0, note=note)


def _timed(stage: Stage) -> bool:
    return any(isinstance(row.get("step_time"), int | float) for row in stage.metrics)


def _paced(stage: Stage) -> list[Row]:
    if _timed(stage):
        return stage.metrics
    return [{"step": b["step"], "step_time": _between(a, b)} for a, b in pairwise(stage.metrics)]


def _between(before: Row, after: Row) -> Value:
    """Seconds a step between two rows; None across a resume, where the clock tells of the pause."""
    if "time" not in before or "time" not in after or after["time"] < before["time"]:
        return None
    return (after["time"] - before["time"]) / max(1, after["step"] - before["step"])


def _memory(bundles: list[Bundle]) -> Chart:
    """Memory at each report. Reports without a step stand at the stage's beginning or its end."""
    series = []
    for i, bundle in enumerate(bundles):
        series.append(_line(bundle, _held, "reserved", i, _named(bundles, bundle, "held")))
        if len(bundles) == 1:
            series.append(_line(bundle, _held, "peak", 1, "peak so far"))
    return Chart("Memory", "GiB", series, floor=0.0)


def _by_phase(bundles: list[Bundle], title: str, unit: str, key: str, scale: float) -> Chart:
    """A line for each phase of a step; of several runs none, which would be phases times runs."""
    if len(bundles) > 1:
        return Chart(title, unit, [])
    stages = bundles[0].stages
    names = dict.fromkeys(name for stage in stages for row in stage.memory for name in row.get("phases") or {})

    def rows(stage: Stage) -> list[Row]:
        steps = [row for row in stage.memory if row.get("phases") and isinstance(row.get("step"), int)]
        return [{"step": row["step"], **{n: p[key] / scale for n, p in row["phases"].items()}} for row in steps]

    return Chart(title, unit, [_line(bundles[0], rows, name, i, name) for i, name in enumerate(names)], floor=0.0)


def _held(stage: Stage) -> list[Row]:
    at, now = [], 0
    for row in stage.memory:
        now = row["step"] if isinstance(row.get("step"), int) else now
        at.append({"step": now, **{k: _gib(row.get(k)) for k in ("reserved", "peak")}})
    return at


def _phases(stages: list[Stage]) -> list[tuple[str, float, float]]:
    """The most that was held, and the peak so far, at each named node of the run; of several runs, the most of all."""
    most: dict[str, tuple[float, float]] = {}
    for stage in stages:
        for row in stage.memory:
            held, peak = _gib(row.get("reserved")) or 0.0, _gib(row.get("peak")) or 0.0
            before = most.get(str(row.get("node")), (0.0, 0.0))
            most[str(row.get("node"))] = max(held, before[0]), max(peak, before[1])
    return [(node, *values) for node, values in most.items()]


def _metrics(stage: Stage) -> list[Row]:
    return stage.metrics


def _validation(stage: Stage) -> list[Row]:
    return stage.validation


def _line(bundle: Bundle, rows: Callable[[Stage], list[Row]], key: str, colour: int, name: str) -> Series:
    """A bundle's line: of one stage its values, of several their mean at each step, in a band from least to most."""
    each = [[row for row in rows(stage) if key in row] for stage in bundle.stages]
    if len(each) == 1:
        values = [row[key] if isinstance(row[key], int | float) else None for row in each[0]]
        return Series(name, [row["step"] for row in each[0]], values, colour)
    spread = _by_step([{row["step"]: row[key] for row in found if is_known(row[key])} for found in each])
    mean, low, high = ([end(values) for values in spread.values()] for end in (fmean, min, max))
    return Series(name, list(spread), mean, colour, low=low, high=high)


def _by_step(each: list[dict[int, float]]) -> dict[int, list[float]]:
    """The stages' values at the steps that all have which got so far: a mean over now these, now those would jump."""
    found: dict[int, list[float]] = {}
    for step in sorted({step for values in each for step in values}):
        there = [values for values in each if values and max(values) >= step]
        if all(step in values for values in there):
            found[step] = [values[step] for values in there]
    return found


def _named(bundles: list[Bundle], bundle: Bundle, what: str) -> str:
    """A series' name in the legend: of one run what it shows, of several whose it is too."""
    return what if len(bundles) == 1 else f"{bundle.label}, {what}" if what else bundle.label


def _gib(size: object) -> Value:
    return size / GIB if isinstance(size, int | float) else None
