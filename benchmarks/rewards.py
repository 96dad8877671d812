"""What rewards cost: python benchmarks/rewards.py data=jsonl data.path=FILE.jsonl [key=value ...]

One process, one thread. Batches of 64 new problems (the embedded ones, their numbers changed) are scored by
reward=seed against all problems of the file, uncurated, and a full memory; the baseline fits TF-IDF anew to corpus and
history for each completion and takes the nearest, as the system that qgen replaces did over its history. Then the
memory that 100,000 scored and remembered completions leave behind, and the share of a GRPO step on the CPU.
"""

import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from qgen import data
from qgen.mathematics.problem import Problem, parse, render
from qgen.rewards import Rewards
from qgen.settings.compose import composed

BATCH, BATCHES, SCORED = 64, 30, 100_000
GRPO = ("stage=grpo", "stage.max_steps=2", "stage.per_device_train_batch_size=8", "stage.gradient_accumulation_steps=2",
        "sampling.max_new_tokens=96", "validation.prompts=1", "validation.problems=1")  # fmt: skip


def main() -> None:
    overrides = sys.argv[1:]
    with threadpool_limits(1):
        spent = scoring(overrides)
    share(overrides, spent)


def scoring(overrides: list[str]) -> float:
    config = composed(overrides)
    corpus = [p for p in data.SOURCES[config.data.source](config.data) if p.level]
    began = time.perf_counter()
    rewards = Rewards(config.reward, corpus)
    print(f"corpus of {len(corpus)} problems; rewards built in {time.perf_counter() - began:.1f} s")
    new = written(data.load(composed([]).data).train)
    while len(rewards.terms["novelty"].memory) < rewards.terms["novelty"].limit:
        remember(rewards, [next(new)[0] for _ in range(512)])
    size = len(rewards.terms["novelty"].memory)
    sixteen = 16 / speed(rewards, new, 16, 10)
    rows = [(f"reward=seed, batches of {BATCH}", speed(rewards, new, BATCH, BATCHES))]
    rows += [(f"  {name}", speed_of(rewards, name, new)) for name in rewards.terms]
    history = rewards.terms["novelty"].memory
    statements = [p.statement for p in corpus]
    rows.append((f"baseline: TF-IDF refitted to {len(statements)} + {size}", refitted(statements + history, new, 5)))
    rows.append(("baseline: TF-IDF refitted to 1,000 of history", refitted(history[:1000], new, 40)))
    print(f"\n{'':52} completions/s   times the first baseline")
    for name, rate in rows:
        print(f"{name:52} {rate:13.1f} {rate / rows[-2][1]:10.0f}")
    print(f"\n{'scored and remembered':>22} {'resident, MiB':>14}")
    for count in range(0, SCORED + 1, SCORED // 5):
        if count:
            for _ in range(SCORED // 5 // BATCH):
                texts, asked = batch(new, BATCH)
                rewards.score(["ask"] * BATCH, texts, **asked)
                remember(rewards, texts)
        print(f"{count:22,} {psutil.Process().memory_info().rss / 2**20:14.0f}", flush=True)
    return sixteen


def written(problems: list[Problem]):
    """Completions without end that look real and are new: real problems with other numbers, and whom they answer."""
    rng = random.Random(0)
    while True:
        problem = rng.choice(problems)
        statement = re.sub(r"\d+", lambda _: str(rng.randint(2, 999)), problem.statement)
        yield render(replace(problem, statement=statement)), problem


def batch(new, count: int) -> tuple[list[str], dict]:
    made = [next(new) for _ in range(count)]
    return [text for text, _ in made], {"topic": [p.topic for _, p in made], "level": [p.level for _, p in made]}


def remember(rewards: Rewards, texts: list[str]) -> None:
    for term in rewards.terms.values():
        if hasattr(term, "observe"):
            term.observe(texts)


def speed(rewards: Rewards, new, size: int, batches: int) -> float:
    """Median completions a second; remembering what was scored is part of it."""
    rates = []
    for _ in range(batches):
        texts, asked = batch(new, size)
        began = time.perf_counter()
        rewards.score(["ask"] * size, texts, **asked)
        remember(rewards, texts)
        rates.append(size / (time.perf_counter() - began))
    return statistics.median(rates)


def speed_of(rewards: Rewards, name: str, new) -> float:
    rates = []
    for _ in range(10):
        texts, asked = batch(new, BATCH)
        for text in texts:
            parse(text)
        began = time.perf_counter()
        rewards.terms[name](prompts=["ask"] * BATCH, completions=texts, **asked)
        rates.append(BATCH / (time.perf_counter() - began))
    return statistics.median(rates)


def refitted(known: list[str], new, count: int) -> float:
    seconds = []
    for _ in range(count):
        text, _ = next(new)
        began = time.perf_counter()
        vectors = TfidfVectorizer().fit_transform([*known, text])
        (vectors[-1] @ vectors[:-1].T).max()
        seconds.append(time.perf_counter() - began)
    return 1.0 / statistics.median(seconds)


def share(overrides: list[str], spent: float) -> None:
    """What scoring 16 real-looking completions takes of a step of the embedded model with all cores."""
    paths = [f"data.path={Path(o.split('=', 1)[1]).resolve()}" if o.startswith("data.path=") else o for o in overrides]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "qgen.train", *GRPO, *paths, "run_name=bench"]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        lines = (Path(folder) / "outputs/bench/grpo/metrics.jsonl").read_text().splitlines()
    whole = statistics.median(json.loads(line)["step_time"] for line in lines)
    print(
        f"\nGRPO on the CPU, 16 completions of 96 tokens: {whole:.1f} s a step; scoring 16 problems that pass the gate "
        f"takes {spent:.3f} s, {spent / whole:.2%} of it"
    )


if __name__ == "__main__":
    main()
