"""The competition problems of unsloth/OpenMathReasoning-mini (NVIDIA's OpenMathReasoning, CC-BY-4.0), split cot."""

from collections.abc import Iterator
from typing import Any

from qgen.data import columns, topics
from qgen.mathematics.problem import Fault, Problem
from qgen.runtime.strict import hub
from qgen.settings.data import DataConfig

NAME = "unsloth/OpenMathReasoning-mini"
SPLIT = "cot"
LICENCE = "CC-BY-4.0"


def read(config: DataConfig) -> Iterator[Problem | Fault]:
    """Problems with an extracted answer, out of the hub, or out of data.path in the hub's layout; a Fault for each row
    that holds what it may not (as in data/jsonl.py).

    Raises RuntimeError naming HF_ENDPOINT where the hub cannot be reached.
    """
    import datasets

    with hub(config.path or NAME):
        rows = datasets.load_dataset(config.path or NAME, split=SPLIT)
    for number, row in enumerate(rows):
        if row.get("problem_type", "has_answer_extracted") == "has_answer_extracted":
            try:
                yield problem(row, number)
            except columns.ColumnError as error:
                yield Fault(str(error), f"{SPLIT}/{number}")


def problem(row: dict[str, Any], number: int) -> Problem:
    """One row as a Problem. The level is read off the pass rate of Qwen2.5-Math-72B, where the row has one.

    Raises ColumnError where a column holds what it may not.
    """
    statement = columns.text("statement", row["problem"])
    thought = row["generated_solution"]
    solution = columns.text("solution", thought.split("</think>")[-1] if isinstance(thought, str) else thought)
    everything = f"{statement} {solution}"
    return Problem(
        statement=statement,
        answer=columns.short("answer", row["expected_answer"]),
        solution=solution,
        topic=topics.topic(everything),
        level=level(row.get("pass_rate_72b_tir")),
        points=topics.knowledge_points(statement),
        source=f"{NAME} ({row.get('problem_source', 'unknown')})",
        licence=LICENCE,
        id=f"{SPLIT}/{number}",
    )


def level(pass_rate: str | float | None) -> int | None:
    """1 where nearly every attempt succeeds to 5 where at most one in five does; None where nobody knows."""
    if pass_rate is None:
        return None
    try:
        rate = float(pass_rate)
    except (TypeError, ValueError):  # "n/a" in the source
        return None
    return 1 + min(4, int(5 * (1.0 - rate))) if 0 <= rate <= 1 else None
