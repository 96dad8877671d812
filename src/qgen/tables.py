"""What the terminal shows: plain tables, readable at 80 columns and in a log file."""

from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from qgen.data import Corpus
    from qgen.rewards.check import Separation


def show(*things: object) -> None:
    """Print to standard output, 80 columns wide where that is not a terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=80)
    for thing in things:
        console.print(thing)


def corpus_table(corpus: "Corpus") -> Table:
    """Problems read, dropped and kept, by topic and level."""
    table = _table(f"{corpus.read} problems read; dropped: {corpus.reasons()}")
    for column in ("topic", "held out", "train", *(f"level {n}" for n in range(1, 6))):
        table.add_column(column, justify="left" if column == "topic" else "right")
    train, held = (Counter(p.topic for p in part) for part in (corpus.train, corpus.heldout))
    levels = Counter((p.topic, p.level) for p in corpus.train)
    for topic in sorted(train | held):
        counts = [levels[topic, n] for n in range(1, 6)]
        table.add_row(escape(topic), *map(str, (held[topic], train[topic], *counts)))
    total = [sum(levels[topic, n] for topic in train) for n in range(1, 6)]
    table.add_row("all", *map(str, (len(corpus.heldout), len(corpus.train), *total)), style="bold")
    return table


def stage_table(summaries: list[dict]) -> Table:
    """What each stage changed, a column a stage: first → last tenth of its steps for the training loss, before → after
    for what was measured on the same held-out problems and requests."""
    table = _table("before → after each stage, on the same held-out problems and requests")
    for column in ("", *(s["stage"] for s in summaries)):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    rows = {
        "training loss": [_pair(s["loss"], "{:.3f}") for s in summaries],
        "held-out loss": [_pair(s["heldout_loss"], "{:.3f}") for s in summaries],
        "held-out reward": [_pair(s["reward"], "{:.3f}") for s in summaries],
        "held-out format yield": [_pair(s["format_yield"], "{:.0%}") for s in summaries],
        "optimizer steps": [str(s["steps"]) for s in summaries],
        "seconds": [f"{s['seconds']:.0f}" for s in summaries],
        "peak memory, GiB": [f"{s['peak_memory'] / 2**30:.1f}" for s in summaries],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def samples(summary: dict) -> str:
    """Problems that a stage wrote at its last validation, as they were written."""
    texts = "\n\n".join(
        f"[bold]{i}.[/bold] {escape(text.strip())}" for i, text in enumerate(summary["samples"], start=1)
    )
    return f"\nwritten by {summary['stage']} for held-out requests, those that parse first:\n\n{texts}\n"


def separation_table(rows: list["Separation"], count: int, goal: float) -> Table:
    """How well rewards tell controls from real problems, a column a control."""
    table = _table(f"AUROC, {count} real problems against what each control makes of them")
    for column in ("", *(row.control for row in rows)):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    lines = {
        "total": [f"{row.total[0]:.3f}" + ("" if row.total[0] >= goal else " <") for row in rows],
        "  95 %": ["–".join(f"{v:.2f}".lstrip("0") for v in row.total[1:]) for row in rows],
        **{name: [f"{row.terms[name]:.2f}" for row in rows] for name in rows[0].terms},
        "reach p10": [f"{row.above:.0%}" for row in rows],
    }
    for name, cells in lines.items():
        table.add_row(name, *cells)
    table.caption = f"<: below {goal}. reach p10: share at or above real problems' 10th percentile"
    table.caption_justify = "left"
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)


def _pair(values: list | None, form: str) -> str:
    return "–" if values is None else " → ".join("–" if v is None else form.format(v) for v in values)
