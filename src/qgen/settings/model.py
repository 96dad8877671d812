"""The model that is trained, and who writes from it (conf/model/)."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from qgen.settings.choices import Backend, DType, Rollout


@dataclass
class LoraConfig:
    """The adapter: its rank, scale and dropout, and the matrices that it changes."""

    r: int = 32
    alpha: int = 32
    dropout: float = 0.0
    target_modules: list[str] = field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )


@dataclass
class ModelConfig:
    """Which weights, how they are kept, how long a text they are given, and who writes from them."""

    name: str = MISSING  # a packaged model (models/packaged.py), a hub name, a local directory or a GGUF file
    backend: Backend = Backend.hf
    rollout: Rollout = Rollout.auto
    dtype: DType = DType.auto  # bfloat16 where the GPU, or a CPU with AMX, computes in it, else float32
    load_in_4bit: bool = False
    max_length: int = 2048  # tokens of prompt and completion together
    gradient_checkpointing: bool = False
    attn_implementation: str | None = None  # sdpa, eager, flash_attention_2; None lets transformers choose
    lora: LoraConfig = field(default_factory=LoraConfig)
    architecture: dict[str, Any] | None = field(default_factory=dict)  # random weights of this shape


@dataclass
class WritingConfig:
    """What a command that has a finished run's model write may say of that model."""

    rollout: Rollout | None = None  # null: the run's


@dataclass
class GeneratingConfig(ModelConfig):
    """The model of qgen.generate: of a run only who writes from it may be said; without a run it is named here."""

    name: str | None = None  # type: ignore[assignment]  # a schema is read by its fields, never used as its base
    rollout: Rollout | None = None  # type: ignore[assignment]  # null: the run's; auto
