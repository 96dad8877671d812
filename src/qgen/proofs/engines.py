"""Who makes attempts on this machine: llama.cpp where there is no GPU and the weights are a GGUF file, else
transformers in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from qgen.data.prompts import Message
from qgen.engine import llamacpp, rollout
from qgen.engine.completion import Completion, Wrote, silent
from qgen.engine.llamacpp import LlamaCpp
from qgen.mathematics.equivalence import final_answer
from qgen.models import model as models
from qgen.models import packaged
from qgen.programs import program_in
from qgen.settings.model import ModelConfig
from qgen.settings.sampling import SamplingConfig

AT_ONCE = 4  # requests that llama.cpp answers together: on two cores more of them hardly write more tokens
ON_GPU = 64  # texts that are written together there


class InProcess:
    """A model of transformers in this process, without an adapter.

    Attributes:
        identity: which weights these are.
    """

    def __init__(self, config: ModelConfig, seed: int = 0, rows: int = ON_GPU):
        self.model, self.tokenizer = models.load_plain(config, seed)
        self.copy, self.chosen = rollout.choose(config, rows, self.model, self.tokenizer)
        self.identity, self.rows, self.written = models.fingerprint(config, self.model), rows, 0
        self.together = rows if self.copy is not None and self.copy.cuda else 1
        self.over: Callable[[str], bool] | None = None  # as LlamaCpp's, which alone can stop one text of several

    def write(
        self, prompts: list[list[Message]], sampling: SamplingConfig, seed: int, wrote: Wrote = silent
    ) -> list[Completion]:
        """One completion a prompt, in the prompts' order."""
        sampling = SamplingConfig(**vars(sampling) | {"batch_size": self.rows})
        found = rollout.generate(self.model, self.tokenizer, prompts, sampling, seed, wrote, self.copy)
        self.written += sum(completion.tokens for completion in found)
        return found


def by_llamacpp(config: ModelConfig) -> bool:
    """Whether a model is served by llama.cpp here. Raises ImportError, naming what to install, where it would be if it
    were there: transformers takes seconds a token of such weights on a CPU."""
    if torch.cuda.is_available() or config.architecture or not packaged.known(config.name):
        return False
    if not llamacpp.installed():
        raise ImportError(f"without a GPU, {config.name} is served by llama.cpp: {llamacpp.INSTALL}")
    return True


@contextmanager
def opened(config: ModelConfig, at_once: int | None = None) -> Iterator[LlamaCpp | InProcess]:
    """The engine of a model, for as long as it is needed.

    Args:
        config: its name, and how long a text it is given.
        at_once: texts that are written together; None: AT_ONCE by llama.cpp, ON_GPU otherwise.
    """
    if not by_llamacpp(config):
        yield InProcess(config, rows=at_once or ON_GPU)
        return
    file = packaged.file(config.name)
    with llamacpp.serving(file, config.max_length, at_once or AT_ONCE) as engine:
        engine.identity = f"{packaged.original(config.name) or file.name}@{packaged.digest(config.name)[:16]}"
        yield engine


class Solving:
    """An engine as a solver's: it stops an attempt that has its answer.

    Args:
        engine: one that also writes problems, which end otherwise.
    """

    def __init__(self, engine: LlamaCpp | InProcess):
        self.engine, self.identity, self.together = engine, engine.identity, getattr(engine, "together", 1)

    def write(
        self, prompts: list[list[Message]], sampling: SamplingConfig, seed: int, wrote: Wrote = silent
    ) -> list[Completion]:
        """One completion a prompt, in the prompts' order."""
        self.engine.over = answered
        return self.engine.write(prompts, sampling, seed, wrote)


def answered(text: str) -> bool:
    """Whether an attempt needs no more text: its answer is boxed, or its program is whole and prints."""
    if text.endswith("}"):
        return "\\boxed" in text and final_answer(text) is not None
    return text.rstrip().endswith("```") and "print(" in (program_in(text) or "")


def told(engine: LlamaCpp | InProcess) -> dict[str, Any]:
    """What a certificate says of an engine."""
    kind = "llama.cpp" if isinstance(engine, LlamaCpp) else rollout.rollout_of(engine.copy).value
    return {"engine": kind, "weights": engine.identity}
