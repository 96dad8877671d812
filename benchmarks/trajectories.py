"""Do GRPO's rewards go the same way whoever writes: python benchmarks/trajectories.py --adapter DIR --out FILE

From one adapter that writes problems (make train leaves outputs/quickstart/sft/adapter) the same GRPO job with each
--rollouts: the same requests in the same order, other draws. Printed are each step's mean reward and length, and the
paired difference from the first rollout's with its 95 % interval over the steps. A job that is complete is only read.
"""

import argparse
import json
import subprocess
import sys
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from qgen.runs.files import steps
from qgen.settings.choices import Rollout

JOB = ("stage=grpo", "stage.per_device_train_batch_size=16", "stage.gradient_accumulation_steps=2",
       "stage.num_generations=8", "sampling.max_new_tokens=96", "stage.learning_rate=1e-4", "stage.warmup_steps=2",
       "validation.every=0")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("/tmp/qgen/trajectories"), help="where the jobs lie")
    parser.add_argument("--rollouts", nargs="+", choices=[r.value for r in Rollout], default=["generate", "compiled"])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("overrides", nargs="*", help="of the jobs' config, after -- where --rollouts is given")
    given = parser.parse_intermixed_args()
    found = {rollout: run(rollout, given) for rollout in given.rollouts}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1))
    show(found)


def show(found: dict[str, dict[str, list[float]]]) -> None:
    """Print each step's reward and length by who wrote, and the others' paired difference from the first."""
    first, *others = found
    for rollout, row in found.items():
        for key, digits in (("reward", 2), ("length", 0)):
            values = " ".join(f"{value:6.{digits}f}" for value in row[key])
            print(f"{rollout:14} {key:7} {values}   mean {mean(row[key]):.{digits + 1}f}")
    for other in others:
        apart = [b - a for a, b in zip(found[first]["reward"], found[other]["reward"], strict=True)]
        print(f"{other} − {first}: {mean(apart):+.3f} ± {1.96 * stdev(apart) / sqrt(len(apart)):.3f} a step")


def run(rollout: str, given: argparse.Namespace) -> dict[str, list[float]]:
    name = f"eq-{rollout}"
    command = [sys.executable, "-m", "qgen.train", *JOB, f"stage.init_from={given.adapter}", f"run_name={name}",
               f"model.rollout={rollout}", f"stage.max_steps={given.steps}", f"output_dir={given.runs}",
               *given.overrides]  # fmt: skip
    if code := subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(code)  # it has said why
    rows = [row for row in steps(given.runs / name / "grpo" / "metrics.jsonl") if row.get("reward") is not None]
    return {key: [row[field] for row in rows] for key, field in (("reward", "reward"),
                                                                ("length", "completions/mean_length"))}  # fmt: skip


if __name__ == "__main__":
    main()
