"""What a supervisor reads first: what was trained from what, what became of it, and what to be careful about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from qgen.reporting.page import evaluation
from qgen.reporting.page.charts import short
from qgen.reporting.page.gallery import Card, best
from qgen.reporting.page.runs import Corpora, Run, Stage
from qgen.reporting.page.settings import ConfigKey
from qgen.runs.remarks import remarks

BEST = 12  # problems on the first screen
_PACKAGED = {  # model.name, in words
    "embedded": "SmolLM2-135M-Instruct, the embedded model,",
    "qwen_coder": "Qwen2.5-Coder-1.5B-Instruct",
}
LOW_TRUST = 0.5  # rank correlation below which an estimate is a hint


@dataclass
class Change:
    """A figure before and after a stage, and what an evaluation says of it."""

    before: str
    after: str
    evaluated: evaluation.Difference | None


@dataclass
class Line:
    """One stage in the table of outcomes."""

    stage: Stage
    rows: int  # lines of its run, where it is the first of them; else 0
    state: str
    steps: str
    quality: Change
    format_yield: Change
    usable: Change | None  # of the evaluation alone
    loss: Change
    time: str
    validation: str  # share of the time
    memory: str


@dataclass
class Summary:
    """What the head of the page says."""

    lead: list[str]  # paragraphs about what was trained; one a run
    lines: list[Line]
    warnings: list[str]
    best: list[Card]  # of each run's last stage
    evaluated: bool
    solving: bool  # the runs' models solve problems, and write none


def summarise(runs: list[Run], corpora: Corpora, cards: list[Card], changed: list[ConfigKey]) -> Summary:
    """The first screen of a page.

    Args:
        changed: where the runs' configs leave the defaults, and which of these keys the runs do not share.
    """
    several = len(runs) > 1
    solving = all(card.solves for card in cards) and bool(cards)
    warnings = _shared([(run.name, text) for run in runs for text in _warnings(run)], len(runs))
    held = {stage.environment.get("heldout") for run in runs for stage in run.stages} - {None}
    if len(held) > 1:
        warnings.insert(
            0, "These stages were not all validated on the same held-out problems, so their figures do not compare"
        )
    if not solving and (bare := [run for run in runs if not run.evaluations]):
        which = "" if len(bare) == len(runs) else f" ({len(bare)} of these runs)"
        command = f"python -m qgen.evaluate run={_path(bare[0])}" + (", and so on" if len(bare) > 1 else "")
        warnings.append(f"Not evaluated yet{which}, so a small change may be chance. To measure it: {command}")
    each = 1 if several else 3
    return Summary(
        _leads(runs, corpora, [setting.key for setting in changed if setting.differs]),
        [_line(run, stage) for run in runs for stage in run.stages],
        warnings,
        [card for run in runs for card in best(cards, run.stages[-1], each)][:BEST],
        any(run.evaluations for run in runs),
        solving,
    )


def _leads(runs: list[Run], corpora: Corpora, keys: list[str]) -> list[str]:
    """A paragraph a run where they are few; before them, what several runs differ in."""
    if len(runs) == 1:
        return [_lead(runs[0], corpora)]
    named = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more keys" if len(keys) > 8 else "")
    differ = f"Their configs differ in {named}." if keys else "Their configs are the same."
    first = [f"{len(runs)} runs beside each other. {differ}"]
    return first + [_lead(run, corpora) for run in runs] if len(runs) <= 3 else first


def _lead(run: Run, corpora: Corpora) -> str:
    """What was trained, on what, when, for how long."""
    first, last = run.stages[0], run.stages[-1]
    corpus, _ = corpora.of(first)
    source = first.get("data.source", "unknown data")
    path = f" ({first.get('data.path')})" if first.get("data.path") else ""
    source = corpus.train[0].source or source if corpus and corpus.train else source
    problems = f"{len(corpus.train):,} problems of {source}{path}" if corpus else f"problems of {source}{path}"
    held = f" ({len(corpus.heldout):,} more are held out)" if corpus else ""
    began = first.environment.get("started_from")
    origin = "" if began in (None, "base") else f", starting from {began}"
    parts = ", then ".join(f"{stage.kind} ({_count(stage)})" for stage in run.stages)
    model = first.get("model.name", "unknown model")
    model = _PACKAGED.get(model, model)
    times = [row["time"] for stage in run.stages for row in (*stage.metrics, *stage.validation) if "time" in row]
    when = f" on {datetime.fromtimestamp(min(times), UTC):%-d %B %Y}" if times else ""
    seconds = sum(_seconds(stage) for stage in run.stages)
    device = next((row["device"] for row in last.memory if row.get("device")), last.environment.get("device", ""))
    where = f" on {'the CPU' if device == 'cpu' else device}" if device else ""
    return (
        f"{run.name} trained {model} on {problems}{held}{origin}: {parts}. It ran{when} for {duration(seconds)}{where}."
    )


def _line(run: Run, stage: Stage) -> Line:
    seconds, spent = _seconds(stage), stage.summary.get("validation_seconds")
    if spent is None:
        spent = sum(row.get("seconds") or 0 for row in stage.validation)
    peak = stage.summary.get("peak_memory") or max((row.get("peak") or 0 for row in stage.memory), default=0)

    def change(key: str, form: Callable) -> Change:
        before, after = (form(row.get(key)) for row in stage.pair)
        return Change(before, after, evaluation.find(run.evaluations, stage.kind, key))

    usable = evaluation.find(run.evaluations, stage.kind, "usable")
    return Line(
        stage,
        len(run.stages) if stage is run.stages[0] else 0,
        "" if stage.finished else "unfinished",
        _count(stage).removesuffix(" steps"),
        change("reward", _plain),
        change("format_yield", _share),
        Change(usable.before, usable.after, usable) if usable else None,
        change("heldout_loss", _plain),
        duration(seconds),
        f"{spent / seconds:.0%} validation" if seconds else "",
        f"{peak / 2**30:.1f}" if peak else "–",
    )


def _warnings(run: Run) -> list[str]:
    found = []
    for stage in run.stages:
        if not stage.finished:
            found.append(
                f"{stage.kind} is unfinished: {_count(stage)} were done and no summary was written, so its figures are "
                f"those of its last validation. The command that started it, with resume=true, goes on"
            )
        found += remarks(stage.summary) if stage.summary else []
        kept = stage.summary.get("kept_step")
        if kept is not None and kept != stage.summary.get("steps") and stage.summary.get("learned", True):
            found.append(f"{stage.kind} kept the adapter of step {kept}, which validated better than its last step")
    last = next((stage for stage in reversed(run.stages) if stage.validation), None)
    for key, value in (last.validation[-1] if last else {}).items():
        if key.startswith("trust/") and isinstance(value, int | float) and value < LOW_TRUST:
            found.append(
                f"The {key[6:]} term is an estimate: its rank correlation with the real levels is {value:.2f}, so read "
                f"it, and what it adds to the quality, as a hint"
            )
    for where, evaluated in run.evaluations:
        if names := evaluation.failed(evaluated):
            found.append(
                f"The evaluation of {run.name}{where} has metrics that failed their own test and cannot be believed "
                f"here: {', '.join(names)}"
            )
    return found


def _shared(found: list[tuple[str, str]], runs: int) -> list[str]:
    """Each warning once, with the runs that it is about where that is not all of them."""
    about: dict[str, list[str]] = {}
    for name, text in found:
        about.setdefault(text, []).append(name)
    return [text if len(names) == runs else f"{', '.join(names)}: {text}" for text, names in about.items()]


def _count(stage: Stage) -> str:
    asked = stage.get("stage.max_steps")
    if stage.finished and stage.step == asked:
        return f"{stage.step} steps"
    return f"{stage.step} of {asked} steps" if asked else f"{stage.step} steps"


def _seconds(stage: Stage) -> float:
    """How long a stage ran; of an unfinished one the time between its first row and its last."""
    if stage.summary.get("seconds"):
        return float(stage.summary["seconds"])
    times = [row["time"] for row in (*stage.metrics, *stage.validation) if isinstance(row.get("time"), int | float)]
    return max(times) - min(times) if times else 0.0


def duration(seconds: float) -> str:
    """Seconds in the two largest units that they fill."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _path(run: Run) -> str:
    """A run's directory as a user would type it: from the working directory down, where it lies below it."""
    here = Path.cwd()
    return str(run.home.relative_to(here) if run.home.is_relative_to(here) else run.home)


def _plain(value: object) -> str:
    return short(float(value)) if isinstance(value, int | float) else "–"


def _share(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) else "–"
