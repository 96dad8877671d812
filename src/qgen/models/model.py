"""The policy: which weights, which tokenizer, which adapter. Backend hf is transformers and PEFT."""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from qgen.models import nf4, packaged, unsloth
from qgen.runs.rundir import ADAPTER_WEIGHTS
from qgen.runtime import attention, shards
from qgen.runtime.finite import first_not_finite
from qgen.runtime.strict import hub, require
from qgen.settings.choices import Backend, DType
from qgen.settings.model import ModelConfig

LARGE = 1e9  # parameters from which a CPU is told to be slow


def load(config: ModelConfig, adapter: Path | None, seed: int) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """The base model with a trainable adapter (a fresh one, or one that was saved) and its tokenizer.

    Raises ImportError naming the install command where a package is missing, RuntimeError naming
    HF_ENDPOINT where the hub cannot be reached or a local directory is not a model's.
    """
    tokenizer = load_tokenizer(config)
    if config.backend is Backend.unsloth:
        attention.settle()
        with _fitting(adapter):
            policy = unsloth.load(config, weights(config), resolve_dtype(config.dtype), adapter, seed)
        _sound(config, policy)
        if adapter is not None:
            _fits(policy, adapter)
        return policy, tokenizer
    base = load_base(config, tokenizer, seed, on_host=shards.planned())
    if adapter is not None:
        return with_adapter(base, adapter, trainable=True), tokenizer
    torch.manual_seed(seed)  # LoRA's A is random
    return get_peft_model(base, lora(config)), tokenizer


def with_adapter(base: PreTrainedModel, adapter: Path, trainable: bool = False) -> PeftModel:
    """The base model with a saved adapter on.

    Raises RuntimeError where the adapter's tensors are not those that the model has room for: PEFT itself only warns,
    and leaves at random what a file lacks.
    """
    with _fitting(adapter), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of keys that are missing
        policy = PeftModel.from_pretrained(base, str(adapter), is_trainable=trainable)
    try:
        _fits(policy, adapter)
    except RuntimeError:
        policy.unload()
        raise
    return policy


@contextmanager
def _fitting(adapter: Path | None) -> Iterator[None]:
    """Around an adapter's loading: what PEFT says in hundreds of lines is said in one."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise RuntimeError(f"{adapter}: a file of it is no JSON ({error}); is it cut off?") from error
    except (RuntimeError, ValueError, KeyError) as error:
        if adapter is None:
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise RuntimeError(f"{adapter} does not fit the model: {lines[min(1, len(lines) - 1)]}") from error


def _fits(policy: PeftModel, adapter: Path) -> None:
    """Raise RuntimeError where an adapter's file does not hold exactly the tensors of the policy's adapter."""
    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as file:
        held = set(file.keys())
    wanted = set(get_peft_model_state_dict(policy, save_embedding_layers=False))
    if held != wanted:
        parts = {"the file lacks": wanted - held, "the model has no place for": held - wanted}
        told = [f"{what} {min(names)}{_more(names)}" for what, names in parts.items() if names]
        raise RuntimeError(f"{adapter} does not fit the model: {', '.join(told)}")


def _more(names: set[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def lora(config: ModelConfig) -> LoraConfig:
    """What PEFT is told of model.lora."""
    return LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=list(config.lora.target_modules),
        task_type="CAUSAL_LM",
    )


def load_plain(config: ModelConfig, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The base model as it is, for judging and for writing with one adapter after another; by backend hf."""
    tokenizer = load_tokenizer(config)
    return load_base(config, tokenizer, seed), tokenizer


@contextmanager
def adapted(base: PreTrainedModel, adapter: Path | None) -> Iterator[PreTrainedModel]:
    """The base model with an adapter on, which is taken off again; None leaves it as it is."""
    if adapter is None:
        yield base
        return
    policy = with_adapter(base, adapter)
    try:
        yield policy
    finally:
        policy.unload()


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer, padding on the left, with a pad token that ends no turn where the vocabulary has one."""
    path = weights(config)
    with hub(str(path)):
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left", trust_remote_code=False)
    if tokenizer.chat_template is None:
        raise RuntimeError(f"model.name={config.name} has no chat template: choose an instruct model")
    without_thinking(tokenizer)
    if tokenizer.pad_token is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def without_thinking(tokenizer: PreTrainedTokenizerBase) -> None:
    """Fix Qwen3's template to its form without thinking: a problem is asked for, not a train of thought."""
    if "enable_thinking" in tokenizer.chat_template:
        tokenizer.chat_template = "{%- set enable_thinking = false %}" + tokenizer.chat_template


def load_base(
    config: ModelConfig, tokenizer: PreTrainedTokenizerBase, seed: int, on_host: bool = False
) -> PreTrainedModel:
    """The base model's weights, on the GPU if there is one, or on_host; with `model.architecture`, random weights of
    that shape.

    Raises RuntimeError where a weight is not finite.
    """
    attention.settle()
    dtype = resolve_dtype(config.dtype)
    place = torch.cuda.current_device() if torch.cuda.is_available() and not on_host else "cpu"
    if config.load_in_4bit:
        require("bitsandbytes", "pip install 'qgen[gpu]'")
    if config.architecture:
        torch.manual_seed(seed)
        ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        shape = AutoConfig.for_model(**{"vocab_size": len(tokenizer), **ids, **config.architecture})
        create = nf4.random_model if config.load_in_4bit else AutoModelForCausalLM.from_config
        with torch.device(place):
            model = create(shape, dtype=dtype, attn_implementation=config.attn_implementation)
    else:
        with hub(config.name):
            model = AutoModelForCausalLM.from_pretrained(
                weights(config),
                trust_remote_code=False,
                dtype=dtype,
                attn_implementation=config.attn_implementation,
                quantization_config=nf4.settings(dtype) if config.load_in_4bit else None,
                device_map=None if place == "cpu" else {"": place},
            )
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    _sound(config, model)
    if not torch.cuda.is_available() and (count := model.num_parameters()) > LARGE:
        print(
            f"{config.name}: {count / 1e9:.1f} billion parameters on a CPU, which is slow: 1.8 billion took 0.8 s a "
            f"token on two cores. model=smollm2 is for CPUs, and scale=0.01 for a look at this one"
        )
    return model


def _sound(config: ModelConfig, model: PreTrainedModel) -> None:
    """Raise RuntimeError where a weight is not finite."""
    if (name := first_not_finite(model)) is not None:
        raise RuntimeError(f"model.name={config.name} holds numbers that are not finite, first in {name}: get it anew")


def fingerprint(config: ModelConfig, model: PreTrainedModel) -> str:
    """What identifies the base weights: the hub's commit, or a hash of sizes and ends of a directory's weight files."""
    commit = getattr(model.config, "_commit_hash", None)
    if config.architecture:
        return f"random weights of {config.architecture}"
    if commit:
        return f"{config.name}@{commit}"
    digest = hashlib.sha256()
    for path in sorted(Path(weights(config)).glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(f"{path.name} {path.stat().st_size}".encode() + file.read(2**20))
            file.seek(-min(2**20, path.stat().st_size), os.SEEK_END)
            digest.update(file.read())
    return f"{config.name}@{digest.hexdigest()[:16]}"


def resolve_dtype(dtype: DType) -> torch.dtype:
    """The torch dtype that a config means: `auto` is bfloat16 where the machine computes in it, else float32.

    A GPU says whether it does; a CPU does where it has AMX.
    """
    if dtype is DType.auto:
        told = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # older ones have none
        fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else bool(told.get("amx_bf16"))
        return torch.bfloat16 if fast else torch.float32
    return getattr(torch, dtype.value)


def weights(config: ModelConfig) -> str:
    """What transformers loads: the directory of a converted GGUF file, a local directory, or a hub name.

    Raises RuntimeError where a name that can only be a directory's is none, and as packaged.directory does.
    """
    if packaged.known(config.name):
        return str(packaged.directory(config.name))
    if is_missing(config.name):
        raise RuntimeError(f"{config.name}: no such directory")
    return config.name


def is_missing(name: str) -> bool:
    """Whether a model's name can only be a directory's, as none on the hub begins like that, and there is none."""
    return name.startswith(("/", ".", "~")) and not Path(name).is_dir()
