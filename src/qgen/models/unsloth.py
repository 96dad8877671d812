"""Unsloth: it patches trl, transformers and peft as it is imported, for the whole process, and changes defaults.

So it comes first, keeps what it compiles in the job's own directory, is told every field of a trainer's config, and
what it made of them is compared with what was asked for.
"""

import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgen.runtime.strict import hub
from qgen.settings.model import ModelConfig

if TYPE_CHECKING:  # imported before what Unsloth patches
    import torch
    from peft import PeftModel

CACHE = "unsloth_compiled_cache"


def enter(out: Path) -> None:
    """Import Unsloth, with its cache under the job's directory. To be called before what it patches is imported."""
    os.environ["UNSLOTH_COMPILE_LOCATION"] = str((out / CACHE).resolve())
    os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
    import unsloth  # noqa: F401


def load(config: ModelConfig, weights: str, dtype: "torch.dtype", adapter: Path | None, seed: int) -> "PeftModel":
    """The policy in Unsloth's form, with a fresh adapter or one that was saved."""
    from peft.utils import load_peft_weights, set_peft_model_state_dict
    from unsloth import FastLanguageModel

    if config.architecture:
        raise RuntimeError("model.backend=unsloth loads no random weights: save them, and give their directory's name")
    with hub(config.name):
        base, _ = FastLanguageModel.from_pretrained(
            weights,
            trust_remote_code=False,
            max_seq_length=config.max_length,
            dtype=dtype,
            load_in_4bit=config.load_in_4bit,
            fast_inference=False,
            random_state=seed,
            use_gradient_checkpointing="unsloth" if config.gradient_checkpointing else False,
        )
    model = FastLanguageModel.get_peft_model(
        base,
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=list(config.lora.target_modules),
        bias="none",
        random_state=seed,
        max_seq_length=config.max_length,
        use_gradient_checkpointing="unsloth" if config.gradient_checkpointing else False,
    )
    if adapter is not None:
        set_peft_model_state_dict(model, load_peft_weights(str(adapter), device="cpu"))
    return model


def stock(config_class: type) -> type:
    """TRL's own config class behind the one that Unsloth put in its place under its name; the class where it did
    not."""
    named = [c for c in config_class.__mro__ if c.__qualname__ == config_class.__qualname__]
    return named[-1]


def defaults(config_class: type) -> dict[str, Any]:
    """TRL's own default of each field of a trainer's config."""
    found = {
        f.name: f.default if f.default_factory is MISSING else f.default_factory()
        for f in fields(stock(config_class))
        if f.init and (f.default is not MISSING or f.default_factory is not MISSING)
    }
    if "epsilon_high" in found:  # None is epsilon to TRL, and 0.28 to Unsloth
        found["epsilon_high"] = found["epsilon"]
    return found


def compare(reference: Any, effective: Any) -> None:
    """Raise RuntimeError where a trainer's config is not what was asked for, naming each field with both values.

    Args:
        reference: what TRL's own class makes of what was asked for. To be made before `effective`, as either's making
            resets accelerate's state.
        effective: the trainer's config once it has been built.
    """
    names = [f.name for f in fields(reference) if f.name not in _OWN]
    wrong = {n: (getattr(reference, n), getattr(effective, n)) for n in names}
    wrong = {n: pair for n, pair in wrong.items() if pair[0] != pair[1]}
    if wrong:
        told = "; ".join(f"{name}: asked for {a!r}, effective {b!r}" for name, (a, b) in wrong.items())
        raise RuntimeError(f"unsloth changed the trainer's config: {told}")


_OWN = {  # what Unsloth sets in its own way, and which changes no figure
    "bf16_full_eval",  # qgen validates by itself
    "fp16_full_eval",
    "dataset_num_proc",  # processes that tokenize
    "gradient_checkpointing_kwargs",  # its checkpointing is reentrant
}
