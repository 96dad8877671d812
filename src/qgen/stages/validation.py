"""Validation while training: problems written for a fixed set of held-out requests, and loss on held-out problems."""

import hashlib
import math
import random
import statistics
import time
from dataclasses import replace
from pathlib import Path

from transformers import TrainerCallback

from qgen.data import fingerprint
from qgen.data.prompts import lesson, requests
from qgen.engine.rollout import generate
from qgen.mathematics.equivalence import final_answer
from qgen.mathematics.problem import Problem
from qgen.metrics.loss import completion_loss
from qgen.proofs import reading
from qgen.rewards import parsed
from qgen.runs.files import Row, prune, read_json, rows, steps
from qgen.runs.rundir import ADAPTER, SAMPLES, SUMMARY
from qgen.runs.saved import step_of
from qgen.runtime import ranks
from qgen.runtime.finite import NotFiniteError
from qgen.runtime.shards import whole
from qgen.settings.choices import Task
from qgen.settings.sampling import SamplingConfig
from qgen.stages.best import Best
from qgen.stages.context import Context


class Validation(TrainerCallback):
    """Validates before the first step, every validation.every steps, and after the last.

    A row of validation.jsonl holds the step, `reward` (the quality: mean of the weighted total), `reward_error` (its
    standard error), `terms/NAME` (means), `trust/NAME` (rank correlation of an estimate with the truth), `format_yield`
    (share of completions that parse), `heldout_loss` (nats a token, of problems that fit into model.max_length) and
    `seconds`. The requests, problems and seed are the same each time; training's random numbers are left as they were.

    Args:
        context: the stage.
        adapter: what the stage starts from. Where the stage that wrote it has validated it in the same way, that row
            is taken over as the first instead of measured again.
        checkpoint: what a resumed stage goes on from.

    Attributes:
        best: the adapter of the last validation that is not worse than the best.
        quality: the last validation's.
        stopped: why the stage ends before its last step; None while it does not.
    """

    def __init__(self, context: Context, adapter: Path | None, checkpoint: Path | None):
        self.context = context
        config = context.config
        heldout, seed = context.corpus.heldout, config.data.split_seed
        self.requests = requests(config.prompt, heldout, config.validation.prompts, seed, config.task)
        lessons = context.fitting([lesson(config.prompt, p, config.task) for p in heldout], "held-out problems")
        if not lessons:
            raise RuntimeError(f"no held-out problem fits into model.max_length={config.model.max_length}: raise it")
        self.lessons = random.Random(seed).sample(lessons, min(config.validation.problems, len(lessons)))
        drawn = replace(config.sampling, batch_size=1)  # how many at once is no other ruler
        what = (fingerprint(context.corpus.train), self.requests, self.lessons, drawn, config.model, config.reward,
                config.data)  # fmt: skip
        self.fingerprint = hashlib.sha256(repr(what).encode(errors="surrogatepass")).hexdigest()[:16]
        self.before, self.shown = _of_finished(adapter)
        self.rewards = context.rewards.frozen()  # one ruler for all steps and stages: no memory of what was written
        self.best = Best(context.out, context.model)
        self.quality: float | None = None
        self.stopped: str | None = None
        self.history: list[Row] = []  # the rows up to the present step
        if checkpoint is not None:
            past = [row for row in steps(context.out / "validation.jsonl") if row["step"] <= step_of(checkpoint)]
            self.history = [row for row in past if row.get("fingerprint") == self.fingerprint]  # by the same ruler
            if config.validation.keep_best:
                self.best.restore(checkpoint, {row["step"] for row in self.history})

    def validate(self, step: int) -> None:
        """Measure the policy as it is now and write a row."""
        began = time.perf_counter()
        with whole(self.context.model):
            measured = self.measure(step)
        row = {**ranks.gather([measured])[0], "fingerprint": self.fingerprint}  # one rank's, so that all agree
        if not math.isfinite(row["heldout_loss"]):
            raise NotFiniteError(
                f"the loss on held-out problems is {row['heldout_loss']} at step {step}: the model's numbers are not "
                f"finite; set model.attn_implementation=eager or model.dtype=float32, or begin from other weights"
            )
        self.take(step, row, began)

    def again(self, step: int) -> None:
        """Validate at the step that a stage goes on from: what was written there before is written anew."""
        if ranks.first():
            prune(self.context.out / SAMPLES, lambda row: (row["mode"], row["step"]) != ("validation", step))
        self.validate(step)

    def take(self, step: int, row: Row, began: float) -> None:
        """Write a row, and keep the adapter if it is not worse than the best."""
        config = self.context.config.validation
        self.quality = row["reward"]
        if config.keep_best:
            self.best.offer(step, self.quality, row.get("reward_error", 0.0))
        row = {**row, "step": step, "seconds": round(time.perf_counter() - began, 2)}
        self.context.tracker.validation(step, row)
        self.history = [*(past for past in self.history if past["step"] != step), row]

    def over(self) -> str | None:
        """Why the stage should end here, by what its validations say; None where it should go on."""
        config, qualities = self.context.config.validation, [row["reward"] for row in self.history]
        since = qualities[::-1].index(max(qualities))  # validations since the best
        if config.stop_below is not None and qualities[-1] < config.stop_below:
            return f"quality {qualities[-1]:.3f} is under validation.stop_below={config.stop_below}"
        if config.patience and since >= config.patience:
            best = self.history[-1 - since]["step"]
            return f"no better quality since step {best} (validation.patience={config.patience})"
        return None

    def measure(self, step: int) -> Row:
        """Have the policy answer the held-out requests, score what it wrote, measure the held-out loss, and track both.

        Args:
            step: optimizer steps done.

        Returns the row that validation.jsonl gets.
        """
        context = self.context
        config = context.config
        prompts = [r["prompt"] for r in self.requests]
        columns = {name: [r[name] for r in self.requests] for name in self.requests[0] if name != "prompt"}
        model, seed = context.model, config.data.split_seed
        written = generate(model, context.tokenizer, prompts, config.sampling, seed, reading.wrote, context.writer)
        texts = ranks.gather([[completion.text for completion in written]])[0]  # a rank without room does not merge
        scores = self.rewards.score(prompts, texts, **columns)
        context.keep("validation", step, columns, texts, scores)
        return {
            "reward": sum(scores.total) / len(scores.total),
            "reward_error": _error(scores.total),
            **{f"terms/{name}": mean for name, mean in scores.means().items()},
            **{f"trust/{name}": round(value, 4) for name, value in self.rewards.trust().items()},
            "format_yield": self._formed(texts) / len(texts),
            "heldout_loss": completion_loss(
                context.model, context.tokenizer, self.lessons, loss_batch(config.sampling)
            ),
        }

    def _formed(self, texts: list[str]) -> int:
        """How many texts have the form of what was asked for: that of a problem, or a solution's with an answer."""
        if self.context.config.task is Task.solve:
            return sum(final_answer(text) is not None for text in texts)
        return sum(isinstance(problem, Problem) for problem in parsed(texts))

    def on_train_begin(self, args, state, control, **_):
        if state.global_step:
            if not self.history:  # resumed with another ruler
                self.again(state.global_step)
        elif self.before and self.before.get("fingerprint") == self.fingerprint:
            self.context.tracker.write("samples", *({**row, "step": 0} for row in self.shown))
            self.take(0, {**self.before, "taken_over": True}, time.perf_counter())
        else:
            self.validate(0)

    def on_step_end(self, args, state, control, **_):
        every = self.context.config.validation.every
        if every and state.global_step % every == 0 and state.global_step < state.max_steps:
            self.validate(state.global_step)
            if stopped := self.over():
                self.stopped = stopped
                control.should_training_stop = control.should_save = True

    def on_save(self, args, state, control, **_):
        self.best.keep_in(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def on_train_end(self, args, state, control, **_):
        if not self.history or self.history[-1]["step"] != state.global_step:
            self.validate(state.global_step)


def _error(values: list[float]) -> float:
    """The standard error of their mean; 0 of a single one, which shows no spread."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def loss_batch(sampling: SamplingConfig) -> int:
    """Problems whose loss is computed at once: 8, and fewer where few completions are drawn at once."""
    return max(1, min(8, sampling.batch_size // 4))


def _of_finished(adapter: Path | None) -> tuple[Row | None, list[Row]]:
    """The validation of the adapter that a finished stage left, and the samples of it; None for a checkpoint's, which
    may have had none."""
    if adapter is None or adapter.name != ADAPTER or not (summary := read_json(adapter.parent / SUMMARY)):
        return None, []
    kept = summary.get("kept_step")
    found = [row for row in steps(adapter.parent / "validation.jsonl") if row["step"] == kept]
    shown = [r for r in rows(adapter.parent / SAMPLES) if (r["mode"], r["step"]) == ("validation", kept)]
    return (found[0], shown) if found else (None, [])
