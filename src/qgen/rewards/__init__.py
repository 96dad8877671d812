"""Rewards: the terms that a config enables, behind their gate, weighted, and passed to GRPO as one function each.

Nothing here imports TRL or trains. Measures that no term uses are in metrics.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgen.mathematics.problem import Problem
from qgen.proofs import reading
from qgen.proofs.solver import Solver, standing
from qgen.rewards import (  # noqa: F401 (they register)
    band,
    difficulty,
    diversity,
    format,
    natural,
    novelty,
    points,
    rigor,
    solution,
    solvable,
    teacher,
    topic,
    variation,
)
from qgen.rewards.normalize import ZScore
from qgen.rewards.registry import Completion, JudgeError, build, call, facts, find, needs, own, parsed, term, text
from qgen.runs.remarks import FORM_ONLY
from qgen.runtime import ranks
from qgen.settings.choices import Combine, Language, Normalize
from qgen.settings.reward import RewardConfig, SolverConfig
from qgen.settings.teacher import TeacherConfig

if TYPE_CHECKING:
    from qgen.rewards.base import Base

__all__ = ["JudgeError", "RewardScores", "Rewards", "check", "parsed", "term", "text"]

PRODUCT = "product"  # the name of the one function that TRL is handed of terms that are multiplied

Sink = Callable[[list, list[Completion], "RewardScores", dict[str, Any]], None]


def check(config: RewardConfig) -> None:
    """Raise ValueError where a config names a term or a parameter that does not exist, or a gate that is no term.

    Needs neither torch nor data, so that a mistake is told at once.
    """
    for name, enabled in config.terms.items():
        find(name, enabled.params)
    if config.gate and config.gate not in config.terms:
        raise ValueError(f"reward.gate={config.gate} is not among reward.terms ({', '.join(config.terms)})")


def knows_truth(config: RewardConfig) -> bool:
    """Whether some term with a weight can know if a problem is true: by a solver, by a teacher, or by itself."""
    found = (find(name, enabled.params) for name, enabled in config.terms.items() if enabled.weight)
    return any(getattr(term, "truth", False) or {"solver", "teacher"} & needs(term) for term in found)


def asks_base(config: RewardConfig) -> bool:
    """Whether some term asks the frozen base model itself, and not by way of a solver."""
    return any("base" in needs(find(name, enabled.params)) for name, enabled in config.terms.items())


@dataclass(frozen=True)
class RewardScores:
    """What a batch of completions is worth, one entry a completion."""

    terms: dict[str, list[float | None]]  # raw values of each term, 0 to 1, or None
    total: list[float]  # of all terms together (reward.combine)
    facts: list[dict[str, Any]]  # what was found out on the way: what programs gave, a solver's votes
    seconds: float  # that scoring took

    def means(self) -> dict[str, float | None]:
        """The mean of each term over the completions that it had an opinion on; None where it had none."""
        known = {name: [v for v in values if v is not None] for name, values in self.terms.items()}
        return {name: sum(values) / len(values) if values else None for name, values in known.items()}

    def row(self, i: int) -> dict[str, float | None]:
        """The value of each term for completion i, rounded to four digits; None where a term gave none."""
        own = {name: values[i] for name, values in self.terms.items()}
        return {name: None if value is None else round(value, 4) for name, value in own.items()}


class Rewards:
    """The enabled terms behind their gate.

    Args:
        config: terms with weights and parameters, how they are combined, the gate, the solver, the normalisation.
        corpus: the training problems, which terms may compare with or be fitted to.
        base: the frozen base model, for the terms that ask it.
        judge: the settings of a teacher behind an API, for the term that asks it.
        language: that problems are asked for in.
    """

    def __init__(
        self,
        config: RewardConfig,
        corpus: list[Problem],
        base: "Base | None" = None,
        judge: TeacherConfig | None = None,
        language: Language = Language.en,
    ):
        check(config)
        self.config = config
        self.weights = {name: enabled.weight for name, enabled in config.terms.items()}
        self.solver = _solver(config.solver, base, corpus) if base and config.solver else None
        if config.combine is Combine.product and self.solver and not self.solver.usable:
            raise RuntimeError(
                f"{self.solver.note}: too few to say anything of a problem, on which all hangs in a product. Name a "
                "solver that can with reward.solver.model=NAME, or choose reward=seed, which knows form alone"
            )
        offered = {"corpus": corpus, "base": base, "solver": self.solver, "teacher": judge, "language": language}
        self.terms = {name: build(name, enabled.params, **offered) for name, enabled in config.terms.items()}
        for name, function in self.terms.items():
            if getattr(function, "weightless", False):
                self.weights[name] = 0.0
        self.zscore = ZScore(config.window) if config.normalize is Normalize.zscore else None
        self.sink: Sink | None = None
        self._batch: tuple[list[Completion] | None, dict[str, list]] = (None, {})

    def score(self, prompts: list, completions: Sequence[Completion], **columns: Any) -> RewardScores:
        """Score completions without remembering them.

        What the gate refuses has 0 in every term, and the other terms never see it: a solver is not asked about
        gibberish. Terms get completions as GRPO hands them over: as lists of one assistant's message.
        """
        began, count = time.perf_counter(), len(completions)
        completions = [[{"role": "assistant", "content": c}] if isinstance(c, str) else c for c in completions]
        terms: dict[str, list[float | None]] = {name: [0.0] * count for name in self.terms}
        told = [{"program": ran.plain()} if ran else {} for ran in reading.computed([text(c) for c in completions])]
        passed = list(range(count))
        gate = [self.config.gate] if self.config.gate else []
        for name in [*gate, *(n for n in self.terms if n not in gate)]:
            function = self.terms[name]
            some = {k: [v[i] for i in passed] if _is_column(v, count) else v for k, v in columns.items()}
            if passed:
                asked, written = ([items[i] for i in passed] for items in (prompts, completions))
                values = call(name, function, written, prompts=asked, batch_size=count, **some)
                for i, value, fact in zip(passed, values, facts(name, function, len(passed)), strict=True):
                    terms[name][i] = value
                    told[i] |= fact
            if name in gate:
                passed = [i for i in passed if terms[name][i]]
        total = [self._total({name: values[i] for name, values in terms.items()}) for i in range(count)]
        return RewardScores(terms, total, told, time.perf_counter() - began)

    def _total(self, values: dict[str, float | None]) -> float:
        """One completion's reward: of terms v with weights w, the sum of w v or the product of v ** w. A term without
        an opinion is left out of either."""
        known = {name: value for name, value in values.items() if value is not None}
        if self.config.combine is Combine.product:
            return math.prod(value ** self.weights[name] for name, value in known.items())
        return sum(self.weights[name] * value for name, value in known.items())

    def notes(self) -> list[str]:
        """What a person should know of the terms before reading their figures, a sentence a term."""
        found = [f"reward {name}: {f.note}" for name, f in self.terms.items() if getattr(f, "note", None)]
        return found if knows_truth(self.config) else [f"reward: {FORM_ONLY}", *found]

    def trust(self) -> dict[str, float]:
        """The rank correlation with real levels of each term that is an estimate, to be shown beside its figures."""
        return {name: f.spearman for name, f in self.terms.items() if getattr(f, "spearman", None) is not None}

    def frozen(self) -> "Rewards":
        """These rewards as they are now: what is observed from here on changes nothing in them."""
        still = copy.copy(self)
        still.terms = {
            n: own(n, "copied", copy.deepcopy, t) if hasattr(t, "observe") else t for n, t in self.terms.items()
        }
        return still

    def functions(self) -> list[Callable]:
        """One TRL reward function a term of a sum, in the order of `trl_weights`; of a product, one for all."""
        return [TermFunction(self, name) for name in self._handed()]

    def trl_weights(self) -> list[float]:
        """The weights of the functions that TRL is handed, in their order."""
        return list(self._handed().values())

    def _handed(self) -> dict[str, float]:
        return {PRODUCT: 1.0} if self.config.combine is Combine.product else self.weights

    def aggregation(self) -> str:
        """TRL's multi_objective_aggregation for reward.normalize."""
        return "normalize_then_sum" if self.config.normalize is Normalize.group else "sum_then_normalize"

    def value(self, name: str, prompts: list, completions: list[Completion], **columns: Any) -> list[float | None]:
        """One term's values for TRL, which asks term by term with the same list: the first call scores all terms."""
        if self._batch[0] is not completions:
            self._batch = (completions, self._train(prompts, completions, columns))
        return self._batch[1][name]

    def _train(self, prompts: list, completions: list[Completion], columns: dict[str, Any]) -> dict[str, list]:
        """Score, normalise and remember a batch.

        With several processes, each scores the completions of all. So groups are whole, and memories and windows are
        the same in every process. Each returns the values of its own completions.
        """
        count = len(completions)
        asked, written = ranks.gather(prompts), ranks.gather(completions)
        columns = {k: ranks.gather(v) if _is_column(v, count) else v for k, v in columns.items()}
        scores = self.score(asked, written, **columns)
        for name, function in self.terms.items():
            if hasattr(function, "observe"):
                own(name, "shown what was trained on", function.observe, written)
        if self.sink:  # on every rank: TRL gathers the metrics that it logs
            self.sink(asked, written, scores, columns)
        mine = slice(ranks.rank() * count, (ranks.rank() + 1) * count)
        scale = self.zscore or (lambda _, values: values)
        handed: dict[str, Any] = {PRODUCT: scores.total} if self.config.combine is Combine.product else scores.terms
        return {name: scale(name, values)[mine] for name, values in handed.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold for a resumed run to score as an uninterrupted one would."""
        state = {n: own(n, "saved", f.state_dict) for n, f in self.terms.items() if hasattr(f, "state_dict")}
        return {"terms": state, "zscore": self.zscore.state_dict() if self.zscore else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, values in state["terms"].items():
            if name in self.terms:
                own(name, "restored", self.terms[name].load_state_dict, values)
        if self.zscore and state["zscore"]:
            self.zscore.load_state_dict(state["zscore"])


def _solver(config: SolverConfig, base: "Base", corpus: list[Problem]) -> Solver:
    engine = base if config.model is None else standing(config.model, config.max_new_tokens)
    return Solver(engine, base.prompt, config, corpus)


def _is_column(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count


class TermFunction:
    """One term as TRL calls it. TRL's metrics go by `__name__`, which it would not read off a partial."""

    def __init__(self, rewards: Rewards, name: str):
        self.rewards, self.__name__ = rewards, name

    def __call__(self, prompts: list, completions: list[Completion], **columns: Any) -> list[float | None]:
        return self.rewards.value(self.__name__, prompts, completions, **columns)
