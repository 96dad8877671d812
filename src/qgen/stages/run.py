"""One stage from config to adapter: what the three stages share stands here, once."""

import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainerCallback

from qgen import data
from qgen.engine import rollout
from qgen.mathematics.problem import Problem
from qgen.mathematics.programmed import recalled
from qgen.models import unsloth
from qgen.models.model import fingerprint, load
from qgen.rewards import Rewards, knows_truth
from qgen.rewards.base import Base
from qgen.runs import rundir
from qgen.runs.checkpoints import StateCallback, read_state, write_state
from qgen.runs.environment import environment
from qgen.runs.files import link_tree, rows, steps, write_json
from qgen.runs.remarks import learned_nothing
from qgen.runs.saved import step_of
from qgen.runs.tracking import Tracker, tracking
from qgen.runtime import attention, memory, ranks, shards
from qgen.runtime.memory import MemoryMonitor
from qgen.runtime.progress import ProgressBar
from qgen.settings.choices import Backend
from qgen.settings.config import Config
from qgen.stages import distill, grpo, oom, sft
from qgen.stages.context import Context
from qgen.stages.finite import Finite
from qgen.stages.guard import Guard, steps_per_rollout
from qgen.stages.symptoms import Symptoms
from qgen.stages.validation import Validation

BUILD = {"sft": sft.build, "grpo": grpo.build, "distill": distill.build}


class MetricsCallback(TrainerCallback):
    """Each step's log as a row of metrics.jsonl; then the stage may end."""

    def __init__(self, tracker: Tracker, finite: Finite):
        self.tracker, self.finite = tracker, finite

    def on_log(self, args, state, control, logs=None, **_):
        if logs and "train_runtime" not in logs:  # the closing log, whose means leave out what ran before a resume
            self.tracker.metrics(state.global_step, dict(logs))
            self.finite.judge()


def run(config: Config, corpus: data.Corpus, out: Path, adapter: Path | None, claim: rundir.Claim, plain: dict) -> dict:
    """Train one stage in its directory and return its summary. With several ranks the first writes, and has a summary.

    Args:
        adapter: what the stage starts from; None for the base model.
        claim: what may be done in the directory, and the checkpoint that a resumed stage goes on from.
        plain: the config as plain data, for trackers.
    """
    began = time.monotonic()
    ranks.start()
    checkpoint = claim.checkpoint
    given, config = config, oom.adjusted(config, out, claim)
    shards.check(config.model)
    if config.model.backend is Backend.unsloth:
        attention.refuse_broken_unsloth()
    state = read_state(checkpoint) if checkpoint is not None else {}
    stopped = None if claim.changed else state.get("stopped")  # another config may go on
    finished = checkpoint is not None and (step_of(checkpoint) >= config.stage.max_steps or bool(stopped))
    if checkpoint is not None and not finished:
        shards.same_kind(checkpoint)
    memory.cap(config.runtime.memory.cap)
    model, tokenizer = load(config.model, checkpoint if finished else adapter, config.seed)
    attention.fix()
    running = attention.backend(model)
    base_hash = fingerprint(config.model, model)
    rundir.same_base(checkpoint or adapter, base_hash)
    print(f"{config.stage.name}: from {adapter or 'the base model'}; attention: {running}")
    writes_each_step = config.stage.name == "grpo"  # other stages write now and then, and train in the memory
    at_once = max(config.sampling.batch_size, config.stage.rollouts if writes_each_step else 0)
    writer, chosen = rollout.choose(config.model, at_once, model, tokenizer, resident=writes_each_step)
    print(f"rollout: {chosen}")
    base = Base(model, tokenizer, config.prompt, config.sampling.batch_size, writer)
    rewards = Rewards(config.reward, corpus.train, base, config.judge, config.prompt.language)
    for note in rewards.notes():
        print(note)
    hashes = {
        "data": data.fingerprint(corpus.train),
        "heldout": data.fingerprint(corpus.heldout),
        "model": base_hash,
        "started_from": str(adapter or "base"),
        "started_from_hash": rundir.fingerprint(adapter),
        "attention": running,
    }
    with tracking(config, out, plain) as tracker:
        monitor = MemoryMonitor(config.runtime.memory, lambda row: tracker.write("memory", row))
        symptoms = Symptoms(config.stage.name, state.get("told"))
        context = Context(config, out, model, tokenizer, corpus, rewards, tracker, symptoms, writer)
        validation = Validation(context, adapter, checkpoint)
        validation.measure = monitor.follow("validation", validation.measure)
        guard = Guard(rewards, out / rundir.SAMPLES, lambda: trainer._total_train_tokens)
        finite = Finite(config, out, running, state.get("finite"))
        build = BUILD[config.stage.name]
        built_first = build is not distill.build and not finished  # which writes files itself
        trainer: Any = build(context) if built_first else None
        ranks.wait()  # every rank has read what is there
        if ranks.first():
            rundir.begin(given, out, claim)
            ran_on = environment(**hashes)
            write_json(out / rundir.ENVIRONMENT, ran_on)
            tracker.environment(ran_on)
        monitor.report("model loaded")
        before = state.get("seconds", 0.0)
        keep = StateCallback(
            lambda: {
                "rewards": rewards.state_dict(),
                "seconds": round(before + time.monotonic() - began, 3),
                "stopped": validation.stopped,
                "finite": finite.counts,
                "told": symptoms.told,
                "tokens": trainer._total_train_tokens,
            }
        )
        if checkpoint is not None:
            rewards.load_state_dict(state["rewards"])
            if claim.changed and ranks.first():
                write_state(checkpoint, state | {"stopped": None})
        validation.stopped = stopped

        def work() -> None:
            nonlocal trainer
            if finished and checkpoint is not None:  # but for the end
                validation.again(step_of(checkpoint))
                return
            trainer = trainer or build(context)
            trainer._total_train_tokens = state.get("tokens", 0)  # TRL's own count begins anew
            if checkpoint and step_of(checkpoint) % steps_per_rollout(trainer.args):
                print(f"{checkpoint.name} is from the middle of a rollout, the rest of which is written anew")
            with closing(ProgressBar(config.stage.name, lambda: validation.quality)) as bar:
                _equip(trainer, context, finite, validation, bar, monitor, keep, guard)
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

        if error := guard.watch(work):
            if trainer and monitor.running in ("rollout", "rewards", "forward-backward"):  # else from what is on disk
                guard.save(trainer)
            done = trainer.state.global_step if trainer else 0
            raise oom.give_way(config, out, done, monitor.running, error)
        _save(config, out, model, tokenizer)
        monitor.report("adapter saved")
        if not ranks.first():
            return {}
        summary = summarise(out, config.stage.name, validation.best.step, finite.counts)
        summary["stopped"] = validation.stopped
        summary["told"] = symptoms.told
        summary["form_only"] = config.stage.name == "grpo" and not knows_truth(config.reward)
        summary["out_of_memory"] = rows(out / rundir.OOM)
        summary["seconds"] = round(before + time.monotonic() - began, 1)
        summary["peak_memory"] = monitor.peak
        tracker.outcome(summary)
        if config.validation.require_gain and not summary["learned"]:
            raise RuntimeError(
                f"{learned_nothing(summary)}, and validation.require_gain=true asks for more: resume=true with "
                f"another stage.learning_rate, or a larger stage.max_steps, goes on from its last checkpoint"
            )
    write_json(out / rundir.SUMMARY, summary)
    shutil.rmtree(out / rundir.BEST, ignore_errors=True)  # adapter/ and the checkpoints have it
    return summary


def _equip(
    trainer: Trainer, context: Context, finite: Finite, validation: Validation, bar: ProgressBar,
    monitor: MemoryMonitor, *after: TrainerCallback,
) -> None:  # fmt: skip
    """Give TRL's trainer what qgen adds to a run: checks of its arguments, phases, validation, progress and records."""
    if context.config.model.backend is Backend.unsloth:
        unsloth.compare(context.reference, trainer.args)
    if trainer.args.fp16:  # TRL makes a quantized model's adapter bfloat16, whose gradients cannot be scaled
        for parameter in context.model.parameters():
            parameter.data = parameter.data.float() if parameter.requires_grad else parameter.data
    if hasattr(trainer, "_generate"):
        trainer._generate = shards.whole(context.model)(trainer._generate)
    for phase, method in (("rollout", "_generate"), ("rewards", "_calculate_rewards")):
        if hasattr(trainer, method):
            setattr(trainer, method, monitor.follow(phase, getattr(trainer, method)))
    finite.equip(trainer)
    trainer.remove_callback(PrinterCallback)
    trainer.create_model_card = lambda *_, **__: None  # TRL's says nothing that qgen has checked
    for callback in (
        finite,
        validation,
        bar,
        context.symptoms,
        MetricsCallback(context.tracker, finite),
        monitor,
        *after,
    ):
        trainer.add_callback(callback)


def _save(config: Config, out: Path, model: PeftModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Leave the adapter of the last validation that is not worse than the best, or of the last step."""
    if not config.validation.keep_best:
        shards.save_adapter(model, out / rundir.ADAPTER)
    elif ranks.first():
        link_tree(out / rundir.BEST / rundir.ADAPTER, out / rundir.ADAPTER)
    if ranks.first():
        tokenizer.save_pretrained(out / rundir.ADAPTER)


def summarise(out: Path, stage: str, kept: int | None, counts: dict[str, int]) -> dict:
    """What the table at the end of a run says of a stage, read from the files that the stage wrote.

    `loss` is [first, last], each the mean of a tenth of the steps; the validation figures are [before, after], after
    being the step whose adapter is kept (None: the last). `learned` says whether that is another adapter than the
    stage began with.
    """
    losses = [row["loss"] for row in steps(out / "metrics.jsonl") if row.get("loss") is not None]
    tenth = max(1, len(losses) // 10)
    history = steps(out / "validation.jsonl")
    after = next((row for row in history if row["step"] == kept), history[-1])
    shown = [r for r in rows(out / "samples.jsonl") if (r["mode"], r["step"]) == ("validation", after["step"])]
    return {
        "stage": stage,
        "steps": history[-1]["step"],
        "kept_step": after["step"],
        "learned": after["step"] > history[0]["step"] and history[-1]["step"] > counts["nonfinite_steps"],
        **counts,
        "loss": [sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth] if losses else None,
        **{key: [history[0][key], after[key]] for key in ("reward", "format_yield", "heldout_loss")},
        "validation_seconds": round(sum(row["seconds"] for row in history), 1),
        "samples": [row["completion"] for row in sorted(shown, key=_no_problem)[:3]],
    }


def _no_problem(row: dict) -> bool:
    return not isinstance(recalled(row["completion"], row.get("program")), Problem)
