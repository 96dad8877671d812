"""The keys of qgen.teach (conf/teach.yaml)."""

from dataclasses import dataclass, field
from pathlib import Path

from qgen.settings import ranges
from qgen.settings.choices import Method
from qgen.settings.verify import ColumnsConfig

SETS = ("problems", "base", "sft", "grpo", "distill")  # a file's, or what a run's model wrote before and after a stage
ARMS = ("untrained", "one", "form", "real", "shuffled", *SETS, "proved")  # in the order of the table


@dataclass
class TeachConfig:
    """The keys of qgen.teach."""

    problems: str | None = None  # a file of problems, as data=jsonl reads them, or a run whose models write them
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
        for key in ("problems", "real", "test"):
            if (path := getattr(self, key)) and not Path(path).exists():
                raise ValueError(f"{key}={path}: there is no such {'file or run' if key == 'problems' else 'file'}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={self.seeds} must be different numbers, at least one")
        if unknown := [arm for arm in self.arms if arm not in ARMS]:
            raise ValueError(f"arms: there is no {unknown[0]!r}; there are {', '.join(ARMS)}")
        if self.arms == ["untrained"]:
            raise ValueError("arms=[untrained] trains nobody: name another beside it, such as real or problems")

    @property
    def path(self) -> Path:
        """The file of problems, or the run, which `check` asks for."""
        return Path(self.problems or "")

    @property
    def home(self) -> Path:
        """Where everything is kept."""
        if self.out:
            return Path(self.out)
        path = self.path
        return Path("teach") / (path.resolve().name if path.is_dir() else path.stem)
