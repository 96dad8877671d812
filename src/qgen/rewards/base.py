"""The frozen base: the policy's own weights with its adapter switched off, so that a judge costs no memory."""

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qgen.config import PromptConfig, SamplingConfig, SolverConfig
from qgen.metrics.loss import text_losses
from qgen.problem import Problem
from qgen.prompts import solve
from qgen.runtime import ranks
from qgen.runtime.rollout import Completion, generate
from qgen.runtime.shards import whole

if TYPE_CHECKING:
    from qgen.rewards.solver import Solver


class Base:
    """What the policy was before it was trained. It stays what it was: training changes the adapter alone.

    Args:
        model: the policy; where it has an adapter, that is off while the base is asked.
        prompt: how problems are handed to a solver.
        batch_size: sequences scored or generated at once.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: PromptConfig, batch_size: int = 32
    ):
        self.model, self.tokenizer, self.prompt, self.batch_size = model, tokenizer, prompt, batch_size

    def losses(self, texts: list[str]) -> list[float]:
        """Mean negative log-likelihood of each text, in nats a token."""
        with self._adapter_off():
            return ranks.spread(lambda part: text_losses(self.model, self.tokenizer, part, self.batch_size), texts)

    def solve(self, statements: list[str], config: SolverConfig, seed: int) -> list[list[Completion]]:
        """config.samples attempts at each statement."""
        sampling = SamplingConfig(
            max_new_tokens=config.max_new_tokens, temperature=config.temperature, batch_size=self.batch_size
        )

        def attempt(part: list[str]) -> list[list[Completion]]:
            clean = [statement.encode("utf-8", "replace").decode() for statement in part]  # lone surrogates
            asked = [solve(self.prompt, statement) for statement in clean for _ in range(config.samples)]
            written = generate(self.model, self.tokenizer, asked, sampling, seed) if asked else []
            return [written[i : i + config.samples] for i in range(0, len(written), config.samples)]

        with self._adapter_off():
            return ranks.spread(attempt, statements)

    def solver(self, config: SolverConfig, corpus: list[Problem]) -> "Solver":
        from qgen.rewards.solver import Solver

        return Solver(self, config, corpus)

    @contextmanager
    def _adapter_off(self):
        off = self.model.disable_adapter() if isinstance(self.model, PeftModel) else nullcontext()
        with whole(self.model), off:
            yield
