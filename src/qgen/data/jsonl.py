"""Problems from a file of your own (data/files.py); `data.fields` says which column holds what.

| column | accepted |
| --- | --- |
| statement | a string |
| answer | a string, an integer, or a float of one spelling: 239.0 is read as 239; not NaN, 1e+20, true or null |
| solution, topic, source, licence | a string; null, "N/A" and the like, or no such column, is the same as empty |
| program | a string of Python that prints the answer; null, or no such column: none |
| level | an integer from 1 to 5, 3.0, "3" or "Level 3"; null or empty: worked out from the solution's length |
| points | a string or a list of strings; null or empty: read off the text |
| id | as an answer, and no row's before it; null or empty: FILE:LINE. data.fields.id=NONE where ids repeat |

A list of one stands for what is in it. A row that holds anything else, or two values for a key, is left out and
counted, with its line; what JSON's escapes made of LaTeX's single backslashes is restored, or the row left out
(qgen/mathematics/escapes.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qgen.data import columns, topics
from qgen.data.files import rows
from qgen.mathematics.problem import Fault, Problem
from qgen.settings.data import DataConfig


def read(config: DataConfig) -> Iterator[Problem | Fault]:
    """Problems of data.path, and a Fault for each row that holds what it may not.

    Raises RuntimeError naming the file and line where there is no JSON or no such column.
    """
    ids: set[str] = set()
    fields = {"id": "id", "source": "source", "licence": "licence"} | config.fields
    assert config.path is not None  # DataConfig.check asks for it
    for number, row in rows(config.path):
        where = f"{config.path}:{number}"
        for name in columns.NEEDED:
            if fields.get(name, name) not in row:
                raise RuntimeError(
                    f"{where}: no {fields.get(name, name)!r} ({name}); it has {', '.join(map(repr, row))}. "
                    f"data.fields.{name}=COLUMN names another column"
                )
        file = Path(config.path).name
        try:
            found = problem(row, fields, where, file)
        except columns.ColumnError as error:
            yield Fault(str(error), f"{file}:{number}")
            continue
        yield Fault("repeated id", f"{file}:{number}") if found.id in ids else found
        ids.add(found.id)


def problem(row: dict[str, Any], fields: dict[str, str], where: str, source: str) -> Problem:
    """One row as a Problem; what the row does not say of topic and knowledge points is read off its text.

    Raises ColumnError where a column holds what it may not.
    """

    def value(name: str) -> Any:
        return row.get(fields.get(name, name))

    def text(name: str) -> str:
        return columns.text(name, value(name))

    statement, solution = text("statement"), text("solution")
    everything = f"{statement} {solution}"
    return Problem(
        statement=statement,
        answer=columns.short("answer", value("answer")),
        solution=solution,
        topic=text("topic") or topics.topic(everything),
        level=columns.level("level", value("level")),
        points=columns.names("points", value("points")) or topics.knowledge_points(statement),
        source=text("source") or source,
        licence=text("licence"),
        id=columns.short("id", value("id")) or where,
        program=columns.code("program", value("program")),
    )
