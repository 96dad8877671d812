"""The author of problems, a run's model or one as it is: it answers batches, what passed is ranked, and a run's writes
a problem again."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from qgen.data import Corpus
from qgen.data.prompts import Message
from qgen.engine import rollout
from qgen.engine.completion import Completion
from qgen.engine.rollout import generate
from qgen.mathematics.problem import Problem, parse
from qgen.models.model import fingerprint, load
from qgen.papers.author import PassedProblem
from qgen.papers.certificate import Batch, batch_of, certificate, digest
from qgen.papers.gate import Gate
from qgen.proofs import engines
from qgen.proofs.proof import words
from qgen.proofs.solver import Solver, standing
from qgen.rewards import Rewards
from qgen.rewards.base import Base
from qgen.runs import rundir
from qgen.runs.files import Row, append, rows
from qgen.runtime.memory import measure
from qgen.settings.choices import Kind, Rollout
from qgen.settings.config import Config
from qgen.settings.reward import SolverConfig
from qgen.settings.sampling import SamplingConfig

PACKAGES = ("torch", "transformers", "peft", "numpy")  # those that an output depends on
MACHINE = ("device", "threads", "packages")


class Asked:
    """What is asked for, in the batches that an author answers; `answer` is whose it is.

    Attributes:
        run: the config with the prompt to ask with.
        origin: what a certificate says of the author.
    """

    run: Config
    like: Problem | None
    kind: Kind | None
    origin: dict[str, Any]

    def prompts(self, batch: Batch) -> list[list[Message]]:
        """The chats of a batch, one a request."""
        return [request.prompt(self.run.prompt, self.like, self.kind) for request in batch.requests]

    def wish(self) -> dict[str, Any]:
        """The language, and what is varied how, as certificates say it."""
        like = self.like and {key: getattr(self.like, key) for key in ("statement", "answer", "topic", "level")}
        return {"language": self.run.prompt.language.value, "like": like, "kind": self.kind and self.kind.value}

    def answer(self, batch: Batch) -> list[Completion]:
        """A completion a request of the batch, drawn by the batch's own seed."""
        raise NotImplementedError

    def answer_once(self, batch: Batch, kept: Path) -> list[Completion]:
        """The batch's completions, read from a file where an earlier command has written them, and kept there."""
        key = digest({**self.origin, **batch.plain(), "prompts": self.prompts(batch)})
        found = next((row["outputs"] for row in rows(kept) if row["batch"] == key), None)
        if found is not None:
            return [Completion(**output) for output in found]
        written = self.answer(batch)
        append(kept, [{"batch": key, "outputs": [vars(completion) for completion in written]}])
        return written


class Untrained(Asked):
    """A model as it is, by whichever engine serves it here (proofs/engines.py).

    Args:
        run: a config whose prompt asks.
    """

    def __init__(self, engine: Any, run: Config, like: Problem | None = None, kind: Kind | None = None):
        self.engine, self.run, self.like, self.kind = engine, run, like, kind
        self.origin = {
            "model": engine.identity,
            "rollout": engines.told(engine)["engine"],
            **self.wish(),
            "packages": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def answer(self, batch: Batch) -> list[Completion]:
        """A completion a request of the batch; nothing is written after its answer's line."""
        self.engine.over = whole
        return self.engine.write(self.prompts(batch), batch.sampling, batch.seed)


def whole(text: str) -> bool:
    """Whether a problem that is being written has its answer's whole line."""
    return text.endswith("\n") and isinstance(parse(text), Problem)


class ProblemWriter(Asked):
    """A stage's model, answering batches.

    Args:
        home: the stage's directory.
        run: its config, with the prompt to ask with, and model.rollout.
        sampling: what batches are drawn with.
        like: what is varied, if anything is.
        kind: of the variations.

    Attributes:
        copy: the compiled copy of the model that writes; None: the model itself.
        base: the model as it was before it was trained, which solves and judges.
        origin: what a certificate says of it.
    """

    def __init__(
        self, home: Path, run: Config, sampling: SamplingConfig, like: Problem | None = None, kind: Kind | None = None
    ):
        self.run, self.like, self.kind = run, like, kind
        adapter = rundir.adapter_at(home)
        self.model, self.tokenizer = load(run.model, adapter, run.seed)
        self.copy, chosen = rollout.choose(run.model, sampling.batch_size, self.model, self.tokenizer)
        self.base = Base(self.model, self.tokenizer, run.prompt, run.sampling.batch_size, self.copy)
        print(f"rollout: {chosen}")
        self.origin: dict[str, Any] = {
            "model": fingerprint(run.model, self.model),
            "stage": str(home),
            "adapter": rundir.fingerprint(adapter),
            "rollout": rollout.rollout_of(self.copy).value,
            **self.wish(),
            "device": measure().device,
            "threads": torch.get_num_threads(),
            "packages": {name: metadata.version(name) for name in PACKAGES},
        }

    def answer(self, batch: Batch) -> list[Completion]:
        """A completion a request of the batch, drawn by the batch's own seed."""
        prompts = self.prompts(batch)
        return generate(self.model, self.tokenizer, prompts, batch.sampling, batch.seed, writer=self.copy)


def solver_of(writer: ProblemWriter, config: SolverConfig) -> tuple[Solver, dict[str, Any]]:
    """The run's solver, its frozen base where no other model is one, and what certificates say of it."""
    if config.model is None:
        by = {"engine": writer.origin["rollout"], "weights": writer.origin["model"]}
        return Solver(writer.base, writer.run.prompt, config), {"solved_by": by, "sampling": vars(config)}
    engine = standing(config.model, config.max_new_tokens)
    return Solver(engine, writer.run.prompt, config), {"solved_by": engines.told(engine), "sampling": vars(config)}


def ranked(made: list[PassedProblem], gate: Gate, writer: Asked, corpus: Corpus) -> list[Row]:
    """What is handed out of each problem: the best by the run's own reward first, where there is a run; else the best
    proved."""
    problems = [m.problem for m in made]
    unscored: Sequence[tuple[float | None, dict[str, Any]]] = [(None, {}) for _ in made]
    scored = _scored(made, writer, corpus) if isinstance(writer, ProblemWriter) else unscored
    rows = []
    for m, problem, level, (reward, facts) in zip(made, problems, gate.difficulty(problems), scored, strict=True):
        proof = certificate(
            writer.origin, m.batch, m.row, prompt=writer.prompts(m.batch)[m.row], completion=m.completion,
            gate=m.verdict.checks, reward=reward, **facts, answer_proof=m.proof and m.proof.certificate,
        )  # fmt: skip
        rows.append({
            "statement": problem.statement, "answer": problem.answer, "solution": problem.solution,
            "program": problem.program, "topic": m.request.topic, "level": m.request.level, "difficulty": level,
            "reward": reward, "proof": m.proof and m.proof.kind, "proved": m.proof and words(m.proof.certificate),
            "nearest": gate.nearest(problem), "certificate": proof,
        })  # fmt: skip
    return sorted(rows, key=lambda row: (0, -row["reward"]) if row["reward"] is not None else (1, row["proof"] or "z"))


def _scored(made: list[PassedProblem], writer: ProblemWriter, corpus: Corpus) -> list[tuple[float, dict[str, Any]]]:
    """The reward of each problem by the run's own terms, and the terms and facts that it is made of."""
    run = writer.run
    rewards = Rewards(run.reward, corpus.train, writer.base, run.judge, run.prompt.language)
    asked = {"topic": [m.request.topic for m in made], "level": [m.request.level for m in made]}
    scores = rewards.score(["ask"] * len(made), [m.completion for m in made], **asked)
    return [(round(scores.total[i], 4), {"terms": scores.row(i), **scores.facts[i]}) for i in range(len(made))]


def reproduce(proof: dict[str, Any], home: Path, run: Config) -> str:
    """Write a problem again from its certificate, and return it. Raises RuntimeError where it is not the same."""
    torch.set_num_threads(proof["threads"])  # the sums of other threads are rounded otherwise
    run.model.rollout = Rollout(proof.get("rollout", "generate"))  # older certificates do not say: it was
    like, kind = proof["like"] and Problem(**proof["like"]), proof["kind"] and Kind(proof["kind"])
    batch, row = batch_of(proof), proof["row"]
    writer = ProblemWriter(home, run, batch.sampling, like, kind)
    now = {**writer.origin, "prompt": writer.prompts(batch)[row]}
    for key in ("model", "adapter", "prompt"):
        if proof[key] != now[key]:
            raise RuntimeError(f"{home}: the {key} is {now[key]}, and the problem was written with {proof[key]}")
    text = writer.answer(batch)[row].text
    if text != proof["completion"]:
        other = [f"{key} was {proof[key]} and is {now[key]}" for key in MACHINE if proof[key] != now[key]]
        why = "; ".join(other) or f"{', '.join(MACHINE)} are the same"
        raise RuntimeError(f"it is not the same problem: {text!r} now, {proof['completion']!r} then. {why}")
    return text
