"""A result as a picture: over time as lines, otherwise as one bar a group, each with its interval."""

from typing import TYPE_CHECKING, Any

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.metrics.result import Measure, MetricResult

if TYPE_CHECKING:
    import altair as alt

_FORMATS = {"share": ".1%", "days": ".1f", "minutes": ",.0f", "points": ".0f", "count": ",.0f"}
_MONEY_FORMAT = ",.2f"
_UNITS = {"share": None, "count": "number", "points": "points", "days": "days", "minutes": "minutes"}


def plot(result: MetricResult) -> "alt.LayerChart":
    """Return a result as an Altair chart; see `MetricResult.plot`."""
    try:
        import altair as alt  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise MissingExtra("plot needs Altair: pip install 'crmkit[plot]'") from error
    if not len(result):
        raise InvalidInput(f"{result.definition.name} has no measure to draw; the data has no row inside the window")
    units = sorted({each.unit for each in result})
    if len(units) > 1:
        raise InvalidInput(f"values in {', '.join(units)} do not fit on one axis; choose one with where=")
    data = alt.InlineData([_values(each) for each in result])
    axis = alt.Axis(format=_FORMATS.get(units[0], _MONEY_FORMAT), title=_UNITS.get(units[0], units[0]), tickCount=6)
    scale = alt.Scale(zero=result[0].period is None)
    subtitle = [
        result.definition.methods[result.method],
        f"as of {result.as_of:%Y-%m-%d %H:%M} UTC, days in {result.tz}",
    ]
    title = alt.TitleParams(result.definition.title, subtitle=subtitle, anchor="start")
    draw = _bars if result[0].period is None else _lines
    return alt.LayerChart(layer=draw(alt, result, data, axis, scale), title=title)


def _values(measure: Measure) -> dict[str, Any]:
    return {
        "period": measure.period and measure.period.label,
        "group": ", ".join("none" if value is None else str(value) for value in measure.group.values()),
        "value": measure.value,
        "low": measure.low,
        "high": measure.high,
        "earlier": None if measure.earlier is None else measure.earlier.value,
        "n": measure.n,
        "state": "unfinished" if measure.partial else "whole",
    }


def _lines(alt: Any, result: MetricResult, data: Any, axis: Any, scale: Any) -> list[Any]:
    # By their labels and not as time, which a browser would draw in its own zone.
    period = alt.X("period:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    base = alt.Chart(data, width=560, height=280).encode(x=period, tooltip=_tooltip(alt, axis))
    if result.by:
        base = base.encode(color=alt.Color("group:N", title=", ".join(result.by)))
    value = alt.Y("value:Q", axis=axis, scale=scale)
    # What is not over yet is drawn hollow, so that nobody takes it for a fall.
    filled = alt.condition("datum.state == 'whole'", alt.value(1), alt.value(0))
    points = base.mark_point(filled=True, size=50, stroke="gray", strokeWidth=1, opacity=1)
    layers = [base.mark_line().encode(y=value), points.encode(y=value, fillOpacity=filled)]
    # The intervals of several groups lie over each other and hide more than they say.
    if not result.by and any(each.low is not None for each in result):
        layers.insert(0, base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", axis=axis, scale=scale), y2="high:Q"))
    if result.earlier is not None:
        layers.append(base.mark_line(strokeDash=[4, 3], opacity=0.6).encode(y="earlier:Q"))
    return layers


def _bars(alt: Any, result: MetricResult, data: Any, axis: Any, scale: Any) -> list[Any]:
    group = alt.Y("group:N", title=", ".join(result.by) or None, sort="-x")
    base = alt.Chart(data, width=480).encode(y=group, tooltip=_tooltip(alt, axis))
    layers = [base.mark_bar(opacity=0.7).encode(x=alt.X("value:Q", axis=axis, scale=scale))]
    if any(each.low is not None for each in result):
        layers.append(base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"))
    if result.earlier is not None:
        layers.append(base.mark_tick(thickness=3, color="black").encode(x="earlier:Q"))
    return layers


def _tooltip(alt: Any, axis: Any) -> list[Any]:
    numbers = [alt.Tooltip(f"{name}:Q", format=axis.format) for name in ("value", "low", "high", "earlier")]
    return ["period:N", "group:N", *numbers, "n:Q", "state:N"]
