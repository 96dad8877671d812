"""A BPE tokenizer as GGUF holds it: tokens, their kinds, merges, and the name of how text is cut up before."""

import json
from dataclasses import dataclass

from gguf import TokenType
from transformers import PreTrainedTokenizerBase

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
PRE = {  # how llama.cpp names what it cuts text up by, before merges are applied
    "gpt-2": [_BYTES],
    "smollm": [{"type": "Digits", "individual_digits": True}, _BYTES],
}


@dataclass(frozen=True)
class Vocabulary:
    tokens: list[str]
    kinds: list[TokenType]
    merges: list[str]
    pre: str


def read(tokenizer: PreTrainedTokenizerBase, size: int) -> Vocabulary:
    """The vocabulary of a tokenizer, filled up to `size` tokens, which the model's embedding has.

    Raises ValueError, saying why, where it is not one that is known to be the same in llama.cpp.
    """
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    bpe = whole["model"]
    if bpe["type"] != "BPE" or bpe.get("ignore_merges") or bpe.get("dropout"):
        raise ValueError("its tokenizer is not plain BPE")
    if (whole["normalizer"] or {}).get("normalizers", whole["normalizer"]):
        raise ValueError("its tokenizer normalises text")
    by_id = {i: token for token, i in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    tokens, kinds = [], []
    for i in range(max(size, len(by_id))):
        kind = TokenType.NORMAL if i in by_id else TokenType.UNUSED
        if i in added:
            kind = TokenType.CONTROL if added[i].special else TokenType.USER_DEFINED
        tokens.append(by_id.get(i, f"[PAD{i}]"))
        kinds.append(kind)
    return Vocabulary(tokens, kinds, [" ".join(pair) for pair in bpe["merges"]], _pre(whole["pre_tokenizer"]))


def _pre(given: dict) -> str:
    steps = given["pretokenizers"] if given["type"] == "Sequence" else [given]
    for name, known in PRE.items():
        if len(known) == len(steps) and all(k.items() <= s.items() for k, s in zip(known, steps, strict=True)):
            return name
    raise ValueError(f"its tokenizer cuts text up in a way that is none of {', '.join(PRE)}")
