"""The device that a stage is to run on, and what the machine at hand has."""

import importlib.util
import math
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from qgen.doctor import Finding
from qgen.models.model import resolve_dtype
from qgen.runtime import attention
from qgen.settings.choices import Backend, DType
from qgen.settings.config import Config
from qgen.settings.gpus import GPUS

GIB = 2**30
CONTEXT = 0.75 * GIB  # what the driver and the CUDA context take beside what PyTorch allocates
FRAGMENTED = 1.06  # reserved by PyTorch's allocator, as a ratio to what is allocated, at a stage's peak
PROCESS = 1.1 * GIB  # resident without any model: Python, PyTorch, transformers and the data


@dataclass(frozen=True)
class Device:
    """What a stage is to fit.

    Attributes:
        total: bytes it has.
        cap: bytes of them that PyTorch may reserve, under runtime.memory.cap.
        cuda: a GPU; else the machine's memory.
        here: this machine's own, rather than one that was named.
    """

    name: str
    total: float
    cuda: bool
    bfloat16: bool
    here: bool
    cap: float = math.inf

    @property
    def free(self) -> float:
        """Bytes that a process may take before it holds anything."""
        return min(self.cap, self.total - CONTEXT) if self.cuda else min(self.cap, self.total) - PROCESS

    @property
    def room(self) -> float:
        """Bytes of tensors that fit."""
        return self.free / FRAGMENTED if self.cuda else self.free

    def dtype(self, chosen: DType) -> torch.dtype:
        """What model.dtype comes to on it."""
        if chosen is DType.auto and not self.here:
            return torch.bfloat16 if self.bfloat16 else torch.float32
        return resolve_dtype(chosen)


def device(named: str | None, cap: float | None = None) -> Device:
    """The GPU that is named, or the one at hand, or the machine's memory.

    Args:
        cap: GiB of it that may be taken; None: all.
    """
    most = math.inf if cap is None else cap * GIB
    if named:
        name, size, bfloat16 = GPUS[named]
        return Device(name, size * GIB, True, bfloat16, False, most)
    if torch.cuda.is_available():
        total = torch.cuda.mem_get_info()[1]
        return Device(torch.cuda.get_device_name(), total, True, torch.cuda.is_bf16_supported(), True, most)
    return Device("this machine's memory", psutil.virtual_memory().total, False, False, True, most)


def check(config: Config, device: Device, running: str | None) -> list[Finding]:
    """Findings on the GPU, its driver and the attention.

    Args:
        running: the attention that the model will run, in words; None where the model is not known.
    """
    findings = [_gpu(config, device)]
    if (driver := _driver()) and not torch.cuda.is_available():
        mend = "install PyTorch's CUDA build, or look at CUDA_VISIBLE_DEVICES"
        findings.append(
            Finding("driver", f"NVIDIA's {driver} is here, but torch {torch.__version__} sees no GPU", mend)
        )
    elif driver:
        findings.append(
            Finding("driver", f"NVIDIA's {driver}; torch {torch.__version__} for CUDA {torch.version.cuda}")
        )
    return [*findings, *_attention(config, running)]


def _gpu(config: Config, device: Device) -> Finding:
    said = f"{device.name}, {device.total / GIB:.1f} GiB" + ("" if device.here else ", as named")
    if not device.cuda:
        for key, needed in (("load_in_4bit=true", config.model.load_in_4bit),
                            ("backend=unsloth", config.model.backend is Backend.unsloth)):  # fmt: skip
            if needed:
                mend = "run it on a machine with one, or set doctor.gpu to plan for one"
                return Finding("GPU", f"none here, and model.{key} needs one", mend, fatal=True)
        return Finding("GPU", f"none here: planned for {said}")
    if config.model.dtype is DType.bfloat16 and not device.bfloat16:
        return Finding("GPU", f"{said}: it has no bfloat16", "model.dtype=float16", fatal=True)
    return Finding("GPU", said)


def _driver() -> str | None:
    """The NVIDIA driver's version."""
    if not (tool := shutil.which("nvidia-smi")):
        return None
    query = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout.strip() else None


def _attention(config: Config, running: str | None) -> list[Finding]:
    asked = config.model.attn_implementation
    if asked == "flash_attention_2" and importlib.util.find_spec("flash_attn") is None:
        mend = "pip install flash-attn, or model.attn_implementation=sdpa"
        return [Finding("attention", "flash_attention_2: flash-attn is missing", mend, fatal=True)]
    if config.model.backend is Backend.unsloth:
        try:
            attention.refuse_broken_unsloth()
        except RuntimeError as error:
            return [Finding("attention", str(error), "pip install -U 'qgen[gpu]'", fatal=True)]
    return [] if running is None else [Finding("attention", running)]


def disk(config: Config, adapter: float) -> Finding:
    """Whether the checkpoints of a stage, whose adapter has so many bytes, fit where they go."""
    out = Path(config.output_dir).absolute()
    place = next(folder for folder in (out, *out.parents) if folder.is_dir())
    copies = config.stage.save_total_limit + 1  # one is written before another is deleted
    needed = adapter * (3 * copies + 2) + 0.1 * GIB  # with Adam's moments; best and adapter; logs and pages
    free = shutil.disk_usage(place).free
    said = f"{free / GIB:.1f} GiB free, {needed / GIB:.1f} needed in {place}"
    if free < needed:
        return Finding("disk", said, "free some, or set output_dir to another disk", fatal=True)
    return Finding("disk", said)
