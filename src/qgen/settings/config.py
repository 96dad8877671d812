"""The whole config of a stage: a field a group, each of which has a file beside this one.

YAML files under conf/ hold values; these classes hold names, types and ranges. Everything below the
entries sees these plain objects. Importing them must stay fast: nothing here may import torch.
"""

from dataclasses import dataclass, field
from math import ceil
from typing import Any

from omegaconf import MISSING, OmegaConf

from qgen.settings import ranges, trl_fields
from qgen.settings.choices import Backend, Rollout, Task, Teacher
from qgen.settings.data import DataConfig
from qgen.settings.model import ModelConfig
from qgen.settings.prompt import PromptConfig
from qgen.settings.reward import RewardConfig
from qgen.settings.runtime import RuntimeConfig
from qgen.settings.sampling import SamplingConfig
from qgen.settings.stage import StageConfig
from qgen.settings.sweep import SweepConfig
from qgen.settings.teacher import TeacherConfig
from qgen.settings.tracker import TrackerConfig
from qgen.settings.validation import ValidationConfig


@dataclass
class Config:
    """The keys of qgen.train and qgen.pipeline."""

    seed: int = 3407
    scale: float = 1.0  # multiplies the steps, warm-up, validation interval and requests of a run: .1 for a quick look
    run_name: str = MISSING
    output_dir: str = "outputs"  # a stage writes to output_dir/run_name/stage
    strict: bool = True  # never substitute a model, data or scores that could not be had: there is no other way yet
    resume: bool = False  # go on from the last checkpoint in the run's directory
    overwrite: bool = False  # throw away what the run's directory holds
    stage: StageConfig = field(default_factory=StageConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    @property
    def task(self) -> Task:
        """What a stage teaches, which validation asks for: variations where sft is trained on them and no problems."""
        alone = self.data.mix.variations > 0 >= self.data.mix.problems
        return Task.variation if self.stage.name == "sft" and alone else self.stage.task

    @property
    def judge(self) -> TeacherConfig | None:
        """The teacher behind an API, whom a reward term may ask too; None where there is none."""
        return self.teacher if self.teacher.name is Teacher.api else None

    def shorten(self) -> None:
        """Apply `scale`, once: a config that is read back from a run's directory holds the scaled numbers."""
        ranges.check(self)  # what is to be scaled, and by what
        if self.scale != 1:
            for part, names in _SCALED.items():
                for name in names:
                    section = getattr(self, part)
                    setattr(section, name, ceil(getattr(section, name) * self.scale))

    def check(self) -> None:
        """Raise ValueError, naming the key, where a value is out of range or two contradict each other."""
        ranges.check(self)
        ranges.home(self.output_dir, self.run_name)
        if not self.strict:
            raise ValueError("strict=false permits nothing: qgen substitutes neither a model nor data nor scores")
        if self.resume and self.overwrite:
            raise ValueError("resume=true and overwrite=true contradict each other")
        for part in vars(self).values():
            if hasattr(part, "check"):
                part.check()
        self._check_task()
        on_policy = self.stage.name == "distill" and self.teacher.name is Teacher.local
        trl_fields.check("teacher=local" if on_policy else self.stage.name, self.stage.trl)
        if self.model.rollout is Rollout.vllm and self.model.backend is Backend.unsloth:
            raise ValueError("model.rollout=vllm is TRL's, without Unsloth: set model.backend=hf")
        if self.sampling.max_new_tokens >= self.model.max_length:
            raise ValueError("sampling.max_new_tokens must be below model.max_length, which also holds the prompt")

    def _check_task(self) -> None:
        """Rewards must judge what is asked for."""
        judging = [name for name in ("right", "boxed") if name in self.reward.terms]
        if self.task is Task.solve:
            if not judging:
                raise ValueError("stage.task=solve: these rewards judge problems, not solutions: set reward=solution")
            if self.stage.name == "distill" and self.teacher.name is not Teacher.self:
                raise ValueError(
                    "stage.task=solve: distillation learns from the model's own solutions: set teacher=self"
                )
        elif judging:
            raise ValueError(f"reward term {judging[0]!r} judges solutions: set stage.task=solve, or another reward")
        elif self.task is not Task.problem and "variation" not in self.reward.terms:
            raise ValueError(
                "this stage is to write variations: set reward=variation, which judges them (with --from: "
                "+reward.terms.variation.weight=0.6)"
            )


_SCALED = {"stage": ("max_steps", "warmup_steps", "num_prompts"), "validation": ("every",)}


def to_yaml(config: Config) -> str:
    """The resolved config as YAML, keys in the schema's order."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def from_yaml(text: str) -> Config:
    """The config that `to_yaml` wrote; what it did not know yet has today's default. Raises as OmegaConf does."""
    config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.create(text)))
    return config
