"""Format gguf: a merged model in one file, written from here or, where it is of another kind, by llama.cpp's converter.

The layout is that of llama.cpp's convert_hf_to_gguf.py (conversion/llama.py, conversion/qwen.py, conversion/base.py),
whose tensors of a llama are the same to the bit. It is asked second, because it takes the embedded model's tokenizer, a
BPE with byte_fallback, for SentencePiece's, and leaves its merges out.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from qgen.export import vocabulary
from qgen.settings.choices import Precision

CONVERTER = "convert_hf_to_gguf.py"
ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}  # transformers' name is llama.cpp's
_TYPES = {
    Precision.f32: (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    Precision.f16: (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    Precision.q8_0: (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}


def write(merged: Path, target: Path, precision: Precision, name: str, licence: str | None) -> str:
    """Write a merged model's directory as a GGUF file. Returns who wrote it, in words.

    Raises RuntimeError where the model is of a kind that is not known here and llama.cpp's converter is not installed
    or fails.
    """
    config = AutoConfig.from_pretrained(merged, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(merged, trust_remote_code=False)
    script = converter()
    try:
        known = _known(config, tokenizer)
    except ValueError as error:
        if script is None:
            raise RuntimeError(
                f"format=gguf: {error}, so that it cannot be written from here. llama.cpp's converter may know it: put "
                f"{CONVERTER} on the PATH, or set LLAMA_CPP to the directory of llama.cpp that holds it"
            ) from error
        _convert(script, merged, target, precision)
        return f"llama.cpp's {CONVERTER}"
    writer = gguf.GGUFWriter(target, config.model_type, use_temp_file=True)
    _describe(writer, config, precision, name, licence)
    _tokens(writer, known, tokenizer)
    for tensor, values, kind in _tensors(merged, config, _TYPES[precision][0]):
        writer.add_tensor(tensor, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    nfc = " (without its tokenizer's NFC, which llama.cpp leaves to who writes the text)" if known.nfc else ""
    return f"the package gguf {metadata.version('gguf')}{nfc}"


def converter() -> Path | None:
    """llama.cpp's converter, where it is installed. Raises RuntimeError where LLAMA_CPP names a place without it."""
    if home := os.environ.get("LLAMA_CPP"):
        script = Path(home) / CONVERTER
        if not script.is_file():
            raise RuntimeError(f"LLAMA_CPP={home} holds no {CONVERTER}")
        return script
    found = shutil.which(CONVERTER)
    return Path(found) if found else None


def _convert(script: Path, merged: Path, target: Path, precision: Precision) -> None:
    command = [sys.executable, str(script), str(merged), "--outfile", str(target), "--outtype", precision.value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not target.is_file():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RuntimeError(f"format=gguf: {script} failed ({done.returncode}): {last}")


def _known(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> vocabulary.Vocabulary:
    """The vocabulary of a model that can be written from here. Raises ValueError, saying why, for another."""
    if config.model_type not in ARCHITECTURES:
        raise ValueError(f"the model's architecture is {config.model_type}, not {' or '.join(ARCHITECTURES)}")
    if (rope := config.rope_parameters["rope_type"]) != "default":
        raise ValueError(f"its rotary embedding is scaled ({rope})")
    if config.model_type == "llama" and (config.attention_bias or config.mlp_bias):  # a qwen2 has q's, k's and v's
        raise ValueError("its projections have biases")
    if getattr(config, "sliding_window", None):  # which llama.cpp's qwen2 does not have
        raise ValueError(f"its attention looks back {config.sliding_window} tokens only")
    return vocabulary.read(tokenizer, config.vocab_size)


def _describe(
    writer: gguf.GGUFWriter, config: PretrainedConfig, precision: Precision, name: str, licence: str | None
) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    if licence:
        writer.add_license(licence)
    writer.add_file_type(_TYPES[precision][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(width)
    if width * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(width)
        writer.add_value_length(width)


def _tokens(writer: gguf.GGUFWriter, known: vocabulary.Vocabulary, tokenizer: PreTrainedTokenizerBase) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(known.pre)
    writer.add_token_list(known.tokens)
    writer.add_token_types(known.kinds)
    writer.add_token_merges(known.merges)
    for kind in ("bos", "eos", "unk", "pad"):
        if (number := getattr(tokenizer, f"{kind}_token_id")) is not None:
            getattr(writer, f"add_{kind}_token_id")(number)
    writer.add_add_bos_token(False)  # the chat template says all that stands before the text
    writer.add_add_space_prefix(False)
    writer.add_chat_template(tokenizer.chat_template)


def _tensors(
    merged: Path, config: PretrainedConfig, kind: gguf.GGMLQuantizationType
) -> Iterator[tuple[str, np.ndarray, gguf.GGMLQuantizationType]]:
    """Name, float32 values and type of each tensor, one at a time."""
    names = gguf.get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    if config.model_type != "llama":
        heads = {}  # llama.cpp rotates the others' halves as transformers does ("neox")
    for path in sorted(merged.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (it is no dict)
                values = file.get_tensor(name).to(torch.float32)
                if (projection := name.split(".")[-2]) in heads:
                    values = _interleaved(values, heads[projection])
                vector, odd = values.ndim == 1, values.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]
                fitting = gguf.GGMLQuantizationType.F16 if odd else kind
                own = gguf.GGMLQuantizationType.F32 if vector else fitting
                if (named := names.get_name(name, (".weight", ".bias"))) is None:
                    raise RuntimeError(f"{name}: a GGUF file of {config.model_type} has no such tensor")
                yield named, values.numpy(), own


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """A projection with the two halves of each head, which are rotated together, made neighbours: llama.cpp rotates
    a llama's pairs of neighbours where transformers rotates halves. Of shape (heads x width, hidden), as it was."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)
