"""Where the time of a token goes: python benchmarks/decoding.py --out FILE [--rows N ...] [key=value ...]

The compiled copy of the configured model writes one more token of so many rows at once, whose texts are 200 to 600
tokens long: milliseconds by the clock, and those of the GPU's kernels by kind. The floor is as in benchmarks/engine.py,
for the lengths that these rows have. --show prints FILE.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from engine import machine

from qgen.engine.compiled import CompiledWriter
from qgen.engine.draw import Draw
from qgen.engine.state import State
from qgen.models.model import load_plain
from qgen.reporting.tables import plain_table, show
from qgen.runs.files import read_json, write_json
from qgen.settings.compose import composed

SHORTEST, LONGEST, STEPS, REPEATS = 200, 600, 40, 3
KINDS = {"attention": ("_attend", "_join"), "drawing": ("argmax", "logsumexp"),
         "products": ("nvjet", "gemm", "gemv", "splitK", "cutlass")}  # fmt: skip
REST = "the rest"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="*", type=int, default=[4, 8, 16, 32, 64, 128, 256, 512])
    parser.add_argument("--show", action="store_true")
    parser.add_argument("overrides", nargs="*", help="of the config, as on qgen's command line")
    given = parser.parse_intermixed_args()
    if not given.show:
        if not torch.cuda.is_available():
            raise SystemExit("this times a GPU's kernels, and there is none here")
        write_json(given.out, measured(given))
    show(table(read_json(given.out)))


@torch.no_grad()
def measured(given: argparse.Namespace) -> dict:
    config = composed(["stage=grpo", "reward=seed", *given.overrides])
    known = machine(config)
    model, _ = load_plain(config.model, 0)
    writer, draw = CompiledWriter(model, set(), 0), Draw(1.0, 1.0, (), 0)
    writer.decoder.refresh()
    begun(writer, max(given.rows))
    rows = []
    for count in given.rows:
        state = begun(writer, count)
        read = known["weights"] / known["bytes_a_second"]
        multiplied = count * known["products"] / known["products_a_second"]
        cache = int(state.position[:count].sum()) * known["cache"] / known["bytes_a_second"]
        step = partial(writer._step, state, count, draw)
        step()  # compiles and captures
        seconds = clock(step)
        begun(writer, count)
        floor = max(read, multiplied) + cache
        rows.append({"rows": count, "ms": 1000 * seconds, "floor": 1000 * floor, "kernels": kernels(step)})
    return {"machine": known, "rows": rows}


def begun(writer: CompiledWriter, rows: int) -> State:
    """The writer's state with so many rows in the middle of their texts."""
    state = writer._room(rows, 2 * LONGEST, LONGEST)
    state.done.fill_(False), state.step.fill_(1), state.limit.fill_(10 * LONGEST)
    lengths = torch.randint(SHORTEST, LONGEST, (rows,), generator=torch.Generator().manual_seed(0))
    state.position[:rows] = lengths.to(state.position)
    return state


def clock(work: Callable) -> float:
    """Seconds of one call, the median of some series."""
    work()
    found = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(STEPS):
            work()
        torch.cuda.synchronize()
        found.append((time.perf_counter() - began) / STEPS)
    return statistics.median(found)


def kernels(step: Callable, times: int = 5) -> dict[str, float]:
    """Milliseconds of a step's kernels by kind, and how many there are."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(times):
            step()
        torch.cuda.synchronize()
    found: Counter[str] = Counter()
    for event in profile.key_averages():
        kind = next((k for k, parts in KINDS.items() if any(part in event.key for part in parts)), REST)
        found[kind] += event.device_time_total / times / 1000
        found["count"] += event.count / times
    return dict(found)


def table(result: dict):
    known = result["machine"]
    found = plain_table(f"milliseconds a token: {known['model']}, {known['device']}, torch {known['torch']}")
    kinds = [*KINDS, REST]
    for column in ("rows", "clock", "floor", "tokens/s", *kinds, "kernels"):
        found.add_column(column, justify="right", no_wrap=True)
    found.padding = (0, 1, 0, 0)
    for row in result["rows"]:
        parts = row["kernels"]
        speed = 1000 * row["rows"] / row["ms"]
        found.add_row(str(row["rows"]), f"{row['ms']:.2f}", f"{row['floor']:.2f}", f"{speed:,.0f}",
                      *(f"{parts.get(kind, 0):.2f}" for kind in kinds), f"{parts['count']:.0f}")  # fmt: skip
    return found


if __name__ == "__main__":
    main()
