"""What can be configured: one dataclass a group.

YAML files under conf/ hold values; these classes hold names, types and ranges. Everything below the
entries sees these plain objects. Importing this module must stay fast: nothing here may import torch.
"""

from dataclasses import dataclass, field
from math import ceil
from string import Formatter
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from qgen.settings import ranges, trl_fields
from qgen.settings.choices import (
    Backend,
    DType,
    Kind,
    Language,
    Normalize,
    Rollout,
    Schedule,
    Source,
    Task,
    Teacher,
    Tracker,
    TrackerMode,
)
from qgen.settings.teacher import TeacherConfig

STAGES = ("sft", "grpo", "distill")  # in the order in which the pipeline runs them
HELDOUT = ("reward", "format_yield", "heldout_loss")  # what a validation measures


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
    num_prompts: int = 400  # distill: requests that the teacher answers
    task: Task = Task.problem  # grpo: what is asked for; with variations, reward=variation
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
        if self.name != "grpo" and self.task is not Task.problem:
            raise ValueError(f"stage.task={self.task.value} is for stage=grpo; data.mix has variations for sft")
        batch = self.per_device_train_batch_size * self.gradient_accumulation_steps
        if self.name == "grpo" and (self.num_generations < 2 or batch % self.num_generations):
            raise ValueError(
                f"stage.num_generations={self.num_generations} must divide the completions of one step, {batch} "
                f"(stage.per_device_train_batch_size x stage.gradient_accumulation_steps), and be at least 2"
            )


@dataclass
class LoraConfig:
    r: int = 32
    alpha: int = 32
    dropout: float = 0.0
    target_modules: list[str] = field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )


@dataclass
class ModelConfig:
    name: str = MISSING  # a packaged model (models.py), a hub name, a local directory or a GGUF file
    backend: Backend = Backend.hf
    rollout: Rollout = Rollout.auto
    dtype: DType = DType.auto
    load_in_4bit: bool = False
    max_length: int = 2048  # tokens of prompt and completion together
    gradient_checkpointing: bool = False
    attn_implementation: str | None = None  # sdpa, eager, flash_attention_2; None lets transformers choose
    lora: LoraConfig = field(default_factory=LoraConfig)
    architecture: dict[str, Any] | None = field(default_factory=dict)  # random weights of this shape


@dataclass
class WritingConfig:
    """What a command that has a finished run's model write may say of that model."""

    rollout: Rollout | None = None  # null: the run's


@dataclass
class MixConfig:
    """Shares of the training rows; they need not sum to one."""

    problems: float = 1.0
    variations: float = 0.0
    chat: float = 0.0


@dataclass
class DataConfig:
    source: Source = MISSING
    path: str | None = None  # jsonl: the file; openmath: a local copy in the hub's layout, instead of the hub
    fields: dict[str, str] = field(default_factory=dict)  # jsonl: which column holds statement, answer, ...
    limit: int | None = None  # read at most this many
    min_quality: float = 0.8  # problems below it are dropped, 0 to 1
    near_duplicate: float = 0.85  # cosine similarity at which the later of two problems is dropped
    heldout: float = 0.15  # share that is never trained on
    split_seed: int = 0  # apart from `seed`, so that a sweep over seeds is measured on the same problems
    mix: MixConfig = field(default_factory=MixConfig)
    variations_path: str | None = None  # jsonl of {original, statement, answer, kind}; or recomputed: the training
    # problems with other parameters, whose answers SymPy finds
    chat_path: str | None = None  # jsonl of {messages} or {conversations}, or a hub dataset

    def check(self) -> None:
        if self.mix.problems + self.mix.variations + self.mix.chat <= 0:
            raise ValueError("data.mix: at least one share must be above 0")
        for part in ("variations", "chat"):
            if getattr(self.mix, part) > 0 and not getattr(self, f"{part}_path"):
                raise ValueError(f"data.mix.{part} is above 0, so data.{part}_path must say where they are")
        if self.source is Source.jsonl and not self.path:
            raise ValueError("data=jsonl needs data.path=FILE")


@dataclass
class PromptConfig:
    """How problems are asked for. Templates take {topic}, {level} and, in `about`, {points}."""

    language: Language = MISSING  # of the labels of a problem's parts
    system: str = MISSING
    ask: str = MISSING
    worked: str = MISSING  # stands for {worked} where `solution` is true
    about: str = MISSING  # appended when a problem's knowledge points are known
    vary: str = MISSING  # asks for a variation of {original}
    kinds: dict[str, str] = field(default_factory=dict)  # what stands for {kind} in `vary`, for each kind
    improve: str = ""  # asks for a better problem in the place of {original}; empty: a teacher's are not taught so
    solve: str = MISSING  # asks for the solution of {statement}
    solution: bool = False  # also ask for, and train on, a worked solution
    topics: dict[str, str] = field(default_factory=dict)  # names of topics in this language

    def check(self) -> None:
        asked = {"topic", "level", "worked"}
        of = {*asked, "original"}
        takes = {"ask": {*asked, "about"}, "about": {"points"}, "vary": {*of, "kind"}, "improve": of}
        for name, known in takes.items():
            used = {part for _, part, _, _ in Formatter().parse(getattr(self, name)) if part is not None}
            if used - known:
                raise ValueError(f"prompt.{name} takes {sorted(known)}, not {sorted(used - known)}")
        if self.kinds and (wrong := set(self.kinds) ^ {kind.value for kind in Kind}):
            raise ValueError(f"prompt.kinds: {', '.join(sorted(wrong))} must be told or does not exist")


@dataclass
class TermConfig:
    weight: float = 1.0
    params: dict[str, Any] = field(default_factory=dict)  # arguments of the term's constructor


@dataclass
class SolverConfig:
    """The frozen base as a solver of the problems that the policy writes."""

    samples: int = 8  # attempts at each problem
    max_new_tokens: int = 512  # of an attempt
    temperature: float = 0.7
    time_out: float = 10.0  # seconds in which the answers to one problem are compared
    calibrate: int = 32  # real problems solved at start, to learn whether the base can
    usable: float = 0.1  # share of right attempts at those from which its votes count as a measure of difficulty


@dataclass
class RewardConfig:
    terms: dict[str, Any] = field(default_factory=dict)  # name -> TermConfig; Any, so that the command line can add one
    gate: str | None = "format"  # completions to which this term gives 0 get 0 from every other
    normalize: Normalize = Normalize.none
    window: int = 1000  # values a term that zscore looks back on
    solver: SolverConfig | None = None  # who solves problems, for the terms that ask it

    def __post_init__(self) -> None:
        self.terms = {name: _term(name, given) for name, given in self.terms.items()}

    def check(self) -> None:
        if not self.terms:
            raise ValueError("reward.terms is empty: enable at least one term")


@dataclass
class TrackerConfig:
    name: Tracker = MISSING
    # of wandb; None: what the environment's WANDB_PROJECT, _ENTITY, _RUN_GROUP or _MODE says, or else
    project: str | None = None  # qgen
    entity: str | None = None  # the W&B user or team that the runs belong to: the default of the API key
    group: str | None = None  # what W&B puts runs together by: run_name, which is the sweep or the pipeline
    mode: TrackerMode | None = None  # online
    required: bool = True  # False: a tracker that cannot start is reported, and the run goes on


@dataclass
class SamplingConfig:
    """How completions are drawn, in training, validation and generation alike."""

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    batch_size: int = 32  # completions generated at once outside GRPO


@dataclass
class ValidationConfig:
    """The policy writes problems for held-out prompts while it trains; their mean reward is its quality."""

    every: int = 20  # optimizer steps; 0 validates only before the first and after the last
    prompts: int = 32  # held-out prompts, spread over topics and levels, the same at every validation
    problems: int = 32  # held-out problems whose loss is measured
    keep_best: bool = True  # the adapter that a stage leaves is that of its best validation, not of its last step
    stop_below: float | None = None  # quality below which a stage ends
    patience: int | None = None  # validations in a row without a new best after which a stage ends
    require_gain: bool = False  # a stage that ends with the adapter it began with is an error


@dataclass
class MemoryConfig:
    clean_above: float = 0.30  # share of the device's memory that may be reserved before it is cleaned
    every: int = 10  # optimizer steps between reports
    cap: float | None = None  # GiB of the GPU, or without one of data, that the run may take; None: all


@dataclass
class OomConfig:
    retries: int = 6  # times a stage that runs out of memory goes on with a smaller batch, in a fresh process


@dataclass
class NonfiniteConfig:
    patience: int = 3  # steps in a row without a finite loss and gradient after which a stage ends


@dataclass
class RuntimeConfig:
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    oom: OomConfig = field(default_factory=OomConfig)
    nonfinite: NonfiniteConfig = field(default_factory=NonfiniteConfig)


@dataclass
class SweepConfig:
    """How a sweep's jobs are run (python -m qgen.train -m ...). None of it changes what a job computes, but for the
    last digits where jobs share a CPU's cores."""

    jobs: int = 1  # at once: each on a GPU of its own as far as they go, else on a share of the cores
    retry: bool = True  # run again what failed, when the same sweep is started again
    metric: str = "reward"  # what a search (hydra/sweeper=optuna) is told of a job: a held-out figure of its model

    def check(self) -> None:
        if self.metric not in HELDOUT:
            raise ValueError(f"sweep.metric={self.metric} is none of {', '.join(HELDOUT)}")


@dataclass
class Config:
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
        if self.task is not Task.problem and "variation" not in self.reward.terms:
            raise ValueError(
                "this stage is to write variations: set reward=variation, which judges them (with --from: "
                "+reward.terms.variation.weight=0.6)"
            )
        on_policy = self.stage.name == "distill" and self.teacher.name is Teacher.local
        trl_fields.check("teacher=local" if on_policy else self.stage.name, self.stage.trl)
        if self.model.rollout is Rollout.vllm and self.model.backend is Backend.unsloth:
            raise ValueError("model.rollout=vllm is TRL's, without Unsloth: set model.backend=hf")
        if self.sampling.max_new_tokens >= self.model.max_length:
            raise ValueError("sampling.max_new_tokens must be below model.max_length, which also holds the prompt")


_SCALED = {"stage": ("max_steps", "warmup_steps", "num_prompts"), "validation": ("every",)}


def to_yaml(config: Config) -> str:
    """The resolved config as YAML, keys in the schema's order."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def from_yaml(text: str) -> Config:
    """The config that `to_yaml` wrote; what it did not know yet has today's default. Raises as OmegaConf does."""
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.create(text)))


def _term(name: str, given: Any) -> TermConfig:
    if isinstance(given, TermConfig):
        return given
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TermConfig), given))
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise ValueError(f"reward.terms.{name}: {str(error).splitlines()[0]}") from error
