"""The terms of the reward, their gate and their solver (conf/reward/)."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from qgen.settings.choices import Combine, Normalize


@dataclass
class TermConfig:
    """One term of the reward."""

    weight: float = 1.0
    params: dict[str, Any] = field(default_factory=dict)  # arguments of the term's constructor


@dataclass
class SolverConfig:
    """Who solves the problems that the policy writes, and how."""

    model: str | None = None  # a packaged model, a directory or a GGUF file, as model.name; null: the frozen base
    samples: int = 8  # attempts at each problem, at most: none is made where the vote is settled
    programs: float = 0.5  # share of them that are programs, run in the sandbox; the others are in words
    max_new_tokens: int = 768  # of an attempt in words; programs written apart: half
    temperature: float = 0.7
    time_out: float = 5.0  # seconds in which the answers to one problem are compared
    calibrate: int = 200  # real problems solved first, once for each model, to learn what it can
    usable: float = 0.1  # share of right attempts at those from which its votes count as a measure of difficulty


@dataclass
class RewardConfig:
    """Which terms score, with which weights, behind which gate, and on which scale."""

    terms: dict[str, Any] = field(default_factory=dict)  # name -> TermConfig; Any, so that the command line can add one
    gate: str | None = "format"  # completions to which this term gives 0 get 0 from every other
    combine: Combine = Combine.sum
    normalize: Normalize = Normalize.none  # of the terms of a sum
    window: int = 1000  # values a term that zscore looks back on
    solver: SolverConfig | None = None  # who solves problems, for the terms that ask it

    def __post_init__(self) -> None:
        self.terms = {name: _term(name, given) for name, given in self.terms.items()}

    def check(self) -> None:
        if not self.terms:
            raise ValueError("reward.terms is empty: enable at least one term")
        if self.combine is Combine.product:
            if self.normalize is not Normalize.none:
                raise ValueError(
                    f"reward.normalize={self.normalize.value} puts the terms of a sum on one scale: it has no sense "
                    "beside reward.combine=product, whose terms are shares; set reward.normalize=none"
                )
            if below := [name for name, enabled in self.terms.items() if enabled.weight < 0]:
                raise ValueError(f"reward.terms.{below[0]}.weight is a power under reward.combine=product: at least 0")


def _term(name: str, given: Any) -> TermConfig:
    if isinstance(given, TermConfig):
        return given
    try:
        term: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TermConfig), given))
        return term
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise ValueError(f"reward.terms.{name}: {str(error).splitlines()[0]}") from error
