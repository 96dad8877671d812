"""Validation while training: problems written for a fixed set of held-out requests, and loss on held-out problems."""

import hashlib
import random
import time
from pathlib import Path

from transformers import TrainerCallback

from qgen.data import fingerprint
from qgen.metrics.loss import completion_loss
from qgen.problem import Problem
from qgen.prompts import lesson, request
from qgen.rewards import parsed
from qgen.runtime.files import Row, steps
from qgen.runtime.rollout import generate
from qgen.runtime.rundir import ADAPTER, SUMMARY
from qgen.stages.context import Context


class Validation(TrainerCallback):
    """Validates before the first step, every validation.every steps, and after the last.

    A row of validation.jsonl holds the step, `format_yield` (share of completions that parse), `reward` (mean of
    the weighted total), `terms/NAME` (means), `trust/NAME` (rank correlation of an estimate with the truth),
    `heldout_loss` (nats a token) and `seconds`. The requests, problems
    and seed are the same each time; training's random numbers are left as they were.

    Args:
        context: the stage.
        adapter: what the stage starts from. Where the stage that wrote it ended with the same validation, that
            row is taken over as the first instead of measured again.
    """

    def __init__(self, context: Context, adapter: Path | None):
        self.context = context
        config = context.config
        problems = list(context.corpus.heldout)
        random.Random(config.data.split_seed).shuffle(problems)
        asked = [problems[i % len(problems)] for i in range(config.validation.prompts)]
        self.requests = [request(config.prompt, p) for p in asked]
        self.lessons = [lesson(config.prompt, p) for p in problems[: config.validation.problems]]
        what = (
            fingerprint(context.corpus.train),
            self.requests,
            self.lessons,
            config.sampling,
            config.model,
            config.reward,
            config.data,
        )
        self.fingerprint = hashlib.sha256(repr(what).encode(errors="surrogatepass")).hexdigest()[:16]
        # a finished stage's, and no checkpoint's, which was never validated
        final = adapter is not None and adapter.name == ADAPTER and (adapter.parent / SUMMARY).exists()
        self.before = steps(adapter.parent / "validation.jsonl")[-1:] if final else []
        self.rewards = context.rewards.frozen()  # one ruler for all steps and stages: no memory of what was written
        self.seconds = 0.0

    def validate(self, step: int) -> None:
        """Measure the policy as it is now and write a row."""
        began = time.perf_counter()
        row = self.measure(step)
        seconds = time.perf_counter() - began
        self.seconds += seconds
        self.context.tracker.validation(step, {**row, "fingerprint": self.fingerprint, "seconds": round(seconds, 2)})

    def measure(self, step: int) -> Row:
        context = self.context
        config = context.config
        prompts = [r["prompt"] for r in self.requests]
        columns = {name: [r[name] for r in self.requests] for name in ("topic", "level")}
        written = generate(context.model, context.tokenizer, prompts, config.sampling, seed=config.data.split_seed)
        texts = [completion.text for completion in written]
        scores = self.rewards.score(prompts, texts, **columns)
        context.keep("validation", step, columns, texts, scores)
        return {
            "format_yield": sum(isinstance(p, Problem) for p in parsed(texts)) / len(texts),
            "reward": sum(scores.total) / len(scores.total),
            **{f"terms/{name}": mean for name, mean in scores.means().items()},
            **{f"trust/{name}": round(value, 4) for name, value in self.rewards.trust().items()},
            "heldout_loss": completion_loss(context.model, context.tokenizer, self.lessons),
        }

    def on_train_begin(self, args, state, control, **_):
        if state.global_step:
            return
        if self.before and self.before[0].get("fingerprint") == self.fingerprint:
            self.context.tracker.validation(0, {**self.before[0], "step": 0, "seconds": 0.0, "taken_over": True})
        else:
            self.validate(0)

    def on_step_end(self, args, state, control, **_):
        every = self.context.config.validation.every
        if every and state.global_step % every == 0 and state.global_step < state.max_steps:
            self.validate(state.global_step)

    def on_train_end(self, args, state, control, **_):
        self.validate(state.global_step)
