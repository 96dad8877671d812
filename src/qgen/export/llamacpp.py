"""llama.cpp itself, where the package xllamacpp is installed: a server of it on loopback that reads a GGUF file."""

import importlib.util
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from qgen.data.prompts import Message

INSTALL = "pip install 'qgen[llamacpp]'"
_SECONDS = 600


def installed() -> bool:
    """Whether xllamacpp can be imported; nothing is loaded to find out."""
    return importlib.util.find_spec("xllamacpp") is not None


class LlamaCpp:
    """A model in llama.cpp."""

    def __init__(self, address: str):
        self.address = address

    def tokenize(self, text: str) -> list[int]:
        """A text's token ids, with the tokens that begin it, special ones read as such."""
        asked = {"content": text, "add_special": True, "parse_special": True}
        return self._post("/tokenize", asked)["tokens"]

    def detokenize(self, ids: list[int]) -> str:
        """The text of token ids."""
        return self._post("/detokenize", {"tokens": ids})["content"]

    def prompt(self, messages: list[Message]) -> str:
        """What the file's chat template makes of messages."""
        return self._post("/apply-template", {"messages": messages})["prompt"]

    def greedy(self, ids: list[int], length: int) -> list[int]:
        """The likeliest tokens after those given, up to and with the end of the turn."""
        asked = {"prompt": ids, "n_predict": length, "temperature": 0, "return_tokens": True, "cache_prompt": False}
        return self._post("/completion", asked)["tokens"]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return json.load(answer)


@contextmanager
def serving(path: Path, context: int) -> Iterator[LlamaCpp]:
    """llama.cpp with a file loaded, on the CPU.

    Args:
        context: tokens that a prompt and its answer may have together.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.n_gpu_layers = context, 1, 0
    params.warmup, params.verbosity = False, -1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32  # as transformers' cache
    params.cpuparams.n_threads, params.cpuparams.poll = torch.get_num_threads(), 0  # a thread that waits must not spin
    server = xllamacpp.Server(params)
    try:
        yield LlamaCpp(server.listening_address)
    finally:
        del server
