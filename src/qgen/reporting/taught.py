"""What the terminal shows of solvers that were taught."""

from typing import Any

from rich.table import Table

from qgen.reporting.tables import plain_table


def teach_table(result: dict[str, Any]) -> Table:
    """A row an arm: what it learned from, what it answers, and how that differs from the untrained solver and from one
    that learned from real problems.

    Args:
        result: what teach's evaluation.json holds.
    """
    rows, seeds = result["rows"], len(result["seeds"])
    table = plain_table(
        f"{result['solver']} after {result['steps']} steps of {result['method']} on each set, {seeds} "
        f"seed{'s' * (seeds > 1)}: right answers to {result['prompts']} other problems"
    )
    table.padding = (0, 1, 0, 0)
    for column in ("", "problems", "greedy", f"mean of {result['samples']}", "− untrained", "− real"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"],
            str(row.get("taught", "–")),
            *(f"{100 * row['values'][how][0]:.1f}%" for how in ("greedy", "sampled")),
            _gain(result, "untrained", row["name"]),
            _gain(result, "real", row["name"]),
        )
    seen = max((d["smallest"] for d in result["differences"]), default=0.0)
    table.caption = (
        f"differences in points, with 95 % intervals, of the mean of {result['samples']}; * larger than chance. "
        f"A difference of {100 * seen:.1f} would be seen in four of five such experiments"
    )
    table.caption_justify = "left"
    return table


def _gain(result: dict[str, Any], before: str, after: str) -> str:
    pair = next((d for d in result["differences"] if (d["before"], d["after"]) == (before, after)), None)
    if pair is None:
        return "–"
    value, low, high = (100 * figure for figure in pair["values"]["sampled"])
    return f"{value:+.1f}{' ' if low <= 0 <= high else '*'}\n{low:+.1f} to {high:+.1f}"
