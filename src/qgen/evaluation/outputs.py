"""Who is measured, and what they wrote: each model's outputs are written once and kept in evaluation/outputs.jsonl."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from qgen.runs import rundir
from qgen.runs.files import append, read_json, rows
from qgen.runs.origin import origin
from qgen.settings.choices import Rollout
from qgen.settings.config import Config
from qgen.settings.evaluate import EvaluateConfig
from qgen.settings.sampling import SamplingConfig

if TYPE_CHECKING:
    from qgen.data import Corpus


@dataclass(frozen=True)
class Candidate:
    """A model whose problems are measured: a run's base, or one of its stages."""

    name: str
    home: Path  # of the stage
    config: Config
    adapter: Path | None


def candidates(config: EvaluateConfig) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Who writes, and which of them are compared: each stage with the one before, or two runs' last stages."""
    run = rundir.finished_stages(config.home)
    if not config.compare:
        found = [Candidate("base", run[0], rundir.config_at(run[0]), None)]
        for home in run:
            config_there = rundir.config_at(home)
            found.append(Candidate(config_there.stage.name, home, config_there, rundir.adapter_at(home)))
        return found, [(compared_with(candidate, found), candidate.name) for candidate in found[1:]]
    last, other = run[-1], rundir.finished_stages(Path(config.compare))[-1]
    mine, yours = rundir.config_at(last), rundir.config_at(other)
    ours, theirs = (f"{home.resolve().parent.name}/{c.stage.name}" for home, c in ((last, mine), (other, yours)))
    if ours == theirs:
        ours, theirs = str(last), str(other)
    found = [
        Candidate("base", last, mine, None),
        Candidate(theirs, other, yours, rundir.adapter_at(other)),
        Candidate(ours, last, mine, rundir.adapter_at(last)),
    ]
    return found, [(theirs, ours)]


def compared_with(candidate: Candidate, candidates: list[Candidate]) -> str:
    """The candidate that a stage started from, known by its weights, as far as it is measured too; else the base."""
    started, found = environment_of(candidate).get("started_from", "base"), origin(candidate.home)
    name = next((w.name for w in candidates if w.adapter and found and w.adapter.resolve() == found.resolve()), "base")
    if name == "base" != started:
        print(f"{candidate.name} was started from {started}, which is not measured here: it is compared with the base")
    return name


def environment_of(candidate: Candidate) -> dict:
    """What environment.json of a stage says. Raises RuntimeError where it cannot be read."""
    if found := read_json(candidate.home / rundir.ENVIRONMENT):
        return found
    raise RuntimeError(f"{candidate.home} has no {rundir.ENVIRONMENT}: nothing says what was trained there")


def same_problems(candidate: Candidate, run: Config, corpus: "Corpus") -> None:
    """Raise RuntimeError where a candidate knows other problems than those that it would be measured with."""
    from qgen.data import same

    for key in ("data", "prompt"):
        if getattr(candidate.config, key) != getattr(run, key):
            raise RuntimeError(
                f"{candidate.home} was trained with another {key}=..., so that it cannot be measured beside the "
                f"others: evaluate it by itself, with run={candidate.home}"
            )
    if not same(corpus, environment_of(candidate)):
        raise RuntimeError(
            f"{candidate.home}: the problems that data.source={run.data.source.value} holds now are not those "
            f"that it was trained with, so that what was held out may have been trained on: restore them"
        )


def outputs(
    candidates: list[Candidate],
    loaded: tuple,
    asked: list[dict],
    sampling: SamplingConfig,
    seeds: list[int],
    path: Path,
) -> dict[str, list[dict]]:
    """For each candidate its outputs, a block a seed, with the seconds that writing them took.

    A block is written once and kept in a file that only grows. It is found again by its weights, requests, sampling and
    seed, and by model.rollout unless that is auto. All adapters of a base share one copy of it to write from, because
    making a copy costs more than writing does.
    """
    from qgen.engine.rollout import choose, generate, rollout_of
    from qgen.models.model import adapted, load_plain

    keys = {(w.name, s): _key(w, asked, sampling, s) for w in candidates for s in seeds}
    known = {row["key"]: row for row in rows(path)}  # without a last line that was cut short
    bases = {str(candidates[0].config.model): loaded}
    found: dict[str, list[dict]] = {}
    copied, copy = None, None
    for candidate in candidates:
        for seed in seeds:
            key = keys[candidate.name, seed]
            if key not in known:
                which = str(candidate.config.model)
                if which not in bases:
                    bases[which] = load_plain(candidate.config.model, candidate.config.seed)
                base, tokenizer = bases[which]
                if copied != which:
                    copy = None  # its memory is the next one's
                    copy, chosen = choose(candidate.config.model, sampling.batch_size, base, tokenizer)
                    copied = which
                    print(f"rollout: {chosen}")
                began = time.monotonic()
                bar = tqdm(total=len(asked), desc=f"{candidate.name} writes", unit="problem", leave=False, disable=None)
                with bar, adapted(base, candidate.adapter) as policy:
                    prompts = [r["prompt"] for r in asked]
                    tell = lambda *_, bar=bar: bar.update()  # noqa: E731
                    written = generate(policy, tokenizer, prompts, sampling, seed, tell, copy)
                known[key] = {
                    "key": key, "writer": candidate.name, "seed": seed, "rollout": rollout_of(copy).value,
                    "seconds": round(time.monotonic() - began, 2), "texts": [c.text for c in written],
                }  # fmt: skip
                append(path, [known[key]])
            found.setdefault(candidate.name, []).append(known[key])
    return found


def _key(candidate: Candidate, asked: list[dict], sampling: SamplingConfig, seed: int) -> str:
    rollout = candidate.config.model.rollout
    by = [] if rollout is Rollout.auto else [rollout.value]  # whom auto chose does not count: it depends on the machine
    what = (
        environment_of(candidate)["model"],
        rundir.fingerprint(candidate.adapter),
        [r["prompt"] for r in asked],
        sampling,
        seed,
        *by,
    )
    return hashlib.sha256(repr(what).encode(errors="surrogatepass")).hexdigest()[:16]
