"""What a training set is mixed of: problems, variations of problems, and general chat, by the shares of data.mix."""

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from qgen.data import columns, jsonl, recompute
from qgen.data.curate import Corpus
from qgen.data.prompts import lesson, reply, vary
from qgen.mathematics import escapes
from qgen.mathematics.problem import Problem, misread, parse, render
from qgen.metrics.similarity import SimilarityIndex
from qgen.runtime.strict import hub
from qgen.settings.choices import Kind
from qgen.settings.data import DataConfig
from qgen.settings.prompt import PromptConfig

Row = dict[str, Any]
NumberedRows = list[tuple[int, Row]]  # numbers and rows, as a file's
RECOMPUTED = "recomputed"


def training_rows(corpus: Corpus, config: DataConfig, prompt: PromptConfig, seed: int) -> list[Row]:
    """Chat rows in the shares of data.mix, in a seeded order.

    No row is repeated: the part that is shortest for its share sets the size, and the others are sampled down.
    Variations of held-out problems, and those that come near one, are left out.
    """
    shares = {name: share for name, share in vars(config.mix).items() if share > 0}
    parts = {"problems": [lesson(prompt, p) for p in corpus.train] if "problems" in shares else []}
    if config.variations_path and "variations" in shares:
        made = recompute.lines(corpus.train, seed) if config.variations_path == RECOMPUTED else None
        parts["variations"] = variations(config.variations_path, prompt, corpus.heldout, config.near_duplicate, made)
    if config.chat_path and "chat" in shares:
        parts["chat"] = chat(config.chat_path)
    shuffle = random.Random(seed)
    unit = min(len(parts[name]) / share for name, share in shares.items())
    rows = [row for name, share in shares.items() for row in shuffle.sample(parts[name], int(unit * share))]
    shuffle.shuffle(rows)
    return rows


def variations(
    path: str, prompt: PromptConfig, heldout: list[Problem], near_duplicate: float, made: NumberedRows | None = None
) -> list[Row]:
    """Rows {original, statement, answer, kind} of a JSONL file, or those that were made; `original` is a problem as
    `problem.render` writes it, and `kind`, if there is one, a name of choices.Kind."""
    rows, hidden = [], SimilarityIndex(p.statement for p in heldout)
    dropped, refused = 0, defaultdict(list)
    for number, row in made or jsonl.rows(path):
        if any(row.get(name) in (None, "") for name in columns.NEEDED):
            raise RuntimeError(f"{path}:{number}: 'statement' and 'answer' are both needed")
        try:
            original = parse(columns.text("original", row.get("original")))
            varied = jsonl.problem(row, {}, f"{path}:{number}", Path(path).name)
        except columns.ColumnError as error:
            raise RuntimeError(f"{path}:{number}: {error}; mend or remove the line") from None
        if not isinstance(original, Problem):
            example = json.dumps(render(Problem("...", "...")))
            raise RuntimeError(
                f"{path}:{number}: 'original' is not a problem ({original.kind}); write it as {example}, with the line "
                f"break"
            )
        if hidden.nearest([original.statement, varied.statement])[0].max() >= near_duplicate - 1e-6:
            dropped += 1
            continue
        asked = Problem(original.statement, original.answer, topic=varied.topic, level=varied.level or 3)
        kind = row.get("kind")
        if kind and str(kind) not in Kind.__members__:
            raise RuntimeError(f"{path}:{number}: kind {kind!r} is none of {', '.join(Kind.__members__)}")
        asked_kind = Kind[kind] if kind else None
        if wrong := misread(varied, prompt.language.value, prompt.solution):
            refused[wrong].append(number)
            continue
        rows.append({"prompt": vary(prompt, asked, asked_kind), "completion": reply(prompt, varied)})
    if dropped:
        print(f"{path}: {dropped} variations of held-out problems left out")
    for wrong, numbers in refused.items():
        print(f"{path}: {len(numbers)} left out that would be read back as another text: {wrong} (line {numbers[0]})")
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
    messages, turns = [], row.get("messages") or row.get("conversations") or []
    if not isinstance(turns, list):
        raise RuntimeError(f"{where}: 'messages' (or 'conversations') must be a list of turns")
    for turn in turns:
        role = turn.get("role") or turn.get("from") if isinstance(turn, dict) else None
        content = turn.get("content") or turn.get("value") if isinstance(turn, dict) else None
        if not isinstance(role, str) or not isinstance(content, str):
            raise RuntimeError(f"{where}: a turn needs 'role' and 'content' (or 'from' and 'value'), both strings")
        if odd := escapes.control(content.replace("\t", " ").replace("\r", "\n")):  # a program may be indented by tabs
            raise RuntimeError(f"{where}: a turn holds {odd}; mend or remove the line")
        if (role := _ROLES.get(role.lower(), role.lower())) not in ("system", "user", "assistant"):
            raise RuntimeError(f"{where}: a turn's role is {role!r}, which is none of system, user and assistant")
        if not content.strip():
            raise RuntimeError(f"{where}: a turn says nothing; mend or remove the line")
        messages.append({"role": role, "content": content})
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise RuntimeError(f"{where}: 'messages' (or 'conversations') must end with an assistant's answer to somebody")
    return {"prompt": messages[:-1], "completion": messages[-1:]}
