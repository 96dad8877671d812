"""llama.cpp itself, where the package xllamacpp is installed: a server of it on loopback that reads a GGUF file.

It is what writes where there is no GPU: two cores get 9 to 11 tokens a second out of 1.5 billion weights in four bits.
"""

import importlib.util
import json
import random
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from qgen.engine.completion import Completion, Wrote, silent
from qgen.settings.sampling import SamplingConfig

INSTALL = "pip install 'qgen[llamacpp]'"
_SECONDS = 600
Message = dict[str, str]


def installed() -> bool:
    """Whether xllamacpp can be imported; nothing is loaded to find out."""
    return importlib.util.find_spec("xllamacpp") is not None


class LlamaCpp:
    """A model in llama.cpp.

    Args:
        address: of the server.
        at_once: requests that it answers together.

    Attributes:
        over: called with a text that is being written; true ends the text, which then counts as finished.
        identity: which weights these are, set by whoever opened the file.
        written: tokens so far, of all requests.
    """

    def __init__(self, address: str, at_once: int = 1):
        self.address, self.at_once = address, at_once
        self.over: Callable[[str], bool] = lambda text: False
        self.identity, self.written = "", 0

    def write(
        self, prompts: list[list[Message]], sampling: SamplingConfig, seed: int, wrote: Wrote = silent
    ) -> list[Completion]:
        """One completion a prompt, in the prompts' order, `at_once` of them together.

        Each has a seed of its own, made of `seed` and its place; what stands beside it in the server's batch is rounded
        with it, so that the same seed need not give the same text twice.
        """
        texts = [self.prompt(prompt) for prompt in prompts]
        seeds = [random.Random(f"{seed}/{i}").randrange(2**31) for i in range(len(texts))]
        with ThreadPoolExecutor(self.at_once) as pool:
            found: list[Completion] = []
            for completion in pool.map(lambda text, own: self._one(text, sampling, own), texts, seeds):
                wrote(len(found), completion)
                found.append(completion)
        self.written += sum(completion.tokens for completion in found)
        return found

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

    def _one(self, prompt: str, sampling: SamplingConfig, seed: int) -> Completion:
        """One completion as its tokens come; closing the connection stops the server's part."""
        asked = {
            "prompt": prompt, "n_predict": sampling.max_new_tokens, "temperature": sampling.temperature, "seed": seed,
            "top_p": sampling.top_p, "top_k": 0, "min_p": 0.0, "stream": True, "cache_prompt": True,
        }  # fmt: skip
        text, tokens = "", 0
        with self._open("/completion", asked) as answer:
            for line in answer:
                if not line.startswith(b"data: "):
                    continue
                part = json.loads(line[6:])
                text, tokens = text + part.get("content", ""), tokens + 1
                if part.get("stop"):
                    return Completion(text, part.get("tokens_predicted", tokens), part.get("stop_type") != "limit")
                if self.over(text):
                    return Completion(text, tokens, True)
        raise RuntimeError("llama.cpp ended a reply in its middle; the same command goes on from what was written")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self._open(path, body) as answer:
            return json.load(answer)

    def _open(self, path: str, body: dict[str, Any]):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers)
        return urllib.request.urlopen(request, timeout=_SECONDS)


@contextmanager
def serving(path: Path, context: int, at_once: int | None = None) -> Iterator[LlamaCpp]:
    """llama.cpp with a file loaded, on the CPU.

    Args:
        context: tokens that a prompt and its answer may have together.
        at_once: requests that are answered together; None: one, with its cache in transformers' precision, to be
            compared with it.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.n_gpu_layers = context * (at_once or 1), at_once or 1, 0
    params.warmup, params.verbosity = False, -1
    if at_once is None:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32  # as transformers' cache
    params.cpuparams.n_threads, params.cpuparams.poll = torch.get_num_threads(), 0  # a thread that waits must not spin
    server = xllamacpp.Server(params)
    try:
        yield LlamaCpp(server.listening_address, at_once or 1)
    finally:
        del server
