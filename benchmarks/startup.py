"""How long qgen takes to answer before it trains: python benchmarks/startup.py

Each command runs five times as a whole process, after one that is not counted; the table gives the median.
"""

import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = {
    "--cfg job": ["--cfg", "job"],
    "--help": ["--help"],
    "a mistyped key": ["stage.max_stepz=3"],
    "a mistyped group": ["stage=grp"],
    "a value out of range": ["stage.max_steps=0"],
    "a file that is not there": ["data=jsonl", "data.path=none.jsonl"],
}
RUNS = 5


BARE = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    pass

main()
"""  # what Hydra takes without any config: the floor


def seconds(arguments: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
        return time.perf_counter() - began


def main() -> None:
    print(f"{'command':28} median s   max s")
    rows = {"Hydra alone: --cfg job": ["-c", BARE, "--cfg", "job"]}
    rows |= {name: ["-m", "qgen.train", *arguments] for name, arguments in COMMANDS.items()}
    for name, arguments in rows.items():
        times = [seconds(arguments) for _ in range(RUNS + 1)][1:]
        print(f"{name:28} {statistics.median(times):8.2f} {max(times):7.2f}")


if __name__ == "__main__":
    main()
