"""The keys of qgen.generate (conf/generate.yaml), and what a paper is (conf/paper/)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qgen.settings import ranges
from qgen.settings.choices import Kind, Language, Proof
from qgen.settings.model import GeneratingConfig
from qgen.settings.reward import SolverConfig


@dataclass
class PaperConfig:
    """A contest paper: conf/paper/. There is one where it has a title."""

    title: str | None = None
    instructions: str = ""
    problems: int | None = None
    topics: Any = None  # {topic: count}; the rest is of other topics. Any, as Hydra adds no key to a dict with a type


@dataclass
class AttemptsConfig:
    """Attempts at each problem, whose votes prove its answer. null: as the run's reward.solver has it."""

    samples: int | None = None  # at most; without a run 6
    programs: float | None = None  # share of them that are programs; without a run 1: a CPU has no time for words
    max_new_tokens: int | None = None  # of an attempt; without a run 320
    temperature: float | None = None


@dataclass
class GenerateConfig:
    """The keys of qgen.generate; whatever else it needs, it reads from the run."""

    run: str | None = None  # a run's directory (its last finished stage writes), or a stage's; null: model, untrained
    n: int = 10  # problems that pass the gate
    topic: str | None = None  # null: all of the data's topics in turn
    level: int | None = None  # 1 to 5; null: any
    like: str | None = None  # a problem: what is written are variations of it
    kind: Kind | None = None  # of variation; null: any
    language: Language | None = None  # null: the run's
    proof: Proof | None = None  # of every answer; null: computed, voted or stated, as programs and a solver are there
    solver: AttemptsConfig = field(default_factory=AttemptsConfig)
    seed: int = 0
    tries: int = 40  # outputs at most for each problem that is asked for
    temperature: float | None = None  # null: the run's
    max_new_tokens: int | None = None  # null: the run's
    batch_size: int = 32  # outputs written at once; 4 at most by llama.cpp
    model: GeneratingConfig = field(default_factory=GeneratingConfig)  # model=qwen_coder writes without a run
    paper: PaperConfig = field(default_factory=PaperConfig)  # paper=contest: also a paper, of paper.problems problems
    reproduce: str | None = None  # DIR/problems.jsonl:N writes the Nth problem of a file again, and compares
    out: str | None = None  # null: generated/ in the run's directory, or generated/MODEL here

    def check(self) -> None:
        ranges.check(self, {"n": (1, 10**5), "level": (1, 5), "tries": (1, 10**6), "max_new_tokens": (1, 10**6),
                            "batch_size": (1, 10**6), "temperature": (0, 10), "paper.problems": (1, 1000),
                            "solver.samples": (2, 1000), "solver.programs": (0, 1), "solver.max_new_tokens": (1, 10**6),
                            "solver.temperature": (0, 10)})  # fmt: skip
        if not self.run and not self.model.name:
            raise ValueError(
                "run says whose model writes: python -m qgen.generate run=outputs/NAME, or model=qwen_coder without "
                "any training"
            )
        if self.run and self.model.name:
            raise ValueError(f"run and model.name={self.model.name} contradict each other: leave one out")
        if self.reproduce and not self.run:
            raise ValueError("reproduce needs run: llama.cpp does not write the same text twice")
        if self.run and not Path(self.run).is_dir():
            raise ValueError(f"run={self.run}: there is no such directory")
        if self.kind and not self.like:
            raise ValueError(f"kind={self.kind.value} needs like='Problem: ... Answer: ...': it says what is varied")
        if not self.paper.title and vars(self.paper) != vars(PaperConfig()):
            raise ValueError("a paper needs a title: paper=contest has one")
        topics = self.paper.topics or {}
        if not isinstance(topics, dict) or not all(isinstance(count, int) for count in topics.values()):
            raise ValueError(f"paper.topics={topics} must say how many of which, such as {{algebra: 5, geometry: 3}}")
        if topics and (self.topic or self.like):
            other = "topic" if self.topic else "like"
            raise ValueError(f"{other} and paper.topics contradict each other: leave one out")

    def attempts(self, of_run: SolverConfig | None) -> SolverConfig:
        """How a solver goes about it, where a run has one, or for a model without a run."""
        own = {name: value for name, value in vars(self.solver).items() if value is not None}
        usual = {} if self.run else {"samples": 6, "programs": 1.0, "max_new_tokens": 320}
        return SolverConfig(**vars(of_run or SolverConfig()) | usual | own | {"calibrate": 0})

    @property
    def count(self) -> int:
        """Problems that are to pass the gate."""
        return self.paper.problems or self.n
