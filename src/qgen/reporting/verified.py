"""What the terminal shows of answers that were verified."""

from collections import Counter

from rich.table import Table

from qgen.reporting.tables import plain_table


def verified_table(levels: dict[int | None, Counter[str]]) -> Table:
    """Verdicts on answers, a row a level: how many are computed, voted, stated, refuted, and none at all."""
    kinds = [
        kind for kind in ("computed", "voted", "stated", "refuted", "none") if any(c[kind] for c in levels.values())
    ]
    total = sum(levels.values(), Counter())
    table = plain_table(f"{total.total()} problems: what is known of their answers")
    for column in ("level", *kinds, "all"):
        table.add_column(column, justify="left" if column == "level" else "right")
    named = [("–" if level is None else str(level), count) for level, count in levels.items()]
    for name, count in [*named, ("all", total)] if len(named) > 1 else named:
        cells = [f"{count[kind]} ({count[kind] / count.total():.0%})" if count[kind] else "–" for kind in kinds]
        table.add_row(name, *cells, str(count.total()), style="bold" if name == "all" else "")
    return table
