"""Where the model and the data come from: whether they can be had, without loading any weights."""

import os
from pathlib import Path

import httpx
from huggingface_hub import constants, try_to_load_from_cache
from transformers import AutoConfig, PretrainedConfig, PreTrainedTokenizerBase

from qgen import data
from qgen.data import Corpus, openmath, scripts
from qgen.doctor import Finding
from qgen.models import packaged
from qgen.models.model import is_missing, load_tokenizer, weights
from qgen.runtime.strict import hub
from qgen.settings.choices import Source
from qgen.settings.config import Config
from qgen.settings.model import ModelConfig
from qgen.text import redact

# As Qwen's own config.json have them, so that a plan can be made where the hub is out of reach
PUBLISHED = {
    "Qwen3-4B": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
                 "tie_word_embeddings": True},
    "Qwen3-14B": {"hidden_size": 5120, "intermediate_size": 17408, "num_hidden_layers": 40, "num_attention_heads": 40,
                  "tie_word_embeddings": False},
}  # fmt: skip
QWEN3 = {"model_type": "qwen3", "vocab_size": 151936, "num_key_value_heads": 8, "head_dim": 128}


def reach(config: Config, timeout: float) -> list[Finding]:
    """One finding for each thing that must come from the hub, or one that says that nothing need."""
    wanted, solver = {}, config.reward.solver and config.reward.solver.model
    for key, name in (("model.name", config.model.name), ("reward.solver.model", solver)):
        if name and is_missing(name):
            return [Finding("model", f"{name}: no such directory", f"{key}=DIRECTORY", fatal=True)]
        if name and not _local(name) and name not in packaged.MODELS:
            wanted[f"model {name}"] = f"{name}/resolve/main/config.json"
    if config.data.source is Source.openmath and not config.data.path:
        wanted[f"data {openmath.NAME}"] = f"datasets/{openmath.NAME}/resolve/main/README.md"
    if not wanted:
        return [Finding("hub", "not needed: model and data are on this machine")]
    return [_ask(what, path, timeout) for what, path in wanted.items()]


def shape(
    config: ModelConfig, tokenizer: PreTrainedTokenizerBase | None, reachable: bool
) -> tuple[PretrainedConfig | None, str]:
    """The model's architecture, and where it was read; None where nobody can say.

    Args:
        reachable: the hub may be asked.
    """
    if config.architecture:
        vocabulary = {} if tokenizer is None else {"vocab_size": len(tokenizer)}
        return AutoConfig.for_model(**{**vocabulary, **config.architecture}), "model.architecture"
    if _to_be_had(config.name, reachable):
        with hub(config.name):
            return AutoConfig.from_pretrained(weights(config), trust_remote_code=False), "its config.json"
    known = PUBLISHED.get(config.name.rpartition("/")[2])
    return (AutoConfig.for_model(**QWEN3, **known), "the published shape") if known else (None, "")


def tokenizer(config: ModelConfig, reachable: bool) -> PreTrainedTokenizerBase | None:
    """The model's tokenizer where it can be had."""
    return load_tokenizer(config) if _to_be_had(config.name, reachable) else None


def corpus(config: Config, reachable: bool) -> tuple[Corpus | None, Finding]:
    """The curated data, as a stage would read it."""
    source = config.data.source
    if source is Source.openmath and not config.data.path and not reachable:
        return None, Finding("data", "not read: the hub is out of reach")
    try:
        found = data.load(config.data, config.prompt)
        scripts.check(found.train, config.prompt.language)
    except (RuntimeError, ImportError) as error:
        return None, Finding("data", str(error), "see the message", fatal=True)
    step = config.stage.per_device_train_batch_size * config.stage.gradient_accumulation_steps
    needed = step // config.stage.num_generations if config.stage.name == "grpo" else step
    said = f"{source.value}: {len(found.train)} problems to train on, {len(found.heldout)} held out"
    if config.stage.name != "distill" and len(found.train) < needed:
        mend = "add data, or lower stage.gradient_accumulation_steps"
        return found, Finding("data", f"{said}; a step takes {needed}", mend, fatal=True)
    return found, Finding("data", said)


def _to_be_had(name: str, reachable: bool) -> bool:
    """Whether a model can be read: it is on this machine, or the hub, which may be asked, could have it."""
    return _local(name) or (reachable and name not in packaged.MODELS)


def _local(name: str) -> bool:
    """Whether a model is on this machine: a packaged one, a GGUF file, a directory, or one in the hub's cache."""
    if name in packaged.MODELS:
        return not packaged.missing(packaged.MODELS[name])
    if packaged.known(name) or Path(name).is_dir():
        return True
    return not is_missing(name) and isinstance(try_to_load_from_cache(name, "config.json"), str)


def _ask(what: str, path: str, timeout: float) -> Finding:
    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    mirror = "set HF_ENDPOINT to a mirror that you can reach, or name a local directory"
    if constants.HF_HUB_OFFLINE:
        return Finding("hub", f"{what} is not here, and HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE", fatal=True)
    headers = {"Authorization": f"Bearer {token}"} if (token := os.environ.get("HF_TOKEN")) else {}
    shown = redact.text(endpoint)
    try:  # with httpx, as huggingface_hub asks: it takes an endpoint with a password
        url = f"{endpoint.rstrip('/')}/{path}"
        code = httpx.head(url, headers=headers, timeout=timeout, follow_redirects=True).status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        why = redact.text(str(error)) or type(error).__name__
        return Finding("hub", f"{what}: {shown} cannot be reached ({why})", mirror, fatal=True)
    if code in (401, 403):
        return Finding("hub", f"{what}: {shown} refuses it ({code})", "set HF_TOKEN", fatal=True)
    if code >= 400:
        return Finding("hub", f"{what}: {shown} answers {code}", "check the name, or HF_ENDPOINT", fatal=True)
    return Finding("hub", f"{what} is at {shown}")
