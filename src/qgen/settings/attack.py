"""The keys of qgen.rewards.attack (conf/attack.yaml): a stage's, and its own."""

from dataclasses import dataclass, field
from pathlib import Path

from qgen.settings import ranges
from qgen.settings.choices import JunkClass, Language, Task
from qgen.settings.config import Config

# real problems as they are worded
ANY_LANGUAGE = (JunkClass.wrong, JunkClass.repeat, JunkClass.constant, JunkClass.offtopic)


@dataclass
class AttackConfig:
    """How much is tried against the rewards."""

    classes: list[JunkClass] = field(default_factory=lambda: list(JunkClass))  # kinds of junk
    n: int = 128  # texts a class, a whole number of groups (stage.num_generations)
    problems: int = 300  # real problems that they are compared with, at most
    budget: int = 1280  # texts that the search may have scored for each level
    steps: int = 0  # GRPO steps under these rewards, whose winners are shown; 0: none
    run: str | None = None  # a GRPO run of these rewards and data whose winners are shown: outputs/NAME
    winners: int = 10  # completions that are shown of it


@dataclass
class Attacked(Config):
    """The keys of a stage, and the attack's own."""

    attack: AttackConfig = field(default_factory=AttackConfig)

    def check(self) -> None:
        ranges.check(self, {"attack.n": (2, 10**5), "attack.problems": (20, 10**6), "attack.budget": (1, 10**7),
                            "attack.steps": (0, 10**6), "attack.winners": (1, 1000)})  # fmt: skip
        super().check()
        if self.stage.name != "grpo":
            raise ValueError(f"stage={self.stage.name}: the attack is on the rewards of GRPO: leave stage out")
        if self.stage.task is not Task.problem:
            raise ValueError(f"stage.task={self.stage.task.value}: attacks are problems: leave stage.task out")
        english = [kind.value for kind in self.attack.classes if kind not in ANY_LANGUAGE]
        if self.prompt.language is not Language.en and english:
            others = ",".join(kind.value for kind in ANY_LANGUAGE)
            raise ValueError(
                f"attack.classes: {', '.join(english)} are English: with prompt.language={self.prompt.language.value}, "
                f"attack.classes=[{others}]"
            )
        if not self.attack.classes and not self.attack.run:
            raise ValueError("attack.classes is empty: name at least one class, or leave it out for all of them")
        if self.attack.n % self.stage.num_generations:
            raise ValueError(
                f"attack.n={self.attack.n} must be a multiple of stage.num_generations={self.stage.num_generations}: "
                f"texts are scored in groups"
            )
        if self.attack.run and self.attack.steps:
            raise ValueError("attack.run and attack.steps contradict each other: leave one out")
        if self.attack.run and not Path(self.attack.run).is_dir():
            raise ValueError(f"attack.run={self.attack.run}: there is no such directory")
