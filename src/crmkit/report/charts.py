"""Charts: a series of months as the text of one SVG image. Colours come from the page's style sheet by class."""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import groupby, pairwise

import attrs

from crmkit.report.format import escaped, month_name

# Near the width of a phone in CSS pixels, so that the text keeps its size there and grows little elsewhere.
_WIDTH, _HEIGHT = 360, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 38
_MOST_LABELS = 6
_TICKS = 5
_BEYOND = 0.5
"""How far intervals may stretch the axis, as a share of what the values take; wider ones are cut at its edge."""


@attrs.frozen(kw_only=True)
class Point:
    """One month: its first day, its value and interval where it has them, and the text that pointing at it shows."""

    day: date
    value: float | None
    low: float | None = None
    high: float | None = None
    partial: bool = False
    hint: str = ""


@attrs.frozen(kw_only=True)
class Words:
    """What a chart says about itself: a name that no other chart of the page has, a title, and all it shows in a sentence."""

    name: str
    title: str
    description: str
    tick: Callable[[float], str] = str


def nice_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return a few round numbers, evenly spaced, from at most `low` to at least `high`, 0 among them.

    >>> nice_ticks(0, 0.83)
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    >>> nice_ticks(-12, 61)
    (-20.0, 0.0, 20.0, 40.0, 60.0, 80.0)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    spacing = high / _TICKS - low / _TICKS
    if not spacing:
        return 0.0, 1.0
    power = math.floor(math.log10(spacing))
    digit = next(digit for digit in (1, 2, 5, 10) if float(f"{digit}e{power}") >= spacing)
    step = float(f"{digit}e{power}")
    # Read from text, because 3 * 0.2 is not 0.6.
    return tuple(float(f"{n * digit}e{power}") for n in range(math.floor(low / step), math.ceil(high / step) + 1))


def line_chart(points: Sequence[Point], words: Words, *, signed: bool = False) -> str:
    """Return values as dots joined by a line, with their intervals as a band behind.

    A month without a value is a gap; a partial one is a hollow dot at the end of a dashed line. Only a `signed` quantity has
    an axis that its intervals may pull below 0.
    """
    plot = _Plot(_ticks(points, signed=signed), len(points))
    marks = [*_bands(points, plot), *_lines(points, plot), *_dots(points, plot)]
    return _svg(points, plot, words, marks)


def bar_chart(points: Sequence[Point], words: Words) -> str:
    """Return values as bars from 0; a partial month is an outlined bar."""
    plot = _Plot(_ticks(points, signed=False), len(points))
    return _svg(points, plot, words, _bars(points, plot))


@attrs.frozen
class _Plot:
    """Where values and months lie on the image."""

    ticks: tuple[float, ...]
    slots: int

    @property
    def slot(self) -> float:
        return (_WIDTH - _LEFT - _RIGHT) / max(self.slots, 1)

    def x(self, place: int) -> float:
        return _LEFT + (place + 0.5) * self.slot

    def y(self, value: float) -> float:
        bottom, top = self.ticks[0], self.ticks[-1]
        inside = min(max(value, bottom), top)
        share = (inside / 2 - bottom / 2) / (top / 2 - bottom / 2)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _ticks(points: Sequence[Point], *, signed: bool) -> tuple[float, ...]:
    values = [0.0, *(point.value for point in points if point.value is not None)]
    low, high = min(values), max(values)
    reach = _BEYOND * high - _BEYOND * low
    highest = max((point.high for point in points if point.high is not None), default=high)
    lowest = min((point.low for point in points if point.low is not None), default=low) if signed else low
    return nice_ticks(min(low, max(lowest, low - reach)), max(high, min(highest, high + reach)))


def _svg(points: Sequence[Point], plot: _Plot, words: Words, marks: Sequence[str]) -> str:
    name = escaped(words.name)
    head = (
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escaped(words.title)}</title><desc id="{name}-desc">{escaped(words.description)}</desc>'
    )
    return "\n".join([head, *_grid(plot, words.tick), *_months(points, plot), *marks, "</svg>"])


def _grid(plot: _Plot, tick: Callable[[float], str]) -> Iterator[str]:
    for value in plot.ticks:
        y = plot.y(value)
        kind = "zero" if value == 0 else "grid"
        yield f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escaped(tick(value))}</text>'


def _months(points: Sequence[Point], plot: _Plot) -> Iterator[str]:
    """Labels under some months, counted back from the last; the year stands where it begins."""
    step = math.ceil(len(points) / _MOST_LABELS) or 1
    year = None
    for place in range((len(points) - 1) % step, len(points), step):
        day, x = points[place].day, plot.x(place)
        yield _label(x, _HEIGHT - 22, month_name(day))
        if day.year != year:
            yield _label(x, _HEIGHT - 8, str(day.year))
        year = day.year


def _label(x: float, y: float, text: str) -> str:
    return f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>'


def _bands(points: Sequence[Point], plot: _Plot) -> Iterator[str]:
    """One area for each run of months that have intervals; of a single month it is a line."""
    bounds = [
        None if point.low is None or point.high is None else (plot.x(place), plot.y(point.low), plot.y(point.high))
        for place, point in enumerate(points)
    ]
    for _, run in groupby(bounds, key=bool):
        known = [bound for bound in run if bound]
        upper = [f"{x:.1f},{high:.1f}" for x, _, high in known]
        lower = [f"{x:.1f},{low:.1f}" for x, low, _ in reversed(known)]
        if known:
            yield f'<polygon class="band" points="{" ".join(upper + lower)}"/>'


def _lines(points: Sequence[Point], plot: _Plot) -> Iterator[str]:
    for (place, first), (_, second) in pairwise(enumerate(points)):
        if first.value is not None and second.value is not None:
            kind = "line partial" if first.partial or second.partial else "line"
            yield (
                f'<line class="{kind}" x1="{plot.x(place):.1f}" y1="{plot.y(first.value):.1f}" '
                f'x2="{plot.x(place + 1):.1f}" y2="{plot.y(second.value):.1f}"/>'
            )


def _dots(points: Sequence[Point], plot: _Plot) -> Iterator[str]:
    for place, point in enumerate(points):
        if point.value is not None:
            where = f'cx="{plot.x(place):.1f}" cy="{plot.y(point.value):.1f}"'
            kind = "dot partial" if point.partial else "dot"
            hint = f"<title>{escaped(point.hint)}</title>"
            yield f'<g>{hint}<circle class="{kind}" {where} r="3.5"/><circle class="target" {where} r="10"/></g>'


def _bars(points: Sequence[Point], plot: _Plot) -> list[str]:
    bars = []
    for place, point in enumerate(points):
        if point.value is not None:
            top, bottom = sorted((plot.y(point.value), plot.y(0.0)))
            width = 0.66 * plot.slot
            kind = "bar partial" if point.partial else "bar"
            bars.append(
                f'<rect class="{kind}" x="{plot.x(place) - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" '
                f'height="{bottom - top:.1f}"><title>{escaped(point.hint)}</title></rect>'
            )
    return bars
