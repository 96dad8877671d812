"""Which charts a report shows: each stage's loss, rewards, validation, memory and pace, all runs over one another."""

from dataclasses import dataclass
from itertools import pairwise

from qgen.page.charts import Chart, Series, Value
from qgen.page.runs import Stage
from qgen.runtime.files import Row

KINDS = {
    "sft": "supervised fine-tuning on real problems",
    "grpo": "reinforcement learning under the rewards",
    "distill": "training on the best of its own problems",
}
GIB = 2**30


@dataclass
class Group:
    """The charts of one kind of stage, under headings."""

    kind: str
    explain: str
    stages: list[Stage]
    sections: list[tuple[str, list[Chart]]]
    phases: list[tuple[str, float, float]]  # where in the run, most memory held there and peak so far, in GiB


def groups(stages: list[Stage]) -> list[Group]:
    """A group for each kind of stage, in the order in which they are met."""
    kinds = list(dict.fromkeys(stage.kind for stage in stages))
    return [_group(kind, [stage for stage in stages if stage.kind == kind]) for kind in kinds]


def _group(kind: str, stages: list[Stage]) -> Group:
    names = sorted(
        {key[6:] for s in stages for row in (*s.metrics, *s.validation) for key in row if key[:6] == "terms/"}
    )
    sections = {
        "Learning": [
            *_loss(kind, stages),
            _reward(stages),
            _pair(stages, "Held-out quality", "mean reward at validations", "", "reward", floor=0.0),
            _pair(stages, "Format yield", "share that parses, at validations", "", "format_yield", True, 0.0, 1.0),
        ],
        "Reward terms, each the mean of its raw values": [
            _pair(stages, name, "0 to 1", f"terms/{name}", f"terms/{name}", floor=0.0, ceiling=1.0) for name in names
        ],
        "Optimization, time and memory": [
            _one(stages, "Learning rate", "of the optimizer", "learning_rate"),
            _one(stages, "Gradient norm", "before clipping", "grad_norm"),
            _one(stages, "Entropy", "nats a token", "entropy"),
            _one(stages, "Token accuracy", "share predicted right", "mean_token_accuracy", True),
            _one(stages, "Completion length", "tokens, mean", "completions/mean_length"),
            _pace(stages),
            _one(stages, "Scoring the rewards", "seconds a step", "seconds/rewards"),
            _memory(stages),
        ],
    }
    shown = [(title, [c for c in charts if c.known]) for title, charts in sections.items()]
    return Group(
        kind, KINDS.get(kind, ""), stages, [(title, charts) for title, charts in shown if charts], _phases(stages)
    )


def _loss(kind: str, stages: list[Stage]) -> list[Chart]:
    """Training and held-out loss; apart in grpo, whose training loss is a policy objective and no likelihood."""
    if kind != "grpo":
        return [_pair(stages, "Loss", "nats a token", "loss", "heldout_loss")]
    objective = _one(stages, "Policy objective", "GRPO's loss, near 0 by construction", "loss")
    return [objective, _pair(stages, "Held-out loss", "nats a token", "", "heldout_loss")]


def _reward(stages: list[Stage]) -> Chart:
    """The training reward; of a single run with the spread within groups, from which GRPO learns."""
    series = [_line(s, s.metrics, "reward", i, _named(stages, s, "training")) for i, s in enumerate(stages)]
    note = ""
    if len(stages) == 1:
        rows = [row for row in stages[0].metrics if "reward" in row]
        edges = [_edges(row.get("reward"), row.get("reward_std")) for row in rows]
        series[0].low, series[0].high = ([edge[i] for edge in edges] for i in (0, 1))
        note = "band: one standard deviation within groups"
    return Chart("Training reward", "mean of a step", series, floor=0.0, note=note)


def _edges(mean: Value, spread: Value) -> tuple[Value, Value]:
    return (None, None) if mean is None or spread is None else (max(0.0, mean - spread), mean + spread)


def _pair(
    stages: list[Stage], title: str, unit: str, train: str, heldout: str, percent: bool = False,
    floor: float | None = None, ceiling: float | None = None,
) -> Chart:  # fmt: skip
    """What is measured while training, as a line, and at validations, as points that a dashed line joins."""
    series = []
    train = train if any(train in row for stage in stages for row in stage.metrics) else ""
    for i, stage in enumerate(stages):
        if train:
            series.append(_line(stage, stage.metrics, train, i, _named(stages, stage, "training")))
        second = i if len(stages) > 1 or not train else 1
        line = _line(stage, stage.validation, heldout, second, _named(stages, stage, "held-out"))
        line.dashed, line.points = bool(train), True
        series.append(line)
    return Chart(title, unit, series, percent, floor, ceiling)


def _one(stages: list[Stage], title: str, unit: str, key: str, percent: bool = False) -> Chart:
    series = [_line(stage, stage.metrics, key, i, _named(stages, stage, "")) for i, stage in enumerate(stages)]
    return Chart(title, unit, series, percent)


def _pace(stages: list[Stage]) -> Chart:
    """Seconds a step: as TRL measured them, or from the time between two steps' rows."""
    series = []
    for i, stage in enumerate(stages):
        rows, clock = stage.metrics, False
        if not any(isinstance(row.get("step_time"), int | float) for row in rows):
            rows = [{"step": b["step"], "step_time": _between(a, b)} for a, b in pairwise(rows)]
            clock = True
        series.append(_line(stage, rows, "step_time", i, _named(stages, stage, "")))
    note = "from the clock: what stood between two steps (validation, checkpoints) counts too" if clock else ""
    return Chart("Time a step", "seconds", series, floor=0.0, note=note)


def _between(before: Row, after: Row) -> Value:
    """Seconds a step between two rows; None across a resume, where the clock tells of the pause."""
    if "time" not in before or "time" not in after or after["time"] < before["time"]:
        return None
    return (after["time"] - before["time"]) / max(1, after["step"] - before["step"])


def _memory(stages: list[Stage]) -> Chart:
    """Memory at each report. Reports without a step stand at the stage's beginning or its end."""
    series = []
    for i, stage in enumerate(stages):
        at, now = [], 0
        for row in stage.memory:
            now = row["step"] if isinstance(row.get("step"), int) else now
            at.append({"step": now, **{k: _gib(row.get(k)) for k in ("reserved", "peak")}})
        series.append(_line(stage, at, "reserved", i, _named(stages, stage, "held")))
        if len(stages) == 1:
            series.append(_line(stage, at, "peak", 1, "peak so far"))
    return Chart("Memory", "GiB", series, floor=0.0)


def _phases(stages: list[Stage]) -> list[tuple[str, float, float]]:
    """The most that was held, and the peak so far, at each named node of the run; of several runs, the most of all."""
    most: dict[str, tuple[float, float]] = {}
    for stage in stages:
        for row in stage.memory:
            held, peak = _gib(row.get("reserved")) or 0.0, _gib(row.get("peak")) or 0.0
            before = most.get(str(row.get("node")), (0.0, 0.0))
            most[str(row.get("node"))] = max(held, before[0]), max(peak, before[1])
    return [(node, *values) for node, values in most.items()]


def _line(stage: Stage, rows: list[Row], key: str, colour: int, name: str) -> Series:
    rows = [row for row in rows if key in row]
    values = [row[key] if isinstance(row[key], int | float) else None for row in rows]
    return Series(name, [row["step"] for row in rows], values, colour)


def _named(stages: list[Stage], stage: Stage, what: str) -> str:
    """A series' name in the legend: of one run what it shows, of several whose it is too."""
    return what if len(stages) == 1 else f"{stage.label}, {what}" if what else stage.label


def _gib(size: object) -> Value:
    return size / GIB if isinstance(size, int | float) else None
