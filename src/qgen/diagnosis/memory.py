"""How much memory a stage takes, by part and phase, and the batch that fits a device."""

from dataclasses import dataclass

from transformers import PretrainedConfig

from qgen.choices import Rollout
from qgen.config import Config
from qgen.diagnosis.lengths import Lengths
from qgen.diagnosis.machine import Device
from qgen.diagnosis.simulate import Peak, Twin
from qgen.metrics.loss import TOKENS
from qgen.runtime import attention
from qgen.runtime.compiled import BUCKET
from qgen.runtime.decoder import bytes_of, unsupported
from qgen.runtime.rollout import by_vllm
from qgen.stages.validation import loss_batch

GIB = 2**30
PARTS = ("weights", "adapter", "optimizer", "gradients", "vLLM", "rollout copy", "merged copy", "activations", "cache",
         "logits and loss", "a layer's work")  # fmt: skip
VLLM_SHARE = 0.3  # of the device: TRL's default of vllm_gpu_memory_utilization


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
        rollout: the copy of the weights that will write; None: the policy itself.
    """

    phases: list[Phase]
    batch: int
    room: float
    adapter: float
    attention: str
    rollout: Rollout | None

    @property
    def peak(self) -> Phase:
        return max(self.phases, key=lambda phase: phase.total)

    @property
    def fits(self) -> bool:
        return self.peak.total <= self.room


def estimate(config: Config, shape: PretrainedConfig, lengths: Lengths, device: Device) -> Estimate:
    """The phases of a stage and the batch that fits."""
    stage, sampling = config.stage, config.sampling
    dtype = device.dtype(config.model.dtype)
    accumulated = stage.gradient_accumulation_steps > 1
    twins = [Twin(shape, config.model, dtype, layers, accumulated) for layers in (1, 2)]
    layers = shape.num_hidden_layers
    resident = twins[0].resident().deeper(twins[1].resident(), layers)

    def peak(phase: str, *arguments) -> Peak:
        one, two = (getattr(twin, phase)(*arguments) for twin in twins)
        return one.deeper(two, layers)

    def step(rows: int) -> Peak:
        if stage.name == "grpo":
            return peak("grpo", rows, lengths.prompt + sampling.max_new_tokens, sampling.max_new_tokens)
        return peak("sft", rows, lengths.row)

    batch, new = stage.per_device_train_batch_size, sampling.max_new_tokens
    grpo = stage.name == "grpo"
    rollouts = stage.rollouts if grpo else 0
    free = device.free - resident.weights - resident.adapter
    rollout = _rollout(config, shape, device, dtype.itemsize, max(sampling.batch_size, rollouts), free)
    held = {
        "weights": resident.weights,
        "adapter": resident.adapter,
        "optimizer": 2 * resident.adapter,  # Adam's two moments
        "vLLM": _vllm(config, shape, device),
    }
    copied = bytes_of(shape, rollout is Rollout.compiled_int8, dtype.itemsize) if rollout else 0.0
    held["rollout copy"] = copied if grpo else 0.0  # the others hold it only while they write

    def writing(name: str, rows: int, key: str, prompt: int = lengths.prompt, new: int = new) -> Phase:
        found = peak("writing", rows, prompt, new, sampling)
        parts = (
            held | _parts(found, "cache") | {"merged copy": 0 if rollout or name != "validation" else resident.merged}
        )
        if rollout:
            parts["rollout copy"] = copied
            parts["cache"] = _static(shape, rows, prompt + new, dtype.itemsize)
        return Phase(name, parts, key)

    def lost(name: str, rows: int, width: int, key: str) -> Phase:
        rows = max(1, min(rows, TOKENS // width))
        return Phase(name, held | {"logits and loss": peak("heldout", rows, width).total}, key)

    validated = sampling.batch_size if stage.name == "distill" else min(sampling.batch_size, config.validation.prompts)
    others = [writing("validation", validated, "sampling.batch_size")]
    others += [writing("rollout", rollouts, "stage.rollout_batch_size")] if rollouts else []
    problems = min(loss_batch(sampling), config.validation.problems)
    others.append(lost("held-out loss", problems, lengths.heldout, "sampling.batch_size"))
    if config.reward.solver:
        asked = lengths.prompt + new, config.reward.solver.max_new_tokens
        others.append(writing("solver", sampling.batch_size, "sampling.batch_size", *asked))
    if "natural" in config.reward.terms:
        others.append(lost("judging", sampling.batch_size, new, "sampling.batch_size"))
    now = step(batch)
    fixed = held | {"gradients": resident.adapter if accumulated else 0.0}
    if rollout and grpo:  # its cache stays
        fixed["cache"] = max(phase.parts.get("cache", 0.0) for phase in others)
    training = Phase("training step", fixed | _parts(now, "activations"), "stage.per_device_train_batch_size")
    largest = _largest(config, sum(fixed.values()), now, step(2 * batch), device.room)
    running = attention.backend(twins[0].model)
    return Estimate([training, *others], largest, device.room, resident.adapter, running, rollout)


def _rollout(
    config: Config, shape: PretrainedConfig, device: Device, itemsize: int, rows: int, free: float
) -> Rollout | None:
    """Which copy of the weights will write, as runtime/rollout.py chooses; None: the policy itself."""
    asked = config.model.rollout
    if asked is Rollout.auto:
        cache = _static(shape, rows, config.model.max_length, itemsize)
        fit = (r for r in (Rollout.compiled, Rollout.compiled_int8)
               if bytes_of(shape, r is Rollout.compiled_int8, itemsize) + cache <= free * 3 / 4)  # fmt: skip
        return next(fit, None) if device.cuda and not unsupported(shape) else None
    return asked if asked in (Rollout.compiled, Rollout.compiled_int8) else None


def _vllm(config: Config, shape: PretrainedConfig, device: Device) -> float:
    """Bytes that vLLM takes in GRPO's own process: its weights, its cache and its work."""
    asked = config.stage.name == "grpo" and by_vllm(config.model, shape, device.cuda)
    if not asked or config.stage.trl.get("vllm_mode", "colocate") != "colocate":
        return 0.0
    return config.stage.trl.get("vllm_gpu_memory_utilization", VLLM_SHARE) * device.total


def _static(shape: PretrainedConfig, rows: int, length: int, itemsize: int) -> float:
    """Bytes of a copy's cache."""
    width = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    return (
        2
        * shape.num_hidden_layers
        * shape.num_key_value_heads
        * width
        * rows
        * (-(-length // BUCKET) * BUCKET)
        * itemsize
    )


def _parts(peak: Peak, kept: str) -> dict[str, float]:
    last = "logits and loss" if peak.top >= peak.layer else "a layer's work"
    return {kept: peak.kept, last: max(peak.top, peak.layer)}


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
