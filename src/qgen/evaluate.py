"""What are the problems worth that a run's model writes? python -m qgen.evaluate run=outputs/NAME [key=value ...]

The base model and each finished stage answer the same held-out requests, and their first n outputs are measured,
unfiltered, beside real problems and controls (metrics/protocol.py); with task=variation, they write variations of real
problems, measured by kind (variations.py). The outputs are kept in evaluation/outputs.jsonl of
the run's directory, so that nothing is written twice, and the figures in evaluation/evaluation.json.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from qgen import ranges
from qgen.choices import Rollout, Task
from qgen.cli import entry
from qgen.config import Config, ModelConfig, SamplingConfig, SolverConfig, WritingConfig
from qgen.prompts import requests, spread
from qgen.runtime import rundir
from qgen.runtime.files import append, read_json, rows, write_json
from qgen.runtime.origin import origin
from qgen.runtime.quiet import quiet
from qgen.tables import control_table, difference_table, evaluation_table, show, test_table, variation_table

if TYPE_CHECKING:
    from qgen.data import Corpus
    from qgen.metrics.written import Written
    from qgen.rewards.solver import Solver

FOLDER, RESULT, VARIATIONS, OUTPUTS = "evaluation", "evaluation.json", "variations.json", "outputs.jsonl"
CONTROLS = 100  # real problems that are spoiled, at most


@dataclass
class SolverOptions:
    solver: str | None = None  # a hub model or a local directory that solves the problems; null leaves that out
    samples: int = 8  # its attempts at each problem
    max_new_tokens: int = 512  # of an attempt


@dataclass
class EvaluateConfig:
    """The keys of qgen.evaluate; whatever else it needs, it reads from the run."""

    run: str | None = None  # a run's directory, or a stage's
    n: int = 200  # problems that each model writes for a seed
    seeds: list[int] = field(default_factory=lambda: [0])
    task: Task = Task.problem  # problem, or variation: of CHAMP's problems that the run was not trained on
    strict: bool = True  # false: variations are compared by TF-IDF where the embedded MiniLM is absent
    compare: str | None = None  # another run: the last stages of both answer the same prompts
    max_new_tokens: int | None = None  # of a problem; null: as many as the run was trained with
    batch_size: int = 64  # problems written at once
    model: WritingConfig = field(default_factory=WritingConfig)
    evaluate: SolverOptions = field(default_factory=SolverOptions)

    def check(self) -> None:
        ranges.check(self, {"n": (2, 10**6), "max_new_tokens": (1, 10**6), "batch_size": (1, 10**6),
                            "evaluate.samples": (2, 10**6), "evaluate.max_new_tokens": (1, 10**6)})  # fmt: skip
        if self.task is Task.both:
            raise ValueError("task=both is for training: evaluate task=problem and task=variation one after the other")
        if self.task is Task.variation and (self.compare or self.evaluate.solver):
            raise ValueError("task=variation knows neither compare nor evaluate.solver: leave them out")
        if not self.run:
            raise ValueError("run says whose problems are measured: python -m qgen.evaluate run=outputs/NAME")
        for key in ("run", "compare"):
            if (path := getattr(self, key)) and not Path(path).is_dir():
                raise ValueError(f"{key}={path}: there is no such directory")
        if self.compare and Path(self.compare).resolve() == Path(self.run).resolve():
            raise ValueError(f"compare={self.compare} is the run itself: name another")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds} must be different numbers, at least one")


@dataclass(frozen=True)
class Writer:
    """A model whose problems are measured: a run's base, or one of its stages."""

    name: str
    home: Path  # of the stage
    config: Config
    adapter: Path | None


def evaluate(config: EvaluateConfig, out: Path, plain: dict) -> None:
    """Write what is missing, measure everything, keep the figures and print them."""
    began = time.monotonic()
    writers, pairs = _writers(config)
    run = writers[0].config
    sampling = SamplingConfig(**vars(run.sampling) | {"batch_size": config.batch_size})
    sampling.max_new_tokens = config.max_new_tokens or sampling.max_new_tokens
    from qgen import data, variations

    corpus = data.load(run.data, run.prompt)
    for writer in writers:
        _same_problems(writer, run, corpus)
        writer.config.model.rollout = config.model.rollout or writer.config.model.rollout
    originals = variations.originals(run.data, corpus) if config.task is Task.variation else corpus.heldout
    asked = requests(run.prompt, originals, config.n, run.data.split_seed, config.task)
    quiet()
    from qgen.metrics.written import Written
    from qgen.model import load_plain, load_tokenizer
    from qgen.runtime.memory import measure

    if config.evaluate.solver:
        load_tokenizer(ModelConfig(name=config.evaluate.solver))  # a mistake is told before anything is written
    home = Path(config.run) / FOLDER
    loaded = load_plain(run.model, run.seed)
    with rundir.locked(home):
        blocks = _blocks(writers, loaded, asked, sampling, config.seeds, home / OUTPUTS)
    if config.task is Task.variation:
        texts = {name: [text for block in own for text in block["texts"]] for name, own in blocks.items()}
        varied = spread(originals, config.n, run.data.split_seed)
        found = variations.measured(run, corpus, varied, asked, texts, len(config.seeds), config.strict)
        result = {"run": str(config.run), "n": config.n, "seeds": list(config.seeds), **found}
        write_json(home / VARIATIONS, result)
        show(variation_table(result), *variations.notes(result), f"kept in {home / VARIATIONS}")
        return
    ids = {prompt: i for i, prompt in enumerate(dict.fromkeys(json.dumps(r["prompt"]) for r in asked))}
    prompts = np.array([ids[json.dumps(r["prompt"])] for r in asked])
    times = len(config.seeds)
    written = [
        Written(name, "model", asked * times, np.tile(prompts, times), [text for b in own for text in b["texts"]])
        for name, own in blocks.items()
    ]
    seconds = {name: round(sum(block["seconds"] for block in own), 1) for name, own in blocks.items()}
    result = {
        "run": str(config.run), "n": config.n, "seeds": list(config.seeds),
        "prompts": len(ids), "max_new_tokens": sampling.max_new_tokens,
        "solver": config.evaluate.solver,
        "device": measure().device, **_measure(config, run, corpus, loaded, written, pairs),
        "seconds": {"writing": seconds},
    }  # fmt: skip
    result["seconds"]["all"] = round(time.monotonic() - began, 1)
    target = home / (f"against-{pairs[0][0].replace('/', '-')}.json" if config.compare else RESULT)
    write_json(target, result)
    show(evaluation_table(result), test_table(result), control_table(result))
    if result["differences"]:
        show(difference_table(result))
    took = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    show(*result["notes"], f"writing took: {took}; all of it {result['seconds']['all']:.0f} s. kept in {target}")


def _writers(config: EvaluateConfig) -> tuple[list[Writer], list[tuple[str, str]]]:
    """Who writes, and which of them are compared: each stage with the one before, or two runs' last stages."""
    run = rundir.finished_stages(Path(config.run))
    if not config.compare:
        writers = [Writer("base", run[0], rundir.config_at(run[0]), None)]
        for home in run:
            config_there = rundir.config_at(home)
            writers.append(Writer(config_there.stage.name, home, config_there, rundir.adapter_at(home)))
        return writers, [(_origin(writer, writers), writer.name) for writer in writers[1:]]
    last, other = run[-1], rundir.finished_stages(Path(config.compare))[-1]
    mine, yours = rundir.config_at(last), rundir.config_at(other)
    ours, theirs = (f"{home.resolve().parent.name}/{c.stage.name}" for home, c in ((last, mine), (other, yours)))
    if ours == theirs:
        ours, theirs = str(last), str(other)
    writers = [
        Writer("base", last, mine, None),
        Writer(theirs, other, yours, rundir.adapter_at(other)),
        Writer(ours, last, mine, rundir.adapter_at(last)),
    ]
    return writers, [(theirs, ours)]


def _origin(writer: Writer, writers: list[Writer]) -> str:
    """The writer that a stage started from, known by its weights, as far as it is measured too; else the base."""
    started, found = _environment(writer).get("started_from", "base"), origin(writer.home)
    name = next((w.name for w in writers if w.adapter and found and w.adapter.resolve() == found.resolve()), "base")
    if name == "base" != started:
        print(f"{writer.name} was started from {started}, which is not measured here: it is compared with the base")
    return name


def _environment(writer: Writer) -> dict:
    if found := read_json(writer.home / rundir.ENVIRONMENT):
        return found
    raise RuntimeError(f"{writer.home} has no {rundir.ENVIRONMENT}: it cannot be told what was trained")


def _same_problems(writer: Writer, run: Config, corpus: "Corpus") -> None:
    """Raise RuntimeError where a writer knows other problems than those that it would be measured with."""
    from qgen.data import fingerprint

    for key in ("data", "prompt"):
        if getattr(writer.config, key) != getattr(run, key):
            raise RuntimeError(
                f"{writer.home} was trained with another {key}=..., so that it cannot be measured beside the others: "
                f"evaluate it by itself, with run={writer.home}"
            )
    was = _environment(writer)
    for part, problems in (("data", corpus.train), ("heldout", corpus.heldout)):
        if was.get(part) != fingerprint(problems):
            raise RuntimeError(
                f"{writer.home}: the problems that data.source={run.data.source.value} holds now are not those that it "
                f"was trained with, so that what was held out may have been trained on: restore them"
            )


def _blocks(
    writers: list[Writer], loaded: tuple, asked: list[dict], sampling: SamplingConfig, seeds: list[int], path: Path
) -> dict[str, list[dict]]:
    """For each writer its outputs, a block a seed, with the seconds that writing them took.

    Blocks are known by the weights, the requests, the sampling, the seed and, if it was said, who writes, and kept in a
    file that only grows. One copy of a base writes for all of its adapters: making it costs more than writing does.
    """
    from qgen.model import adapted, load_plain
    from qgen.runtime.rollout import choose, generate, who

    keys = {(w.name, s): _key(w, asked, sampling, s) for w in writers for s in seeds}
    known = {row["key"]: row for row in rows(path)}  # without a last line that was cut short
    bases = {str(writers[0].config.model): loaded}
    found: dict[str, list[dict]] = {}
    copied, copy = None, None
    for writer in writers:
        for seed in seeds:
            key = keys[writer.name, seed]
            if key not in known:
                which = str(writer.config.model)
                if which not in bases:
                    bases[which] = load_plain(writer.config.model, writer.config.seed)
                base, tokenizer = bases[which]
                if copied != which:
                    copy = None  # its memory is the next one's
                    copy, chosen = choose(writer.config.model, sampling.batch_size, base, tokenizer)
                    copied = which
                    print(f"rollout: {chosen}")
                began = time.monotonic()
                bar = tqdm(total=len(asked), desc=f"{writer.name} writes", unit="problem", leave=False, disable=None)
                with bar, adapted(base, writer.adapter) as policy:
                    prompts = [r["prompt"] for r in asked]
                    written = generate(policy, tokenizer, prompts, sampling, seed, bar.update, copy)
                known[key] = {
                    "key": key, "writer": writer.name, "seed": seed, "rollout": who(copy).value,
                    "seconds": round(time.monotonic() - began, 2), "texts": [c.text for c in written],
                }  # fmt: skip
                append(path, [known[key]])
            found.setdefault(writer.name, []).append(known[key])
    return found


def _key(writer: Writer, asked: list[dict], sampling: SamplingConfig, seed: int) -> str:
    rollout = writer.config.model.rollout
    by = [] if rollout is Rollout.auto else [rollout.value]  # whom auto chose does not count: it depends on the machine
    what = (
        _environment(writer)["model"],
        rundir.fingerprint(writer.adapter),
        [r["prompt"] for r in asked],
        sampling,
        seed,
        *by,
    )
    return hashlib.sha256(repr(what).encode(errors="surrogatepass")).hexdigest()[:16]


def _measure(
    config: EvaluateConfig, run: Config, corpus: "Corpus", loaded: tuple, written: list["Written"], pairs: list
) -> dict:
    """The protocol's figures for what was written, beside real problems and controls."""
    from qgen.metrics.protocol import Protocol
    from qgen.metrics.results import results
    from qgen.metrics.written import controls, real
    from qgen.rewards.base import Base

    language = run.prompt.language.value
    base = Base(*loaded, run.prompt, config.batch_size)
    solver = _solver(config, run, corpus) if config.evaluate.solver else None
    problems = spread(corpus.heldout, min(config.n, len(corpus.heldout)), run.data.split_seed)  # those asked like
    authors = real(problems, language)
    spoiled = controls(problems[:CONTROLS], corpus.train, language)
    print(f"measuring {len(written)} models, real problems and {len(spoiled)} controls")
    protocol = Protocol(corpus.train, authors, base.losses, solver.votes if solver else None)
    result = results(protocol, [*written, authors, *spoiled], pairs)
    if solver:
        rate = f"{config.evaluate.solver} answers {solver.rate:.0%} of real problems"
        result["notes"].append(rate if solver.usable else f"{rate}: too few for its figures to say much")
    return result


def _solver(config: EvaluateConfig, run: Config, corpus: "Corpus") -> "Solver":
    from qgen.model import load_plain
    from qgen.rewards.base import Base
    from qgen.runtime.rollout import choose

    options = config.evaluate
    wanted = ModelConfig(name=options.solver, rollout=config.model.rollout or run.model.rollout)
    model, tokenizer = load_plain(wanted, run.seed)
    writer, _ = choose(wanted, config.batch_size, model, tokenizer)
    settings = SolverConfig(samples=options.samples, max_new_tokens=options.max_new_tokens)
    return Base(model, tokenizer, run.prompt, config.batch_size, writer).solver(settings, corpus.train)


def main() -> None:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    entry(evaluate, "evaluate", EvaluateConfig)()


if __name__ == "__main__":
    main()
