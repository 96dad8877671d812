"""One stage from config to adapter: what the three stages share stands here, once."""

import json
import time
from pathlib import Path

import torch
from transformers import PrinterCallback, TrainerCallback

from qgen import data
from qgen.config import Config
from qgen.model import load, weights
from qgen.problem import Problem, parse
from qgen.rewards import Rewards
from qgen.runtime import attention, rundir
from qgen.runtime.checkpoints import StateCallback, read_state
from qgen.runtime.environment import environment
from qgen.runtime.memory import MemoryMonitor, measure
from qgen.runtime.progress import ProgressBar
from qgen.runtime.tracking import Tracker, read, tracking
from qgen.stages import distill, grpo, sft
from qgen.stages.context import Context
from qgen.stages.validation import Validation

BUILD = {"sft": sft.build, "grpo": grpo.build, "distill": distill.build}


class Metrics(TrainerCallback):
    """Each step's log as a row of metrics.jsonl."""

    def __init__(self, tracker: Tracker):
        self.tracker = tracker

    def on_log(self, args, state, control, logs=None, **_):
        if logs and "train_runtime" not in logs:  # the closing log, whose means leave out what ran before a resume
            self.tracker.metrics(state.global_step, dict(logs))


def run(
    config: Config, corpus: data.Corpus, out: Path, adapter: Path | None, checkpoint: Path | None, plain: dict
) -> dict:
    """Train one stage in its directory and return its summary.

    Args:
        adapter: what the stage starts from; None for the base model.
        checkpoint: what a resumed stage goes on from.
        plain: the config as plain data, for trackers.
    """
    began = time.monotonic()
    attention.refuse_broken_unsloth()
    with tracking(config, out, plain) as tracker:
        monitor = MemoryMonitor(config.runtime.memory, lambda row: tracker.write("memory", row))
        model, tokenizer = load(config.model, adapter, config.seed)
        attention.fix()
        running = attention.backend(config.model.attn_implementation, torch.cuda.is_available())
        print(f"{config.stage.name}: from {adapter or 'the base model'}; attention: {running}")
        monitor.report("model loaded")
        rewards = Rewards(config.reward, corpus.train)
        for name, term in rewards.terms.items():
            if hasattr(term, "spearman"):
                print(f"reward {name}: an estimate; its rank correlation with real levels is {term.spearman:.2f}")
        _write_json(
            out / "environment.json",
            environment(
                data=data.fingerprint(corpus.train),
                heldout=data.fingerprint(corpus.heldout),
                model=f"{weights(config.model)} ({sum(p.numel() for p in model.parameters())} parameters)",
                started_from=str(adapter or "base"),
                attention=running,
            ),
        )
        context = Context(config, out, model, tokenizer, corpus, rewards, tracker)
        trainer = BUILD[config.stage.name](context)
        trainer.remove_callback(PrinterCallback)
        trainer.create_model_card = lambda *_, **__: None  # TRL's says nothing that qgen has checked
        validation = Validation(context, adapter)
        before = 0.0
        if checkpoint is not None:
            state = read_state(checkpoint)
            rewards.load_state_dict(state["rewards"])
            before = state["seconds"]
        keep = StateCallback(
            lambda: {"rewards": rewards.state_dict(), "seconds": round(before + time.monotonic() - began, 3)}
        )
        for callback in (validation, ProgressBar(config.stage.name), Metrics(tracker), monitor, keep):
            trainer.add_callback(callback)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.model.save_pretrained(out / rundir.ADAPTER)
        tokenizer.save_pretrained(out / rundir.ADAPTER)
        monitor.report("adapter saved")
    summary = summarise(out, config.stage.name)
    summary["seconds"] = round(before + time.monotonic() - began, 1)
    summary["validation_seconds"] = round(validation.seconds, 1)
    summary["peak_memory"] = measure().peak
    _write_json(out / rundir.SUMMARY, summary)
    return summary


def summarise(out: Path, stage: str) -> dict:
    """What the table at the end of a run says of a stage, read from the files that the stage wrote.

    `loss` is [first, last], each the mean of a tenth of the steps; the validation figures are [before, after].
    """
    losses = [row["loss"] for row in read(out / "metrics.jsonl") if row.get("loss") is not None]
    tenth = max(1, len(losses) // 10)
    history = read(out / "validation.jsonl")
    last = history[-1]["step"]
    texts = [row["completion"] for row in _samples(out) if row["mode"] == "validation" and row["step"] == last]
    return {
        "stage": stage,
        "steps": last,
        "loss": [sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth] if losses else None,
        **{key: [history[0][key], history[-1][key]] for key in ("reward", "format_yield", "heldout_loss")},
        "samples": sorted(texts, key=lambda t: not isinstance(parse(t), Problem))[:3],
    }


def _samples(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def _write_json(path: Path, value: dict) -> None:
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(
        json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="backslashreplace"
    )
    fresh.replace(path)
