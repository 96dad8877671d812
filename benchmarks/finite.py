"""What watching for numbers that are not finite costs: python benchmarks/finite.py [--pairs 2] [key=value ...]

A stage is trained with the watch (qgen.stages.finite) and without it, in turns in one process; the losses must be the
same. Printed are the medians of seconds a step after the first two, and by itself, with the GPU waited for before, what
the watch's own work takes in a step.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from qgen import data
from qgen.runs.files import rows, steps
from qgen.runs.rundir import Claim
from qgen.settings.compose import composed
from qgen.stages import run as stages
from qgen.stages.finite import Finite


class Off(Finite):
    """Follows nothing."""

    def equip(self, trainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, *_, **__) -> None:
        pass

    def on_step_end(self, *_, **__) -> None:
        pass


class Timed(Finite):
    """Takes the time of its own work."""

    spent = 0.0

    def _read(self):
        return self._taken(super()._read)

    def on_step_end(self, *args, **kwargs):
        return self._taken(super().on_step_end, *args, **kwargs)

    def _taken(self, work, *args, **kwargs):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        began = time.perf_counter()
        found = work(*args, **kwargs)
        Timed.spent += time.perf_counter() - began
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("overrides", nargs="*", help="of the config, as on qgen's command line")
    given = parser.parse_intermixed_args()
    config = composed([
        "stage=sft", "reward=seed", "stage.max_steps=12", "validation.every=0", "validation.prompts=2",
        "validation.problems=2", "sampling.max_new_tokens=8", "runtime.memory.every=1", *given.overrides,
    ])  # fmt: skip
    corpus = data.load(config.data)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    losses = []
    for kind in [Off, Finite] * given.pairs + [Timed]:
        stages.Finite = kind
        with tempfile.TemporaryDirectory() as folder:
            stages.run(config, corpus, Path(folder), None, Claim(), {})
            took = [row["seconds"] for row in rows(Path(folder) / "memory.jsonl") if row["node"] == "step"][2:]
            losses.append([row["loss"] for row in steps(Path(folder) / "metrics.jsonl")])
        if kind is not Timed:
            seconds["without" if kind is Off else "with"] += took
    medians = {name: round(statistics.median(values), 4) for name, values in seconds.items()}
    own = Timed.spent / config.stage.max_steps
    found = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "model": config.model.name, "stage": config.stage.name, "seconds_a_step": medians,
        "same_losses": all(found == losses[0] for found in losses),
        "own_work_ms": round(1000 * own, 3), "own_work_share": round(own / medians["without"], 5),
    }  # fmt: skip
    print(text := json.dumps(found, indent=1))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
