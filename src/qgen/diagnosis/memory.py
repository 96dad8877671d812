"""How much memory a stage takes, by part and phase, and the batch that fits a device."""

from dataclasses import dataclass

from transformers import PretrainedConfig

from qgen.config import Config
from qgen.diagnosis.lengths import Lengths
from qgen.diagnosis.machine import Device
from qgen.diagnosis.simulate import Peak, Resident, Twin
from qgen.runtime import attention

GIB = 2**30
ROWS = 8  # problems whose held-out loss is computed at once
PARTS = ("weights", "adapter", "optimizer", "gradients", "rollout copy", "merged copy", "activations", "cache",
         "logits and loss", "a layer's work")  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """What a stage holds in one of its phases, in bytes by part."""

    name: str
    parts: dict[str, float]
    key: str  # what makes it smaller

    @property
    def total(self) -> float:
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
    """

    phases: list[Phase]
    batch: int
    room: float
    adapter: float
    attention: str

    @property
    def peak(self) -> Phase:
        return max(self.phases, key=lambda phase: phase.total)

    @property
    def fits(self) -> bool:
        return self.peak.total <= self.room


def estimate(config: Config, shape: PretrainedConfig, lengths: Lengths, device: Device) -> Estimate:
    """The phases of a stage and the batch that fits."""
    stage, model, sampling = config.stage, config.model, config.sampling
    dtype = device.dtype(model.dtype)
    accumulated = stage.gradient_accumulation_steps > 1
    twins = [Twin(shape, model, dtype, layers, accumulated) for layers in (1, 2)]
    layers = shape.num_hidden_layers
    resident = twins[0].resident().deeper(twins[1].resident(), layers)

    def peak(phase: str, *arguments) -> Peak:
        one, two = (getattr(twin, phase)(*arguments) for twin in twins)
        return one.deeper(two, layers)

    def step(rows: int) -> Peak:
        if stage.name == "grpo":
            return peak("grpo", rows, lengths.prompt + sampling.max_new_tokens, sampling.max_new_tokens)
        return peak("sft", rows, lengths.row)

    held = _held(config, resident)
    gradients = {"gradients": resident.adapter if accumulated else 0.0}
    batch = stage.per_device_train_batch_size
    now = step(batch)
    phases = [Phase("training step", held | gradients | _training(now), "stage.per_device_train_batch_size")]
    new, written = sampling.max_new_tokens, min(sampling.batch_size, config.validation.prompts)
    if stage.name == "grpo":
        ahead = stage.trl.get("steps_per_generation") or stage.gradient_accumulation_steps
        found = peak("writing", batch * ahead, lengths.prompt, new, sampling)
        phases.append(Phase("rollout", held | _writing(found), "stage.trl.steps_per_generation"))
    if stage.name == "distill":
        written = sampling.batch_size
    found = peak("writing", written, lengths.prompt, new, sampling)
    merged = {"merged copy": resident.merged}
    phases.append(Phase("writing" if stage.name == "distill" else "validation", held | merged | _writing(found),
                        "sampling.batch_size"))  # fmt: skip
    problems = min(ROWS, config.validation.problems)
    found = peak("heldout", problems, lengths.heldout)
    phases.append(Phase("held-out loss", held | {"logits and loss": found.total}, "validation.problems"))
    if config.reward.solver:
        new = config.reward.solver.max_new_tokens
        found = peak("writing", sampling.batch_size, lengths.prompt + sampling.max_new_tokens, new, sampling)
        phases.append(Phase("solver", held | _writing(found), "sampling.batch_size"))
    fixed = sum(held.values()) + sum(gradients.values())
    largest = _largest(config, fixed, now, step(2 * batch), device.room)
    return Estimate(phases, largest, device.room, resident.adapter, attention.backend(twins[0].model))


def _held(config: Config, resident: Resident) -> dict[str, float]:
    copy = resident.linear if config.stage.name == "grpo" and config.model.rollout.value == "compiled" else 0.0
    return {
        "weights": resident.weights,
        "adapter": resident.adapter,
        "optimizer": 2 * resident.adapter,  # Adam's two moments
        "rollout copy": copy,
    }


def _training(peak: Peak) -> dict[str, float]:
    last = "logits and loss" if peak.top >= peak.layer else "a layer's work"
    return {"activations": peak.kept, last: max(peak.top, peak.layer)}


def _writing(peak: Peak) -> dict[str, float]:
    last = "logits and loss" if peak.top >= peak.layer else "a layer's work"
    return {"cache": peak.kept, last: max(peak.top, peak.layer)}


def _largest(config: Config, fixed: float, once: Peak, twice: Peak, room: float) -> int:
    """The largest divisor of the effective batch whose step fits: each part of a peak grows linearly with the rows."""
    batch = config.stage.per_device_train_batch_size
    whole = batch * config.stage.gradient_accumulation_steps

    def fits(rows: int) -> bool:
        scale = rows / batch - 1
        kept, top, layer = (getattr(once, n) + scale * (getattr(twice, n) - getattr(once, n))
                            for n in ("kept", "top", "layer"))  # fmt: skip
        return fixed + kept + max(top, layer) <= room

    return max((rows for rows in range(1, whole + 1) if whole % rows == 0 and fits(rows)), default=0)
