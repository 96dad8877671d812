"""Validation while training: problems written for a fixed set of held-out requests, and loss on held-out problems."""

import random
import time

from transformers import TrainerCallback

from qgen.metrics.loss import completion_loss
from qgen.problem import Problem
from qgen.prompts import lesson, request
from qgen.rewards import parsed
from qgen.runtime.rollout import generate
from qgen.stages.context import Context


class Validation(TrainerCallback):
    """Validates before the first step, every validation.every steps, and after the last.

    A row of validation.jsonl holds the step, `format_yield` (share of completions that parse), `reward` (mean of
    the weighted total), `terms/NAME` (means), `heldout_loss` (nats a token) and `seconds`. The same requests, the
    same problems and the same seed each time; training's random numbers are left as they were.
    """

    def __init__(self, context: Context):
        self.context = context
        config = context.config.validation
        problems = list(context.corpus.heldout)
        random.Random(context.config.data.split_seed).shuffle(problems)
        asked = [problems[i % len(problems)] for i in range(config.prompts)]
        self.requests = [request(context.config.prompt, p) for p in asked]
        self.lessons = [lesson(context.config.prompt, p) for p in problems[: config.problems]]
        self.seconds = 0.0

    def validate(self, step: int) -> None:
        began = time.perf_counter()
        context = self.context
        config = context.config
        prompts = [r["prompt"] for r in self.requests]
        columns = {name: [r[name] for r in self.requests] for name in ("topic", "level")}
        texts = [
            c.text
            for c in generate(context.model, context.tokenizer, prompts, config.sampling, seed=config.data.split_seed)
        ]
        scores = context.rewards.score(prompts, texts, **columns)
        means = {}
        for name, values in scores.terms.items():
            known = [v for v in values if v is not None]
            means[f"terms/{name}"] = sum(known) / len(known) if known else None
        loss = completion_loss(context.model, context.tokenizer, self.lessons)
        seconds = time.perf_counter() - began
        self.seconds += seconds
        context.tracker.validation(
            step,
            {
                "format_yield": sum(isinstance(p, Problem) for p in parsed(texts)) / len(texts),
                "reward": sum(scores.total) / len(scores.total),
                **means,
                "heldout_loss": loss,
                "seconds": round(seconds, 2),
            },
        )
        context.tracker.write(
            "samples",
            *(
                {"mode": "validation", "step": step, **{k: v[i] for k, v in columns.items()}, "completion": texts[i],
                 "terms": scores.row(i), "reward": round(scores.total[i], 4)}
                for i in range(len(texts))
            ),
        )  # fmt: skip

    def on_train_begin(self, args, state, control, **_):
        if state.global_step == 0:
            self.validate(0)

    def on_step_end(self, args, state, control, **_):
        every = self.context.config.validation.every
        if every and state.global_step % every == 0 and state.global_step < state.max_steps:
            self.validate(state.global_step)

    def on_train_end(self, args, state, control, **_):
        self.validate(state.global_step)
