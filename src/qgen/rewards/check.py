"""Do the rewards tell real problems from spoiled ones? python -m qgen.rewards.check [reward=NAME] [key=value ...]

Every real problem is scored by rewards that have not seen it. So is the text that each control (adversary/controls.py)
makes of it. The area under the ROC curve says how often a real problem scores higher than a spoiled one. The figures
are also written to check/separations.json in the run's directory.
"""

import os
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, astuple
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from qgen.adversary.controls import CONTROLS
from qgen.cli import entry
from qgen.mathematics.problem import Problem, fault, render
from qgen.metrics.intervals import auroc
from qgen.reporting.tables import separation_table, show
from qgen.rewards import Rewards, check
from qgen.rewards.separation import Separation
from qgen.rewards.unseen import builder, folds
from qgen.runs.files import write_json
from qgen.settings.config import Config

PROBLEMS = 300  # real problems that are scored, at most
GOAL = 0.9
ASKED = ("shuffle", "stuff", "copy", "numbers", "truncate")  # the controls that must reach the goal


def separations(
    build: Callable[[list[Problem]], Rewards], train: list[Problem], heldout: list[Problem], language: str = "en"
) -> tuple[int, list[Separation]]:
    """The number of real problems scored, and a row for each control.

    Args:
        build: makes rewards of training problems.
        train, heldout: of which unseen.folds makes pairs.
    """
    real: list[tuple[float, dict]] = []
    spoiled: dict[str, list[tuple[float, dict]]] = {name: [] for name in CONTROLS}
    for corpus, held in tqdm(folds(train, heldout, PROBLEMS), desc="check", unit="fold", leave=False, disable=None):
        rewards = build(corpus)
        made = {
            name: [spoil(p, corpus, random.Random(f"{name}/{p.statement}")) for p in held]
            for name, spoil in CONTROLS.items()
        }
        if rewards.solver:  # all at once: large batches keep a GPU busy
            rewards.solver.keep = True
            rewards.solver.votes([p for p in (*held, *chain(*made.values())) if fault(p) is None])
        real += _scores(rewards, held, held, language)
        for name, problems in made.items():
            spoiled[name] += _scores(rewards, held, problems, language)
        if rewards.solver:
            rewards.solver.agreement.close()
    tenth = float(np.quantile([total for total, _ in real], 0.1))
    return len(real), [_separation(name, real, rows, tenth) for name, rows in spoiled.items()]


def _scores(rewards: Rewards, asked: list[Problem], written: list[Problem], language: str) -> list[tuple[float, dict]]:
    """The total and the terms of each problem, written in answer to a request for another's topic and level."""
    prompts = [p.statement for p in asked]
    columns = {"topic": [p.topic for p in asked], "level": [p.level for p in asked]}
    scores = rewards.score(prompts, [render(p, language) for p in written], **columns)
    return [(total, scores.row(i)) for i, total in enumerate(scores.total)]


def _separation(name: str, real: list, rows: list, tenth: float) -> Separation:
    good, bad = (np.array([total for total, _ in part]) for part in (real, rows))
    terms = {
        term: auroc(*(np.array([values[term] or 0.0 for _, values in part]) for part in (real, rows))).value
        for term in real[0][1]
    }
    return Separation(name, astuple(auroc(good, bad)), terms, float(bad.mean()), float((bad >= tenth).mean()))


def run(config: Config, out: Path, plain: dict) -> None:
    """Print the table and keep it; raise RuntimeError where a control that must be told from real problems is not."""
    from qgen import data
    from qgen.data import scripts

    check(config.reward)
    corpus = data.load(config.data, config.prompt)
    scripts.check(corpus.train, config.prompt.language)
    make = builder(config)
    notes: list[str] = []

    def build(problems: list[Problem]) -> Rewards:
        rewards = make(problems)
        notes[:] = rewards.notes()
        return rewards

    count, rows = separations(build, corpus.train, corpus.heldout, config.prompt.language.value)
    write_json(out / "separations.json", {"problems": count, "controls": [asdict(row) for row in rows]})
    show(separation_table(rows, count, GOAL), *notes)
    if failed := [row.control for row in rows if row.control in ASKED and row.total[0] < GOAL]:
        raise RuntimeError(f"these rewards do not tell real problems from: {', '.join(failed)} (AUROC below {GOAL})")


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    given = (i for i, a in enumerate(sys.argv) if i and not a.startswith("-"))
    first = next(given, len(sys.argv))
    sys.argv[first:first] = ["hydra.run.dir='${home:${output_dir},${run_name}}/check'", "hydra.job.name=check"]
    entry(run)()


if __name__ == "__main__":
    main()
