"""The protocol's figures, with their intervals, each metric's own test and what differs by more than chance."""

from typing import Any

import numpy as np

from qgen.evaluation.catalogue import Metric
from qgen.evaluation.protocol import COLLAPSE, DRAWS, Protocol, Whole
from qgen.evaluation.sets import OutputSet
from qgen.metrics.intervals import (
    Interval,
    around,
    auroc,
    mean,
    mean_difference,
    paired_difference,
    proportion,
    proportion_difference,
)

GOAL = 0.8  # AUROC at which a metric is believed
FEWEST = 10  # prompts with a value from which a mean is taken; twice as many problems for measures of a whole set
LARGEST = 100  # problems of a subset, at most

Wholes = dict[str, dict[str, Whole]]  # of each row, of each metric


def results(protocol: Protocol, written: list[OutputSet], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Everything, as evaluation.json holds it.

    Args:
        written: models, real problems and controls.
        pairs: names of models to compare, the one before first; both must have answered the same prompts.
    """
    rows = {w.name: w for w in written}
    size = min(LARGEST, *(len(rows[name].good) // 2 for name in (protocol.real.name, COLLAPSE)))
    wholes = {name: protocol.wholes(w, size) if size >= FEWEST else {} for name, w in rows.items()}
    if scale := wholes[protocol.real.name].get("diversity"):
        scale = scale.values.mean()
        for found in wholes.values():
            if "diversity" in found:
                found["diversity"] = Whole(found["diversity"].values / scale, found["diversity"].error / scale)
    return {
        "subset": size,
        "metrics": [_tested(protocol, metric, rows, wholes) for metric in protocol.metrics],
        "rows": [
            {"name": w.name, "kind": w.kind, "outputs": len(w.texts), "problems": len(w.good),
             "values": {m.name: _plain(_interval(protocol, m, w, wholes)) for m in protocol.metrics}}
            for w in written
        ],
        "differences": [
            {"before": a, "after": b,
             "values": {m.name: _plain(_difference(protocol, m, rows[a], rows[b], wholes)) for m in protocol.metrics}}
            for a, b in pairs
        ],
        "notes": _notes(protocol, rows, size, wholes),
    }  # fmt: skip


def _interval(protocol: Protocol, metric: Metric, written: OutputSet, wholes: Wholes) -> Interval | None:
    if metric.whole:
        whole = wholes[written.name].get(metric.name)
        if whole is None:
            return None
        return around(float(whole.values.mean()), whole.error, metric.unit == "share")
    values = _enough(protocol.values(written)[metric.name], written.prompts)
    if values is None:
        return None
    return (proportion if metric.unit == "share" else mean)(values, written.prompts)


def _difference(protocol: Protocol, metric: Metric, a: OutputSet, b: OutputSet, wholes: Wholes) -> Interval | None:
    before, after = (_interval(protocol, metric, written, wholes) for written in (a, b))
    if before is None or after is None:
        return None
    if metric.whole:
        one, other = (wholes[written.name][metric.name].error for written in (a, b))
        return around(after.value - before.value, float(np.hypot(one, other)))
    if metric.unit == "share":
        return proportion_difference(before, after)
    return mean_difference(protocol.values(a)[metric.name], protocol.values(b)[metric.name], a.prompts, b.prompts)


def _enough(values: np.ndarray, prompts: np.ndarray) -> np.ndarray | None:
    return values if len(set(prompts[~np.isnan(values)])) >= FEWEST else None


def _tested(protocol: Protocol, metric: Metric, rows: dict[str, OutputSet], wholes: Wholes) -> dict[str, Any]:
    """A metric, with the control that it tells from real problems worst, and how well: the area under the ROC curve
    there, or the gap, which is what real problems have beyond it."""
    if metric.tested == "gap":
        return _told(metric) | _gap(protocol, metric, rows, wholes)
    areas = {name: area for name in metric.controls if (area := _area(protocol, metric, rows[name]))}
    if not areas:
        return _told(metric) | {"passed": None}
    worst = min(areas, key=lambda name: areas[name].value)
    area = areas[worst]
    return _told(metric) | {
        "control": worst,
        "auroc": round(area.value, 4),
        "auroc_interval": [round(area.low, 4), round(area.high, 4)],
        "passed": area.value >= GOAL,
    }


def _told(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name, "label": metric.label, "unit": metric.unit, "better": metric.better,
        "explain": metric.explain, "control": None, "auroc": None, "auroc_interval": None, "gap": None,
    }  # fmt: skip


def _gap(protocol: Protocol, metric: Metric, rows: dict[str, OutputSet], wholes: Wholes) -> dict[str, Any]:
    """The smallest of the gaps to the controls, with its 95 % interval; passed where that lies on the better side."""
    sign = -1.0 if metric.better == "lower" else 1.0
    gaps: dict[str, Interval] = {}
    for name in metric.controls:
        if _asks_alike(protocol, rows[name]):
            continue
        if metric.whole:
            found = _difference(protocol, metric, rows[name], protocol.real, wholes)
        else:
            good, spoiled = _pairs(protocol, metric, rows[name])
            found = paired_difference(spoiled, good) if len(spoiled) >= FEWEST else None
        if found is not None:
            ends = sorted((sign * found.low, sign * found.high))
            gaps[name] = Interval(sign * found.value, *ends)
    if not gaps:
        return {"passed": None}
    worst = min(gaps, key=lambda name: gaps[name].low)
    pairs = () if metric.whole else _pairs(protocol, metric, rows[worst])
    return {
        "control": worst,
        "gap": gaps[worst].plain(),
        "compared": [float(np.nanmean(values)) for values in pairs] or None,  # of real problems, of the control
        "passed": gaps[worst].low > 0,
    }


def _pairs(protocol: Protocol, metric: Metric, control: OutputSet) -> tuple[np.ndarray, np.ndarray]:
    """The values of the real problems that a control was made of, which are the first, and of the control."""
    good, spoiled = (protocol.values(row)[metric.name] for row in (protocol.real, control))
    return good[: len(spoiled)], spoiled


def _asks_alike(protocol: Protocol, control: OutputSet) -> bool:
    """Whether a control that asks for something else could find nothing else to ask for."""
    return control.name in ("levels", "topics") and control.requests == protocol.real.requests[: len(control.requests)]


def _area(protocol: Protocol, metric: Metric, control: OutputSet) -> Interval | None:
    """None where too few problems have a value, or the control asks for nothing else than the real problems do."""
    if _asks_alike(protocol, control):
        return None
    good, bad = (_enough(protocol.scores(row)[metric.name], row.prompts) for row in (protocol.real, control))
    return None if good is None or bad is None else auroc(good, bad)


def _notes(protocol: Protocol, rows: dict[str, OutputSet], size: int, wholes: Wholes) -> list[str]:
    notes = [
        "real problems parse by construction, and half of them are 'novel': all were curated, and the median is theirs"
    ]
    deleted = auroc(*(protocol.scores(rows[name])["usable"] for name in (protocol.real.name, "deletion")))
    notes.append(
        f"a deleted condition is seen by no metric: usable yield tells it with an AUROC of {deleted.value:.2f}"
    )
    notes.append("natural is judged by the run's own frozen base: for the row 'base' that is the model itself")
    if protocol.votes and protocol.levels is None:
        notes.append("sound yield knows nothing of levels: those of real problems cannot be told apart")
    if protocol.topics.topics:
        notes.append(f"topics are found by a classifier, right on {protocol.topics.accuracy:.0%} of real problems")
    else:
        notes.append("on topic is left out: there are fewer than two topics with five problems")
    if any(wholes.values()):
        notes.append(f"diversity, self-BLEU, distinct and topics are means over {DRAWS} subsets of {size} problems")
    else:
        notes.append(
            f"the measures of a whole set need {2 * FEWEST} held-out problems that parse, and there are {2 * size}"
        )
    return notes


def _plain(interval: Interval | None) -> list[float] | None:
    return interval.plain() if interval else None
