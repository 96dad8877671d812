"""The frozen base: the policy's own weights with its adapter switched off, so that a judge costs no memory."""

import functools
import hashlib
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qgen.data.prompts import Message, solve
from qgen.engine.compiled import SMALLEST, CompiledWriter
from qgen.engine.completion import Completion, Wrote, silent
from qgen.engine.decoder import bytes_of_cache
from qgen.engine.rollout import generate
from qgen.mathematics.problem import Problem
from qgen.metrics.levels import LevelModel
from qgen.metrics.loss import text_losses
from qgen.metrics.states import states
from qgen.proofs.attempts import ROOM
from qgen.runtime import ranks
from qgen.runtime.memory import free
from qgen.runtime.shards import whole
from qgen.settings.prompt import PromptConfig
from qgen.settings.sampling import SamplingConfig

ATTEMPTS = 512  # at once, at most


class Base:
    """What the policy was before it was trained. It stays what it was: training changes the adapter alone.

    Args:
        model: the policy; where it has an adapter, that is off while the base is asked.
        prompt: how problems are handed to a solver.
        batch_size: sequences scored at once, and generated where nothing else writes.
        writer: whose copy of the model attempts are written from; None: the model itself writes them.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        prompt: PromptConfig,
        batch_size: int = 32,
        writer: CompiledWriter | None = None,
    ):
        self.model, self.tokenizer, self.prompt, self.batch_size = model, tokenizer, prompt, batch_size
        self.writer = writer and writer.twin()
        self.at_once: dict[int, int] = {}  # attempts of each length; known with the first
        self.together = ATTEMPTS if writer is not None and writer.cuda else 1

    def losses(self, texts: list[str]) -> list[float]:
        """Mean negative log-likelihood of each text, in nats a token."""
        with self._adapter_off():
            return ranks.spread(lambda part: text_losses(self.model, self.tokenizer, part, self.batch_size), texts)

    def levels(self, problems: list[Problem], depth: float) -> LevelModel:
        """How hard problems are, read out of the state from which the base would begin to solve them.

        Args:
            problems: real ones, whose levels are known.
            depth: share of the layers that the state has passed, above 0 to 1.
        """
        identity = f"{self.identity} {depth} {self.prompt.solve}"
        return LevelModel(problems, functools.partial(self._states, depth=depth), identity)

    def _states(self, statements: list[str], depth: float) -> list[np.ndarray]:
        prompts = [solve(self.prompt, statement) for statement in statements]
        with self._adapter_off():
            return ranks.spread(lambda p: states(self.model, self.tokenizer, p, depth, self.batch_size), prompts)

    @functools.cached_property
    def identity(self) -> str:
        """A hash of the weights' names, shapes and first numbers: what is known of one model is not said of another."""
        digest = hashlib.sha256(f"{self.model.dtype}".encode())
        with whole(self.model):
            for name, weight in self.model.named_parameters():
                if "lora_" not in name:
                    plain = name.removeprefix("base_model.model.").replace(".base_layer", "")
                    first = weight.detach().flatten()[:64].float().cpu().numpy().tobytes()
                    digest.update(f"{plain} {tuple(weight.shape)}".encode() + first)
        return digest.hexdigest()[:24]

    def write(
        self, prompts: list[list[Message]], sampling: SamplingConfig, seed: int, wrote: Wrote = silent
    ) -> list[Completion]:
        """One completion a prompt, in their order, as many at once as there is room for. Where the model is sharded,
        every rank calls it, if with no prompt."""
        length = sampling.max_new_tokens
        if length not in self.at_once:
            self.at_once[length] = self._room(self.writer, length) if self.writer else self.batch_size
        sampling = replace(sampling, batch_size=self.at_once[length])
        with self._adapter_off():
            if not prompts:
                return []
            return generate(self.model, self.tokenizer, prompts, sampling, seed, wrote, self.writer)

    def _room(self, writer: CompiledWriter, tokens: int) -> int:
        """Attempts whose cache takes at most a quarter of what is free."""
        rows, itemsize = ATTEMPTS, writer.decoder.dtype.itemsize
        while rows > SMALLEST and bytes_of_cache(self.model.config, rows, tokens + ROOM, itemsize) > free() // 4:
            rows //= 2
        return rows

    @contextmanager
    def _adapter_off(self):
        off = self.model.disable_adapter() if isinstance(self.model, PeftModel) else nullcontext()
        with whole(self.model), off:
            yield
