"""What qgen adds to a job: python benchmarks/overhead.py [--pairs 5] [--steps 12] [key=value ...]

The same SFT steps are run as a job of a sweep (Hydra, a child process, tracking, memory monitoring, checkpoints) and
by a script that calls transformers, PEFT and TRL alone (benchmarks/direct.py, on the rows that qgen trains on), one
after the other in pairs, as whole processes. Both must arrive at the same losses, up to rounding: qgen shares a step's
rows out by length. Validation measures the model and is no part of the overhead: its seconds are taken off qgen's and
shown. The last column is the median over pairs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from qgen import data
from qgen.data.mix import training_rows
from qgen.models import model
from qgen.runs.files import read_json, steps
from qgen.settings.compose import composed
from qgen.settings.config import Config

GOAL = "at most 3 s and 2 %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("overrides", nargs="*", help="of the config, as on qgen's command line")
    given = parser.parse_intermixed_args()
    fixed = [f"stage.max_steps={given.steps}", "validation.every=0", "stage=sft", *given.overrides]
    config = composed(fixed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows = training_rows(data.load(config.data), config.data, config.prompt, config.seed)
        (home / "rows.json").write_text(json.dumps(rows))
        (home / "settings.json").write_text(json.dumps(settings(config)))
        pairs = []
        for i in range(given.pairs + 1):  # the first warms the disk's cache and is not counted
            order = (direct, sweep) if i % 2 else (sweep, direct)
            found = {run.__name__: run(home / f"{i}", home, fixed) for run in order}
            if not np.allclose(found["direct"]["losses"], found["sweep"]["losses"], rtol=1e-5):
                sys.exit(f"the two did not take the same steps: {found}")
            pairs.append(found)
    show(pairs[1:])


def settings(config: Config) -> dict:
    """What the script that calls TRL directly needs to take the same steps."""
    stage, lora = config.stage, config.model.lora
    names = ("max_steps", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "warmup_steps",
             "weight_decay", "max_grad_norm", "save_steps", "save_total_limit")  # fmt: skip
    return {
        "model": model.weights(config.model),
        "seed": config.seed,
        "lora": {
            "r": lora.r,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "target_modules": lora.target_modules,
        },
        "trl": {name: getattr(stage, name) for name in names}
        | {"lr_scheduler_type": stage.lr_scheduler_type.value, "max_length": config.model.max_length},
    }  # fmt: skip


def direct(out: Path, home: Path, fixed: list[str]) -> dict:
    began = time.perf_counter()
    script = Path(__file__).with_name("direct.py")
    subprocess.run([sys.executable, str(script), str(home), str(out / "direct")], check=True, capture_output=True)
    seconds = time.perf_counter() - began
    logs = read_json(out / "direct" / "trainer_state.json")["log_history"]
    return {
        "seconds": seconds,
        "losses": [row["loss"] for row in logs if "loss" in row],
        **read_json(out / "direct" / "times.json"),
    }


def sweep(out: Path, home: Path, fixed: list[str]) -> dict:
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "qgen.train",
        "-m",
        *fixed,
        f"hydra.sweep.dir={out}/sweep",
        "hydra.sweep.subdir=job",
    ]
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    job = out / "sweep" / "job"
    rows = steps(job / "metrics.jsonl")
    validating = read_json(job / "summary.json")["validation_seconds"]
    return {
        "seconds": seconds - validating,
        "validating": validating,
        "losses": [row["loss"] for row in rows],
        "training": rows[-1]["time"] - rows[0]["time"],
    }


def show(pairs: list[dict]) -> None:
    lines = {
        "TRL directly, s": [p["direct"]["seconds"] for p in pairs],
        "qgen without validation, s": [p["sweep"]["seconds"] for p in pairs],
        "qgen's validation, s": [p["sweep"]["validating"] for p in pairs],
        "added in all, s": [p["sweep"]["seconds"] - p["direct"]["seconds"] for p in pairs],
        "from the first step to the last: TRL directly, s": [p["direct"]["training"] for p in pairs],
        "from the first step to the last: qgen, s": [p["sweep"]["training"] for p in pairs],
        "added to these steps, %": [100 * (p["sweep"]["training"] / p["direct"]["training"] - 1) for p in pairs],
        "added to the rest, s": [
            p["sweep"]["seconds"] - p["sweep"]["training"] - p["direct"]["seconds"] + p["direct"]["training"]
            for p in pairs
        ],
    }
    print(f"{len(pairs)} pairs, losses the same; the goal is {GOAL}")
    for name, values in lines.items():
        print(
            f"{name:50}" + "".join(f"{value:8.2f}" for value in values) + f"   median {statistics.median(values):7.2f}"
        )


if __name__ == "__main__":
    main()
