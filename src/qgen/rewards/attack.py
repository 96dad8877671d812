"""What does the best junk earn under a reward? python -m qgen.rewards.attack [reward=NAME] [key=value ...]

Texts that are certainly no good answers to their requests (src/qgen/adversary/) are scored as GRPO would pay for them,
in the batches of a step, by rewards that have seen none of them; so are real problems that these have not seen. The
texts of each class that lie highest are scored twice. The command ends with 1 where one of them earned, both times, the
median of real problems asked for at its level. attack/report.json in the run's directory holds all figures, and
attack/texts.jsonl all texts.
"""

import os
import random
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from tqdm import tqdm

from qgen.adversary import Junk, Material
from qgen.adversary.classes import CLASSES
from qgen.adversary.climbing import climb, fragments
from qgen.cli import entry
from qgen.mathematics.problem import Problem
from qgen.reporting.attacked import best_texts, earnings_table, level_table, winning_texts
from qgen.reporting.tables import show
from qgen.rewards import check
from qgen.rewards.earnings import Payer, Row, Standard
from qgen.rewards.unseen import builder, folds
from qgen.runs import rundir
from qgen.runs.files import rows, write_json, write_rows
from qgen.settings.attack import AttackConfig, Attacked
from qgen.settings.choices import JunkClass
from qgen.settings.config import to_yaml

LAST = 5  # steps of a run whose completions its winners are taken from


def run(config: Attacked, out: Path, plain: dict) -> None:
    """Print what was earned and keep it; raise RuntimeError where junk earns what real problems do."""
    from qgen import data
    from qgen.data import scripts

    check(config.reward)
    finished = grpo_home(config, Path(config.attack.run)) if config.attack.run else None
    corpus = data.load(config.data, config.prompt)
    scripts.check(corpus.train, config.prompt.language)
    if config.attack.steps:  # first: it takes the GPU's memory
        finished = train(config, out)
    make = builder(config)
    pairs = folds(corpus.train, corpus.heldout, config.attack.problems)
    batch = config.stage.per_device_train_batch_size * config.stage.steps_per_generation
    size = config.stage.num_generations
    real: list[Row] = []
    for known, unseen in pairs:
        pay = Payer(make(known), config.prompt, batch)
        real += pay(sorted(unseen, key=lambda p: (p.topic, p.level)))
        if pay.rewards.solver:
            pay.rewards.solver.agreement.close()  # which begins anew when it is asked
    standard = Standard(real)
    material = Material(*pairs[-1], requests(pairs[-1][1], config.attack.n, size), size)
    texts, course = earned(pay, standard, material, config.attack, config.seed)
    if pay.rewards.solver:
        pay.rewards.solver.agreement.close()
    report: dict[str, Any] = {
        "problems": len(real), "n": config.attack.n, "batch": batch, "group": size,
        "solver": pay.rewards.solver is not None, "climb": course,
        "real": standard.figures("real", real), "classes": [standard.figures(name, own) for name, own in texts.items()],
    }  # fmt: skip
    write_rows(out / "texts.jsonl", [row for own in texts.values() for row in own])
    show(earnings_table(report), level_table(report))
    for name, own in texts.items():
        show(best_texts(name, [own[i] for i in standard.best(own)], standard.of))
    show(*pay.rewards.notes())
    if finished:
        report["winners"] = winners(finished, config.attack.winners, standard)
        show(winning_texts(report["winners"], standard.of))
    write_json(out / "report.json", report)
    show(f"all figures are in {out / 'report.json'}, all texts in {out / 'texts.jsonl'}")
    if told := verdict(report, texts, standard):
        raise RuntimeError(told)


def requests(like: list[Problem], count: int, size: int) -> list[tuple[str, int]]:
    """Topic and level of `count` requests in groups of `size`: levels take turns, and so do topics."""
    levels, topics = sorted({p.rated for p in like}), sorted({p.topic for p in like})
    groups = [
        (topics[(turn + turn // len(levels)) % len(topics)], levels[turn % len(levels)])
        for turn in range(count // size)
    ]
    return [request for request in groups for _ in range(size)]


def earned(
    pay: Payer, standard: Standard, material: Material, config: AttackConfig, seed: int
) -> tuple[dict[str, list[Row]], dict[str, list[float]]]:
    """What the texts of each class earn, a row a text; and by level the course of the search.

    The best rows of a class also hold what they earned `again`. Raises RuntimeError, before anything is scored, where
    the problems at hand give no text of a class.
    """
    texts: dict[str, list[Row]] = {}
    course: dict[str, list[float]] = {}
    rngs = {kind: random.Random(f"{seed}/{kind.value}") for kind in config.classes}
    ready = {kind: CLASSES[kind](material, rng) for kind, rng in rngs.items() if kind is not JunkClass.climb}
    if lacking := [kind.value for kind, made in ready.items() if not made]:
        raise RuntimeError(
            f"attack.classes: no text of {', '.join(lacking)} can be made of {len(material.unseen)} unseen problems (a "
            f"wrong answer takes one that is a number): raise attack.problems, or leave the class out"
        )
    for kind in tqdm(config.classes, desc="attack", unit="class", leave=False, disable=None):
        made = ready.get(kind) or _climbed(pay, material, config.budget, rngs[kind], course)
        problems = [junk.problem for junk in made]
        found = pay(problems)
        own = [{"class": kind.value, **row, "why": junk.why} for row, junk in zip(found, made, strict=True)]
        best = standard.best(own)
        for i, value in zip(best, pay.again(problems, best), strict=True):
            own[i]["again"] = value
        texts[kind.value] = own
    return texts, course


def _climbed(
    pay: Payer, material: Material, budget: int, rng: random.Random, course: dict[str, list[float]]
) -> list[Junk]:
    """What the search finds for the requests of the other classes. It starts anew for each level."""

    def score(made: list[Junk]) -> list[float]:
        return [row["reward"] for row in pay([junk.problem for junk in made])]

    parts, found = fragments(material.known), []
    for level in sorted({level for _, level in material.asked}):
        asked = [request for request in material.asked if request[1] == level]
        made, course[str(level)] = climb(parts, asked, score, budget, rng)
        found += made
    return found


def verdict(report: Row, texts: dict[str, list[Row]], standard: Standard) -> str:
    """What is wrong with the rewards, for a person; empty where no junk earns what real problems do."""
    told = []
    for figures in report["classes"]:
        if figures["bought"]:
            best = max((r for r in texts[figures["class"]] if "again" in r), key=lambda r: min(r["reward"], r["again"]))
            earned = min(best["reward"], best["again"])
            usual = standard.of(best["level"])
            told.append(f"{figures['class']} {earned:.2f} (level {best['level']}, real {usual:.2f})")
    if not told:
        return ""
    form = "" if report["solver"] else "; they have no solver, and judge form alone"
    return f"these rewards are bought, as junk earns the median of real problems of its level: {', '.join(told)}{form}"


def train(config: Attacked, out: Path) -> Path:
    """Train GRPO under these rewards for attack.steps, in a process of its own; return the stage's directory."""
    from qgen.sweeps.process import child

    own = ("attack.", "output_dir=", "run_name=", "stage=", "stage.max_steps=", "resume=", "overwrite=", "hydra.")
    given = [o for o in HydraConfig.get().overrides.task if not o.lstrip("+~").startswith(own)]
    place = [f"output_dir={out.resolve()}", "run_name=trained", "overwrite=true"]
    command = [*given, "stage=grpo", f"stage.max_steps={config.attack.steps}", *place]
    child([sys.executable, "-m", "qgen.train", *command], "the GRPO run")
    return out / "trained" / "grpo"


def grpo_home(config: Attacked, path: Path) -> Path:
    """The directory of a run's GRPO stage. Raises ValueError where the run has none, or its GRPO stage had other
    rewards or other data."""
    home = next((place for place in (path, path / "grpo") if (place / rundir.SAMPLES).is_file()), None)
    before = rundir.config_at(home) if home else None
    if home is None or before is None or before.stage.name != "grpo":
        raise ValueError(f"attack.run={path} holds no GRPO stage: train one, or set attack.steps")
    changes = rundir.differences(to_yaml(before), to_yaml(config))
    told = [f"{key}: {a} there, {b} here" for key, (a, b) in changes.items() if key.startswith(("reward.", "data."))]
    if told:
        raise ValueError(f"attack.run={path} had other rewards or data ({'; '.join(told[:4])}): set them as they were")
    return home


def winners(home: Path, count: int, standard: Standard) -> Row:
    """The completions of a GRPO stage's last steps that earned most, unselected but for that, as they were written."""
    written = [row for row in rows(home / rundir.SAMPLES) if row.get("mode") == "train"]
    if not written:
        raise RuntimeError(f"{home / rundir.SAMPLES} holds no completion that was trained on")
    steps = sorted({row["step"] for row in written})[-LAST:]
    last = [row for row in written if row["step"] in steps]
    best = sorted(last, key=lambda row: -row["reward"])[:count]
    return {"home": str(home), "steps": steps, "completions": len(last),
            "different": len({row["completion"] for row in last}), "best": best,
            "above_median": sum(standard.above(row) >= 0 for row in last) / len(last)}  # fmt: skip


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    entry(run, "attack", Attacked)()


if __name__ == "__main__":
    main()
