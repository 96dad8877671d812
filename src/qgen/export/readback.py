"""Proof that a GGUF file holds the model: it is loaded back, and must read and write as the merged model does."""

from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import gguf
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from qgen.engine import llamacpp
from qgen.export.agreement import GREEDY, Agreement, Tolerance, compare, greedy, logits, prompt_ids, same_tokens
from qgen.export.trained import TrainedModel
from qgen.mathematics.problem import render
from qgen.settings.choices import Precision

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]

TOLERANCE = {
    Precision.f32: Tolerance(max_abs=1e-2, kl=1e-6, top1=0.999),
    Precision.f16: Tolerance(max_abs=1.0, kl=1e-3, top1=0.98),
    Precision.q8_0: Tolerance(max_abs=10.0, kl=2e-2, top1=0.95),
}
ALIKE = 0.5  # share of greedy tokens that llama.cpp, which rounds in other places, must write as transformers does
PROBLEMS, TEXTS = 200, 8  # that are tokenised, at most, and in how many texts they stand
CHINESE = "题目：设 $a,b>0$ 且 $a+b=1$，求 $\\frac{1}{a}+\\frac{4}{b}$ 的最小值。\n答案：$9$"
ODD = "a  b\t\n\n  12 34567 −3.14 x²≤½ don't №5\u2028é e\u0301 🧮  7"


@dataclass(frozen=True)
class Proof:
    """What loading a file back has shown."""

    agreement: Agreement  # of the file, as transformers reads it, with the merged model
    greedy: tuple[int, int]  # tokens written alike before the first of an answer that differs; tokens written
    tokens: int  # of texts cut alike, and put together again
    by: str  # whose reading the tokens are
    llamacpp: tuple[int, int] | None  # as `greedy`, by llama.cpp; None where it is not installed

    def __str__(self) -> str:
        theirs = f"by llama.cpp {_of(self.llamacpp)}" if self.llamacpp else "llama.cpp (xllamacpp) is not installed"
        return (
            f"{self.agreement}; {self.tokens} tokens of text cut alike by {self.by}; greedy tokens alike "
            f"{_of(self.greedy)}, {theirs}"
        )

    def plain(self) -> dict[str, Any]:
        """The proof as plain data, for the model card's JSON."""
        return asdict(self)


def prove(path: Path, precision: Precision, source: TrainedModel, merged: Loaded) -> Proof:
    """Load a GGUF file and compare it with the merged model and its tokenizer.

    Raises RuntimeError where tokens or the chat template differ, logits by more than TOLERANCE, with float32 what is
    written at all, and by llama.cpp half of it; ImportError where only llama.cpp can tell and it is missing.
    """
    model, tokenizer = merged
    reader = gguf.GGUFReader(path)
    if reader.fields["tokenizer.chat_template"].contents() != tokenizer.chat_template:
        raise RuntimeError(f"{path.name} holds another chat template than the tokenizer's. It was not kept")
    with redirect_stderr(StringIO()):  # a progress bar that no setting turns off
        written = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, trust_remote_code=False, dtype=model.dtype
        )
    written = written.to(model.device).eval()
    agreement = compare(logits(model, tokenizer, source.rows), logits(written, tokenizer, source.rows))
    tolerance = TOLERANCE[precision]
    if not agreement.within(tolerance):
        raise RuntimeError(f"{path.name} is not the merged model: {agreement}; {tolerance} is allowed. It was not kept")
    answers = greedy(model, tokenizer, source.requests)
    alike = same_tokens(answers, greedy(written, tokenizer, source.requests))
    if precision is Precision.f32 and alike[0] < alike[1]:
        raise RuntimeError(f"{path.name} writes another text than the merged model after {_of(alike)} tokens")
    del written
    texts = _texts(source)
    simple = reader.fields["tokenizer.ggml.pre"].contents() == "gpt-2"  # which transformers takes any file's for
    if simple:
        read = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, trust_remote_code=False)
        _same_text(texts, tokenizer, lambda text: read(text)["input_ids"], _decoder(read), "transformers")
    theirs = None
    if llamacpp.installed():
        theirs = _by_llamacpp(path, source, tokenizer, texts, answers)
    elif not simple:
        raise ImportError(
            f"{path.name}: only llama.cpp itself can prove this tokenizer; install it with: {llamacpp.INSTALL}"
        )
    by = " and ".join(["transformers"] * simple + ["llama.cpp"] * (theirs is not None))
    return Proof(agreement, alike, sum(len(tokenizer(text)["input_ids"]) for text in texts), by, theirs)


def _by_llamacpp(
    path: Path, source: TrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], answers: list[list[int]]
) -> tuple[int, int]:
    count, length = GREEDY
    prompts = [prompt_ids(tokenizer, request) for request in source.requests[:count]]
    with llamacpp.serving(path, max(map(len, prompts)) + length + 1) as server:
        _same_text(texts, tokenizer, server.tokenize, server.detokenize, "llama.cpp")
        for request, ids in zip(source.requests, prompts, strict=False):
            if server.tokenize(server.prompt(request)) != ids:
                raise RuntimeError(f"{path.name}: llama.cpp makes another prompt of a request. It was not kept")
        theirs = same_tokens(answers, [server.greedy(ids, length) for ids in prompts])
    if theirs[0] < ALIKE * theirs[1]:
        raise RuntimeError(f"{path.name}: llama.cpp writes {_of(theirs)} tokens as the merged model. It was not kept")
    return theirs


def _texts(source: TrainedModel) -> list[str]:
    """Real problems as they are written, requests with their special tokens, Chinese, and what tokenizers trip over."""
    language, tokenizer = source.run.prompt.language.value, source.tokenizer
    problems = [*source.corpus.heldout, *source.corpus.train][:PROBLEMS]
    asked = [tokenizer.apply_chat_template(r, tokenize=False, add_generation_prompt=True) for r in source.requests]
    special = "".join(f"{token} x " for token in tokenizer.all_special_tokens)
    written = [render(p, language, solution=bool(p.solution)) for p in problems]
    return [*("\n\n".join(written[i::TEXTS]) for i in range(TEXTS)), *asked, CHINESE, ODD, special]


def _same_text(
    texts: list[str],
    tokenizer: PreTrainedTokenizerBase,
    encode: Callable[[str], list[int]],
    decode: Callable[[list[int]], str],
    who: str,
) -> None:
    """Raise RuntimeError where a text's tokens are not the tokenizer's, or do not give the text again.

    Texts are compared in the tokenizer's normal form, where it has one: llama.cpp does not make it.
    """
    normalizer = tokenizer.backend_tokenizer.normalizer
    for text in texts if normalizer is None else map(normalizer.normalize_str, texts):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if encode(text) != ids or decode(ids) != text:
            raise RuntimeError(f"{who} reads another text out of the GGUF file than was written: {text[:80]!r}")


def _decoder(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[int]], str]:
    return lambda ids: tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def _of(counts: tuple[int, int]) -> str:
    return f"{counts[0]} of {counts[1]}"
