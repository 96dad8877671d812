"""One training stage (conf/stage/)."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from qgen.settings.choices import Schedule, Task

STAGES = ("sft", "grpo", "distill")  # in the order in which the pipeline runs them


@dataclass
class StageConfig:
    """One training stage. Its effective batch is the per-device batch x accumulation steps x devices."""

    name: str = MISSING  # sft, grpo or distill
    max_steps: int = MISSING  # optimizer steps
    per_device_train_batch_size: int = 1  # sequences
    gradient_accumulation_steps: int = 8
    learning_rate: float = MISSING
    warmup_steps: int = 10
    lr_scheduler_type: Schedule = Schedule.cosine
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    num_generations: int = 8  # completions a prompt: the group in grpo, the n of best-of-n in distill
    rollout_batch_size: int | None = None  # grpo: completions written at once; None: those of a step
    redraws: int = 0  # grpo: how often other requests are drawn for groups whose rewards are all alike
    num_prompts: int = 400  # distill: requests that the teacher answers
    task: Task = Task.problem  # grpo: what is asked for; variation, both: with reward=variation
    # solve (also of distill): solutions of the training problems, with reward=solution
    save_steps: int = 20  # optimizer steps between checkpoints
    save_total_limit: int = 2  # checkpoints kept
    init_from: str = "auto"  # auto (the stage before, where this run has one), base, or an adapter's path
    trl: dict[str, Any] = field(default_factory=dict)  # any other field of TRL's config for this stage

    @property
    def steps_per_generation(self) -> int:
        """Batches whose completions GRPO writes together: TRL's own field, and its default."""
        return self.trl.get("steps_per_generation") or self.gradient_accumulation_steps

    @property
    def rollouts(self) -> int:
        """Completions that GRPO writes at once."""
        whole = self.per_device_train_batch_size * self.steps_per_generation
        return min(self.rollout_batch_size or whole, whole)

    def check(self) -> None:
        if self.name not in STAGES:
            raise ValueError(f"stage.name={self.name} is none of {', '.join(STAGES)}")
        if self.name == "sft" and self.task is Task.solve:
            raise ValueError("stage.task=solve is for stage=grpo, or stage=distill, which learns right solutions")
        if self.name != "grpo" and self.task not in (Task.problem, Task.solve):
            raise ValueError(f"stage.task={self.task.value} is for stage=grpo; data.mix has variations for sft")
        if (
            self.redraws
            and self.name == "grpo"
            and self.per_device_train_batch_size * self.steps_per_generation % (self.num_generations)
        ):
            raise ValueError(
                f"stage.redraws={self.redraws} needs whole groups on each device: stage.num_generations="
                f"{self.num_generations} must divide stage.per_device_train_batch_size x steps_per_generation, "
                f"{self.per_device_train_batch_size * self.steps_per_generation}"
            )
        batch = self.per_device_train_batch_size * self.gradient_accumulation_steps
        if self.name == "grpo" and (self.num_generations < 2 or batch % self.num_generations):
            raise ValueError(
                f"stage.num_generations={self.num_generations} must divide the completions of one step, {batch} "
                f"(stage.per_device_train_batch_size x stage.gradient_accumulation_steps), and be at least 2"
            )
