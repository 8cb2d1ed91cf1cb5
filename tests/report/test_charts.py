"""Charts are well-formed, true to their numbers and safe."""

import math
from datetime import date
from functools import partial
from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from crmkit.report.charts import Point, Words, bar_chart, line_chart, nice_ticks
from crmkit.report.format import compact
from crmkit.stats.periods import index_of, period_of

VALUES = st.floats(-1e12, 1e12).map(lambda value: round(value, 3)) | st.sampled_from([0.0, 1.0, -1.0, 1e200, -1e200])
WORDS = Words(name="rate", title="A title", description="What it shows", tick=partial(compact, unit="PLN"))


@st.composite
def _points(draw: st.DrawFn) -> list[Point]:
    known = draw(st.lists(st.none() | st.tuples(VALUES, VALUES, VALUES), max_size=30))
    bounded = draw(st.booleans())
    first = draw(st.integers(index_of(date(2000, 1, 1), "month"), index_of(date(2030, 1, 1), "month")))
    points = []
    for place, values in enumerate(known):
        low, value, high = sorted(values) if values else (None, None, None)
        day = period_of(first + place, "month").start
        partial_ = place == len(known) - 1 and draw(st.booleans())
        points.append(
            Point(day=day, value=value, low=low if bounded else None, high=high if bounded else None, partial=partial_)
        )
    return points


def _series(*values: float | None) -> list[Point]:
    return [Point(day=date(2025, month, 1), value=value) for month, value in enumerate(values, start=1)]


def _drawn(svg: str, kind: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if kind in element.get("class", "").split()]


@given(VALUES, VALUES)
def test_ticks_cover_the_range_evenly_and_stand_at_zero(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 0 in ticks
    assert 2 <= len(ticks) <= 8
    steps = [after - before for before, after in pairwise(ticks)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-9) for step in steps)


@given(st.floats(-1e11, 0), st.floats(0.1, 1e11), st.sampled_from(["share", "points", "days", "PLN"]))
def test_the_labels_of_an_axis_are_short_and_differ(low: float, high: float, unit: str) -> None:
    labels = [compact(tick, unit) for tick in nice_ticks(low, high)]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= (9 if unit == "share" else 6)


@given(_points(), st.booleans())
def test_every_series_is_a_well_formed_image_that_stays_in_its_frame(points: list[Point], signed: bool) -> None:
    for svg in (line_chart(points, WORDS, signed=signed), bar_chart(points, WORDS)):
        root = ET.fromstring(svg)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for element in root.iter():
            for name, limit in {
                "x": width,
                "x1": width,
                "x2": width,
                "cx": width,
                "y": height,
                "y1": height,
                "cy": height,
            }.items():
                assert 0 <= float(element.get(name, 0)) <= limit
        assert "nan" not in svg
        assert "inf" not in svg.replace("infinite", "")


@given(_points())
def test_a_month_without_a_value_has_no_mark(points: list[Point]) -> None:
    known = [point for point in points if point.value is not None]
    assert len(_drawn(line_chart(points, WORDS), "dot")) == len(known)
    assert len(_drawn(bar_chart(points, WORDS), "bar")) == len(known)


def test_a_gap_interrupts_the_line() -> None:
    assert len(_drawn(line_chart(_series(1, 2, None, 2, 1, 2), WORDS), "line")) == 3


def test_a_higher_value_lies_higher() -> None:
    low, high = _drawn(line_chart(_series(10, 20), WORDS), "dot")
    assert float(low.attrib["cy"]) > float(high.attrib["cy"])


def test_a_partial_month_is_marked_in_both_kinds_of_chart() -> None:
    points = [*_series(1, 2), Point(day=date(2025, 3, 1), value=1, partial=True)]
    assert len(_drawn(line_chart(points, WORDS), "partial")) == 2
    assert len(_drawn(bar_chart(points, WORDS), "partial")) == 1


def test_an_interval_that_reaches_far_does_not_flatten_the_values() -> None:
    points = [Point(day=date(2025, 1, 1), value=10, low=-900, high=1000), *_series(12)]
    first, second = _drawn(line_chart(points, WORDS), "dot")
    assert abs(float(first.attrib["cy"]) - float(second.attrib["cy"])) > 10


def test_only_a_signed_quantity_has_an_axis_below_zero_for_its_intervals() -> None:
    points = [Point(day=date(2025, 1, 1), value=10, low=-5, high=20)]
    assert "−5" not in line_chart(points, WORDS)
    assert "−5" in line_chart(points, WORDS, signed=True)


def test_at_most_six_months_are_named_and_the_last_one_always_is() -> None:
    days = [period_of(index_of(date(2024, 2, 1), "month") + place, "month").start for place in range(24)]
    svg = line_chart([Point(day=day, value=1.0) for day in days], WORDS)
    labels = [element.text for element in _drawn(svg, "tick") if element.get("text-anchor") == "middle"]
    assert labels == ["May", "2024", "Sep", "Jan", "2025", "May", "Sep", "Jan", "2026"]


@given(st.text(), st.text(), st.text())
def test_text_is_text_whatever_it_holds(title: str, description: str, hint: str) -> None:
    points = [Point(day=date(2025, 1, 1), value=1.0, hint=hint)]
    words = Words(name="rate", title=title, description=description)
    for svg in (line_chart(points, words), bar_chart(points, words)):
        root = ET.fromstring(svg)
        assert len(root.findall(".//title")) == 2
        assert len(root.findall(".//desc")) == 1
