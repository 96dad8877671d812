"""Line charts: ticks, thinning, gaps, and series of no, one and very many values."""

import re
from xml.etree import ElementTree

import pytest

from qgen.reporting.page.charts import MAX_POINTS, Chart, Series, draw, short, thin, ticks

NAN = float("nan")


def drawn(*series: Series, **more) -> ElementTree.Element:
    return ElementTree.fromstring(str(draw(Chart("Loss", "nats", list(series), **more))))


def paths(svg: ElementTree.Element) -> list[ElementTree.Element]:
    return [p for p in svg.iter("path") if "line" in p.get("class")]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.18, 0.36), (1e-6, 2e-6), (-3, 1250), (5, 5), (0, 0), (1.3481, 1.3483), (1e9, 3e9)]
)
def test_ticks_are_round_and_reach_around(low, high):
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 8
    assert marks[0] <= low
    assert marks[-1] >= high
    assert marks[-1] > marks[0]
    assert all(len(f"{mark:.6g}") <= 8 for mark in marks)


def test_no_value_is_a_sentence():
    for series in ([], [Series("a", [], [])], [Series("a", [1, 2], [None, NAN])]):
        assert "no values" in draw(Chart("Loss", "nats", series))


def test_one_value_is_a_point():
    svg = drawn(Series("a", [7], [0.5]))
    assert len(list(svg.iter("circle"))) == 1
    assert paths(svg)[0].get("data-v") == "7|0.500"


def test_a_constant_series_is_drawn_in_the_middle():
    (path,) = paths(drawn(Series("a", [1, 2, 3], [4.0, 4.0, 4.0])))
    heights = {pair.split(" ")[1] for pair in path.get("d")[1:].split("L")}
    assert len(heights) == 1
    assert 20 < float(heights.pop()) < 150


def test_a_tiny_change_is_not_made_to_look_large():
    (path,) = paths(drawn(Series("a", [0, 5], [1.3483, 1.3481])))
    first, last = (float(pair.split(" ")[1]) for pair in path.get("d")[1:].split("L"))
    assert abs(first - last) < 2


def test_gaps_break_the_line():
    (path,) = paths(drawn(Series("a", [1, 2, 3, 4, 5], [1, 2, None, NAN, 3])))
    assert path.get("d").count("M") == 2
    assert path.get("data-v") == "1|1.000;2|2.000;5|3.000"


def test_long_series_are_thinned_and_keep_their_ends():
    long = Series("a", list(range(5000)), [i / 5000 for i in range(5000)], low=[0] * 5000, high=[1] * 5000)
    short_one = thin(long)
    assert len(short_one.steps) == len(short_one.values) == len(short_one.low) == MAX_POINTS
    assert (short_one.steps[0], short_one.steps[-1]) == (0, 4999)
    assert len(paths(drawn(long))[0].get("data-v").split(";")) == MAX_POINTS
    many = draw(Chart("Loss", "nats", [long] * 40))
    assert len(many) < 400_000


def test_a_band_has_both_edges():
    svg = drawn(Series("a", [1, 2, 3], [2, 3, 4], low=[1, None, 3], high=[3, 4, 5]))
    (band,) = svg.iter("polygon")
    assert len(band.get("points").split(" ")) == 4


def test_everything_stays_inside_the_drawing():
    svg = drawn(Series("a", [0, 1], [-5, 1e7], points=True), Series("b", [0.5], [3], colour=9), floor=0.0)
    _, _, width, height = map(float, svg.get("viewBox").split())
    for x, y in re.findall(r"[ML](\S+?) (\S+?)(?=[ML\"]|$)", " ".join(p.get("d") for p in paths(svg))):
        assert 0 <= float(x) <= width
        assert 0 <= float(y.split(" ")[0]) <= height


def test_names_are_escaped():
    svg = drawn(Series('"><script>', [1, 2], [1, 2]))
    assert paths(svg)[0].get("data-name") == '"><script>'


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1.34828, "1.348"), (-0.05, "-0.050"), (41.26, "41.3"), (12345.6, "12,346"), (2e-5, "2.00e-5")],
)
def test_numbers_are_short(value, text):
    assert short(value) == text
