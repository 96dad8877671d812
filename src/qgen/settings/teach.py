"""The keys of qgen.teach (conf/teach.yaml)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qgen.settings import ranges
from qgen.settings.choices import Method
from qgen.settings.verify import ColumnsConfig

SETS = ("problems", "base", "sft", "grpo", "distill")  # a file's, or what a run's model wrote before and after a stage
ARMS = ("untrained", "one", "form", "real", "shuffled", *SETS, "proved")  # in the order of the table


@dataclass
class TeachConfig:
    """The keys of qgen.teach."""

    problems: Any = None  # a file of problems, or several, or a run whose models write them: problems=[A.jsonl,B.jsonl]
    solver: str = "qwen_coder"  # who is taught: a file of conf/model, a local directory or a hub name
    n: int = 256  # problems of an arm
    steps: int = 50  # optimizer steps
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    method: Method = Method.grpo
    arms: list[str] = field(default_factory=list)  # untrained, one, form, ...; empty: all that there are
    fields: ColumnsConfig = field(default_factory=ColumnsConfig)  # which columns of these files hold what
    real: str | None = None  # a file of real problems to match; null: those that the run was trained on, or CHAMP's
    test: str | None = None  # a file of held-out problems; null: those that the run held out, or CHAMP's
    samples: int = 4  # solutions drawn at each of them, besides the greedy one
    temperature: float = 0.7  # of those
    max_new_tokens: int = 768  # of a solution, in training and in the test
    batch_size: int = 256  # solutions written at once in the test
    rounds: int = 4  # n texts each, at most, that a run's model writes until n of them are problems
    jobs: int = 1  # trained at once
    train: list[str] = field(default_factory=list)  # of each job too: "train=['tracker=wandb','model.lora.r=8']"
    price: float | None = None  # dollars an hour of this machine, to say what a point of gain costs
    out: str | None = None  # null: teach/ and the name of the file or run

    def check(self) -> None:
        ranges.check(self, {"n": (8, 10**6), "steps": (1, 10**6), "samples": (1, 1000), "temperature": (0.01, 10),
                            "max_new_tokens": (1, 10**6), "batch_size": (1, 10**6), "rounds": (1, 1000),
                            "jobs": (1, 1000), "price": (0, 10**6)})  # fmt: skip
        if not self.problems:
            raise ValueError("problems says what is taught: python -m qgen.teach problems=FILE.jsonl, or outputs/NAME")
        if missing := [path for path in self.paths if not path.exists()]:
            raise ValueError(f"problems={missing[0]}: there is no such file or run")
        if len(self.paths) > 1 and any(path.is_dir() for path in self.paths):
            raise ValueError("problems: several must be files; a run has an arm for each of its stages by itself")
        if len({*self.order, "test"}) <= len(self.order):
            raise ValueError(f"problems: {', '.join(self.names)} must be different names, not test, nor an arm's")
        for key in ("real", "test"):
            if (path := getattr(self, key)) and not Path(path).exists():
                raise ValueError(f"{key}={path}: there is no such file")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds} must be different numbers, at least one")
        if unknown := [arm for arm in self.arms if arm not in self.order]:
            raise ValueError(f"arms: there is no {unknown[0]!r}; there are {', '.join(self.order)}")
        if self.arms == ["untrained"]:
            raise ValueError("arms=[untrained] trains nobody: name another beside it, such as real or problems")

    @property
    def paths(self) -> list[Path]:
        """The files of problems, or the run, which `check` asks for."""
        return [Path(str(path)) for path in (self.problems if isinstance(self.problems, list) else [self.problems])]

    @property
    def names(self) -> list[str]:
        """The arms of the files, which are named by them where there are several."""
        return [path.stem for path in self.paths] if len(self.paths) > 1 else ["problems"]

    @property
    def order(self) -> list[str]:
        """All arms' names, in the order of the table."""
        return [name for arm in ARMS for name in (self.names if arm == "problems" else [arm])]

    @property
    def home(self) -> Path:
        """Where everything is kept."""
        if self.out:
            return Path(self.out)
        names = [path.resolve().name if path.is_dir() else path.stem for path in self.paths]
        return Path("teach") / "-".join(names)
