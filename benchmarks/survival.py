"""How many runs a guard against running out of memory saves: python benchmarks/survival.py --out DIR [--at-once 8]

Under caps that a stage's configured batch fits or not each setting is run with the guard (runtime.oom.retries=6) and
without, and once more without a cap, whose steps the others' are compared with: SFT's losses, and GRPO's gradient
norms, as the loss of completions of one length, just written, is 0. On a GPU it is SmolLM2-135M in bfloat16; without
one a model of two layers, whose logits alone fill gigabytes, under the operating system's limit on a process's data.
Nothing here is a timing, so several runs go at once.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from gpu import lengthened

from qgen.runs.files import rows, steps

RETRIES = 6
COMMON = ("model.rollout=generate", "stage.save_steps=100", "stage.warmup_steps=0", "validation.every=0",
          "validation.prompts=4", "validation.problems=4", "data.limit=300", "overwrite=true")  # fmt: skip
SMOLLM2 = ("model=smollm2", "model.dtype=bfloat16", "model.lora.r=32", "stage.max_steps=4")
LETTERS = ("reward.gate=null", "+reward.terms.letters.weight=1")  # a reward that no training is needed to earn
TINY = ("model=tiny", "stage=grpo", "stage.max_steps=3", "stage.learning_rate=1e-2", "~reward.terms.difficulty",
        *LETTERS, "reward.normalize=zscore")  # fmt: skip
SFT = ("stage=sft", "stage.per_device_train_batch_size=16", "stage.gradient_accumulation_steps=1", "data=jsonl",
       "data.min_quality=0", "data.near_duplicate=1", "prompt.solution=true", "sampling.max_new_tokens=32")  # fmt: skip
GRPO = ("stage=grpo", "model.max_length=512", "sampling.max_new_tokens=192", *LETTERS)
WHOLE = ("stage.per_device_train_batch_size=64", "stage.gradient_accumulation_steps=1")
PARTS = ("stage.per_device_train_batch_size=4", "stage.gradient_accumulation_steps=128")
GPU: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {  # name -> overrides, caps in GiB
    **{f"sft 16 x {n}": ((*SMOLLM2, *SFT, f"model.max_length={n}"), (2.5, 5, 12)) for n in (256, 512, 1024, 2048)},
    "grpo 64 x 1": ((*SMOLLM2, *GRPO, *WHOLE), (4, 12)),
    "grpo 4 x 128": ((*SMOLLM2, *GRPO, *PARTS), (1.8, 2.5)),
}
CPU = {f"grpo 64 x {n}": ((*TINY, *WHOLE, f"sampling.max_new_tokens={n}"), (1.6, 2.4, 4)) for n in (32, 64, 96, 128)}
JOBS = GPU if torch.cuda.is_available() else CPU


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("/tmp/qgen/data/math_train.jsonl"), help="problems, JSONL")
    parser.add_argument("--runs", type=Path, default=Path("/tmp/qgen/survival"), help="where the jobs' directories lie")
    parser.add_argument("--at-once", type=int, default=8 if torch.cuda.is_available() else 2)
    parser.add_argument("--limit", type=int, default=280, help="seconds that a run may take")
    parser.add_argument("--only", default="", help="jobs whose names hold this")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    given.runs.mkdir(parents=True, exist_ok=True)
    if not (given.runs / "site").exists():
        sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
        from conftest import letters

        letters(given.runs)
    jobs = {name: job for name, job in JOBS.items() if given.only in name}
    for width in {words[-1].partition("=")[2] for name, (words, _) in jobs.items() if name.startswith("sft")}:
        text = lengthened(str(given.data), tokens=int(width) - 120)
        (given.runs / f"{width}.jsonl").write_text(text)
    wanted = [(name, cap, retries) for name, (_, caps) in jobs.items() for cap in caps for retries in (RETRIES, 0)]
    wanted.sort(key=lambda w: (-w[2], w[1]))  # those that start again oftenest have the longest way
    free = [(name, None, 0) for name in jobs]
    with ThreadPoolExecutor(min(3, given.at_once)) as pool:  # few: they take what they like
        found = dict(zip(free, pool.map(lambda w: run(*w, given), free), strict=True))
    if lost := [name for (name, _, _), free in found.items() if not free["finished"]]:
        sys.exit(f"without a cap {', '.join(lost)} did not finish either: there is nothing to compare with")
    with ThreadPoolExecutor(given.at_once) as pool:
        found |= dict(zip(wanted, pool.map(lambda w: run(*w, given), wanted), strict=True))
    settings = []
    for name, (_, caps) in jobs.items():
        free = found[name, None, 0]
        for cap in caps:
            on, off = found[name, cap, RETRIES], found[name, cap, 0]
            gap = {key: difference(r, free) for key, r in (("on", on), ("off", off))}
            settings.append({"setting": name, "cap_gib": cap, "on": on, "off": off, "difference": gap})
    result = {"free": {name: found[name, None, 0] for name in jobs}, "settings": settings}
    (given.out / "survival.json").write_text(json.dumps(result, indent=1))
    table(settings)


def run(name: str, cap: float | None, retries: int, given: argparse.Namespace) -> dict:
    words = JOBS[name][0]
    width = words[-1].partition("=")[2]
    label = f"{name.replace(' ', '')}-{cap or 'free'}-{retries}"
    command = [sys.executable, "-m", "qgen.train", *COMMON, *words, f"run_name={label}", f"output_dir={given.runs}",
               f"runtime.memory.cap={cap or 'null'}", f"runtime.oom.retries={retries}"]  # fmt: skip
    command += [f"data.path={given.runs / width}.jsonl"] if "stage=sft" in words else []
    env = os.environ | {"PYTHONPATH": f"{given.runs / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    env |= {} if torch.cuda.is_available() else {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=given.limit, check=False, env=env)
        told = [line for line in done.stderr.splitlines() if line.startswith("qgen: ")]
        code, said = done.returncode, (told or done.stderr.splitlines() or [""])[-1][:300]
    except subprocess.TimeoutExpired:
        code, said = -1, f"did not end in {given.limit} s"
    stage, figure = ("sft", "loss") if "stage=sft" in words else ("grpo", "grad_norm")
    home = given.runs / label / stage
    figures = [row[figure] for row in steps(home / "metrics.jsonl") if row.get(figure) is not None]
    events = [{key: row[key] for key in ("step", "phase", "set")} for row in rows(home / "oom.jsonl")]
    found = {"finished": code == 0, figure: figures, "events": events, **({} if code == 0 else {"said": said})}
    print(label, json.dumps(found), flush=True)
    return found


def difference(run: dict, free: dict) -> float | None:
    """The largest relative difference of a step's figure from that of the run without a cap; None where none is."""
    figures, true = (r.get("loss") or r.get("grad_norm") for r in (run, free))
    if not run["finished"] or len(figures) < len(true):
        return None
    return max((abs(a - b) / max(abs(b), 1e-9) for a, b in zip(figures, true, strict=False)), default=None)


def table(settings: list[dict]) -> None:
    print(f"\n{'setting':16} {'cap, GiB':>8} {'off':>9} {'on':>9} {'errors':>6}  steps off by, %   went on with")
    for row in settings:
        ends = ["finished" if row[key]["finished"] else "ended" for key in ("off", "on")]
        gap = row["difference"]["on"]
        last = {key: value for event in row["on"]["events"] for key, value in event["set"].items()}
        print(f"{row['setting']:16} {row['cap_gib']:8} {ends[0]:>9} {ends[1]:>9} {len(row['on']['events']):6}  "
              f"{'–' if gap is None else f'{100 * gap:.3f}':>15}   "
              f"{' '.join(f'{k}={v}' for k, v in last.items())}")  # fmt: skip
    on, off = (sum(row[key]["finished"] for row in settings) for key in ("on", "off"))
    print(f"of {len(settings)} settings {off} finish without the guard and {on} with it")


if __name__ == "__main__":
    main()
