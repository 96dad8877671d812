"""Steps of stock TRL, Unsloth and qgen on one GPU: python benchmarks/gpu.py --out DIR [--rows NAME ...] [--steps 8]

--show prints what benchmarks/results/speed holds: a folder a device, a file a workload, a line a row. A session is a
number that rows measured on one machine share. Its rows lie beside those of the others, so that a table can say which
of its figures were measured together; a row measured again replaces only its own of that session.

Each row is a job of its own (python -m qgen.train) on the same problems, requests and rewards; what differs is the
backend and who writes the completions. `stock` is TRL's trainer on transformers and PEFT with its own `generate`,
`unsloth` the same through Unsloth, `vllm` TRL's with vLLM in its process, `qgen` the fastest backend with the compiled
rollout. Seconds a step are the median of the steps after the first two; warm-up is what those two took beyond two of
that median, and `validation` the seconds of the one before the first step, whose rollout, if qgen's, compiles. The
steps' own peak of memory stands beside the job's. While a row has the GPU, the next one is started, so that its imports
cost nobody time.
The untrained 135M earns next to nothing, so `grpo-135m-taught` begins with an adapter of 60 steps of SFT, to compare
rewards. 1.5B are the real weights of qwen_coder, 64 completions a step. 14B and 4B are random weights of Qwen3-14B's
and Qwen3-4B's shape, in NF4, written once under --runs. Two GPUs share the 64 completions of one. Rows that end in
40gib and 15gib are the recipes a100 and t4 under the memory of the cards that they are named for.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from rich.table import Table

from qgen.reporting.tables import Terminal, plain_table
from qgen.runs import files

RESULTS = Path(__file__).parent / "results" / "speed"
SMALL = ["model=smollm2", "model.dtype=bfloat16", "model.lora.r=32"]
GRPO = ["stage=grpo", "stage.gradient_accumulation_steps=1", "sampling.max_new_tokens=192", "stage.num_generations=8"]
GRPO_SMALL = [*SMALL, *GRPO, "stage.per_device_train_batch_size=64", "model.max_length=512"]
GRPO_REAL = ["model=qwen_coder", "prompt.solution=program", "stage=grpo", "stage.num_generations=8",
             "sampling.max_new_tokens=320", "stage.per_device_train_batch_size=16",
             "stage.gradient_accumulation_steps=4"]  # fmt: skip
GRPO_FORM = [*GRPO_REAL, "reward=seed"]
SFT = ["stage=sft", "stage.gradient_accumulation_steps=1", "prompt.solution=true"]
SFT_SMALL = [*SMALL, *SFT, "stage.per_device_train_batch_size=16"]
LARGE = ["model=a100", "model.name={14b}"]
T4 = ["model=t4", "model.name={4b}", "runtime.memory.cap=15"]
GRPO_LARGE = [*LARGE, *GRPO, "stage.per_device_train_batch_size=8"]
SFT_LARGE = [*LARGE, *SFT, "stage.per_device_train_batch_size=8"]
DISTILL = ["stage=distill", "stage.init_from=base", "stage.gradient_accumulation_steps=1", "stage.num_prompts=8",
           "stage.num_generations=2", "sampling.max_new_tokens=192", "reward.gate=null"]  # fmt: skip
SOLUTION = {"sft-135m": 400, "sft-14b": 1750, "sft-4b": 800}  # tokens of a solution: all rows are about as long
STOCK, UNSLOTH = ["model.backend=hf", "model.rollout=generate"], ["model.backend=unsloth", "model.rollout=generate"]
QGEN, VLLM = ["model.backend=hf", "model.rollout=compiled"], ["model.backend=hf", "model.rollout=vllm"]
TAUGHT = ["stage.init_from={taught}"]
A100 = ["model.backend=unsloth", "model.rollout=auto", "runtime.memory.cap=40"]
CLEANING = ["runtime.memory.clean_above=0"]  # cleans at each report, which is each step here
ROWS = {
    "grpo-135m/stock": [*GRPO_SMALL, *STOCK],
    "grpo-135m/unsloth": [*GRPO_SMALL, *UNSLOTH],
    "grpo-135m/qgen": [*GRPO_SMALL, *QGEN],
    "grpo-135m/vllm": [*GRPO_SMALL, *VLLM],
    "grpo-135m/qgen-cleaning": [*GRPO_SMALL, *QGEN, *CLEANING],
    "grpo-135m-taught/stock": [*GRPO_SMALL, *STOCK, *TAUGHT],
    "grpo-135m-taught/unsloth": [*GRPO_SMALL, *UNSLOTH, *TAUGHT],
    "grpo-135m-taught/qgen": [*GRPO_SMALL, *QGEN, *TAUGHT],
    "grpo-135m-taught/vllm": [*GRPO_SMALL, *VLLM, *TAUGHT],
    "sft-135m/stock": [*SFT_SMALL, *STOCK],
    "sft-135m/cleaning": [*SFT_SMALL, *STOCK, *CLEANING],
    "sft-135m/unsloth": [*SFT_SMALL, *UNSLOTH],
    "grpo-1.5b/stock": [*GRPO_FORM, *STOCK],
    "grpo-1.5b/unsloth": [*GRPO_FORM, *UNSLOTH],
    "grpo-1.5b/vllm": [*GRPO_FORM, *VLLM],
    "grpo-1.5b/qgen": [*GRPO_FORM, *QGEN],
    "grpo-1.5b-proved/qgen": [*GRPO_REAL, *QGEN, "reward=proved"],
    "grpo-1.5b-proved/qgen-two-gpus": [*GRPO_REAL, *QGEN, "reward=proved", "stage.gradient_accumulation_steps=2"],
    "grpo-14b/stock": [*GRPO_LARGE, *STOCK],
    "grpo-14b/unsloth": [*GRPO_LARGE, *UNSLOTH],
    "grpo-14b/vllm": [*GRPO_LARGE, *VLLM],
    "grpo-14b/qgen": [*GRPO_LARGE, "model.backend=unsloth", "model.rollout=compiled"],
    "grpo-14b/qgen-40gib": [*GRPO_LARGE, *A100],
    "sft-14b/stock": [*SFT_LARGE, *STOCK],
    "sft-14b/unsloth": [*SFT_LARGE, *UNSLOTH],
    "sft-14b/qgen-40gib": [*SFT_LARGE, *A100],
    "sft-14b/unsloth-40gib": [*SFT_LARGE, *UNSLOTH, "runtime.memory.cap=40"],
    "distill-14b/qgen-40gib": [*LARGE, *DISTILL, *A100],
    "sft-4b/qgen-15gib": [*T4, *SFT, "stage.per_device_train_batch_size=2"],
    "grpo-4b/qgen-15gib": [*T4, *GRPO, "stage.per_device_train_batch_size=8"],
    "distill-4b/qgen-15gib": [*T4, *DISTILL],
}
SHAPES = {  # what random weights are written of
    "14b": ["model.dtype=bfloat16"],
    "4b": ["model.dtype=float16", *(f"model.architecture.{key}" for key in (
        "hidden_size=2560", "intermediate_size=9728", "num_hidden_layers=36", "num_attention_heads=32",
        "tie_word_embeddings=true"))],
}  # fmt: skip
STEPS = {"grpo-14b/stock": 4, "grpo-14b/unsloth": 5, "sft-14b/stock": 5, "grpo-135m/stock": 5, "grpo-135m/unsloth": 6,
         "grpo-4b/qgen-15gib": 5}  # fmt: skip
LAUNCH = {"grpo-1.5b-proved/qgen-two-gpus": ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]}
WARM = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="measure, and keep the rows here: a device's folder")
    where.add_argument("--show", type=Path, nargs="?", const=RESULTS, help="measure nothing: print the rows below here")
    parser.add_argument("--session", type=int, help="its number; without one, the first that --out does not have")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), help="which rows, by name or by workload: grpo-14b")
    parser.add_argument("--runs", type=Path, default=Path("/tmp/qgen/runs"), help="where the jobs' directories lie")
    parser.add_argument("--steps", type=int, default=8, help="fewer where a step takes ten seconds")
    parser.add_argument("--data", default="/tmp/qgen/data/math_train.jsonl", help="problems, one JSON object a line")
    parser.add_argument("--limit", type=int, default=240, help="seconds that a row may have the GPU")
    parser.add_argument("overrides", nargs="*", default=[], help="of the jobs' config, after -- where --rows is given")
    given = parser.parse_intermixed_args()
    if given.show:
        show(given.show)
        return
    given.session = given.session or 1 + max((row["session"] for row in kept(given.out)), default=0)
    given.out.mkdir(parents=True, exist_ok=True)
    given.runs.mkdir(parents=True, exist_ok=True)
    if unknown := set(given.rows) - {*ROWS, *map(workload, ROWS)}:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    names = [name for name in ROWS if {name, workload(name)} & set(given.rows)]
    given.places = {shape: given.runs / shape for shape in SHAPES}
    for shape, folder in given.places.items():
        if any(f"-{shape}/" in name for name in names):
            write(shape, folder)
    for long in set(map(workload, names)) & set(SOLUTION):
        (given.runs / f"{long}.jsonl").write_text(lengthened(given.data, SOLUTION[long]))
    if any("taught" in name for name in names):
        given.places["taught"] = taught(given)
    coming = Row(names[0], given)
    for name in [*names[1:], None]:
        row, coming = coming, Row(name, given) if name else None
        found = row.result()
        keep(found, given.out)
        print(line(found), flush=True)
    show(given.out)


class Row:
    """A row's job. It imports and loads at once, and waits for its turn on the GPU where its first step would begin."""

    def __init__(self, name: str, given: argparse.Namespace):
        self.name, self.given = name, given
        self.overrides = [part.format(**given.places) for part in ROWS[name]]
        self.home = given.runs / name.replace("/", "-")
        shutil.rmtree(self.home, ignore_errors=True)  # its files tell of an earlier job
        self.data = given.runs / f"{workload(name)}.jsonl" if workload(name) in SOLUTION else given.data
        command = [
            sys.executable, *LAUNCH.get(name, []), "-m", "qgen.train", "data=jsonl", f"data.path={self.data}",
            "data.limit=1500", "runtime.memory.clean_above=1", *self.overrides, *given.overrides,
            f"run_name={self.home.name}", f"output_dir={given.runs}",
            f"stage.max_steps={min(given.steps, STEPS.get(name, given.steps))}", "stage.save_steps=1000",
            "validation.every=0", "validation.prompts=8", "validation.problems=8", "validation.keep_best=false",
            "runtime.memory.every=1", "runtime.oom.retries=0", "overwrite=true",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.told: list[str] = []
        self.turn = threading.Event()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        for said in self.process.stdout:
            self.told.append(said)
            if said.startswith("rollout: ") and not self.turn.is_set():  # what a stage says once its model is loaded
                self.process.send_signal(signal.SIGSTOP)
                self.turn.wait()
                self.process.send_signal(signal.SIGCONT)

    def result(self) -> dict:
        """Let it go on, and read what it measured of itself."""
        self.turn.set()
        began = time.perf_counter()
        out = self.home / workload(self.name).split("-")[0]  # the stage's own directory
        while self.process.poll() is None and time.perf_counter() < began + self.given.limit:
            time.sleep(0.1)
        self.process.kill()  # where the limit has ended it
        code = self.process.wait()
        self.reader.join()
        result = {"row": self.name, "session": self.given.session,
                  "commit": files.read_json(out / "environment.json").get("git"), "code": code,
                  "wall": round(time.perf_counter() - began, 1),
                  "overrides": [*self.overrides, *self.given.overrides]}  # fmt: skip
        (self.given.out / f"{self.name.replace('/', '_')}.log").write_text("".join(self.told)[-20000:])
        rows = files.rows(out / "memory.jsonl")
        steps = [row for row in rows if row["node"] == "step"]
        if len(steps) <= WARM:
            return {**result, "failed": [said.strip() for said in self.told[-3:]]}
        metrics = files.rows(out / "metrics.jsonl")
        later = steps[WARM:]
        middle = statistics.median(row["seconds"] for row in later)
        peaks = [phase for row in rows for phase in row.get("phases", {}).values()]
        in_steps = [phase for row in steps for phase in row["phases"].values()]  # and not in validation
        begun = next((row["phases"] for row in rows if row["node"] == "train begins"), {})
        tokens = [m["num_tokens"] for m in metrics if m.get("num_tokens")]
        return {
            **result,
            "device": rows[0]["device"],
            "seconds": middle,
            "all_seconds": [row["seconds"] for row in steps],
            "validation": begun.get("validation", {}).get("seconds"),
            "warm_up": round(sum(row["seconds"] for row in steps[:WARM]) - WARM * middle, 1),
            "phases": {
                phase: statistics.median(r["phases"].get(phase, {"seconds": 0})["seconds"] for r in later)
                for phase in later[0]["phases"]
            },
            "reserved_gib": round(max(p["reserved"] for p in peaks) / 2**30, 2),
            "allocated_gib": round(max(p["allocated"] for p in peaks) / 2**30, 2),
            "steps_allocated_gib": round(max(p["allocated"] for p in in_steps) / 2**30, 2),
            "tokens_a_step": (tokens[-1] - tokens[WARM - 1]) / (len(tokens) - WARM) if len(tokens) > WARM else None,
            "reward": [m.get("reward") for m in metrics],
            "loss": [m.get("loss") for m in metrics],
            "length": [m.get("completions/mean_length") for m in metrics],
        }


def workload(name: str) -> str:
    """What a row's name begins with: what is done, and not by whom."""
    return name.split("/")[0]


def line(row: dict) -> str:
    """What is said of a row once it is measured."""
    if "failed" in row:
        return f"{row['row']:24} failed ({row['code']}) after {row['wall']} s: {' | '.join(row['failed'])}"
    return f"{row['row']:24} {row['seconds']:7.3f} s a step"


def keep(row: dict, out: Path) -> None:
    """Put a row into its workload's file, in the place of the same row of the same session."""
    path = out / f"{workload(row['row'])}.jsonl"
    others = [other for other in files.rows(path) if any(other[key] != row[key] for key in ("row", "session"))]
    files.write_rows(path, [*others, row])


def kept(folder: Path) -> list[dict]:
    """All rows below a folder."""
    return [row for path in sorted(folder.rglob("*.jsonl")) for row in files.rows(path)]


def show(folder: Path) -> None:
    """Print a table for each file below a folder."""
    for path in sorted(folder.rglob("*.jsonl")):
        Terminal(width=120).print(table(path.stem, files.rows(path)))


def table(name: str, rows: list[dict]) -> Table:
    """A workload's rows: seconds, and GiB at the job's peak and at its steps'. A column that is empty is left out."""
    device = next((row["device"] for row in rows if "device" in row), "no row was measured")
    shown = plain_table(f"{name}, {device}")
    columns = {
        "row": [row["row"].removeprefix(f"{name}/") for row in rows],
        "session": [str(row["session"]) for row in rows],
        "s a step": ["failed" if "failed" in row else f"{row['seconds']:.3f}" for row in rows],
        "rollout": [told(row.get("phases", {}).get("rollout"), 2) for row in rows],
        "rewards": [told(row.get("phases", {}).get("rewards"), 2) for row in rows],
        "forward,\nbackward": [told(row.get("phases", {}).get("forward-backward"), 2) for row in rows],
        "warm-up": [told(row.get("warm_up"), 1) for row in rows],
        "validation": [told(row.get("validation"), 1) for row in rows],
        "GiB\nallocated": [told(row.get("allocated_gib"), 1) for row in rows],
        "GiB\nin steps": [told(row.get("steps_allocated_gib"), 1) for row in rows],
        "GiB\nreserved": [told(row.get("reserved_gib"), 1) for row in rows],
    }
    columns = {title: cells for title, cells in columns.items() if any(cells)}
    for title in columns:
        shown.add_column(title, justify="left" if title == "row" else "right")
    for cells in zip(*columns.values(), strict=True):
        shown.add_row(*cells)
    return shown


def told(figure: float | None, digits: int) -> str:
    return "" if figure is None else f"{figure:.{digits}f}"


def lengthened(path: str, tokens: int, rows: int = 200) -> str:
    """Problems with worked solutions of so many tokens: solutions of several problems, one after the other."""
    from qgen.models.model import load_tokenizer
    from qgen.settings.compose import composed

    tokenizer = load_tokenizer(composed(["stage=sft"]).model)
    known = [json.loads(row) for row in Path(path).read_text().splitlines()]
    made, solutions = [], iter(row["solution"] for row in known)
    for row in known[:rows]:
        ids: list[int] = []
        while len(ids) < tokens:
            ids += tokenizer(next(solutions) + "\n\n")["input_ids"]
        made.append({**row, "solution": tokenizer.decode(ids[:tokens])})
    return "".join(json.dumps(row) + "\n" for row in made)


def taught(given: argparse.Namespace) -> Path:
    """An adapter that writes problems, so that its rewards can be compared: 60 steps of SFT."""
    command = [sys.executable, "-m", "qgen.train", *SMALL, "stage=sft", "stage.max_steps=60", "data=jsonl",
               f"data.path={given.data}", "data.limit=1500", "stage.per_device_train_batch_size=16",
               "stage.gradient_accumulation_steps=1", "validation.every=0", "validation.prompts=8",
               "validation.problems=8", f"output_dir={given.runs}", "run_name=taught", "overwrite=true"]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return given.runs / "taught" / "sft" / "adapter"


def write(shape: str, folder: Path) -> None:
    """Random weights of a shape in NF4, with the embedded model's tokenizer."""
    if (folder / "config.json").exists():
        return
    began = time.perf_counter()
    code = (
        "import sys\nfrom qgen.models.model import load_base, load_tokenizer\n"
        "from qgen.settings.compose import composed\n"
        "c = composed(['stage=sft', 'model=a100_random', *sys.argv[2:]])\n"
        "t = load_tokenizer(c.model)\nm = load_base(c.model, t, 0)\n"
        "m.save_pretrained(sys.argv[1]); t.save_pretrained(sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder), *SHAPES[shape]], check=True)
    print(f"wrote the {shape} shape in {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
