"""How far qgen.doctor's estimate is from what a stage takes: python benchmarks/doctor.py [--out DIR]

Each setting is estimated from its config, then run for a few steps as python -m qgen.train in a process of its own.
Measured are PyTorch's peaks of allocated and of reserved memory over the whole job; without a GPU, the resident set.
Rows of SFT are real problems whose solutions are real solutions put together, to nine tenths of the width and above.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from qgen import data, model
from qgen.compose import composed
from qgen.config import Config
from qgen.diagnosis import lengths, machine, memory, sources
from qgen.prompts import lesson
from qgen.runtime.files import read_json
from qgen.tables import plain_table, show

GOAL = 15  # % of the measured peak
GIB = 2**30
QWEN3_14B = ("model.name=embedded", "model.max_length=2048", "model.load_in_4bit=true", "model.lora.r=32",
             "model.gradient_checkpointing=true", "model.architecture={model_type: qwen3, vocab_size: 151936, "
             "hidden_size: 5120, intermediate_size: 17408, num_hidden_layers: 40, num_attention_heads: 40, "
             "num_key_value_heads: 8, head_dim: 128, tie_word_embeddings: false}")  # fmt: skip
SMOLLM2 = ("model=smollm2", "model.lora.r=32")
SFT = ("stage=sft", "data=jsonl", "data.min_quality=0", "data.near_duplicate=1", "prompt.solution=true",
       "sampling.max_new_tokens=32", "stage.max_steps=2")  # fmt: skip
GRPO = ("stage=grpo", "sampling.max_new_tokens=192", "stage.max_steps=2")
COMMON = ("model.dtype=auto", "model.rollout=generate", "validation.every=0", "validation.prompts=2",
          "validation.problems=1", "stage.warmup_steps=0", "stage.save_steps=1000")  # fmt: skip


def batch(rows: int, accumulation: int) -> tuple[str, str]:
    return f"stage.per_device_train_batch_size={rows}", f"stage.gradient_accumulation_steps={accumulation}"


SETTINGS: dict[str, tuple[tuple[str, ...], int | None]] = {  # overrides, and the width of rows made for SFT
    "135M SFT 16 x 512": ((*SMOLLM2, *SFT, *batch(16, 1)), 512),
    "135M GRPO 64 x 192": ((*SMOLLM2, *GRPO, *batch(64, 1)), None),
    "14B SFT 8 x 1900": ((*QWEN3_14B, *SFT, *batch(8, 1)), 1900),
    "14B GRPO 8 x 192": ((*QWEN3_14B, *GRPO, *batch(8, 1)), None),
    "14B SFT 1 of 8 x 1900": ((*QWEN3_14B, *SFT, *batch(1, 8)), 1900),
    "135M SFT 4 of 16 x 512": ((*SMOLLM2, *SFT, *batch(4, 4)), 512),
    "135M GRPO 8 of 64 x 192": ((*SMOLLM2, *GRPO, *batch(8, 8)), None),
    "135M GRPO compiled": ((*SMOLLM2, *GRPO, *batch(8, 8), "model.rollout=compiled"), None),
}
# torch's peaks, over every process of a job and over whoever resets them
WATCH = """
import atexit, json, os, torch
peaks = {"allocated": 0, "reserved": 0}
def note():
    if torch.cuda.is_initialized():
        peaks["allocated"] = max(peaks["allocated"], torch.cuda.max_memory_allocated())
        peaks["reserved"] = max(peaks["reserved"], torch.cuda.max_memory_reserved())
def reset(*arguments, original=torch.cuda.reset_peak_memory_stats):
    note()
    original(*arguments)
torch.cuda.reset_peak_memory_stats = torch.cuda.memory.reset_peak_memory_stats = reset
@atexit.register
def leave():
    note()
    with open(os.path.join(os.environ["QGEN_PEAKS"], f"{os.getpid()}.json"), "w") as file:
        json.dump(peaks, file)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--only", default="", help="settings whose names hold this")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after which no setting is begun")
    parser.add_argument("overrides", nargs="*", help="of every setting's config, as on qgen's command line")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name, (overrides, width) in SETTINGS.items():
            if given.only not in name or time.monotonic() - began > given.seconds:
                continue
            rows.append(setting(name, [*COMMON, *overrides, *given.overrides], width, Path(folder)))
            report = {"device": machine.device(None).name, "torch": torch.__version__, "settings": rows}
            (given.out / "doctor.json").write_text(json.dumps(report, indent=1) + "\n")
    table(rows)


def setting(name: str, overrides: list[str], width: int | None, folder: Path) -> dict:
    """Estimate and run one setting."""
    home = folder / name.replace(" ", "_")
    home.mkdir()
    if width:
        overrides += [f"data.path={home / 'rows.jsonl'}", f"model.max_length={width}"]
        write_rows(home / "rows.jsonl", composed(overrides), width)
    began = time.monotonic()
    found = estimate(composed(overrides))
    estimating = time.monotonic() - began
    row = {"setting": name, "overrides": overrides, "seconds": {"estimate": round(estimating, 1)},
           "estimate": {phase.name: phase.parts for phase in found.phases}, "peak": found.peak.total}  # fmt: skip
    row |= run(overrides, home)
    row["seconds"]["run"] = round(time.monotonic() - began - estimating, 1)
    if row["measured"]:
        row["error"] = round(100 * (found.peak.total / row["measured"]["allocated"] - 1), 1)
    print(json.dumps({key: row[key] for key in ("setting", "peak", "measured", "error", "seconds") if key in row}),
          flush=True)  # fmt: skip
    return row


def write_rows(path: Path, config: Config, width: int) -> None:
    """Real problems with solutions so long that request and problem have between 0.9 x width and width tokens."""
    problems = data.load(composed([]).data).train
    tokenizer = model.load_tokenizer(config.model)
    shuffle = random.Random(0)
    with path.open("w") as file:
        for number, problem in enumerate(problems):
            taken = [problem.solution or problem.statement]
            while True:
                longer = [*taken, shuffle.choice(problems).solution or ""]
                row = {"problem": problem.statement, "answer": problem.answer, "solution": "\n\n".join(longer),
                       "subject": problem.topic, "level": problem.level or 3, "id": f"{number}"}  # fmt: skip
                if tokens(tokenizer, config, row) > width:
                    break
                taken = longer
            text = "\n\n".join(taken)
            file.write(json.dumps(row | {"solution": text}) + "\n")


def tokens(tokenizer, config: Config, row: dict) -> int:
    from qgen.data import jsonl

    problem = jsonl.problem(row, dict(config.data.fields), "row", "made")
    lines = lesson(config.prompt, problem)
    text = tokenizer.apply_chat_template(lines["prompt"] + lines["completion"], tokenize=False)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def estimate(config: Config) -> memory.Estimate:
    tokenizer = sources.tokenizer(config.model, reachable=False)
    shape, _ = sources.shape(config.model, tokenizer, reachable=False)
    counted = lengths.lengths(config, data.load(config.data), tokenizer)
    return memory.estimate(config, shape, counted, machine.device(None))


def run(overrides: list[str], home: Path) -> dict:
    """Train, and read what the job's processes left."""
    (home / "sitecustomize.py").write_text(WATCH)
    peaks = home / "peaks"
    peaks.mkdir()
    path = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": path, "QGEN_PEAKS": str(peaks)}
    command = [sys.executable, "-m", "qgen.train", *overrides, "run_name=r", f"output_dir={home}/outputs"]
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-4000:], sep="\n")
        return {"measured": None, "failed": done.stderr[-1000:]}
    found = [read_json(file) for file in peaks.iterdir()]
    measured = {key: max(peak[key] for peak in found) for key in ("allocated", "reserved")}
    if not measured["allocated"]:  # no GPU
        stage = next(word.partition("=")[2] for word in overrides if word.startswith("stage="))
        resident = read_json(home / "outputs" / "r" / stage / "summary.json")["peak_memory"]
        measured = {"allocated": resident - machine.PROCESS, "reserved": resident}
    return {"measured": measured}


def table(rows: list[dict]) -> None:
    shown = plain_table(f"peak memory, GiB; the goal is within {GOAL} %")
    for column in ("setting", "estimate", "allocated", "error, %", "reserved", "seconds"):
        shown.add_column(column, justify="left" if column == "setting" else "right")
    for row in rows:
        if not row["measured"]:
            shown.add_row(row["setting"], f"{row['peak'] / GIB:.2f}", "failed")
            continue
        allocated, reserved = (row["measured"][key] / GIB for key in ("allocated", "reserved"))
        cells = (f"{row['peak'] / GIB:.2f}", f"{allocated:.2f}", f"{row['error']:+.1f}", f"{reserved:.2f}")
        shown.add_row(row["setting"], *cells, f"{row['seconds']['run']:.0f}")
    show(shown)


if __name__ == "__main__":
    main()
