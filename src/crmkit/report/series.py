"""The middle of the page: a chart of months for every KPI with the same numbers as a table, and the deals by owner."""

from collections.abc import Mapping, Sequence
from functools import partial

import attrs

from crmkit.metrics import Measure
from crmkit.report.charts import Point, Words, bar_chart, line_chart
from crmkit.report.figures import Figures, Kpi, Owner
from crmkit.report.format import MISSING, compact, digits, escaped, interval, month_of, number, quantity, unit_word
from crmkit.report.markup import paragraph, table
from crmkit.stats.periods import Period

Month = tuple[Period, Measure]


@attrs.frozen(kw_only=True)
class _Series:
    """A quantity over the months of the page; `reason` says why all of them may lack a value. A sum has no interval."""

    name: str
    title: str
    unit: str
    months: Sequence[Month]
    reason: str
    is_sum: bool = False

    @property
    def known(self) -> list[Month]:
        """The months that have a value."""
        return [(period, measure) for period, measure in self.months if measure.value is not None]


def charts(figures: Figures) -> str:
    """Return a figure for every KPI and one for the won revenue, all over the same months."""
    shown = [_of_kpi(kpi, figures.months) for kpi in figures.kpis.values()]
    drawn = [_figure(series) for series in [*shown, _of_revenue(figures)]]
    return "\n".join(['<div class="charts">', *drawn, "</div>"])


def owner_table(figures: Figures, names: Mapping[str, str]) -> str:
    """Return the table of owners, or the reason why there is none."""
    if not figures.owners:
        return paragraph(f"No owners: {figures.ownerless or 'no deal was created yet'}.", "reason")
    heads = ("Owner", "Won", "Lost", "Open", "Win rate", "95 % interval", "Won revenue", "Sales cycle")
    return table("Deals by owner", heads, [_owner_row(owner, names) for owner in figures.owners])


def _owner_row(owner: Owner, names: Mapping[str, str]) -> list[str]:
    wins, revenue, cycle = owner.wins, owner.revenue, owner.cycle
    won, closed = wins.numerator or 0, wins.denominator or 0
    name = "No owner" if owner.id is None else names.get(str(owner.id), str(owner.id))
    cells = [
        number(won),
        number(closed - won),
        number(wins.excluded.get("open", 0)),
        quantity(wins.value, wins.unit),
        interval(wins.low, wins.high, wins.unit),
        quantity(revenue.numerator, revenue.unit) if revenue and revenue.n else MISSING,
        quantity(cycle.value, cycle.unit) if cycle else MISSING,
    ]
    return [f"<bdi>{escaped(name)}</bdi>", *map(escaped, cells)]


def figure_of(kpi: Kpi, months: Sequence[Period]) -> str:
    """Return the chart of a KPI over some months, or why there is none."""
    return _figure(_of_kpi(kpi, months))


def _of_kpi(kpi: Kpi, months: Sequence[Period]) -> _Series:
    measures = {measure.period: measure for measure in kpi.months}
    before = Measure(value=None, unit=kpi.total.unit, n=0, reason="no data yet")
    return _Series(
        name=kpi.definition.name,
        title=kpi.definition.title,
        unit=kpi.total.unit,
        months=[(period, measures.get(period, before)) for period in months],
        reason=kpi.total.reason or "these months have none",
    )


def _of_revenue(figures: Figures) -> _Series:
    """The won revenue: the sums from which the averages of won deals are computed."""
    sums = [
        attrs.evolve(average, value=average.numerator if average.n else None, low=None, high=None)
        for average in figures.revenue.months
    ]
    series = _of_kpi(attrs.evolve(figures.revenue, months=tuple(sums)), figures.months)
    return attrs.evolve(series, name="won_revenue", title="Won revenue", is_sum=True)


def _figure(series: _Series) -> str:
    title = f"<h3>{escaped(series.title)}</h3>"
    if not series.known:
        return f"<figure><figcaption>{title}{paragraph(f'No value: {series.reason}.', 'reason')}</figcaption></figure>"
    lines = [
        f"<figure><figcaption>{title}{paragraph(_latest(series), 'latest')}</figcaption>",
        _drawn(series),
        f"<details><summary>{escaped(series.title)} by month</summary>",
        _table(series),
        "</details></figure>",
    ]
    return "\n".join(lines)


def _latest(series: _Series) -> str:
    """The last month that is over, which is the one to compare with; the running one may still change much."""
    whole = [month for month in series.months if not month[1].partial]
    if not whole:
        return "No month is over yet"
    period, measure = whole[-1]
    reason = f" ({measure.reason})" if measure.reason else ""
    return f"Last full month, {month_of(period.start)}: {quantity(measure.value, series.unit)}{reason}"


def _drawn(series: _Series) -> str:
    points = [_point(series, period, measure) for period, measure in series.months]
    words = Words(
        name=series.name,
        title=f"{series.title} by month",
        description=_description(series),
        tick=partial(compact, unit=series.unit),
    )
    return bar_chart(points, words) if series.is_sum else line_chart(points, words, signed=series.unit == "points")


def _description(series: _Series) -> str:
    def said(word: str, chosen: Month) -> str:
        return f"{word} {quantity(chosen[1].value, series.unit)} in {month_of(chosen[0].start)}"

    ranked = sorted(series.known, key=lambda each: each[1].value or 0.0)
    first, last = series.months[0][0], series.months[-1][0]
    span = f"From {month_of(first.start)} to {month_of(last.start)}"
    return f"{span}: {said('lowest', ranked[0])}, {said('highest', ranked[-1])}, {said('latest', series.known[-1])}."


def _point(series: _Series, period: Period, measure: Measure) -> Point:
    sure = "" if measure.low is None else f" ({interval(measure.low, measure.high, series.unit)})"
    shown = f"{month_of(period.start)}: {quantity(measure.value, series.unit)}{sure}"
    return Point(
        day=period.start,
        value=measure.value,
        low=measure.low,
        high=measure.high,
        partial=measure.partial,
        hint="; ".join([shown, f"n = {number(measure.n)}", *_notes(measure)]),
    )


def _notes(measure: Measure) -> list[str]:
    running = "month not over yet" if measure.partial else None
    return [note for note in (running, measure.reason, *measure.warnings) if note]


def _table(series: _Series) -> str:
    unit = unit_word(series.unit) or "amount"
    heads = ("Month", unit[0].upper() + unit[1:], *(() if series.is_sum else ("95 % interval",)), "Records")
    rows = [_row(series, period, measure) for period, measure in series.months]
    return table(f"{series.title} by month", heads, rows)


def _row(series: _Series, period: Period, measure: Measure) -> list[str]:
    notes = "".join(f"<small>{escaped(note)}</small>" for note in _notes(measure))
    sure = [] if series.is_sum else [interval(measure.low, measure.high, series.unit)]
    cells = (digits(measure.value, series.unit), *sure, number(measure.n))
    return [f"{month_of(period.start)}{notes}", *map(escaped, cells)]
