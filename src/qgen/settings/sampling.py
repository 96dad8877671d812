"""How completions are drawn."""

from dataclasses import dataclass


@dataclass
class SamplingConfig:
    """How completions are drawn, in training, validation and generation alike."""

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    batch_size: int = 32  # completions generated at once outside GRPO
