"""Does a stage that is killed end as if it had not been? python benchmarks/kills.py [--kills 12] [--stages sft ...]

Each stage of a two-layer model is trained once to its end. Then it is started anew, killed (SIGKILL) at a random
instant between its start and the time that it took, and resumed; every file must hold what the uninterrupted run's
holds: each step's figures, each validation's, each sample once, and the adapter to the byte.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qgen.runs.files import rows, steps

SIZE = [
    "model=tiny", "stage.max_steps=8", "stage.save_steps=2", "stage.per_device_train_batch_size=${by_stage:1,4,1}",
    "stage.gradient_accumulation_steps=2", "stage.num_prompts=8", "stage.num_generations=4", "reward.gate=null",
    "sampling.max_new_tokens=8", "validation.every=4", "validation.prompts=4", "validation.problems=4", "run_name=t",
]  # fmt: skip
TIMED = ("time", "seconds", "seconds/rewards", "train_runtime", "step_time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12, help="a stage")
    parser.add_argument("--stages", nargs="*", default=["sft", "grpo", "distill"])
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    given = parser.parse_args()
    instants = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        for stage in given.stages:
            began = time.monotonic()
            whole = finished(Path(folder) / f"{stage}-whole", stage)
            took, wrong = time.monotonic() - began, []
            for kill in range(given.kills):
                home, after = Path(folder) / f"{stage}-{kill}", instants.uniform(0.2, 1) * took
                process = start(home, stage)
                time.sleep(after)
                process.send_signal(signal.SIGKILL)
                process.wait()
                differs = compared(whole, finished(home, stage, "resume=true"))
                wrong += [f"kill {kill} after {after:.1f} s: {differs}"] if differs else []
            print(f"{stage}: {given.kills} kills within {took:.0f} s, {len(wrong)} wrong", *wrong, sep="\n", flush=True)


def start(home: Path, stage: str, *more: str) -> subprocess.Popen:
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "qgen.train", f"stage={stage}", *SIZE, *more]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=home, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finished(home: Path, stage: str, *more: str) -> dict:
    """What a stage left, once it has been run to its end."""
    process = start(home, stage, *more)
    _, said = process.communicate()
    out = home / "outputs" / "t" / stage
    adapter = out / "adapter" / "adapter_model.safetensors"
    if process.returncode or not adapter.is_file():
        return {"failed": said.strip().splitlines()[-1:] or [str(process.returncode)]}
    figures = {name: [{k: v for k, v in row.items() if k not in TIMED} for row in steps(out / f"{name}.jsonl")]
               for name in ("metrics", "validation")}  # fmt: skip
    samples = sorted(json.dumps(row, sort_keys=True) for row in rows(out / "samples.jsonl"))
    return {**figures, "samples": samples, "adapter": adapter.read_bytes()}


def compared(whole: dict, resumed: dict) -> str:
    """The files in which two runs differ, in words; nothing where they are the same."""
    if "failed" in resumed:
        return f"failed: {resumed['failed']}"
    return ", ".join(name for name in whole if whole[name] != resumed[name])


if __name__ == "__main__":
    main()
