"""The parts of a page of one's own: any KPI as a card, as a chart or as a table, and the page around them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from importlib.resources import files
from string import Template

from crmkit.errors import InvalidInput
from crmkit.metrics import Measure, MetricResult
from crmkit.report import markup
from crmkit.report.cards import card
from crmkit.report.figures import Kpi
from crmkit.report.format import MISSING, escaped, interval, moment, number, quantity
from crmkit.report.series import figure_of


def sheet(
    title: str,
    sections: Iterable[tuple[str, Iterable[str]]],
    *,
    subtitle: str | None = None,
    facts: Iterable[tuple[str, str]] = (),
) -> str:
    """Return one HTML page of parts: no network, no script, the same text for the same input.

    Args:
        title: the heading of the page.
        sections: headings, each with its parts, as the other functions of `crmkit.report` return them.
        subtitle: a line under the title.
        facts: names with what they are, such as ("As of", "31 May 2025").

    Returns:
        The page as text, to be written as UTF-8.

    >>> "<h2" in sheet("Club", [("Key figures", [text("All is well.")])])
    True
    """
    main = [markup.section(f"part-{place}", head, *parts) for place, (head, parts) in enumerate(sections, start=1)]
    header = [
        f"<h1>{escaped(title)}</h1>",
        markup.paragraph(subtitle, "subtitle") if subtitle else "",
        markup.facts(facts, "scope"),
    ]
    return framed(title, "\n".join(header), "\n".join(main))


def framed(title: str, header: str, main: str) -> str:
    """Return a page of HTML that is complete but for its frame and its style."""
    return Template(_packaged("page.html")).substitute(
        title=escaped(title), style=_packaged("page.css"), header=header, main=main
    )


def _packaged(name: str) -> str:
    return files("crmkit.report").joinpath(name).read_text("utf-8")


def text(words: str) -> str:
    """Return plain text as a paragraph."""
    return markup.paragraph(words)


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1) -> str:
    """Return a table of plain values; the first `words` columns hold words, the others numbers. An empty one says so.

    >>> "<td" in table("Plans", ["Plan", "Members"], [["Gym", 12]])
    True
    """
    cells = [[MISSING if cell is None else escaped(cell) for cell in row] for row in rows]
    return markup.table(caption, heads, cells, words=words) if cells else markup.paragraph(f"{caption}: nothing.")


def kpi_cards(results: Iterable[MetricResult]) -> str:
    """Return one card for each KPI: its value, how sure that is, what it was made of, and what it means.

    Raises `InvalidInput` for a result of several measures.
    """
    return "\n".join(['<div class="cards">', *(card(_kpi(each, each.only)) for each in results), "</div>"])


def kpi_charts(results: Iterable[MetricResult]) -> str:
    """Return one chart for each KPI by month, with the same numbers as a table below.

    Raises `InvalidInput` for a result that is not by month, or is by group too.
    """
    drawn = []
    for each in results:
        if each.by or any(measure.period is None for measure in each):
            raise InvalidInput(f"{each.definition.name} is not by month alone; ask for every='month' and no by=")
        nothing = Measure(value=None, unit=each.definition.unit, n=0, reason="there are no data")
        kpi = _kpi(each, each[-1] if each else nothing)
        drawn.append(figure_of(kpi, [measure.period for measure in each if measure.period is not None]))
    return "\n".join(['<div class="charts">', *drawn, "</div>"])


def kpi_table(result: MetricResult, *, heads: Sequence[str] = (), details: Sequence[str] = ()) -> str:
    """Return the measures of a KPI as a table: by period and group, with interval, records, and some of their details.

    Args:
        result: what a KPI returned.
        heads: what its groups are called in the head of the table, in their order; else by their columns.
        details: the names of details to be shown beside, as values of the KPI's unit.

    >>> from crmkit import metrics
    >>> "no value" in kpi_table(metrics.nps([], as_of=date(2025, 5, 31)))
    True
    """
    groups = list(dict.fromkeys(name for each in result for name in each.group))
    has_periods = any(each.period is not None for each in result)
    names = [*(["Period"] if has_periods else []), *(heads or [each.replace("_", " ").capitalize() for each in groups])]
    rows = [_row(each, groups, details, has_periods=has_periods) for each in result]
    columns = [
        *names,
        result.definition.title,
        "95 % interval",
        *(each.replace("_", " ") for each in details),
        "Records",
    ]
    return table(result.definition.title, columns, rows, words=len(names))


def heat_map(caption: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[float]]]) -> str:
    """Return numbers as a table whose cells are the darker, the higher they are; the first head is that of the rows' names.

    >>> heat_map("Visits", ["Day", "9", "10"], [("Mon", [1, 2])]).count("--heat")
    2
    """
    held = [(name, list(values)) for name, values in rows]
    most = max((value for _, values in held for value in values), default=0) or 1
    cells = (
        [escaped(name), *(f'<span style="--heat:{value / most:.2f}">{number(value)}</span>' for value in values)]
        for name, values in held
    )
    return f'<div class="heat">{markup.table(caption, heads, cells)}</div>'


def _row(measure: Measure, groups: Sequence[str], details: Sequence[str], *, has_periods: bool) -> list[str]:
    period = [measure.period.label if measure.period else MISSING] if has_periods else []
    value = f"no value: {measure.reason}" if measure.value is None else quantity(measure.value, measure.unit)
    return [
        *period,
        *("none" if measure.group.get(name) is None else str(measure.group[name]) for name in groups),
        value,
        interval(measure.low, measure.high, measure.unit),
        *(quantity(measure.details.get(name), measure.unit) for name in details),
        number(measure.n),
    ]


def _kpi(result: MetricResult, total: Measure) -> Kpi:
    return Kpi(
        definition=result.definition,
        total=total,
        method=result.method,
        months=tuple(result),
        excluded=result.excluded,
    )


def as_of_facts(as_of: date | datetime, tz: str) -> list[tuple[str, str]]:
    """Return what a page says of its time, for `facts`.

    >>> as_of_facts(date(2025, 5, 31), "UTC")
    [('As of', '31 May 2025'), ('Time zone', 'UTC')]
    """
    return [("As of", moment(as_of, tz)), ("Time zone", tz)]


__all__ = ["as_of_facts", "heat_map", "kpi_cards", "kpi_charts", "kpi_table", "sheet", "table", "text"]
