"""A BPE tokenizer as GGUF holds it: tokens, their kinds, merges, and the name of how text is cut up before."""

import json
from dataclasses import dataclass

from gguf import TokenType
from transformers import PreTrainedTokenizerBase

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRE = {  # how llama.cpp names what it cuts text up by, before merges are applied
    "gpt-2": [_BYTES],
    "smollm": [{"type": "Digits", "individual_digits": True}, _BYTES],
    "qwen2": [
        {"type": "Split", "pattern": {"Regex": _QWEN}, "behavior": "Isolated", "invert": False},
        _BYTES | {"use_regex": False},
    ],
}


@dataclass(frozen=True)
class Vocabulary:
    """A byte-pair tokenizer as GGUF stores it: tokens and their kinds by id, merges in their order."""

    tokens: list[str]
    kinds: list[TokenType]
    merges: list[str]
    pre: str
    nfc: bool  # the tokenizer brings text into this form first, and llama.cpp does not: the same where text is in it


def read(tokenizer: PreTrainedTokenizerBase, size: int) -> Vocabulary:
    """The vocabulary of a tokenizer, filled up to `size` tokens, which the model's embedding has.

    Raises ValueError, saying why, where it is not one that is known to be the same in llama.cpp.
    """
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    bpe = whole["model"]
    if bpe["type"] != "BPE" or bpe.get("ignore_merges") or bpe.get("dropout"):
        raise ValueError("its tokenizer is not plain BPE")
    normalizer = whole["normalizer"] or {"normalizers": []}
    steps = normalizer.get("normalizers", [normalizer])
    if steps not in ([], [{"type": "NFC"}]):
        raise ValueError(f"its tokenizer normalises text ({', '.join(step['type'] for step in steps)})")
    by_id = {i: token for token, i in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    tokens, kinds = [], []
    for i in range(max(size, len(by_id))):
        kind = TokenType.NORMAL if i in by_id else TokenType.UNUSED
        if i in added:
            kind = TokenType.CONTROL if added[i].special else TokenType.USER_DEFINED
        tokens.append(by_id.get(i, f"[PAD{i}]"))
        kinds.append(kind)
    merges = [" ".join(pair) for pair in bpe["merges"]]
    return Vocabulary(tokens, kinds, merges, _pre(whole["pre_tokenizer"]), bool(steps))


def _pre(given: dict) -> str:
    steps = given["pretokenizers"] if given["type"] == "Sequence" else [given]
    for name, known in PRE.items():
        if len(known) == len(steps) and all(k.items() <= s.items() for k, s in zip(known, steps, strict=True)):
            return name
    raise ValueError(f"its tokenizer cuts text up in a way that is none of {', '.join(PRE)}")
