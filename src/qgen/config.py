"""What can be configured: one dataclass a group, and resolve(), which leaves Hydra's types behind.

YAML files under conf/ hold values; these classes hold names, types and ranges. Everything below the
entries sees plain objects. Importing this module must stay fast: nothing here may import torch.
"""

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from qgen import trl_fields

_HERE = Path(__file__).resolve().parent
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parents[1] / "conf"  # installed, or a checkout

STAGES = ("sft", "grpo", "distill")  # in the order in which the pipeline runs them


class Schedule(Enum):
    """Learning-rate schedules of transformers that need no further argument."""

    linear = "linear"
    cosine = "cosine"
    cosine_with_restarts = "cosine_with_restarts"
    polynomial = "polynomial"
    constant = "constant"
    constant_with_warmup = "constant_with_warmup"
    inverse_sqrt = "inverse_sqrt"


class Backend(Enum):
    """Who loads and adapts the model: transformers + PEFT, or Unsloth."""

    hf = "hf"
    unsloth = "unsloth"


class Rollout(Enum):
    """Who writes completions during training."""

    generate = "generate"


class DType(Enum):
    auto = "auto"  # bfloat16 where the GPU has it, else float32
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Normalize(Enum):
    """How reward terms are put on one scale before they are weighted."""

    none = "none"
    zscore = "zscore"
    group = "group"


class Source(Enum):
    champ = "champ"
    jsonl = "jsonl"
    openmath = "openmath"


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
    num_prompts: int = 400  # distill: requests that the teacher answers
    save_steps: int = 20  # optimizer steps between checkpoints
    save_total_limit: int = 2  # checkpoints kept
    init_from: str = "auto"  # auto (the stage before, where this run has one), base, or an adapter's path
    trl: dict[str, Any] = field(default_factory=dict)  # any other field of TRL's config for this stage

    def check(self) -> None:
        _at_least("stage.max_steps", self.max_steps, 1)
        _at_least("stage.per_device_train_batch_size", self.per_device_train_batch_size, 1)
        _at_least("stage.gradient_accumulation_steps", self.gradient_accumulation_steps, 1)
        _at_least("stage.warmup_steps", self.warmup_steps, 0)
        _at_least("stage.save_steps", self.save_steps, 1)
        _at_least("stage.save_total_limit", self.save_total_limit, 2)  # one is whole while the next is written
        _above("stage.learning_rate", self.learning_rate, 0.0)
        if self.name == "grpo":
            _at_least("stage.num_generations", self.num_generations, 2)
            batch = self.per_device_train_batch_size * self.gradient_accumulation_steps
            if batch % self.num_generations:
                raise ValueError(
                    f"stage.num_generations={self.num_generations} must divide the completions of one step, "
                    f"{batch} (stage.per_device_train_batch_size x stage.gradient_accumulation_steps)"
                )
        _at_least("stage.num_generations", self.num_generations, 1)
        _at_least("stage.num_prompts", self.num_prompts, 1)


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
    name: str = MISSING  # "embedded", a hub name, or a local directory
    backend: Backend = Backend.hf
    rollout: Rollout = Rollout.generate
    dtype: DType = DType.auto
    load_in_4bit: bool = False
    max_length: int = 2048  # tokens of prompt and completion together
    gradient_checkpointing: bool = False
    attn_implementation: str | None = None  # sdpa, eager, flash_attention_2; None lets transformers choose
    lora: LoraConfig = field(default_factory=LoraConfig)
    architecture: dict[str, Any] | None = None  # random weights of this shape; the tokenizer is still name's

    def check(self) -> None:
        _at_least("model.max_length", self.max_length, 16)
        _at_least("model.lora.r", self.lora.r, 1)


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
    variations_path: str | None = None  # jsonl of {original, statement, answer, kind}
    chat_path: str | None = None  # jsonl of {messages} or {conversations}, or a hub dataset

    def check(self) -> None:
        _between("data.min_quality", self.min_quality, 0.0, 1.0)
        _between("data.near_duplicate", self.near_duplicate, 0.0, 1.0)
        if not 0.0 < self.heldout < 1.0:
            raise ValueError(f"data.heldout={self.heldout} must lie between 0 and 1, both excluded")
        for name, share in vars(self.mix).items():
            _at_least(f"data.mix.{name}", share, 0.0)
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

    language: str = MISSING  # en or zh: the labels of the parts of a problem
    system: str = MISSING
    ask: str = MISSING
    about: str = MISSING  # appended when a problem's knowledge points are known
    vary: str = MISSING  # asks for a variation of {original}
    solution: bool = False  # also ask for, and train on, a worked solution
    topics: dict[str, str] = field(default_factory=dict)  # names of topics in this language


@dataclass
class TermConfig:
    weight: float = 1.0
    params: dict[str, Any] = field(default_factory=dict)  # arguments of the term's constructor


@dataclass
class RewardConfig:
    terms: dict[str, Any] = field(default_factory=dict)  # name -> TermConfig; Any, so that the command line can add one
    gate: str | None = "format"  # completions to which this term gives 0 get 0 from every other
    normalize: Normalize = Normalize.none
    window: int = 1000  # values a term that zscore looks back on

    def __post_init__(self) -> None:
        self.terms = {name: _term(name, given) for name, given in self.terms.items()}

    def check(self) -> None:
        _at_least("reward.window", self.window, 2)
        if not self.terms:
            raise ValueError("reward.terms is empty: enable at least one term")


@dataclass
class TeacherConfig:
    name: str = MISSING  # self


@dataclass
class TrackerConfig:
    name: str = MISSING  # local, wandb
    project: str = "qgen"
    mode: str = "online"  # online, offline, disabled
    required: bool = True  # False: a tracker that cannot start is reported, and the run goes on


@dataclass
class SamplingConfig:
    """How completions are drawn, in training, validation and generation alike."""

    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    batch_size: int = 32  # completions generated at once outside GRPO

    def check(self) -> None:
        _at_least("sampling.max_new_tokens", self.max_new_tokens, 1)
        _above("sampling.temperature", self.temperature, 0.0)
        _between("sampling.top_p", self.top_p, 0.0, 1.0)
        _at_least("sampling.batch_size", self.batch_size, 1)


@dataclass
class ValidationConfig:
    every: int = 20  # optimizer steps; 0 validates only before the first and after the last
    prompts: int = 32  # held-out prompts, the same at every validation
    problems: int = 32  # held-out problems whose loss is measured

    def check(self) -> None:
        _at_least("validation.every", self.every, 0)
        _at_least("validation.prompts", self.prompts, 1)
        _at_least("validation.problems", self.problems, 1)


@dataclass
class MemoryConfig:
    clean_above: float = 0.30  # share of the device's memory that may be reserved before it is cleaned
    every: int = 10  # optimizer steps between reports


@dataclass
class RuntimeConfig:
    memory: MemoryConfig = field(default_factory=MemoryConfig)

    def check(self) -> None:
        _between("runtime.memory.clean_above", self.memory.clean_above, 0.0, 1.0)
        _at_least("runtime.memory.every", self.memory.every, 1)


@dataclass
class Config:
    seed: int = 3407
    run_name: str = MISSING
    output_dir: str = "outputs"  # a stage writes to output_dir/run_name/stage
    strict: bool = True  # never substitute a model, data or scores that could not be had
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
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    def check(self) -> None:
        """Raise ValueError, naming the key, where a value is out of range or two contradict each other."""
        if self.resume and self.overwrite:
            raise ValueError("resume=true and overwrite=true contradict each other")
        for part in vars(self).values():
            if hasattr(part, "check"):
                part.check()
        trl_fields.check(self.stage.name, self.stage.trl)
        if self.sampling.max_new_tokens >= self.model.max_length:
            raise ValueError("sampling.max_new_tokens must be below model.max_length, which also holds the prompt")


def _term(name: str, given: Any) -> TermConfig:
    if isinstance(given, TermConfig):
        return given
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(TermConfig), given))
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise ValueError(f"reward.terms.{name}: {str(error).splitlines()[0]}") from error


def _at_least(key: str, value: float, low: float) -> None:
    if value < low:
        raise ValueError(f"{key}={value} must be at least {low}")


def _above(key: str, value: float, low: float) -> None:
    if value <= low:
        raise ValueError(f"{key}={value} must be above {low}")


def _between(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{key}={value} must lie between {low} and {high}")


def by_stage(sft: Any, grpo: Any, distill: Any, *, _root_: DictConfig) -> Any:
    """The resolver behind ${by_stage:200,100,80}: the value for the stage that is being composed."""
    return dict(zip(STAGES, (sft, grpo, distill), strict=True))[_root_.stage.name]


def folder(name: str) -> str:
    """The resolver behind ${folder:...}: a name that a file system takes, cut and hashed where it is long."""
    name = name.replace("/", "_")
    return name if len(name) <= 120 else f"{name[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def register() -> None:
    """Make the schema and the resolvers known to Hydra; calling it again changes nothing."""
    ConfigStore.instance().store(name="schema", node=Config)
    OmegaConf.register_new_resolver("by_stage", by_stage, replace=True)
    OmegaConf.register_new_resolver("folder", folder, replace=True)


def resolve(cfg: DictConfig) -> Config:
    """Turn a composed config into plain typed objects and check them.

    Raises omegaconf's MissingMandatoryValue or ValidationError, or ValueError; each names the key.
    """
    for key in _unknown(cfg):
        raise ValueError(f"{key}: there is no such key{nearest(key, keys())}")
    config = OmegaConf.to_object(cfg)
    config.check()
    return config


def composed(overrides: list[str]) -> Config:
    """The checked config of a command line, composed outside of a Hydra job or inside one."""
    register()
    current = HydraConfig.instance()
    before = current.cfg
    initialized = GlobalHydra.instance().is_initialized()
    with nullcontext() if initialized else initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides, return_hydra_config=True)
    try:
        current.set_config(cfg)  # run_name reads the groups' choices
        del cfg.hydra
        return resolve(cfg)
    finally:
        current.cfg = before


def keys(schema: type = Config, prefix: str = "") -> Iterator[str]:
    """All keys that can be set, dotted; those of open groups (reward.terms, ...) as the shipped files name them."""
    for item in fields(schema):
        name = f"{prefix}{item.name}"
        yield name
        if is_dataclass(item.type):
            yield from keys(item.type, f"{name}.")
    if not prefix:
        for file in CONF.glob("*/*.yaml"):
            if file.parent.name != "experiment":
                yield from (f"{file.parent.name}.{key}" for key in _dotted(OmegaConf.load(file)))


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' for a name that does not exist, or nothing where no known one is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _unknown(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """Keys that '+key=value' put where the schema has none: Hydra lets them through."""
    schema = OmegaConf.get_type(node)
    known = {item.name for item in fields(schema)} if is_dataclass(schema) else None
    for name in node:
        if known is not None and name not in known:
            yield f"{prefix}{name}"
        elif isinstance(child := node._get_node(name), DictConfig) and not child._is_none():
            yield from _unknown(child, f"{prefix}{name}.")


def _dotted(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in node:
        yield f"{prefix}{name}"
        if isinstance(node._get_node(name), DictConfig):
            yield from _dotted(node[name], f"{prefix}{name}.")


def to_yaml(config: Config) -> str:
    """The resolved config as YAML, keys in the schema's order."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))
