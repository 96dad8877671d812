"""What a training set is mixed of: problems, variations of problems, and general chat, by the shares of data.mix."""

import random
from pathlib import Path
from typing import Any

from qgen.config import DataConfig, PromptConfig
from qgen.data import jsonl
from qgen.problem import LABELS, Problem, parse
from qgen.prompts import lesson, reply, vary
from qgen.runtime.strict import hub

Row = dict[str, Any]


def training_rows(problems: list[Problem], config: DataConfig, prompt: PromptConfig, seed: int) -> list[Row]:
    """Chat rows in the shares of data.mix, in a seeded order.

    No row is repeated: the part that is shortest for its share sets the size, and the others are sampled down.
    """
    shares = {name: share for name, share in vars(config.mix).items() if share > 0}
    parts = {"problems": [lesson(prompt, p) for p in problems] if "problems" in shares else []}
    if "variations" in shares:
        parts["variations"] = variations(config.variations_path, prompt)
    if "chat" in shares:
        parts["chat"] = chat(config.chat_path)
    shuffle = random.Random(seed)
    unit = min(len(parts[name]) / share for name, share in shares.items())
    rows = [row for name, share in shares.items() for row in shuffle.sample(parts[name], int(unit * share))]
    shuffle.shuffle(rows)
    return rows


def variations(path: str, prompt: PromptConfig) -> list[Row]:
    """Rows {original, statement, answer} of a JSONL file; `original` is a problem as `problem.render` writes it."""
    rows = []
    for number, row in jsonl.rows(path):
        original = parse(str(row.get("original", "")))
        if not isinstance(original, Problem):
            example = f"{LABELS['en']['statement']} ... {LABELS['en']['answer']} ..."
            raise RuntimeError(
                f"{path}:{number}: 'original' is not a problem ({original.kind}); write it as {example!r}"
            )
        varied = jsonl.problem(row, {}, f"{path}:{number}", Path(path).name)
        if not varied.statement or not varied.answer:
            raise RuntimeError(f"{path}:{number}: 'statement' and 'answer' are both needed")
        asked = Problem(original.statement, original.answer, topic=varied.topic, level=varied.level or 3)
        rows.append({"prompt": vary(prompt, asked), "completion": reply(prompt, varied)})
    return rows


def chat(path: str) -> list[Row]:
    """General conversations, from a JSONL file or a hub dataset; the last turn, an assistant's, is trained on."""
    if Path(path).is_file():
        source = jsonl.rows(path)
    else:
        import datasets

        with hub(path):
            source = enumerate(datasets.load_dataset(path, split="train"), start=1)
    return [_conversation(row, f"{path}:{number}") for number, row in source]


_ROLES = {"human": "user", "gpt": "assistant"}  # ShareGPT's names


def _conversation(row: dict[str, Any], where: str) -> Row:
    turns = row.get("messages") or row.get("conversations")
    if not turns:
        raise RuntimeError(f"{where}: neither 'messages' nor 'conversations'")
    messages = [
        {
            "role": _ROLES.get(role := turn.get("role") or turn.get("from"), role),
            "content": turn.get("content") or turn.get("value"),
        }
        for turn in turns
    ]
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise RuntimeError(f"{where}: the conversation does not end with an assistant's turn")
    return {"prompt": messages[:-1], "completion": messages[-1:]}
