"""A run's model in the forms that others take it in: one file a form, and what proves that each holds the same model.

Nothing here imports torch, so that a refusal comes at once.
"""

from enum import Enum


class Format(Enum):
    """In the order in which they are made: each of the last two out of the one before."""

    adapter = "adapter"  # PEFT's: small, and of use only beside the base
    merged = "merged"  # transformers' safetensors, the adapter added into the base's weights
    gguf = "gguf"  # one file, for llama.cpp and what is built on it
    ollama = "ollama"  # that file and a Modelfile


class Precision(Enum):
    """Of a GGUF's matrices; its vectors are always float32."""

    f32 = "f32"
    f16 = "f16"
    q8_0 = "q8_0"  # blocks of 32 in 8 bits with a scale each
