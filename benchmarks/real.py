"""A model that knows mathematics, before and after each stage: python benchmarks/real.py RUNS --out DIR [--show]

RUNS holds run directories named NAME-SEED. What the seeds of one NAME and stage have trained is measured together: each
model writes n problems for the same held-out requests, and the base model itself solves them (qgen.evaluate's protocol,
with evaluate.solver). The requests are kept in DIR/requests.jsonl, as what is held out changes with curation, and the
outputs in DIR/outputs.jsonl, where those of models whose runs are gone are measured again with --kept NAME/STAGE; the
solver's votes are in DIR/votes.jsonl, figures in DIR/evaluation.json. --show prints them, and what was found by reading
outputs (DIR/read/NAME.jsonl, a verdict a line, made by hand).
"""

import argparse
import json
from pathlib import Path

import numpy as np

from qgen import data
from qgen.data.prompts import requests
from qgen.evaluation.measuring import each, figures
from qgen.evaluation.outputs import Candidate, outputs
from qgen.mathematics.problem import Problem
from qgen.proofs import reading
from qgen.reporting.tables import difference_table, evaluation_table, plain_table, show, test_table
from qgen.runs import rundir
from qgen.runs.files import read_json, rows, write_json, write_rows
from qgen.settings.evaluate import EvaluateConfig, SolverOptions

COURSE = {"reward": "reward", "frac_reward_zero_std": "groups alike", "step_time": "seconds"}
QUARTERS, BEST = 4, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="NAME/STAGE, in their order; without names, the base alone")
    parser.add_argument("--kept", nargs="*", default=[], help="NAME/STAGE whose outputs are read from DIR")
    parser.add_argument("--pairs", nargs="*", default=[], help="A:B to compare, each NAME/STAGE or base")
    parser.add_argument("--n", type=int, default=200, help="problems a model")
    parser.add_argument("--solver", help="a model that solves them, as evaluate.solver")
    parser.add_argument("--samples", type=int, default=SolverOptions.samples, help="its attempts at each, at most")
    parser.add_argument("--attempt", type=int, default=SolverOptions.max_new_tokens, help="tokens of one in words")
    parser.add_argument("--tokens", type=int, default=256, help="of a problem")
    parser.add_argument("--batch", type=int, default=200, help="problems written at once")
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    if given.runs:
        given.out.mkdir(parents=True, exist_ok=True)
        told = training(given.runs)
        again = {(row["name"], row["seed"]) for row in told}
        before = read_json(given.out / "training.json").get("stages", [])
        told = [row for row in before if (row["name"], row["seed"]) not in again] + told
        write_json(given.out / "training.json", {"stages": told})
        write_json(given.out / "course.json", course(given.runs))
        write_json(given.out / "winners.json", {"winners": winners(given.runs)})
        write_json(given.out / "evaluation.json", measured(given))
    if given.show or given.runs:
        show(training_table(read_json(given.out / "training.json")["stages"]))
        if found := read_json(given.out / "course.json"):
            show(course_table(found))
        if read := sorted((given.out / "read").glob("*.jsonl")):
            show(reading_table(read))
        if won := read_json(given.out / "winners.json"):
            show(*winner_lines(won["winners"]))
        if result := read_json(given.out / "evaluation.json"):
            apart = [difference_table(result)] if result["differences"] else []
            show(evaluation_table(result), test_table(result), *apart, *result["notes"])


def stages(runs: Path) -> dict[str, list[Path]]:
    """The finished stages of the runs, of all seeds of a NAME/STAGE together."""
    found: dict[str, list[Path]] = {}
    for summary in sorted(runs.glob("*/*/summary.json")):
        home = summary.parent
        found.setdefault(f"{home.parent.name.rpartition('-')[0]}/{home.name}", []).append(home)
    return found


def kept(file: Path, name: str, count: int) -> list[list[str]]:
    """The outputs of each seed of a NAME/STAGE that were measured before; of a seed written twice, the last."""
    found = {row["writer"]: row["texts"] for row in rows(file) if row["writer"].rpartition("-")[0] == name}
    if not found or any(len(texts) != count for texts in found.values()):
        raise SystemExit(f"--kept {name}: {file} does not hold {count} outputs of each of its seeds")
    return list(found.values())


def writing(file: Path, names: list[str]) -> dict[str, float]:
    """The seconds that writing all outputs of each of these took, all seeds together; of a seed written twice, the
    last."""
    took = {row["writer"]: row["seconds"] for row in rows(file)}
    return {
        name: round(sum(s for writer, s in took.items() if name in (writer, writer.rpartition("-")[0])), 1)
        for name in names
    }


def training(runs: Path) -> list[dict]:
    """What became of each stage while it was trained."""
    kept = ("steps", "kept_step", "learned", "nonfinite_steps", "seconds", "reward", "format_yield", "heldout_loss")
    told = []
    for name, homes in stages(runs).items():
        for home in homes:
            summary, environment = (read_json(home / file) for file in (rundir.SUMMARY, rundir.ENVIRONMENT))
            step = [row["seconds"] for row in rows(home / "memory.jsonl") if row["node"] == "step"]
            told.append({"name": name, "seed": rundir.config_at(home).seed, **{key: summary.get(key) for key in kept},
                         "told": summary.get("told"), "device": environment.get("device"),
                         "attention": environment.get("attention"),
                         "seconds_a_step": float(np.median(step)) if step else None})  # fmt: skip
    return told


def course(runs: Path) -> dict[str, list[dict]]:
    """What each GRPO run logged, unfinished ones too, in means over quarters of its steps."""
    found = {}
    for file in sorted(runs.glob("*/grpo/metrics.jsonl")):
        steps = [row for row in rows(file) if "reward" in row]
        names = [name for name in steps[0] if name in COURSE or name.startswith("terms/")] if steps else []
        found[file.parent.parent.name] = [
            {"to step": part[-1]["step"], **{name: float(np.mean([row[name] for row in part])) for name in names}}
            for part in (list(part) for part in np.array_split(np.array(steps, dtype=object), QUARTERS))
            if part
        ]
    return found


def course_table(found: dict[str, list[dict]]):
    """What completions earned while GRPO went on: over the first quarter of its steps, and over the last."""
    table = plain_table("GRPO's completions while it trained, in the first quarter of its steps and in the last")
    table.add_column("", no_wrap=True)
    ends = {f"{run} ({quarters[-1]['to step']} steps)": (quarters[0], quarters[-1]) for run, quarters in found.items()}
    for run in ends:
        table.add_column(run, justify="right", no_wrap=True)
    table.padding = (0, 1, 0, 0)
    for name in dict.fromkeys(name for first, _ in ends.values() for name in first if name != "to step"):
        label, digits = COURSE.get(name, name.removeprefix("terms/")), 1 if name == "step_time" else 2
        cells = [
            "→".join(f"{part[name]:.{digits}f}" for part in pair) if name in pair[0] else "–" for pair in ends.values()
        ]
        table.add_row(label, *cells)
    return table


def training_table(told: list[dict]):
    table = plain_table("each stage, by its own validation")
    for column in ("stage", "seed", "steps", "kept", "skipped", "held-out loss", "reward", "format"):
        table.add_column(column, justify="left" if column == "stage" else "right", no_wrap=True)
    table.padding = (0, 1, 0, 0)
    for row in told:
        forms = {"heldout_loss": ".2f", "reward": ".2f", "format_yield": ".0%"}
        pairs = ["→".join(f"{value:{form}}" for value in row[key]) for key, form in forms.items()]
        cells = (row["seed"], row["steps"], row["kept_step"], row["nonfinite_steps"], *pairs)
        table.add_row(row["name"], *map(str, cells))
    return table


def winners(runs: Path) -> list[dict]:
    """What earned most, unselected: of the first seed of each NAME/STAGE, and of the model that the first of them began
    with, the BEST outputs of one validation, with the answer that is rewarded."""
    found = []
    for name, homes in stages(runs).items():
        written = [row for row in rows(homes[0] / "samples.jsonl") if row["mode"] == "validation"]
        ends = {"base": min, name: max} if rundir.config_at(homes[0]).stage.init_from == "base" else {name: max}
        for who, end in ends.items():
            step = end(row["step"] for row in written)
            best = sorted((row for row in written if row["step"] == step), key=lambda row: -row["reward"])[:BEST]
            for row, problem in zip(best, reading.read([row["completion"] for row in best]), strict=True):
                told = {"by": who, **{key: row[key] for key in ("reward", "topic", "level")}}
                if isinstance(problem, Problem):
                    told |= {"statement": problem.statement, "answer": problem.answer}
                found.append(told)
    return found


def winner_lines(found: list[dict]) -> list[str]:
    """The winners: reward, what was asked for, the problem and its answer."""
    lines = [f"the {BEST} outputs of one validation that earned most, of the first seed, unselected"]
    for row in found:
        words = " ".join(row.get("statement", "no problem").split())
        asked = f"{row['topic']} {row['level']}"
        lines.append(f"{row['by']} {row['reward']:.2f} ({asked}): {words} -> {row.get('answer', '')}")
    return lines


def reading_table(files: list[Path]):
    """What was found of each model's problems by reading them: counts."""
    columns = {"form": "in form", "well_posed": "well posed", "right": "right", "on_topic": "on topic",
               "level_ok": "at level", "chestnut": "known"}  # fmt: skip
    if any("trick" in row for file in files for row in rows(file)):  # which the first readers were not asked for
        columns["trick"] = "tricks"
    table = plain_table(
        "read and worked out one by one: how many are ... (of 3-5: at level, where 3 to 5 was asked for)"
    )
    for column in ("", "read", *columns.values(), "of 3-5"):
        table.add_column(column, justify="right" if column else "left", no_wrap=not column)
    table.padding = (0, 1, 0, 0)
    for file in files:
        found = rows(file)
        near = [bool(row["level_ok"]) for row in found if row["level"] >= 3]
        counts = (len(found), *(sum(bool(r.get(key)) for r in found) for key in columns))
        table.add_row(file.stem, *map(str, counts), f"{sum(near)}/{len(near)}")
    return table


def measured(given: argparse.Namespace) -> dict:
    """The protocol's figures, models of several seeds pooled."""
    from qgen.evaluation.sets import OutputSet
    from qgen.models.model import load_plain

    found = stages(given.runs)
    homes = {name: found[name] for name in (found if given.only is None else given.only) if name in found}
    first = next(iter(found.values()))[0]
    run = rundir.config_at(first)
    groups = {"base": [Candidate("base", first, run, None)]} | {
        name: [Candidate(f"{name}-{i}", home, rundir.config_at(home), rundir.adapter_at(home))
               for i, home in enumerate(found)]
        for name, found in homes.items()
    }  # fmt: skip
    writers = [writer for group in groups.values() for writer in group]
    corpus = data.load(run.data)
    config = EvaluateConfig(run=str(first), n=given.n, batch_size=given.batch)
    config.evaluate = SolverOptions(given.solver, given.samples, given.attempt)
    sampling = run.sampling
    sampling.max_new_tokens, sampling.batch_size = given.tokens, given.batch
    if not (asked := rows(given.out / "requests.jsonl")):
        asked = requests(run.prompt, corpus.heldout, given.n, run.data.split_seed, config.task)
        write_rows(given.out / "requests.jsonl", asked)
    loaded = load_plain(run.model, run.seed)
    blocks = outputs(writers, loaded, asked, sampling, [0], given.out / "outputs.jsonl")
    ids = {prompt: i for i, prompt in enumerate(dict.fromkeys(json.dumps(r["prompt"]) for r in asked))}
    prompts = np.array([ids[json.dumps(r["prompt"])] for r in asked])
    texts = {name: [blocks[writer.name][0]["texts"] for writer in group] for name, group in groups.items()}
    texts |= {name: kept(given.out / "outputs.jsonl", name, len(asked)) for name in given.kept if name not in texts}
    written = [
        OutputSet(
            name, "model", asked * len(own), np.tile(prompts, len(own)), [text for block in own for text in block]
        )
        for name, own in texts.items()
    ]
    pairs = [tuple(pair.split(":")) for pair in given.pairs]
    pairs = [pair for pair in pairs if set(pair) <= set(texts)]
    found = figures(config, run, corpus, loaded, written, pairs, given.out)
    seconds = writing(given.out / "outputs.jsonl", list(texts))
    told = {"writing": seconds} | ({"a sound problem": each(found["rows"], seconds)} if given.solver else {})
    return {"n": given.n, "seeds": [0], "prompts": len(ids), "max_new_tokens": given.tokens, "solver": given.solver,
            **found, "seconds": told}  # fmt: skip


if __name__ == "__main__":
    main()
