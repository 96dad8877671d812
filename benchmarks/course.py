"""A real model's whole course, for several seeds: python benchmarks/course.py RUNS --data FILE [--only NAME ...]

    sft -> seed, verified       SFT on real problems, then GRPO under each of these rewards
    self -> proved -> last      distillation from the model's own proved problems, GRPO under that reward, distillation

Each is a job in RUNS/NAME-SEED, begun when the one before it is whole, on the GPU that has the fewest; a job that an
earlier call left unfinished goes on from its last checkpoint. `benchmarks/real.py RUNS --out DIR` measures what they
write.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from qgen.runs.rundir import SUMMARY

PROGRAM = ["prompt.solution=program", "sampling.max_new_tokens=448", "validation.prompts=64"]
GRPO = ["stage=grpo", "stage.per_device_train_batch_size=8", "stage.gradient_accumulation_steps=8"]


@dataclass(frozen=True)
class Job:
    """A stage, the job whose adapter it begins from, and its overrides."""

    stage: str
    after: str | None
    overrides: list[str]


JOBS = {
    "sft": Job("sft", None, ["stage=sft", "reward=seed"]),
    "seed": Job("grpo", "sft", [*GRPO, "reward=seed"]),
    "verified": Job("grpo", "sft", [*GRPO, "reward=verified"]),
    "self": Job("distill", None, ["experiment=proved", "stage=distill"]),
    "proved": Job("grpo", "self", ["experiment=proved", "stage=grpo"]),
    "last": Job("distill", "proved", ["experiment=proved", "stage=distill"]),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data", required=True, help="problems, one JSON object a line")
    parser.add_argument("--only", nargs="*", default=list(JOBS), choices=JOBS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="at once on a GPU")
    parser.add_argument("--seconds", type=int, help="after which all are stopped, each at a checkpoint of its own")
    parser.add_argument("overrides", nargs="*", default=[], help="of all jobs' config, after -- where --only is given")
    given = parser.parse_intermixed_args()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background; but jobs are to heed it
        signal.signal(signal.SIGINT, lambda *_: None)
    given.runs.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + given.seconds if given.seconds else float("inf")
    waiting = [(name, seed) for name in JOBS if name in given.only for seed in given.seeds]
    waiting = [(name, seed) for name, seed in waiting if not whole(given.runs, name, seed)]
    running: dict[tuple[str, int], tuple[subprocess.Popen, str]] = {}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = seen.split(",") if seen else list(map(str, range(max(1, torch.cuda.device_count()))))
    while (waiting or running) and time.monotonic() < until:
        for key, (process, _) in list(running.items()):
            if process.poll() is not None:
                del running[key]
                print(f"{key[0]}-{key[1]}: exit code {process.returncode}", flush=True)
        held = [device for _, device in running.values()]
        able = [key for key in waiting if JOBS[key[0]].after is None or whole(given.runs, JOBS[key[0]].after, key[1])]
        if able and len(held) < given.jobs * len(devices):
            waiting.remove(able[0])
            device = min(devices, key=held.count)
            running[able[0]] = begin(given, *able[0], device), device
        elif waiting and not able and not running:
            print("left out, as what they begin from is not there:", *(f"{name}-{seed}" for name, seed in waiting))
            return
        else:
            time.sleep(1)
    for process, _ in running.values():
        process.send_signal(signal.SIGINT)
    for process, _ in running.values():
        process.wait()


def home(runs: Path, name: str, seed: int) -> Path:
    """The directory of a job's stage."""
    return runs / f"{name}-{seed}" / JOBS[name].stage


def whole(runs: Path, name: str, seed: int) -> bool:
    """Whether a job has come to its end."""
    return (home(runs, name, seed) / SUMMARY).exists()


def begin(given: argparse.Namespace, name: str, seed: int, device: str) -> subprocess.Popen:
    """Start a job, whose print goes into RUNS/NAME-SEED.log."""
    job, there = JOBS[name], home(given.runs, name, seed)
    before = [] if job.after is None else [f"stage.init_from={home(given.runs, job.after, seed)}/adapter"]
    line = [sys.executable, "-m", "qgen.train", "model=qwen_coder", "data=jsonl", f"data.path={given.data}", *PROGRAM,
            *job.overrides, *before, f"seed={seed}", f"output_dir={given.runs}", f"run_name={there.parent.name}",
            f"resume={str((there / 'config.yaml').exists()).lower()}", *given.overrides]  # fmt: skip
    with (given.runs / f"{name}-{seed}.log").open("a") as log:
        return subprocess.Popen(line, stdout=log, stderr=log, env=os.environ | {"CUDA_VISIBLE_DEVICES": device})


if __name__ == "__main__":
    main()
