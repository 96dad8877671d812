"""The keys of qgen.evaluate (conf/evaluate.yaml)."""

from dataclasses import dataclass, field
from pathlib import Path

from qgen.settings import ranges
from qgen.settings.choices import Task
from qgen.settings.model import WritingConfig
from qgen.settings.reward import SolverConfig


@dataclass
class SolverOptions:
    """Who solves the problems that are measured, and how often."""

    solver: str | None = None  # a hub model or a local directory that solves the problems; null leaves that out
    samples: int = 2 * SolverConfig.samples  # its attempts at each problem, at most
    max_new_tokens: int = 2 * SolverConfig.max_new_tokens  # of an attempt in words; programs written apart: half


@dataclass
class EvaluateConfig:
    """The keys of qgen.evaluate; whatever else it needs, it reads from the run."""

    run: str | None = None  # a run's directory, or a stage's
    n: int = 200  # problems that each model writes for a seed
    seeds: list[int] = field(default_factory=lambda: [0])
    task: Task = Task.problem  # problem, or variation: of CHAMP's problems that the run was not trained on
    strict: bool = True  # false: variations are compared by TF-IDF where the embedded MiniLM is absent
    compare: str | None = None  # another run: the last stages of both answer the same prompts
    max_new_tokens: int | None = None  # of a problem; null: as many as the run was trained with
    batch_size: int = 64  # problems written at once
    model: WritingConfig = field(default_factory=WritingConfig)
    evaluate: SolverOptions = field(default_factory=SolverOptions)

    @property
    def home(self) -> Path:
        """The run's directory, which `check` asks for."""
        return Path(self.run or "")

    def check(self) -> None:
        ranges.check(self, {"n": (2, 10**6), "max_new_tokens": (1, 10**6), "batch_size": (1, 10**6),
                            "evaluate.samples": (2, 10**6), "evaluate.max_new_tokens": (1, 10**6)})  # fmt: skip
        if self.task is Task.both:
            raise ValueError("task=both is for training: evaluate task=problem and task=variation one after the other")
        if self.task is Task.solve:
            raise ValueError("task=solve is for training: python -m qgen.teach measures who solves")
        if self.task is Task.variation and (self.compare or self.evaluate.solver):
            raise ValueError("task=variation knows neither compare nor evaluate.solver: leave them out")
        if not self.run:
            raise ValueError("run says whose problems are measured: python -m qgen.evaluate run=outputs/NAME")
        for key in ("run", "compare"):
            if (path := getattr(self, key)) and not Path(path).is_dir():
                raise ValueError(f"{key}={path}: there is no such directory")
        if self.compare and Path(self.compare).resolve() == self.home.resolve():
            raise ValueError(f"compare={self.compare} is the run itself: name another")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds} must be different numbers, at least one")
