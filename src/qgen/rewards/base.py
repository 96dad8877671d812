"""The frozen base: the policy's own weights with its adapter switched off, so that a judge costs no memory."""

from contextlib import contextmanager, nullcontext

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qgen.data.prompts import solve
from qgen.engine.compiled import SMALLEST, CompiledWriter
from qgen.engine.decoder import bytes_of_cache
from qgen.engine.rollout import Completion, generate
from qgen.metrics.loss import text_losses
from qgen.runtime import ranks
from qgen.runtime.memory import free
from qgen.runtime.shards import whole
from qgen.settings.prompt import PromptConfig
from qgen.settings.reward import SolverConfig
from qgen.settings.sampling import SamplingConfig

ATTEMPTS = 512  # at once, at most
STATEMENT = 512  # tokens of a problem as a solver is asked for it, at most


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
        self.at_once: int | None = None  # attempts; known with the first

    def losses(self, texts: list[str]) -> list[float]:
        """Mean negative log-likelihood of each text, in nats a token."""
        with self._adapter_off():
            return ranks.spread(lambda part: text_losses(self.model, self.tokenizer, part, self.batch_size), texts)

    def solve(self, statements: list[str], config: SolverConfig, seed: int) -> list[list[Completion]]:
        """config.samples attempts at each statement."""
        if self.at_once is None:
            self.at_once = self._room(config.max_new_tokens) if self.writer else self.batch_size
        sampling = SamplingConfig(
            max_new_tokens=config.max_new_tokens, temperature=config.temperature, batch_size=self.at_once
        )

        def attempt(part: list[str]) -> list[list[Completion]]:
            clean = [statement.encode("utf-8", "replace").decode() for statement in part]  # lone surrogates
            asked = [solve(self.prompt, statement) for statement in clean for _ in range(config.samples)]
            if not asked:
                return []
            written = generate(self.model, self.tokenizer, asked, sampling, seed, writer=self.writer)
            return [written[i : i + config.samples] for i in range(0, len(written), config.samples)]

        with self._adapter_off():
            return ranks.spread(attempt, statements)

    def _room(self, tokens: int) -> int:
        """Attempts whose cache takes at most a quarter of what is free."""
        rows, itemsize = ATTEMPTS, self.writer.decoder.dtype.itemsize
        while rows > SMALLEST and bytes_of_cache(self.model.config, rows, tokens + STATEMENT, itemsize) > free() // 4:
            rows //= 2
        return rows

    @contextmanager
    def _adapter_off(self):
        off = self.model.disable_adapter() if isinstance(self.model, PeftModel) else nullcontext()
        with whole(self.model), off:
            yield
