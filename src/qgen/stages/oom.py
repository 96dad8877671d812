"""Out of memory: which keys of the config take less, and the same command again in a fresh process.

An error leaves the allocator in pieces and half a step behind, so a stage does not go on in the same process. It saves
its last completed step, writes down in oom.jsonl what it sets, and begins anew from there.

Torch-free, as what starts a stage is.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from qgen.runs.files import append, rows
from qgen.runs.rundir import OOM, Claim
from qgen.runtime import orphans
from qgen.settings.config import Config

AGAIN = "going on in a fresh process"


class Again(Exception):  # noqa: N818, as it is no error
    """The stage is to be run again, by `run`: it has written down with what."""

    def run(self) -> None:
        """Become the same command with resume=true. The process keeps its number; its memory is new."""
        print(f"{self}; {AGAIN}", flush=True)
        sys.stderr.flush()
        command = [word for word in sys.orig_argv if word.partition("=")[0] not in ("resume", "overwrite")]
        os.execve(sys.executable, [*command, "overwrite=false", "resume=true"], orphans.kept())


def adjusted(config: Config, out: Path, claim: Claim) -> Config:
    """The config under which a stage goes on: its own, with the values that earlier out-of-memory errors have set. They
    are dropped where the run starts again, or its user has changed the config."""
    if config.overwrite or claim.changed:
        return config
    node = OmegaConf.structured(config)
    for row in rows(out / OOM):
        for key, value in row["set"].items():
            OmegaConf.update(node, key, value)
    smaller: Any = OmegaConf.to_object(node)
    return smaller


def give_way(config: Config, out: Path, step: int, phase: str | None, error: str) -> Again:
    """Write down with which keys the phase that ran out of memory takes less.

    Args:
        config: as it ran.
        step: the last completed.
        phase: one of MemoryMonitor's; None: validation, or best-of-n.

    Raises RuntimeError where nothing is left to lower, or runtime.oom.retries is used up.
    """
    used, lower = len(rows(out / OOM)), smaller(config, phase)
    what = f"out of memory in {phase or 'writing'} after step {step}"
    if used >= config.runtime.oom.retries or not lower:
        why = "no batch is left to lower" if not lower else f"runtime.oom.retries={used} is used up"
        raise RuntimeError(
            f"{what}, and {why} ({error}). Lower model.max_length or sampling.max_new_tokens, set "
            f"model.gradient_checkpointing=true or model.load_in_4bit=true; python -m qgen.doctor says what takes room"
        )
    row = {"step": step, "phase": phase or "writing", "error": error, "set": lower, "time": time.time()}
    append(out / OOM, [row])
    return Again(f"{what}: {' '.join(f'{key}={value}' for key, value in lower.items())}")


def smaller(config: Config, phase: str | None) -> dict[str, int]:
    """The keys, with their values, under which a phase takes less memory at once and computes the same; {} where it
    works on one sequence already."""
    stage, sampling = config.stage, config.sampling
    size, steps = stage.per_device_train_batch_size, stage.gradient_accumulation_steps
    if phase in ("forward-backward", "optimizer"):
        part = next((p for p in range(2, size + 1) if size % p == 0), None)
        if part is None:
            return {}
        found = {"stage.per_device_train_batch_size": size // part, "stage.gradient_accumulation_steps": steps * part}
        ahead = stage.trl.get("steps_per_generation")
        return found | ({"stage.trl.steps_per_generation": ahead * part} if ahead else {})
    if phase == "rollout":
        if stage.name != "grpo":  # distill under teacher=local, whose completions are those of a forward pass
            return {}
        return {"stage.rollout_batch_size": -(-stage.rollouts // 2)} if stage.rollouts > 1 else {}
    there = {"validation": config.validation.prompts, "rewards": size * steps}
    at_once = min(sampling.batch_size, there.get(phase or "", sampling.batch_size))
    return {"sampling.batch_size": at_once // 2} if at_once > 1 else {}
