"""Any GGUF file as transformers has models: a directory of safetensors, whose weights are no longer quantized."""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import gguf
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

from qgen.runtime import cache

READABLE = sorted(set(GGUF_CONFIG_MAPPING) - {"general", "tokenizer"})  # architectures; these two are other sections


@contextmanager
def _read_once() -> Iterator[None]:
    """Meanwhile each file is parsed once: transformers parses it four times for a model and its tokenizer, and a
    vocabulary of 152,000 words takes a third of a minute each time."""
    module, reader = vars(gguf), gguf.GGUFReader
    module["GGUFReader"] = functools.cache(reader)
    try:
        yield
    finally:
        module["GGUFReader"] = reader


@_read_once()
def convert(file: Path, target: Path, dtype: torch.dtype, end: str | None = None, pad: str | None = None) -> None:
    """Write a GGUF file's model and tokenizer as transformers has them. The weights are no longer quantized."""
    head = header(file)
    room(head.parameters * dtype.itemsize, f"{target.name} in {str(dtype).removeprefix('torch.')}")
    print(f"converting {file.name}, once, into {target}")
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        try:
            with redirect_stderr(StringIO()):  # a progress bar that no setting turns off
                model, told = AutoModelForCausalLM.from_pretrained(
                    file.parent, gguf_file=file.name, trust_remote_code=False, dtype=dtype, output_loading_info=True
                )
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
        except Exception as error:  # a field that is missing or wrong is noticed wherever it is first used
            raise RuntimeError(f"{file}: transformers cannot read it ({_said(error)})") from error
        if lacking := sorted(told["missing_keys"]):  # which transformers makes up at random
            raise RuntimeError(
                f"{file} holds a part of a model: {lacking[0]} is the first of {len(lacking)} tensors that it lacks. A "
                f"file that was split (-00001-of-…) must be merged before, with llama.cpp's llama-gguf-split --merge"
            )
        del model.config.quantization_config  # save_pretrained refuses what is marked so
        model.hf_quantizer = None
        model.save_pretrained(fresh)
        tokenizer.eos_token = end or head.end or tokenizer.eos_token  # transformers' own is, of a llama, bos
        tokenizer.pad_token = pad or head.pad or tokenizer.pad_token
        tokenizer.clean_up_tokenization_spaces = False  # it would eat the space before a comma in LaTeX
        tokenizer.save_pretrained(fresh)
        fresh.chmod(0o755)  # a cache may serve several users
        os.replace(fresh, target)  # a reader sees all of it or nothing
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@dataclass(frozen=True)
class Header:
    """Of a GGUF file: how many numbers it holds, and the tokens that it says end a turn and pad."""

    parameters: int
    end: str | None
    pad: str | None


def header(file: Path) -> Header:
    """Raises RuntimeError where the file is not whole, or of an unknown architecture."""
    try:
        reader = gguf.GGUFReader(str(file))  # as transformers names it
        architecture = reader.fields["general.architecture"].contents()
        count = sum(int(tensor.n_elements) for tensor in reader.tensors)
        end, pad = (_token(reader, kind) for kind in ("eos", "padding"))
    except Exception as error:  # the reader checks nothing: what a file that is cut short raises depends on where
        raise RuntimeError(f"{file} is not a whole GGUF file ({_said(error)})") from error
    if _letters(architecture) not in map(_letters, READABLE):
        raise RuntimeError(
            f"{file} is of the architecture {architecture}, which transformers cannot read from GGUF (it reads "
            f"{', '.join(READABLE)})"
        )
    return Header(count, end, pad)


def _token(reader: gguf.GGUFReader, kind: str) -> str | None:
    number = reader.fields.get(f"tokenizer.ggml.{kind}_token_id")
    return None if number is None else reader.fields["tokenizer.ggml.tokens"].contents(number.contents())


def _letters(architecture: str) -> str:
    """What transformers' qwen2_moe and gpt_oss have in common with the files' qwen2moe and gpt-oss."""
    return "".join(filter(str.isalnum, architecture))


def _said(error: Exception) -> str:
    """An error's first line; what it is, where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def room(needed: int, what: str) -> None:
    """Raise RuntimeError where the cache's disk has too little room."""
    free = shutil.disk_usage(cache.directory()).free
    if free < needed:
        raise RuntimeError(
            f"{what} takes {needed / 2**30:.1f} GiB, and {cache.directory()} has {free / 2**30:.1f} left: free some, "
            f"or set QGEN_CACHE to a directory on another disk"
        )
