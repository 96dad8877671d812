"""Rewards: the terms that a config enables, gated, weighted and handed to GRPO one function a term."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from qgen.choices import Normalize
from qgen.config import RewardConfig
from qgen.problem import Problem
from qgen.rewards import difficulty, diversity, format, novelty, rigor  # noqa: F401 (they register themselves)
from qgen.rewards.normalize import ZScore
from qgen.rewards.registry import Completion, build, parsed, term, text

__all__ = ["Rewards", "Scores", "parsed", "term", "text"]

Sink = Callable[[list, list[Completion], "Scores", dict[str, Any]], None]


@dataclass(frozen=True)
class Scores:
    """Raw values of each term (0 to 1, or None), and their weighted sum, one a completion."""

    terms: dict[str, list[float | None]]
    total: list[float]

    def means(self) -> dict[str, float | None]:
        """The mean of each term over the completions that it had an opinion on; None where it had none."""
        known = {name: [v for v in values if v is not None] for name, values in self.terms.items()}
        return {name: sum(values) / len(values) if values else None for name, values in known.items()}

    def row(self, i: int) -> dict[str, float | None]:
        return {name: None if values[i] is None else round(values[i], 4) for name, values in self.terms.items()}


class Rewards:
    """The enabled terms behind their gate.

    Args:
        config: terms with weights and parameters, the gate, the normalisation.
        corpus: the training problems, which terms may compare with or be fitted to.
    """

    def __init__(self, config: RewardConfig, corpus: list[Problem]):
        self.config = config
        self.weights = {name: term.weight for name, term in config.terms.items()}
        self.terms = {name: build(name, corpus, term.params) for name, term in config.terms.items()}
        if config.gate and config.gate not in self.terms:
            raise ValueError(f"reward.gate={config.gate} is not among reward.terms ({', '.join(self.terms)})")
        self.zscore = ZScore(config.window) if config.normalize is Normalize.zscore else None
        self.sink: Sink | None = None
        self._batch: tuple[list[Completion] | None, Scores | None] = (None, None)

    def score(self, prompts: list, completions: list[Completion], **columns: Any) -> Scores:
        """Score completions without remembering them. A completion that the gate refuses has 0 in every term.

        Texts are handed to the terms as GRPO hands completions over: as lists of one assistant's message.
        """
        completions = [[{"role": "assistant", "content": c}] if isinstance(c, str) else c for c in completions]
        terms = {}
        for name, function in self.terms.items():
            values = function(prompts=prompts, completions=completions, **columns)
            if len(values) != len(completions):
                raise RuntimeError(f"reward term {name!r} gave {len(values)} values for {len(completions)} completions")
            terms[name] = list(values)
        if self.config.gate:
            shut = [not value for value in terms[self.config.gate]]
            terms = {n: [0.0 if s else v for s, v in zip(shut, values, strict=True)] for n, values in terms.items()}
        total = [
            sum(self.weights[name] * values[i] for name, values in terms.items() if values[i] is not None)
            for i in range(len(completions))
        ]
        return Scores(terms, total)

    def frozen(self) -> "Rewards":
        """These rewards as they are now: what is observed from here on changes nothing in them."""
        still = copy.copy(self)
        still.terms = {n: copy.deepcopy(t) if hasattr(t, "observe") else t for n, t in self.terms.items()}
        return still

    def functions(self) -> list[Callable]:
        """One TRL reward function a term, in the order of `trl_weights`."""
        return [_named(name, partial(self._value, name)) for name in self.terms]

    def trl_weights(self) -> list[float]:
        return list(self.weights.values())

    def aggregation(self) -> str:
        """TRL's multi_objective_aggregation for reward.normalize."""
        return "normalize_then_sum" if self.config.normalize is Normalize.group else "sum_then_normalize"

    def _value(self, name: str, prompts: list, completions: list[Completion], **columns: Any) -> list[float | None]:
        """What TRL gets of one term. It passes each the same list, so all are scored when the first is asked for."""
        if self._batch[0] is not completions:
            scores = self.score(prompts, completions, **columns)
            self._batch = (completions, scores)
            for function in self.terms.values():
                if hasattr(function, "observe"):
                    function.observe(completions)
            if self.sink:
                self.sink(prompts, completions, scores, columns)
        values = self._batch[1].terms[name]
        return self.zscore(name, values) if self.zscore else values

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold for a resumed run to score as an uninterrupted one would."""
        state = {name: f.state_dict() for name, f in self.terms.items() if hasattr(f, "state_dict")}
        return {"terms": state, "zscore": self.zscore.state_dict() if self.zscore else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, values in state["terms"].items():
            if name in self.terms:
                self.terms[name].load_state_dict(values)
        if self.zscore and state["zscore"]:
            self.zscore.load_state_dict(state["zscore"])


def _named(name: str, function: Callable) -> Callable:
    function.__name__ = name  # TRL's metric key
    return function
