"""What a GRPO run's completions would have earned under other memories: python benchmarks/memories.py --out DIR RUN ...

RUN is the directory of a GRPO stage under `reward=proved`, whose samples.jsonl holds the terms of every completion. All
of them stay as they are but `novelty` and `distinct`, which are worked out again, of the problems that today's gate
reads, as if they remembered so many that were written before. Groups that were drawn again count as well. Told are the
mean reward, over the first quarter of the steps and over the last, and how the advantages in a group correlate with
what the votes say (`solvable`). DIR/memories.json keeps that; --show prints it.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from qgen import data
from qgen.reporting.tables import plain_table, show
from qgen.rewards.diversity import Distinct
from qgen.rewards.novelty import Novelty
from qgen.runs import rundir
from qgen.runs.files import Row, read_json, rows, write_json

AGAIN = {"novelty": Novelty, "distinct": Distinct}
FILE = "memories.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--memories", type=int, nargs="*", default=[5000, 512, 256, 128, 1])
    parser.add_argument("--show", action="store_true", help="print DIR/memories.json, and work nothing out")
    given = parser.parse_intermixed_args()
    if not given.show:
        write_json(given.out / FILE, {"rows": [row for run in given.runs for row in measured(run, given.memories)]})
    show(table(read_json(given.out / FILE)["rows"]))


def measured(run: Path, memories: list[int]) -> list[Row]:
    """A row for each memory."""
    config = rundir.config_at(run)
    corpus = data.load(config.data, config.prompt).train
    size = config.stage.num_generations
    kept = {name: term.weight for name, term in config.reward.terms.items() if name not in AGAIN}
    terms = {
        memory: {
            name: term(corpus, **config.reward.terms[name].params | {"memory": memory}) for name, term in AGAIN.items()
        }
        for memory in memories
    }
    written = (row for row in rows(run / rundir.SAMPLES) if row["mode"] == "train")
    at_once = config.stage.per_device_train_batch_size * config.stage.steps_per_generation
    batches = [  # those of a step, and those that were drawn again
        batch
        for step in (list(step) for _, step in itertools.groupby(written, lambda row: row["step"]))
        for batch in (step[:at_once], step[at_once:])
        if batch
    ]
    earned: dict[int, list[np.ndarray]] = {memory: [] for memory in memories}
    for batch in tqdm(batches, desc=run.parent.name, unit="step"):
        texts = [row["completion"] for row in batch]
        others = np.array([np.prod([row["terms"][name] ** weight for name, weight in kept.items()]) for row in batch])
        for memory, own in terms.items():
            scores = [np.array(term(texts, batch_size=len(texts))) for term in own.values()]
            earned[memory].append(others * np.prod(scores, axis=0))
            for term in own.values():
                term.observe(texts)
    solvable = [np.array([row["terms"]["solvable"] for row in batch]) for batch in batches]
    quarter = max(1, len(batches) // 4)
    return [
        {
            "run": run.parent.name,
            "memory": memory,
            "first": float(np.mean(np.concatenate(found[:quarter]))),
            "last": float(np.mean(np.concatenate(found[-quarter:]))),
            "correlation": correlation(found, solvable, size),
        }
        for memory, found in earned.items()
    ]


def correlation(earned: list[np.ndarray], term: list[np.ndarray], size: int) -> float:
    """Between the advantages of GRPO's groups of `size` and a term, less its mean in the group."""
    advantages, terms = [], []
    for rewards, values in zip(earned, term, strict=True):
        for begin in range(0, len(rewards), size):
            group, own = rewards[begin : begin + size], values[begin : begin + size]
            if group.std() > 1e-4:
                advantages.append((group - group.mean()) / group.std())
                terms.append(own - own.mean())
    return float(np.corrcoef(np.concatenate(advantages), np.concatenate(terms))[0, 1])


def table(found: list[Row]):
    """A row for each run and memory."""
    printed = plain_table("what GRPO's completions earn, by how many problems novelty and distinct remember")
    for column in ("run", "remembered", "reward, first quarter", "last quarter", "advantage with solvable"):
        printed.add_column(column, justify="left" if column == "run" else "right")
    for row in found:
        rewards = (f"{row[key]:.3f}" for key in ("first", "last"))
        printed.add_row(row["run"], f"{row['memory']:,}", *rewards, f"{row['correlation']:.2f}")
    return printed


if __name__ == "__main__":
    main()
