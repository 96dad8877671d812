"""How many tokens the rows of a stage have, which its memory hangs on."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from qgen.data import Corpus
from qgen.data.mix import training_rows
from qgen.data.prompts import lesson, request
from qgen.settings.config import Config

BYTES = 2.5  # of a token of LaTeX and prose, at least, where no tokenizer is at hand to count them
FRAME = 16  # tokens of a chat template around a message, at most


@dataclass(frozen=True)
class Lengths:
    """Tokens of the longest of each.

    Attributes:
        row: request and problem that are trained on together, at most model.max_length.
        prompt: a request.
        heldout: request and held-out problem together, likewise.
        how: they are known.
    """

    row: int
    prompt: int
    heldout: int
    how: str


def lengths(config: Config, corpus: Corpus | None, tokenizer: PreTrainedTokenizerBase | None) -> Lengths:
    """The longest rows of the data; without data, the longest that the config lets through."""
    limit, new = config.model.max_length, config.sampling.max_new_tokens
    if corpus is None:
        return Lengths(limit, limit - new, limit, "what the config allows")

    def count(rows: list[dict], generation: bool = False) -> list[int]:
        chats = [r["prompt"] + ([] if generation else r["completion"]) for r in rows]
        if tokenizer is None:
            return [sum(FRAME + int(len(m["content"].encode()) / BYTES) for m in chat) for chat in chats]
        texts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=generation)
        return [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]

    how = "guessed from the data" if tokenizer is None else "counted in the data"
    prompt = max(count([request(config.prompt, p) for p in corpus.train], generation=True))
    row = min(limit, prompt + new)

    def longest(rows: list[dict]) -> int:  # of those that are not left out
        return max((tokens for tokens in count(rows) if tokens <= limit), default=limit)

    if config.stage.name == "sft":
        row = longest(training_rows(corpus, config.data, config.prompt, config.seed))
    return Lengths(row, prompt, longest([lesson(config.prompt, p) for p in corpus.heldout]), how)
