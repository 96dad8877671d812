"""The keys of qgen.verify (conf/verify.yaml)."""

from dataclasses import dataclass, field
from pathlib import Path

from qgen.settings import ranges
from qgen.settings.choices import Language
from qgen.settings.reward import SolverConfig


@dataclass
class ColumnsConfig:
    """Which column holds what; null: the one of that name, and of a statement also problem or question."""

    statement: str | None = None
    answer: str | None = None
    program: str | None = None
    topic: str | None = None
    level: str | None = None
    id: str | None = None


@dataclass
class VerifyConfig:
    """The keys of qgen.verify."""

    file: str | None = None  # problems: JSON, a line each, or Parquet, as data=jsonl reads them
    fields: ColumnsConfig = field(default_factory=ColumnsConfig)
    solver: str | None = "qwen_coder"  # a packaged model, a GGUF file, a directory, a hub name; null: programs alone
    samples: int = 8  # its attempts at each problem, at most: fewer where the vote is settled
    programs: float = 0.5  # share of them that are programs
    max_new_tokens: int = 384  # of an attempt
    temperature: float = 0.7
    language: Language = Language.en  # that attempts are asked for in
    batch_size: int | None = None  # problems solved together; null: 4 by llama.cpp, 64 on a GPU
    limit: int | None = None  # problems at most, from the file's begin; null: all
    out: str | None = None  # null: FILE's name with .verified.jsonl for its ending

    def check(self) -> None:
        ranges.check(self, {"samples": (2, 1000), "programs": (0, 1), "max_new_tokens": (1, 10**6),
                            "temperature": (0, 10), "batch_size": (1, 10**6), "limit": (1, 10**9)})  # fmt: skip
        if not self.file:
            raise ValueError("say which problems: python -m qgen.verify FILE")
        if not Path(self.file).is_file():
            raise ValueError(f"{self.file}: no such file")

    @property
    def problems(self) -> Path:
        """The file, which `check` asks for."""
        return Path(self.file or "")

    @property
    def attempts(self) -> SolverConfig:
        """How the solver goes about it."""
        own = {name: getattr(self, name) for name in ("samples", "programs", "max_new_tokens", "temperature")}
        return SolverConfig(model=self.solver, calibrate=0, **own)
