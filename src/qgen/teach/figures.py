"""What was learned: each arm's accuracy, its gain over the untrained solver and over real problems, with intervals."""

from collections.abc import Callable
from typing import Any

import numpy as np

from qgen.mathematics.problem import Problem
from qgen.metrics.intervals import Interval
from qgen.settings.teach import TeachConfig
from qgen.sweeps.jobs import Job
from qgen.teach.arms import EXPLAIN, Experiment
from qgen.teach.jobs import seconds

DRAWS = 4000
POWER = 1.96 + 0.84  # standard errors that a difference needs to be seen in four of five experiments, at 5 %


def intervals(
    arms: dict[str, np.ndarray], pairs: list[tuple[str, str]]
) -> tuple[dict[str, Interval], dict[tuple[str, str], tuple[Interval, float]]]:
    """Each arm's mean accuracy, and of each pair (before, after) the difference and its standard error, by one
    bootstrap over problems and seeds.

    A draw takes the same problems for all arms, which have answered the same ones, and, for each arm, seeds of its own:
    seeds are not paired, as one seed's luck in one arm says nothing of another's. What seeds deviate from their mean is
    scaled by sqrt(S / (S - 1)), as a bootstrap of S seeds has too small a spread (Davison & Hinkley, Bootstrap Methods,
    1997, 2.2.1); of one seed nothing is known, so that only problems are drawn.

    Args:
        arms: accuracies of shape (seeds, problems).
    """
    rng = np.random.default_rng(0)
    count = next(iter(arms.values())).shape[1]
    problems = rng.integers(count, size=(DRAWS, count))
    weights = np.stack([np.bincount(row, minlength=count) for row in problems]) / count  # (draws, problems)
    draws = {}
    for name, accuracy in arms.items():
        seeds = len(accuracy)
        by_seed = accuracy @ weights.T  # (seeds, draws)
        centre = by_seed.mean(axis=0)
        chosen = rng.integers(seeds, size=(seeds, DRAWS))
        scale = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
        draws[name] = centre + scale * np.take_along_axis(by_seed - centre, chosen, axis=0).mean(axis=0)
    least = 3 / count
    means = {name: _interval(float(accuracy.mean()), draws[name], least, 0.0) for name, accuracy in arms.items()}
    between = {}
    for before, after in pairs:
        difference = draws[after] - draws[before]
        value = float(arms[after].mean() - arms[before].mean())
        spread = float(difference.std()) if difference.std() > 1e-9 else least / 1.96
        between[before, after] = (_interval(value, difference, least, -1.0), spread)
    return means, between


def by_arm(right: dict[tuple[str, int], dict[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """Accuracies of each arm, greedy and sampled, of shape (seeds, problems)."""
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for (arm, _), accuracy in right.items():
        for how, values in accuracy.items():
            found.setdefault(arm, {}).setdefault(how, []).append(values)
    return {arm: {how: np.stack(rows) for how, rows in of.items()} for arm, of in found.items()}


def _interval(value: float, drawn: np.ndarray, least: float, lowest: float) -> Interval:
    """The percentiles of the draws; where all draws are alike, `least` to both sides: of n problems that all went the
    same way, three in n may go another (Hanley & Lippman-Hand, JAMA 249, 1983)."""
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn.std() > 1e-9 else (value - least, value + least)
    return Interval(value, float(max(lowest, low)), float(min(1.0, high)))


def results(accuracies: dict[str, dict[str, np.ndarray]], test: list[Problem]) -> dict[str, Any]:
    """Rows, metrics and differences in the form of evaluation.json, which tables and pages read.

    Args:
        accuracies: of each arm, greedy and sampled, of shape (seeds, problems).
    """
    real = "real" if "real" in accuracies else None
    arms = [name for name in accuracies if name != "untrained"]
    pairs = [("untrained", name) for name in arms] + [(real, name) for name in arms if real and name != real]
    metrics: list[dict[str, Any]] = []
    values, between, smallest = {}, {}, {}
    for name, label, explain, how, mask in _metrics(test):
        part = {arm: found[how][:, mask] for arm, found in accuracies.items()}
        means, differences = intervals(part, pairs)
        about = {"name": name, "label": label, "explain": explain, "unit": "share", "better": "higher"}
        untested = dict.fromkeys(("control", "auroc", "auroc_interval", "gap", "passed"))
        metrics.append(about | untested)
        values[name] = {arm: interval.plain() for arm, interval in means.items()}
        between[name] = {pair: interval.plain() for pair, (interval, _) in differences.items()}
        if name == "sampled":
            smallest = {pair: round(POWER * error, 4) for pair, (_, error) in differences.items()}
    return {
        "metrics": metrics,
        "rows": [
            {"name": arm, "kind": "real" if arm == "real" else "model",
             "values": {m["name"]: values[m["name"]][arm] for m in metrics}}
            for arm in accuracies
        ],
        "differences": [
            {"before": before, "after": after, "smallest": smallest[before, after],
             "values": {m["name"]: between[m["name"]][before, after] for m in metrics}}
            for before, after in pairs
        ],
    }  # fmt: skip


def _metrics(test: list[Problem]) -> list[tuple[str, str, str, str, np.ndarray]]:
    """Name, label, meaning, kind of solutions, and which problems: all of them, then by level and by topic."""
    everything = np.ones(len(test), dtype=bool)
    found = [
        (
            "greedy",
            "right, greedy",
            "share of the test's problems that the likeliest solution answers",
            "greedy",
            everything,
        ),
        ("sampled", "right, sampled", "share of drawn solutions that are right", "sampled", everything),
    ]
    parts: list[tuple[str, Callable[[Problem], Any]]] = [("level", lambda p: p.level), ("topic", lambda p: p.topic)]
    for part, of in parts:
        for value in sorted({of(problem) for problem in test if of(problem) is not None}):
            mask = np.array([of(problem) == value for problem in test])
            label = f"level {value}" if part == "level" else str(value)
            found.append((f"{part}/{value}", label, f"the same, of {mask.sum()} problems", "sampled", mask))
    return found


def told(
    config: TeachConfig, experiment: Experiment, jobs: dict[tuple[str, int], Job], result: dict[str, Any]
) -> dict[str, Any]:
    """The results, with what the arms were made of, and what their trainings took and what a point of gain cost."""
    taught = {arm.name: arm.taught for arm in experiment.arms}
    gains = {d["after"]: d["values"]["sampled"][0] for d in result["differences"] if d["before"] == "untrained"}
    for row in result["rows"]:
        arm, took = taught.get(row["name"]), [seconds(job) for (name, _), job in jobs.items() if name == row["name"]]
        if arm is None:
            continue
        row |= {"taught": len(arm.problems), "different": len({p.statement for p in arm.problems}), "texts": arm.texts,
                "left_out": dict(arm.left_out), "seconds": round(sum(took) / len(took), 1)}  # fmt: skip
        points = 100 * gains[row["name"]]
        row["seconds_a_point"] = round(row["seconds"] / points, 1) if points > 0 else None
        if config.price is not None and points > 0:
            row["dollars_a_point"] = round(config.price * row["seconds"] / 3600 / points, 4)
    about = {"solver": config.solver, "method": config.method.value, "n": config.n, "steps": config.steps,
             "seeds": config.seeds, "samples": config.samples, "prompts": len(experiment.test)}  # fmt: skip
    return about | result | {"notes": [*experiment.notes, *_notes(config, result)]}


def _notes(config: TeachConfig, result: dict[str, Any]) -> list[str]:
    notes = [f"{row['name']}: {EXPLAIN.get(row['name'], EXPLAIN['problems'])}" for row in result["rows"]]
    for row in result["rows"]:
        if left_out := row.get("left_out"):
            of = f" of {row['texts']} texts" if row["texts"] else ""
            notes.append(f"{row['name']}: left out{of}: " + ", ".join(f"{n} {why}" for why, n in left_out.items()))
        if row.get("seconds_a_point"):
            dollars = f", {row['dollars_a_point']:.2f} dollars" if "dollars_a_point" in row else ""
            notes.append(f"{row['name']}: a point of gain took {row['seconds_a_point']:.0f} s of training{dollars}")
    if len(config.seeds) == 1:
        notes.append("one seed: intervals are over the test's problems alone, and say nothing of another training")
    return notes
