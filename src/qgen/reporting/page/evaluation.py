"""An evaluation as tables: a row a metric, a column a model, real problems and controls beside them."""

from dataclasses import dataclass
from typing import Any

from qgen.reporting.page.charts import short

Interval = list[float] | None


@dataclass
class MetricRow:
    """One metric with the values of every column, and of every difference."""

    name: str
    label: str
    arrow: str  # which way is better
    explain: str
    trial: str  # how it did in its own test; empty where it has none
    failed: bool
    values: list[tuple[str, str]]  # value and interval, as text
    differences: list["Difference"]


@dataclass
class Difference:
    """after - before, and what may be concluded from it."""

    text: str
    interval: str
    verdict: str  # "better", "worse", "changed", "may be chance" or "" where it cannot be measured
    before: str = ""  # the metric's values
    after: str = ""


@dataclass
class Table:
    """What one evaluation says."""

    where: str
    facts: str
    columns: list[tuple[str, str, str]]  # name, kind, how many outputs and problems
    steps: list[tuple[str, str]]  # before, after
    metrics: list[MetricRow]
    notes: list[str]


def table(where: str, evaluation: dict[str, Any]) -> Table:
    """The tables of an evaluation.json: models first, then real problems, then controls."""
    order = {"model": 0, "real": 1, "control": 2}
    rows = sorted(evaluation["rows"], key=lambda row: order.get(row.get("kind"), 3))
    steps = evaluation.get("differences") or []
    facts = {"outputs a model": "n", "requests": "prompts", "tokens at most": "max_new_tokens", "on": "device"}
    said = [f"{evaluation[key]:,} {name}" if isinstance(evaluation.get(key), int) else f"{name} {evaluation[key]}"
            for name, key in facts.items() if evaluation.get(key) is not None]  # fmt: skip
    return Table(
        where,
        ", ".join(said),
        [(row["name"], row.get("kind", ""), _counts(row)) for row in rows],
        [(step["before"], step["after"]) for step in steps],
        [_metric(metric, rows, steps) for metric in evaluation["metrics"]],
        [str(note) for note in evaluation.get("notes") or []],
    )


def find(evaluations: list[tuple[str, dict]], after: str, name: str) -> Difference | None:
    """The difference that a stage made to a metric, where that was evaluated and passed its own test."""
    for _, evaluation in evaluations:
        for metric in evaluation["metrics"]:
            if metric["name"] == name and metric.get("passed") is not False:
                for step in evaluation.get("differences") or []:
                    if step["after"] == after and step["values"].get(metric["name"]):
                        return _difference(metric, step, evaluation["rows"])
    return None


def failed(evaluation: dict) -> list[str]:
    """The labels of the metrics that did not pass their own test."""
    return [metric.get("label", metric["name"]) for metric in evaluation["metrics"] if metric.get("passed") is False]


def _metric(metric: dict, rows: list[dict], steps: list[dict]) -> MetricRow:
    name, auroc, control = metric["name"], metric.get("auroc"), metric.get("control")
    trial, failed = "", metric.get("passed") is False
    if control:
        by = f"AUROC {auroc:.2f}" if auroc is not None else "could not be tested"
        if gap := metric.get("gap"):
            by = f"{write(metric, gap[0], sign=True)}{' points' if metric.get('unit') == 'share' else ''}"
        trial = f"against {control}: {by}"
    return MetricRow(
        name,
        metric.get("label", name),
        {"higher": "↑", "lower": "↓", "real": "≈"}.get(metric.get("better", ""), ""),
        metric.get("explain", ""),
        trial,
        failed,
        [("–", "") if failed else _cell(metric, row["values"].get(name)) for row in rows],
        [] if failed else [_difference(metric, step, rows) for step in steps],
    )


def _counts(row: dict) -> str:
    outputs, problems = row.get("outputs"), row.get("problems")
    return f"{problems} of {outputs} parse" if outputs is not None and problems is not None else ""


def _cell(metric: dict, interval: Interval) -> tuple[str, str]:
    if not interval:
        return "–", ""
    value, low, high = (write(metric, v) for v in interval)
    return value, f"{low.removesuffix('%')} to {high}"


def write(metric: dict, value: float | None, sign: bool = False) -> str:
    """A value in its metric's unit; a difference of shares in points."""
    if value is None:
        return "–"
    mark = ("+" if value > 0 else "−" if value < 0 else "") if sign else "−" if value < 0 else ""
    if metric.get("unit") == "share":
        return f"{mark}{abs(value) * 100:.0f}" if sign else f"{mark}{abs(value) * 100:.1f}%".replace(".0%", "%")
    return f"{mark}{short(abs(value))}"


def _difference(metric: dict, step: dict, rows: list[dict]) -> Difference:
    interval = step["values"].get(metric["name"])
    if not interval:
        return Difference("–", "", "")
    value, low, high = interval
    points = " points" if metric.get("unit") == "share" else ""
    between = f"{write(metric, low, True)} to {write(metric, high, True)}"
    values = {row["name"]: _cell(metric, row["values"].get(metric["name"]))[0] for row in rows}
    verdict = _verdict(metric, step, rows, interval)
    ends = (values.get(step["before"], "–"), values.get(step["after"], "–"))
    return Difference(f"{write(metric, value, True)}{points}", between, verdict, *ends)


def _verdict(metric: dict, step: dict, rows: list[dict], interval: list[float]) -> str:
    value, low, high = interval
    if low <= 0 <= high:
        return "may be chance"
    if metric.get("better") in ("higher", "lower"):
        return "better" if (value > 0) == (metric["better"] == "higher") else "worse"
    known = {row["name"]: row["values"].get(metric["name"]) for row in rows}
    real = next((row["values"].get(metric["name"]) for row in rows if row.get("kind") == "real"), None)
    before, after = known.get(step["before"]), known.get(step["after"])
    if not (real and before and after):
        return "changed"
    return "better" if abs(after[0] - real[0]) < abs(before[0] - real[0]) else "worse"
