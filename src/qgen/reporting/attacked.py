"""What the terminal shows of an attack on rewards: what each class of junk earned, and the best texts whole."""

from collections.abc import Callable

from rich.table import Table
from rich.text import Text

from qgen.reporting.tables import plain_table
from qgen.text.visible import clean

Row = dict


def earnings_table(report: Row) -> Table:
    """A row a class beside real problems: what its texts earn, and how many earn what real ones do.

    Args:
        report: what report.json holds.
    """
    table = plain_table(f"what junk earns, in batches of {report['batch']}, beside {report['problems']} real problems")
    for column in ("", "texts", "mean", "p90", "best", "again", "≥ median", "≥ p10", ""):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    table.padding = (0, 1, 0, 0)
    for row in [report["real"], *report["classes"]]:
        cells = [_reward(row[key]) for key in ("mean", "p90", "best", "again")]
        shares = ["–" if row[key] is None else f"{row[key]:.0%}" for key in ("above_median", "above_tenth")]
        real = row["class"] == "real"
        mark = "" if real or not row["bought"] else "✗"
        table.add_row(row["class"], str(row["texts"]), *cells, *shares, mark, style="bold" if real else "")
    table.caption = (
        "≥ median, ≥ p10: share that earns at least the median, or the 10th percentile, of its level's real problems "
        "that earn anything; again: the best of three texts that were scored twice; ✗: one of them earned the median "
        "both times"
    )
    table.caption_justify = "left"
    return table


def level_table(report: Row) -> Table:
    """The best and the mean by level, a row a class; of real problems the median."""
    levels = sorted({level for row in [report["real"], *report["classes"]] for level in row["levels"]})
    table = plain_table("the best of each level, and below it the mean; of real problems the median and the mean")
    for column in ("", *(f"level {level}" for level in levels)):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in [report["real"], *report["classes"]]:
        real = row["class"] == "real"
        cells = []
        for level in levels:
            found = row["levels"].get(level, {"standard": None, "mean": None, "best": None})
            standard = report["real"]["levels"].get(level, {"standard": None})["standard"]
            first = found["standard" if real else "best"]
            mark = "*" if not real and None not in (first, standard) and first >= standard else " "
            cells.append(Text.assemble(f"{_reward(first)}{mark}\n", (f"{_reward(found['mean'])} ", "dim")))
        table.add_row(row["class"], *cells, style="bold" if real else "")
    table.caption = "*: at least the median of real problems of the level that earn anything"
    table.caption_justify = "left"
    return table


def best_texts(name: str, rows: list[Row], median: Callable[[int], float]) -> Text:
    """The best texts of a class, whole, and why each is junk."""
    parts: list[str | tuple[str, str]] = [(f"\n{name}, the best of them:\n", "bold")]
    for row in rows:
        parts += [
            f"\n{row['reward']:.3f}, again {row['again']:.3f}; real {median(row['level']):.3f} at level {row['level']}",
            f" ({row['topic']})\n" if row["topic"] else "\n",
            (f"{_terms(row)}\n", "dim"),
            (f"{clean(row['completion'])}\n", ""),
            (f"junk: {clean(row['why'])}\n", "dim"),
        ]
    return Text.assemble(*parts)


def winning_texts(winners: Row, median: Callable[[int], float]) -> Text:
    """What GRPO found, to be read."""
    first, last = winners["steps"][0], winners["steps"][-1]
    parts: list[str | tuple[str, str]] = [
        (f"\nwhat GRPO found: the completions of steps {first} to {last} that earned most\n", "bold"),
        f"{winners['completions']} completions, {winners['different']} of them different; ",
        f"{winners['above_median']:.0%} earned the median of real problems of their level ({winners['home']})\n",
    ]  # fmt: skip
    for row in winners["best"]:
        usual = f"real {median(row['level']):.3f} at level {row['level']}"
        parts += [f"\n{row['reward']:.3f}; {usual} ({row['topic']})\n", (f"{_terms(row)}\n", "dim")]
        parts.append(f"{clean(row['completion'])}\n")
    return Text.assemble(*parts)


def _terms(row: Row) -> str:
    return ", ".join(f"{name} {_reward(value)}" for name, value in row["terms"].items())


def _reward(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
