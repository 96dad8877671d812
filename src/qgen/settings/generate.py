"""The keys of qgen.generate (conf/generate.yaml), and what a paper is (conf/paper/)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qgen.settings import ranges
from qgen.settings.choices import Kind, Language
from qgen.settings.model import WritingConfig


@dataclass
class PaperConfig:
    """A contest paper: conf/paper/. There is one where it has a title."""

    title: str | None = None
    instructions: str = ""
    problems: int | None = None
    topics: Any = None  # {topic: count}; the rest is of other topics. Any, as Hydra adds no key to a dict with a type


@dataclass
class GenerateConfig:
    """The keys of qgen.generate; whatever else it needs, it reads from the run."""

    run: str | None = None  # a run's directory (its last finished stage writes), or a stage's
    n: int = 10  # problems that pass the gate
    topic: str | None = None  # null: all of the data's topics in turn
    level: int | None = None  # 1 to 5; null: any
    like: str | None = None  # a problem: what is written are variations of it
    kind: Kind | None = None  # of variation; null: any
    language: Language | None = None  # null: the run's
    seed: int = 0
    tries: int = 40  # outputs at most for each problem that is asked for
    temperature: float | None = None  # null: the run's
    max_new_tokens: int | None = None  # null: the run's
    batch_size: int = 32  # outputs written at once
    model: WritingConfig = field(default_factory=WritingConfig)
    paper: PaperConfig = field(default_factory=PaperConfig)  # paper=contest: also a paper, of paper.problems problems
    reproduce: str | None = None  # DIR/problems.jsonl:N writes the Nth problem of a file again, and compares
    out: str | None = None  # null: generated/ in the run's directory

    def check(self) -> None:
        ranges.check(self, {"n": (1, 10**5), "level": (1, 5), "tries": (1, 10**6), "max_new_tokens": (1, 10**6),
                            "batch_size": (1, 10**6), "temperature": (0, 10), "paper.problems": (1, 1000)})  # fmt: skip
        if not self.run:
            raise ValueError("run says whose model writes: python -m qgen.generate run=outputs/NAME")
        if not Path(self.run).is_dir():
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

    @property
    def count(self) -> int:
        """Problems that are to pass the gate."""
        return self.paper.problems or self.n
