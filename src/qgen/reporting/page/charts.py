"""Line charts as inline SVG, drawn here.

Kept over the libraries because these do more for less. vl-convert 1.9 (Vega-Lite's own SVG) was tried on the same
pages, in the page's colours (`var(--series-1)`): light, dark, phone and no script came out alike, and the security
policy let it pass. But its SVG does not carry the values that page.js shows of all lines at the step under the
pointer, so that code and the data for it would stay, fitted to Vega's markup. It is a wheel of 33.5 MB (84 MB
installed) and takes .9 s for the first chart and 23 to 40 ms for each further one, where these take 3 ms: the report
of three stages (36 charts, .39 MB) became .53 MB and took 1.7 s more, .9 of it the start. uPlot, Plotly and the like
draw nothing without script; matplotlib and pygal write style attributes or style elements, which the page's policy
refuses.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import TypeGuard

from markupsafe import Markup, escape

from qgen.reporting.page.mathematics import clean

WIDTH, HEIGHT = 300, 176
LEFT, RIGHT, TOP, BOTTOM = 42, 10, 8, 24
MAX_POINTS = 400  # a series; more cannot be seen on so few pixels
DOTTED = 12  # a line of at most so many points shows them
LETTER = 6.2  # width of a letter of the axes
LEAST = 0.05  # share of its largest value that a y axis spans at least, so that nothing is made to look like a change
Value = float | None
_NUMBER = re.compile(r"-?[\d.]+(e[-+]?\d+)?")


@dataclass
class Series:
    """One line: values at steps. What is None or not finite breaks the line.

    `colour` counts the page's series colours from 0; `low` and `high` bound a band around the line.
    """

    name: str
    steps: list[float]
    values: Sequence[Value]
    colour: int = 0
    dashed: bool = False
    points: bool = False
    low: Sequence[Value] = ()
    high: Sequence[Value] = ()
    whiskers: bool = False  # `low` and `high` bound each point, not the line
    joined: bool = True
    dots: list[list[float]] = field(default_factory=list)  # what each value is the mean of


@dataclass
class Chart:
    """A titled chart of series over one x axis. `unit` says what y is."""

    title: str
    unit: str
    series: list[Series]
    percent: bool = False  # values are shares, to be written as per cent
    floor: float | None = None  # the y axis reaches down to this, and up to `ceiling`
    ceiling: float | None = None
    note: str = ""
    x: str = "step"
    places: dict[float, str] = field(default_factory=dict)  # names of places on the x axis, instead of numbers

    def svg(self) -> Markup:
        """The chart as SVG."""
        return draw(self)

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return any(is_known(y) for s in self.series for y in s.values)

    def form(self, value: float) -> str:
        """A value as its axis writes it."""
        return f"{value:.1%}" if self.percent else short(value)


def short(value: float) -> str:
    """A number as people write it: three decimals, fewer where it is large."""
    size = abs(value)
    if size == 0:
        return "0"
    if not 1e-3 <= size < 1e6:
        return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:,.{3 if size < 10 else 1 if size < 1000 else 0}f}"


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers, about `count` of them, from one at or below `low` to one at or above `high`."""
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def thin(series: Series, limit: int = MAX_POINTS) -> Series:
    """At most `limit` points of a series, evenly spread, its first and last among them."""
    count = len(series.steps)
    if count <= limit:
        return series
    chosen = [round(i * (count - 1) / (limit - 1)) for i in range(limit)]

    def pick(values: Sequence) -> list:
        return [values[i] for i in chosen] if values else []

    steps, values, dots = pick(series.steps), pick(series.values), pick(series.dots)
    return replace(series, steps=steps, values=values, low=pick(series.low), high=pick(series.high), dots=dots)


def draw(chart: Chart) -> Markup:
    """The chart as an SVG element; a sentence where no series has a value."""
    limit = max(20, min(MAX_POINTS, 4000 // max(1, len(chart.series))))  # twenty jobs on one chart stay small too
    series = [thin(s, limit) for s in chart.series]
    xs = [x for s in series for x, y in zip(s.steps, s.values, strict=True) if is_known(y)]
    shown = (y for s in series for y in (*s.values, *s.low, *s.high, *chain(*s.dots)))
    ys = [y for y in shown if is_known(y)]
    if not ys:
        return Markup('<p class="quiet">no values</p>')
    ends = [v for v in (chart.floor, chart.ceiling) if v is not None]
    low, high = min(ys + ends), max(ys + ends)
    least = LEAST * max(abs(low), abs(high))
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    marks = ticks(low, high)
    xs += list(chart.places)
    left, right = (min(xs), max(xs)) if max(xs) > min(xs) else (min(xs) - 1, max(xs) + 1)
    if chart.places:  # room for a name under the first and the last
        left, right = left - (right - left) / 8, right + (right - left) / 8

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = (x - left) / (right - left), (y - marks[0]) / (marks[-1] - marks[0])
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1),
        )

    parts = []
    for mark in marks:
        _, y = at(left, mark)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 3.5}" text-anchor="end">{_tick(chart, mark)}</text>')
    named = _fitting(chart.places, lambda x: at(x, marks[0])[0]) if chart.places else None
    for mark, name in named or [(mark, f"{mark:g}") for mark in _whole_ticks(left, right)]:
        x, _ = at(mark, marks[0])
        parts.append(f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{escape(name)}</text>')
    if not chart.places:
        parts.append(f'<text x="2" y="{HEIGHT - 8}">{escape(chart.x)}</text>')
    for s in series:
        parts += _series(s, at, chart)
    summary = "; ".join(filter(None, (_summary(s, chart.form) for s in series)))
    label = escape(clean(f"{chart.title} ({chart.unit}) by {chart.x}: {summary}")[:600])
    axis = f' data-x="{escape(clean(chart.x))}"' if chart.places else ""
    view = f"0 0 {WIDTH} {HEIGHT}"
    return Markup(f'<svg class="chart" viewBox="{view}" role="img" aria-label="{label}"{axis}>{"".join(parts)}</svg>')


def _series(s: Series, at: Callable, chart: Chart) -> Iterable[str]:
    """One series: its band, its line in as many pieces as gaps leave, its points, and its values for the hover."""
    known = [
        (*at(x, y), f"{_plain(chart.places.get(x, f'{x:g}'))}|{chart.form(y)}")
        for x, y in zip(s.steps, s.values, strict=True)
        if is_known(y)
    ]
    if not known:
        return
    colour = f"s{s.colour % 8}"
    if s.low and s.high:
        edge = [(x, a, b) for x, a, b in zip(s.steps, s.low, s.high, strict=True) if is_known(a) and is_known(b)]
    if s.low and s.high and s.whiskers:
        for x, a, b in edge:
            (across, down), (_, up) = at(x, a), at(x, b)
            left = round(across - 4, 1)
            yield f'<path class="whisker {colour}" d="M{across} {down}V{up}M{left} {up}h8M{left} {down}h8"/>'
    elif s.low and s.high:
        around = [at(x, b) for x, _, b in edge] + [at(x, a) for x, a, _ in reversed(edge)]
        yield f'<polygon class="band {colour}" points="{" ".join(f"{x},{y}" for x, y in around)}"/>'
    for x, dots in zip(s.steps, s.dots, strict=False):
        for dot in dots:
            yield '<circle class="dot {}" cx="{}" cy="{}" r="2"/>'.format(colour, *at(x, dot))
    path, pen = [], "M"
    for x, y in zip(s.steps, s.values, strict=True):
        if is_known(y):
            path.append("{}{} {}".format(pen, *at(x, y)))
        pen = "L" if is_known(y) and s.joined else "M"
    dashed = " dashed" if s.dashed else ""
    values = escape(";".join(text for _, _, text in known))
    name = escape(clean(s.name))
    yield f'<path class="line {colour}{dashed}" d="{"".join(path)}" data-name="{name}" data-v="{values}"/>'
    if s.points or len(known) <= DOTTED:
        for x, y, _ in known:
            yield f'<circle class="{colour}" cx="{x}" cy="{y}" r="3"/>'


def _fitting(places: dict[float, str], across: Callable[[float], float]) -> list[tuple[float, str]]:
    """Names for places on the x axis: cut to the room that each has, those left out that would lie over another."""
    xs = sorted(places)
    room = min((across(b) - across(a) for a, b in pairwise(xs)), default=WIDTH - LEFT - RIGHT) / LETTER
    found, free = [], -math.inf
    for x in xs:
        name = clean(places[x])
        if len(name) > max(3, room - 1) and not _NUMBER.fullmatch(name):  # a cut number would be another
            name = name[: max(2, int(room) - 2)] + "…"
        half = len(name) * LETTER / 2
        if across(x) - half >= free:
            found.append((x, name))
            free = across(x) + half + LETTER
    return found


def _plain(name: str) -> str:
    """A name inside of `data-v`, whose values are parted by ; and |."""
    return clean(name).replace(";", ",").replace("|", "/")


def _tick(chart: Chart, mark: float) -> str:
    return f"{mark * 100:.6g}%" if chart.percent else f"{mark:.6g}"


def _whole_ticks(left: float, right: float) -> list[float]:
    """Ticks of the x axis inside its ends: steps are whole numbers."""
    return [mark for mark in ticks(left, right, 4) if left <= mark <= right and mark == int(mark)]


def _summary(s: Series, form: Callable[[float], str]) -> str:
    known = [y for y in s.values if is_known(y)]
    return f"{s.name} from {form(known[0])} to {form(known[-1])}" if known else ""


def is_known(value: Value) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
