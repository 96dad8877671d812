"""How much memory a stage takes, by part and phase, and the batch that fits a device."""

from dataclasses import dataclass

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig
from trl import GRPOConfig

from qgen.doctor.lengths import Lengths
from qgen.doctor.machine import Device
from qgen.doctor.simulate import Peak, Twin
from qgen.engine.compiled import BUCKET, ladder
from qgen.engine.decoder import bytes_of, bytes_of_cache, bytes_short, unsupported
from qgen.metrics.loss import TOKENS
from qgen.proofs import engines
from qgen.proofs.attempts import ROOM
from qgen.rewards import asks_base
from qgen.runtime import attention
from qgen.settings.choices import COPIES, Rollout
from qgen.settings.config import Config
from qgen.stages.validation import loss_batch

GIB = 2**30
PARTS = ("weights", "adapter", "optimizer", "gradients", "vLLM", "rollout copy", "merged copy", "activations", "cache",
         "logits and loss", "a layer's work", "another solver")  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """What a stage holds in one of its phases, in bytes by part."""

    name: str
    parts: dict[str, float]
    key: str  # what makes it smaller

    @property
    def total(self) -> float:
        """Bytes of all its parts together."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Estimate:
    """What a stage takes at its configured batch.

    Attributes:
        phases: the training step first.
        batch: the largest per-device batch whose training step fits, of those that divide the effective one; 0 if none.
        room: bytes that a process may allocate.
        adapter: its bytes.
        attention: what the model will run, in words.
        rollout: who will write; `vllm` in GRPO alone.
    """

    phases: list[Phase]
    batch: int
    room: float
    adapter: float
    attention: str
    rollout: Rollout

    @property
    def peak(self) -> Phase:
        """The phase that holds the most."""
        return max(self.phases, key=lambda phase: phase.total)

    @property
    def fits(self) -> bool:
        """Whether the peak is at most the bytes that are to be had."""
        return self.peak.total <= self.room


def estimate(
    config: Config,
    shape: PretrainedConfig,
    lengths: Lengths,
    device: Device,
    solver: PretrainedConfig | None = None,
) -> Estimate:
    """The phases of a stage and the batch that fits.

    Args:
        solver: the shape of reward.solver.model, which stays beside the policy; None where there is none, or nobody
            knows it.
    """
    stage, sampling = config.stage, config.sampling
    grpo = stage.name == "grpo"
    dtype = device.dtype(config.model.dtype)
    accumulated = stage.gradient_accumulation_steps > 1
    twins = [Twin(shape, config.model, dtype, layers, accumulated) for layers in (1, 2)]
    layers = shape.num_hidden_layers
    resident = twins[0].resident().with_layers(twins[1].resident(), layers)

    def peak(phase: str, *arguments) -> Peak:
        one, two = (getattr(twin, phase)(*arguments) for twin in twins)
        return one.with_layers(two, layers)

    def step(rows: int) -> Peak:
        if grpo:
            return peak("grpo", rows, lengths.prompt + sampling.max_new_tokens, sampling.max_new_tokens)
        return peak("sft", rows, lengths.row)

    batch, new = stage.per_device_train_batch_size, sampling.max_new_tokens
    rollouts = stage.rollouts if grpo else 0
    validated = sampling.batch_size if stage.name == "distill" else min(sampling.batch_size, config.validation.prompts)
    free = device.free - resident.weights - resident.adapter
    attempt = ROOM + (config.reward.solver.max_new_tokens if config.reward.solver else 0)
    another = 0.0 if solver is None else _another(solver, attempt, device, dtype.itemsize)
    free -= another
    rollout = _rollout(config, shape, device, dtype.itemsize, max(sampling.batch_size, rollouts), int(free))
    held = {
        "weights": resident.weights,
        "adapter": resident.adapter,
        "optimizer": 2 * resident.adapter,  # Adam's two moments
        "vLLM": _vllm(config, device) if rollout is Rollout.vllm else 0.0,
    }
    if solver is not None:
        held["another solver"] = another
    copy = {"rollout copy": 0.0, "cache": 0.0}
    if rollout in COPIES:
        copy["rollout copy"] = bytes_of(shape, rollout is Rollout.compiled_int8, dtype.itemsize)
        copy["cache"] = _static(shape, max(validated, rollouts), lengths.prompt + new, dtype.itemsize)
    if grpo:  # the others hold it only while they write
        held |= copy

    def writing(name: str, rows: int, key: str, prompt: int = lengths.prompt, new: int = new) -> Phase:
        found = _parts(peak("writing", rows, prompt, new, sampling), "cache")
        if rollout in COPIES and name != "solver":
            return Phase(name, held | found | copy, key)
        found["cache"] += held.get("cache", 0.0)
        return Phase(name, held | found | {"merged copy": resident.merged if name == "validation" else 0.0}, key)

    def lost(name: str, rows: int, width: int, key: str) -> Phase:
        rows = max(1, min(rows, TOKENS // width))
        return Phase(name, held | {"logits and loss": peak("heldout", rows, width).total}, key)

    others = [writing("validation", validated, "sampling.batch_size")]
    if grpo and rollout is not Rollout.vllm:
        others.append(writing("rollout", rollouts, "stage.rollout_batch_size"))
    problems = min(loss_batch(sampling), config.validation.problems)
    others.append(lost("held-out loss", problems, lengths.heldout, "sampling.batch_size"))
    if solver is not None:
        cache = held.get("cache", 0.0)
        cache += _static(solver, engines.ON_GPU, attempt, dtype.itemsize) if device.cuda else 0.0
        others.append(Phase("solver", held | {"cache": cache}, "reward.solver.max_new_tokens"))
    elif config.reward.solver and config.reward.solver.model is None:
        asked = lengths.prompt + new, config.reward.solver.max_new_tokens
        others.append(writing("solver", sampling.batch_size, "sampling.batch_size", *asked))
    if asks_base(config.reward):
        others.append(lost("judging", sampling.batch_size, new, "sampling.batch_size"))
    now = step(batch)
    fixed = held | {"gradients": resident.adapter if accumulated else 0.0}
    training = Phase("training step", fixed | _parts(now, "activations"), "stage.per_device_train_batch_size")
    largest = _largest(config, sum(fixed.values()), now, step(2 * batch), device.room)
    running = attention.backend(twins[0].model)
    return Estimate([training, *others], largest, device.room, resident.adapter, running, rollout)


def _another(shape: PretrainedConfig, length: int, device: Device, itemsize: int) -> float:
    """Bytes that a solver holds all the time: its weights and, on a GPU, the copy that it writes from; on a CPU
    llama.cpp holds a file's, of which those of the packaged models take five bits a weight, and a cache in 16 bits."""
    with torch.device("meta"):
        count = AutoModelForCausalLM.from_config(shape).num_parameters()
    if device.cuda:
        return count * itemsize + bytes_of(shape, False, itemsize)
    return count * 5 / 8 + bytes_of_cache(shape, engines.AT_ONCE, length, 2)


def _rollout(config: Config, shape: PretrainedConfig, device: Device, itemsize: int, rows: int, free: int) -> Rollout:
    """Who will write, as engine/rollout.py chooses."""
    asked = config.model.rollout
    if asked is Rollout.vllm:
        return asked if config.stage.name == "grpo" else Rollout.generate
    if asked is Rollout.auto:
        length = config.model.max_length
        fit = (
            r
            for r in COPIES
            if not bytes_short(shape, itemsize, r is Rollout.compiled_int8, ladder(rows), length, free)
        )
        return next(fit, Rollout.generate) if device.cuda and not unsupported(shape) else Rollout.generate
    return asked


def _vllm(config: Config, device: Device) -> float:
    """Bytes that vLLM takes in GRPO's own process: its weights, its cache and its work."""
    asked = config.stage.trl
    if asked.get("vllm_mode", GRPOConfig.vllm_mode) == "server":
        return 0.0
    return asked.get("vllm_gpu_memory_utilization", GRPOConfig.vllm_gpu_memory_utilization) * device.total


def _static(shape: PretrainedConfig, rows: int, length: int, itemsize: int) -> int:
    """Bytes of a copy's cache, as it is allocated."""
    return bytes_of_cache(shape, ladder(rows), -(-length // BUCKET) * BUCKET, itemsize)


def _parts(peak: Peak, kept: str) -> dict[str, float]:
    last = "logits and loss" if peak.top >= peak.layer else "a layer's work"
    return {kept: peak.saved, last: max(peak.top, peak.layer)}


def _largest(config: Config, fixed: float, once: Peak, twice: Peak, room: float) -> int:
    """The largest divisor of the effective batch whose step fits: each part of a peak grows linearly with the rows."""
    batch = config.stage.per_device_train_batch_size
    whole = batch * config.stage.gradient_accumulation_steps

    def fits(rows: int) -> bool:
        scale = rows / batch - 1
        saved, top, layer = (getattr(once, n) + scale * (getattr(twice, n) - getattr(once, n))
                             for n in ("saved", "top", "layer"))  # fmt: skip
        return fixed + saved + max(top, layer) <= room

    return max((rows for rows in range(1, whole + 1) if whole % rows == 0 and fits(rows)), default=0)
