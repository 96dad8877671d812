"""From a run to figures: its models answer the same held-out requests, and what they wrote is measured.

Nothing that takes seconds to import is imported before it is known that the run can be measured.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qgen.evaluation import outputs
from qgen.runs import rundir
from qgen.runs.files import read_json, write_json
from qgen.runs.remarks import learned_nothing
from qgen.runtime.quiet import quiet
from qgen.settings.choices import Task
from qgen.settings.compose import composed
from qgen.settings.config import Config
from qgen.settings.evaluate import EvaluateConfig
from qgen.settings.model import ModelConfig
from qgen.settings.reward import SolverConfig
from qgen.settings.sampling import SamplingConfig

if TYPE_CHECKING:
    from qgen.data import Corpus
    from qgen.evaluation.sets import OutputSet
    from qgen.rewards.base import Base

FOLDER, RESULT, VARIATIONS = "evaluation", "evaluation.json", "variations.json"
OUTPUTS, VOTES = "outputs.jsonl", "votes.jsonl"
DEPTH = 0.85  # of the judge's layers, from which levels are read; the reward reads them at .65


def evaluated(config: EvaluateConfig) -> tuple[dict, Path]:
    """Write what is missing, measure everything, and keep the figures. Returns them and the file that they are in."""
    began = time.monotonic()
    candidates, pairs = outputs.candidates(config)
    run = candidates[0].config
    sampling = SamplingConfig(**vars(run.sampling) | {"batch_size": config.batch_size})
    sampling.max_new_tokens = config.max_new_tokens or sampling.max_new_tokens
    from qgen import data
    from qgen.data.prompts import requests, spread
    from qgen.evaluation import variations

    corpus = data.load(run.data, run.prompt)
    for candidate in candidates:
        outputs.same_problems(candidate, run, corpus)
        candidate.config.model.rollout = config.model.rollout or candidate.config.model.rollout
    originals = variations.originals(run.data, corpus) if config.task is Task.variation else corpus.heldout
    asked = requests(run.prompt, originals, config.n, run.data.split_seed, config.task)
    quiet()
    from qgen.evaluation.sets import OutputSet
    from qgen.models.model import load_plain, load_tokenizer
    from qgen.runtime.memory import measure

    if config.evaluate.solver:
        load_tokenizer(ModelConfig(name=config.evaluate.solver))  # a mistake is told before anything is written
    home = config.home / FOLDER
    loaded = load_plain(run.model, run.seed)
    with rundir.locked(home):
        blocks = outputs.outputs(candidates, loaded, asked, sampling, config.seeds, home / OUTPUTS)
    if config.task is Task.variation:
        texts = {name: [text for block in own for text in block["texts"]] for name, own in blocks.items()}
        varied = spread(originals, config.n, run.data.split_seed)
        found = variations.measured(run, corpus, varied, asked, texts, len(config.seeds), config.strict)
        result = {"run": str(config.run), "n": config.n, "seeds": list(config.seeds), **found}
        write_json(home / VARIATIONS, result)
        return result, home / VARIATIONS
    ids = {prompt: i for i, prompt in enumerate(dict.fromkeys(json.dumps(r["prompt"]) for r in asked))}
    prompts = np.array([ids[json.dumps(r["prompt"])] for r in asked])
    times = len(config.seeds)
    written = [
        OutputSet(name, "model", asked * times, np.tile(prompts, times), [text for b in own for text in b["texts"]])
        for name, own in blocks.items()
    ]
    seconds = {name: round(sum(block["seconds"] for block in own), 1) for name, own in blocks.items()}
    result = {
        "run": str(config.run), "n": config.n, "seeds": list(config.seeds),
        "prompts": len(ids), "max_new_tokens": sampling.max_new_tokens,
        "solver": config.evaluate.solver,
        "device": measure().device, **figures(config, run, corpus, loaded, written, pairs, home),
        "seconds": {"writing": seconds},
    }  # fmt: skip
    if config.evaluate.solver:
        result["seconds"]["a sound problem"] = each(result["rows"], seconds)
    result["notes"] = [*_nothing_learned(candidates), *result["notes"]]
    result["seconds"]["all"] = round(time.monotonic() - began, 1)
    target = home / (f"against-{pairs[0][0].replace('/', '-')}.json" if config.compare else RESULT)
    write_json(target, result)
    return result, target


def _nothing_learned(candidates: list[outputs.Candidate]) -> list[str]:
    """A sentence for each stage that ended with the model that it began with: its row is no result of training."""
    summaries = [read_json(one.home / rundir.SUMMARY) for one in candidates if one.adapter]
    return [learned_nothing(summary) for summary in summaries if not summary.get("learned", True)]


def each(rows: list[dict], seconds: dict[str, float]) -> dict[str, float | None]:
    """How many seconds of writing each model took for one sound problem; None where it wrote none."""
    sound = {row["name"]: row["values"]["sound"][0] * row["outputs"] for row in rows if row["values"]["sound"]}
    return {name: round(took / sound[name], 3) if sound.get(name) else None for name, took in seconds.items()}


def figures(
    config: EvaluateConfig,
    run: Config,
    corpus: "Corpus",
    loaded: tuple,
    written: list["OutputSet"],
    pairs: list,
    home: Path,
) -> dict:
    """The protocol's figures for what was written, beside real problems and controls. What the judge votes is kept in
    `home`."""
    from qgen.data.prompts import spread
    from qgen.evaluation.protocol import Protocol
    from qgen.evaluation.results import results
    from qgen.evaluation.sets import controls, real
    from qgen.evaluation.votes import KeptVotes
    from qgen.proofs.calibration import VERSION
    from qgen.proofs.solver import Solver
    from qgen.rewards.base import Base

    language = run.prompt.language.value
    model, tokenizer = loaded
    base = Base(model, tokenizer, run.prompt, config.batch_size)
    judge = _judge(config, config.evaluate.solver, run) if config.evaluate.solver else None
    levels = votes = None
    if judge:
        levels, attempts = judge.levels(corpus.train, DEPTH), _attempts(config)
        by = repr((judge.identity, VERSION, attempts, judge.prompt.solve, judge.prompt.compute))
        votes = KeptVotes(home / VOTES, by, lambda: Solver(judge, judge.prompt, attempts, corpus.train))
    problems = spread(corpus.heldout, min(config.n, len(corpus.heldout)), run.data.split_seed)  # those asked like
    authors = real(problems, language)
    spoiled = controls(problems, corpus.train, language)
    print(f"measuring {len(written)} models, real problems and {len(spoiled)} controls")
    protocol = Protocol(corpus.train, authors, base.losses, votes, levels if levels and levels.tells else None)
    result = results(protocol, [*written, authors, *spoiled], pairs)
    if votes and votes.note:
        result["notes"].append(f"{config.evaluate.solver} {votes.note}")
    return result


def _judge(config: EvaluateConfig, name: str, run: Config) -> "Base":
    """The model that judges: it solves, and levels are read out of it. It is asked in other words than a reward asks,
    and levels are read at another depth (rewards/band.py)."""
    from qgen.engine.rollout import choose
    from qgen.models.model import load_plain
    from qgen.rewards.base import Base

    wanted = ModelConfig(name=name, rollout=config.model.rollout or run.model.rollout)
    model, tokenizer = load_plain(wanted, run.seed)
    writer, _ = choose(wanted, config.batch_size, model, tokenizer)
    words = composed([f"prompt={run.prompt.language.value}"]).prompt
    prompt = replace(words, solve=words.judge_solve, compute=words.judge_compute)
    return Base(model, tokenizer, prompt, config.batch_size, writer)


def _attempts(config: EvaluateConfig) -> SolverConfig:
    """Attempts of the judge's own, not those that a reward was trained by: by default twice as many, twice as long."""
    options = config.evaluate
    return SolverConfig(model=options.solver, samples=options.samples, max_new_tokens=options.max_new_tokens)
