"""What the terminal shows: plain tables, readable at 80 columns and in a log file."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from qgen.runs.remarks import remarks
from qgen.text.visible import clean

if TYPE_CHECKING:
    from qgen.data import Corpus
    from qgen.reporting.page.sweep import Sweep
    from qgen.rewards.separation import Separation


class Terminal(Console):
    """A console to which no text can do anything: brackets and colons stand for themselves, controls for their number.

    What is to be dim or bold is a Text that says so.
    """

    def __init__(self, **options: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """As rich does, before it measures how wide the text is."""
        return super().render_str(clean(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As rich does, with what a Text may still hold made visible; rich's own control sequences are left to it."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=clean(segment.text))


def show(*things: object) -> None:
    """Print to standard output, 80 columns wide where that is not a terminal."""
    console = Terminal()
    if not console.is_terminal:
        console = Terminal(width=80)
    for thing in things:
        console.print(thing)


def corpus_table(corpus: "Corpus") -> Table:
    """Problems read, dropped and kept, by topic and level."""
    table = plain_table(f"{corpus.read} problems read; dropped: {corpus.reasons()}")
    for column in ("topic", "held out", "train", *(f"level {n}" for n in range(1, 6))):
        table.add_column(column, justify="left" if column == "topic" else "right")
    train, held = (Counter(p.topic for p in part) for part in (corpus.train, corpus.heldout))
    levels = Counter((p.topic, p.level) for p in corpus.train)
    for topic in sorted(train | held):
        counts = [levels[topic, n] for n in range(1, 6)]
        table.add_row(topic, *map(str, (held[topic], train[topic], *counts)))
    total = [sum(levels[topic, n] for topic in train) for n in range(1, 6)]
    table.add_row("all", *map(str, (len(corpus.heldout), len(corpus.train), *total)), style="bold")
    return table


def stage_table(summaries: list[dict]) -> Table:
    """What each stage changed, a column a stage: first → last tenth of its steps for the training loss, before → after
    for what was measured on the same held-out problems and requests."""
    table = plain_table("before each stage → at the step that it kept, on the same held-out problems and requests")
    for column in ("", *(s["stage"] for s in summaries)):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    rows = {
        "training loss": [_pair(s["loss"], "{:.3f}") for s in summaries],
        "held-out loss": [_pair(s["heldout_loss"], "{:.3f}") for s in summaries],
        "held-out reward": [_pair(s["reward"], "{:.3f}") for s in summaries],
        "held-out format yield": [_pair(s["format_yield"], "{:.0%}") for s in summaries],
        "optimizer steps": [str(s["steps"]) for s in summaries],
        "the step kept": [str(s.get("kept_step", "–")) for s in summaries],
        "seconds": [f"{s['seconds']:.0f}" for s in summaries],
        "of them validating": [f"{s['validation_seconds'] / s['seconds']:.0%}" for s in summaries],
        "peak memory, GiB": [f"{s['peak_memory'] / 2**30:.1f}" for s in summaries],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    if said := [remark for summary in summaries for remark in remarks(summary)]:
        table.caption, table.caption_justify = Text("\n".join(said), style="bold"), "left"
    return table


def stage_line(summary: dict) -> str:
    """What a stage changed, in a line."""
    told = f"held-out reward {_pair(summary['reward'], '{:.3f}')}, format {_pair(summary['format_yield'], '{:.0%}')}"
    return f"{summary['stage']}: {told}, {summary['steps']} steps in {summary['seconds']:.0f} s"


def sweep_table(sweep: "Sweep") -> Table:
    """A sweep's settings: means over seeds, and how each differs from the first, seed by seed."""
    shown = [m for m in sweep.metrics if m.name in _OF_A_SWEEP]
    table = plain_table(f"{sweep.name}, {sweep.kind}: means of {len(sweep.seeds)} seeds")
    table.add_column(sweep.heading, overflow="fold")
    for metric in shown:
        table.add_column("\n".join(f"{metric.label} {metric.arrow}".rsplit(" ", 2)), justify="right")
    for setting in sweep.settings:
        cells = [setting.cell(metric.name) for metric in shown]
        texts = [_below(c.text, c.change, "*" if c.clear else " ") if c.difference else c.text for c in cells]
        table.add_row(setting.label, *texts)
    table.caption = "below, the change against the first, seed by seed; * larger than chance"
    table.caption_justify = "left"
    return table


_OF_A_SWEEP = ("reward", "format_yield", "heldout_loss", "diversity", "loss", "seconds")


def _below(value: str, note: str, mark: str = "") -> Text:
    """A cell of two lines, the second one dim."""
    return Text.assemble(f"{value}\n", (note, "dim"), mark)


def samples(summary: dict) -> Text:
    """Problems that a stage wrote at its last validation, as they were written."""
    shown = Text(f"\nwritten by {summary['stage']} for held-out requests, those that parse first:\n\n")
    texts = (
        Text.assemble((f"{i}.", "bold"), f" {clean(text.strip())}")
        for i, text in enumerate(summary["samples"], start=1)
    )
    return shown.append_text(Text("\n\n").join(texts)).append("\n")


def separation_table(rows: list["Separation"], count: int, goal: float) -> Table:
    """How well rewards tell controls from real problems, a column a control."""
    table = plain_table(f"AUROC, {count} real problems against what each control makes of them")
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


def evaluation_table(result: dict) -> Table:
    """Models beside real problems, a column each: every metric's value, and below it its 95 % interval.

    Args:
        result: what evaluation.json holds.
    """
    rows = [row for row in result["rows"] if row["kind"] != "control"]
    times = f"{len(result['seeds'])} x " if len(result["seeds"]) > 1 else ""
    table = plain_table(f"{times}{result['n']} outputs a model, unfiltered, to {result['prompts']} held-out prompts")
    for column in ("", *(row["name"] for row in rows)):
        table.add_column(column, justify="right" if column else "left")
    for metric in result["metrics"]:
        found = [row["values"][metric["name"]] for row in rows]
        if any(found):
            cells = [_below(_number(v[0], metric), _range(v[1:], metric)) if v else "–" for v in found]
            table.add_row(_label(metric), *(["–"] * len(cells) if metric["passed"] is False else cells))
    if each := result.get("seconds", {}).get("a sound problem"):
        took = (each.get(row["name"]) for row in rows)
        table.add_row("seconds of writing\nfor a sound one", *("–" if s is None else f"{s:.2f}" for s in took))
    return _marked(table, result)


def test_table(result: dict) -> Table:
    """Each metric's own test: how well it tells real problems from the control that it is meant to catch, by the area
    under the ROC curve or by the gap between the two."""
    rows = {row["name"]: row["values"] for row in result["rows"]}
    table = plain_table("can the metrics be believed? each against the control that it tells from real problems worst")
    table.padding = (0, 1, 0, 0)
    for column in ("", "AUROC\nor gap", "95 %", "", "control", "of real", "of control"):
        table.add_column(column, justify="left" if column in ("", "control") else "right", no_wrap=True)
    for metric in result["metrics"]:
        if control := metric["control"]:
            means = [v and v[0] for v in (rows[row][metric["name"]] for row in ("real", control))]
            values = ["–" if v is None else _number(v, metric) for v in metric.get("compared") or means]
            mark = " " if metric["passed"] else "✗"
            if gap := metric.get("gap"):
                told, between = _number(gap[0], metric, "+"), _range(gap[1:], metric, "+")
            else:
                told = f"{metric['auroc']:.2f}"
                between = "–".join(f"{v:.2f}" for v in metric["auroc_interval"] or [])
            table.add_row(metric["label"], told, between, mark, control, *values)
    return _marked(table, result)


def control_table(result: dict) -> Table:
    """Where the controls land, a row each beside real problems."""
    shown = ("format_yield", "usable", "copies", "copies_masked", "novelty", "naturalness", "topic")
    metrics = [m for m in result["metrics"] if m["name"] in shown]
    table = plain_table("where real problems and the controls made of them land")
    table.padding = (0, 1, 0, 0)  # eight metrics in 80 columns
    labels = [m["label"].replace(" ", "\n") + ("\n✗" if m["passed"] is False else "") for m in metrics]
    for column in ("", *labels):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in result["rows"]:
        if row["kind"] != "model":
            cells = [
                "✗" if m["passed"] is False else _number(v[0], m) if (v := row["values"][m["name"]]) else "–"
                for m in metrics
            ]
            table.add_row(row["name"], *cells, style="bold" if row["kind"] == "real" else "")
    return _marked(table, result)


def difference_table(result: dict) -> Table:
    """What differs by more than chance, a column a pair of models."""
    table = plain_table("differences, with 95 % intervals, shares in points; * where larger than chance")
    for column in ("", *(f"{pair['after']} − {pair['before']}" for pair in result["differences"])):
        table.add_column(column, justify="right" if column else "left")
    for metric in result["metrics"]:
        found = [pair["values"][metric["name"]] for pair in result["differences"]]
        if any(found) and metric["passed"] is not False:
            cells = [
                "–" if v is None else _below(f"{_number(v[0], metric, '+')}{_star(v)}", _range(v[1:], metric, "+"))
                for v in found
            ]
            table.add_row(_label(metric), *cells)
    return _marked(table, result)


def _star(value: list[float]) -> str:
    return " " if value[1] <= 0 <= value[2] else "*"


def _label(metric: dict) -> str:
    arrow = {"higher": "↑", "lower": "↓", "real": "≈"}[metric["better"]]
    return f"{metric['label']} {arrow}" + (" ✗" if metric["passed"] is False else "")


def _number(value: float, metric: dict, sign: str = "") -> str:
    mark = "" if sign else "%"  # differences of shares are points
    return f"{100 * value:{sign}.0f}{mark}" if metric["unit"] == "share" else f"{value:{sign}.2f}"


def _range(values: list[float], metric: dict, sign: str = "") -> str:
    low, high = (_number(value, metric, sign) for value in values)
    return f"{low.rstrip('%')} to {high}" if sign else f"{low.rstrip('%')}–{high}"


def _marked(table: Table, result: dict) -> Table:
    """Says below a table what its marks mean."""
    if any(metric["passed"] is False for metric in result["metrics"]):
        table.caption = "✗: it does not tell real problems from the control that it is meant to catch, and is no result"
        table.caption_justify = "left"
    return table


def made_table(rows: list[dict], wanted: int, tally: str) -> Table:
    """The problems that are handed out: the first lines of each, and how similar the nearest known one is."""
    table = plain_table(f"{len(rows)} of {wanted} problems passed the gate, in {tally}")
    proved = any(row.get("proof") not in (None, "stated") for row in rows)
    for column in ("", "topic", "level", "proof" if proved else "reward", "known", "problem"):
        table.add_column(column, justify="left" if column in ("topic", "proof", "problem") else "right")
    for number, row in enumerate(rows, start=1):
        near, words = row["nearest"]["similarity"], " ".join(row["statement"].split())
        words = words if len(words) <= 110 else words[:109] + "…"
        worth = row["proof"] if proved else "–" if row["reward"] is None else f"{row['reward']:.2f}"
        table.add_row(str(number), row["topic"], str(row["level"]), worth, f"{near:.2f}", words)
    return table


def variation_table(result: dict) -> Table:
    """Variations: yield and below it the diversity of the valid ones, a column a kind.

    Args:
        result: what variations.json holds.
    """
    kinds = list(next(row for row in result["rows"] if row["kind"] == "model")["kinds"])
    times = f"{len(result['seeds'])} x " if len(result["seeds"]) > 1 else ""
    title = f"{times}{result['n']} variations a model, of {result['originals']} problems: how many are valid, by kind"
    table = plain_table(title)
    table.padding = (0, 1, 0, 0)
    for column in ("", *kinds):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in result["rows"]:
        cells: list[str | Text] = []
        for kind in kinds:
            found = row["kinds"].get(kind)
            if found is None:
                cells.append("–")
                continue
            value, low, high = found["yield"]
            spread = "" if found["diversity"] is None else " d{:.2f}".format(found["diversity"][0]).replace("0.", ".")
            cells.append(_below(f"{value:.0%}{spread}", f"{100 * low:.0f}–{100 * high:.0f}%"))
        table.add_row(row["name"], *cells, style="bold" if row["kind"] == "real" else "")
    return table


def plain_table(title: str) -> Table:
    """A table in the style of all others, without columns."""
    return Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)


def _pair(values: list | None, form: str) -> str:
    return "–" if values is None else " → ".join("–" if v is None else form.format(v) for v in values)
