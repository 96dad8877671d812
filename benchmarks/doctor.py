"""How far qgen.doctor's estimate is from what a stage took: python benchmarks/doctor.py [--data FILE]

For each row of benchmarks/results/speed the same config is estimated, on any machine, and set against PyTorch's peak
of allocated memory on the GPU.
"""

import argparse
import tempfile
from pathlib import Path

from gpu import RESULTS, SHAPES, SOLUTION, kept, lengthened, workload

from qgen import data
from qgen.doctor import lengths, machine, memory, sources
from qgen.reporting.tables import Terminal, plain_table
from qgen.settings.compose import composed
from qgen.settings.config import Config

HERE = Path(__file__).parent
GOAL = 15  # % of the measured peak
GIB = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder of rows that gpu.py measured")
    parser.add_argument("--data", default=str(HERE.parents[1] / "shared" / "data" / "math_train.jsonl"))
    parser.add_argument("--gpu", default="h100-80")
    given = parser.parse_args()
    shown = plain_table(f"peak memory, GiB; the goal is within {GOAL} %")
    for column in ("row", "session", "estimate", "measured", "error, %", "the peak's phase"):
        shown.add_column(column, justify="left" if column in ("row", "the peak's phase") else "right")
    with tempfile.TemporaryDirectory() as folder:
        problems = {long: str(Path(folder) / f"{long}.jsonl") for long in SOLUTION}
        for long, path in problems.items():
            Path(path).write_text(lengthened(given.data, SOLUTION[long]))
        for row in (row for row in kept(given.results) if "allocated_gib" in row):
            found = estimate(config(row, problems.get(workload(row["row"]), given.data)), given.gpu)
            total = found.peak.total / GIB
            error = 100 * (total / row["allocated_gib"] - 1)
            cells = (str(row["session"]), f"{total:.1f}", f"{row['allocated_gib']:.1f}", f"{error:+.0f}")
            shown.add_row(row["row"], *cells, found.peak.name)
    Terminal(width=120).print(shown)


def config(row: dict, problems: str) -> Config:
    """What the row ran, with a model's shape in the place of the files of its random weights."""
    words = row["overrides"]
    for name, of in SHAPES.items():
        if f"-{name}/" in row["row"]:
            shape = composed(["model=a100_random", *of]).model.architecture
            told = ",".join(f"{key}:{str(value).lower()}" for key, value in shape.items())
            words = [word for word in words if not word.startswith("model.name=")]
            words += ["model.name=embedded", f"+model.architecture={{{told}}}"]
    return composed(["data=jsonl", f"data.path={problems}", "data.limit=1500", *words, "validation.prompts=8",
                     "validation.problems=8"])  # fmt: skip


def estimate(config: Config, gpu: str) -> memory.Estimate:
    tokenizer = sources.tokenizer(config.model, reachable=False)
    shape, _ = sources.shape(config.model, tokenizer, reachable=False)
    counted = lengths.lengths(config, data.load(config.data), tokenizer)
    return memory.estimate(config, shape, counted, machine.device(gpu, config.runtime.memory.cap))


if __name__ == "__main__":
    main()
