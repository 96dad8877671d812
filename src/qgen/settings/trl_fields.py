"""The fields of TRL's config classes, read from the installed source.

`dataclasses.fields` would tell the same, but importing the classes imports torch and transformers, which takes seconds.
A mistyped `stage.trl` key is to be told at once, before either is imported.
"""

import ast
import difflib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

_FILES = {  # the class's own fields, then those it inherits
    "sft": ("trl/trainer/sft_config.py", "trl/trainer/base_config.py", "transformers/training_args.py"),
    "grpo": ("trl/trainer/grpo_config.py", "trl/trainer/base_config.py", "transformers/training_args.py"),
}
_FILES["distill"] = _FILES["sft"]
_FILES["teacher=local"] = ("trl/trainer/distillation_config.py", *_FILES["sft"][1:])
OWN = {  # what qgen sets from a key of its own
    "output_dir": "output_dir", "seed": "seed", "max_steps": "stage.max_steps", "report_to": "tracker",
    "per_device_train_batch_size": "stage.per_device_train_batch_size",
    "gradient_accumulation_steps": "stage.gradient_accumulation_steps", "learning_rate": "stage.learning_rate",
    "warmup_steps": "stage.warmup_steps", "lr_scheduler_type": "stage.lr_scheduler_type",
    "weight_decay": "stage.weight_decay", "max_grad_norm": "stage.max_grad_norm", "save_steps": "stage.save_steps",
    "save_total_limit": "stage.save_total_limit", "num_generations": "stage.num_generations",
    "max_completion_length": "sampling.max_new_tokens", "temperature": "sampling.temperature",
    "top_p": "sampling.top_p", "max_length": "model.max_length", "bf16": "model.dtype", "fp16": "model.dtype",
    "gradient_checkpointing": "model.gradient_checkpointing", "reward_weights": "reward.terms.NAME.weight",
    "multi_objective_aggregation": "reward.normalize", "teacher_model_name_or_path": "teacher.model",
    "use_vllm": "model.rollout",
}  # fmt: skip


@cache
def fields(stage: str) -> dict[str, str]:
    """All fields of a stage's config class in the installed TRL and transformers, with their types as they are written
    there: {"epsilon": "float", ...}."""
    found: dict[str, str] = {}
    for file in reversed(_FILES[stage]):
        package, _, rest = file.partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ImportError(f"{package} is not installed; install it with: pip install qgen")
        tree = ast.parse((Path(spec.origin).parent / rest).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                own = ((n.target, n.annotation) for n in node.body if isinstance(n, ast.AnnAssign))
                found |= {t.id: ast.unparse(annotation) for t, annotation in own if isinstance(t, ast.Name)}
    return found


def check(stage: str, passed: dict[str, Any]) -> None:
    """Raise ValueError for a key of stage.trl that TRL does not have or that qgen has a key of its own for, and for a
    value of another type than TRL's."""
    for key, value in passed.items():
        if key == "trust_remote_code":
            raise ValueError(f"stage.trl.{key}: qgen runs no code that comes with a model, so leave it out")
        if key in OWN:
            raise ValueError(f"stage.trl.{key} is set by qgen: use {OWN[key]}")
        if key not in fields(stage):
            near = difflib.get_close_matches(key, fields(stage), n=1)
            hint = f"; did you mean stage.trl.{near[0]}?" if near else ""
            raise ValueError(f"stage.trl.{key} is no field of TRL's config for {stage}{hint}")
        wanted = [name.strip() for name in fields(stage)[key].split("|")]
        if set(wanted) <= set(_TYPES) and not any(_is(value, name) for name in wanted):
            raise ValueError(f"stage.trl.{key}={value}: TRL takes {fields(stage)[key]}, not {type(value).__name__}")
        if key in _DIVISORS and value is not None and value < 1:
            raise ValueError(f"stage.trl.{key}={value} must be at least 1")


_TYPES = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,), "None": (type(None),)}
_DIVISORS = ("num_iterations", "steps_per_generation", "generation_batch_size")


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (isinstance(value, bool) <= (name == "bool"))
