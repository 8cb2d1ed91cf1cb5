"""The page: all parts put together as one HTML text that needs nothing else."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from crmkit.report.cards import cards, totals
from crmkit.report.figures import Figures, figures
from crmkit.report.format import escaped, moment, month_of
from crmkit.report.markup import facts, paragraph, section
from crmkit.report.notes import Notice, about_data, definitions
from crmkit.report.parts import framed
from crmkit.report.series import charts, owner_table

_ALL_DATA = (
    "Over all records up to the date above. The 95 % interval shows how far chance alone may have moved a figure: the fewer "
    "records, the wider."
)
_MONTHS = (
    "Each dot is one month, the band its 95 % interval; a band that is cut off at the edge reaches further. A hollow dot or an "
    "outlined bar is a month that is not over yet. A gap is a month without a value."
)


def page(
    tables: Mapping[str, Any],
    *,
    as_of: date | datetime,
    tz: str = "UTC",
    title: str = "Key figures",
    subtitle: str | None = None,
    notices: Iterable[Notice] = (),
    owners: Mapping[str, str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> str:
    """Return one HTML page that shows a business its KPIs: no network, no script, the same text for the same input.

    Args:
        tables: "deals", "orders", "tickets", "interactions" and "survey_responses", each records or a frame that the functions of
            `crmkit.metrics` accept; other names are ignored. The order value comes from won deals where there are no orders.
        as_of: the moment that is reported on; a date means its whole day in `tz`.
        tz: the IANA name of the time zone in which days and months are counted.
        title: the heading of the page.
        subtitle: a line under it.
        notices: what the reader must know about the data, such as the warnings of an import.
        owners: the names of the deals' owners by id as text; an owner without a name is shown by id.
        progress: called with a short sentence before each long step.

    Returns:
        The page as text, to be written as UTF-8. A KPI whose table is missing, empty or unusable is a dash with the reason.

    Raises:
        InvalidInput: for an unknown time zone or an `as_of` that is no point in time.

    >>> "Win rate" in page({}, as_of=date(2025, 5, 31))
    True
    """
    say = progress or (lambda _: None)
    found = figures(tables, as_of=as_of, tz=tz, say=say)
    say("Writing the page")
    header = _header(found, title, subtitle, moment(as_of, tz), tz)
    return framed(title, header, "\n".join(_sections(found, notices, owners or {})))


def _header(found: Figures, title: str, subtitle: str | None, as_of: str, tz: str) -> str:
    first, last = found.span or (None, None)
    span = f"{month_of(first.start)} to {month_of(last.start)}" if first and last else "none"
    return "\n".join(
        [
            f"<h1>{escaped(title)}</h1>",
            paragraph(subtitle, "subtitle") if subtitle else "",
            facts([("Data", span), ("As of", as_of), ("Time zone", tz)], "scope"),
        ]
    )


def _sections(found: Figures, notices: Iterable[Notice], names: Mapping[str, str]) -> list[str]:
    return [
        section("figures", "Key figures", paragraph(_ALL_DATA), cards(found)),
        section("deals", "Deals in total", totals(found)),
        section("months", "Month by month", paragraph(_MONTHS), charts(found)),
        section("owners", "By owner", owner_table(found, names)),
        section("data", "About the data", about_data(found, notices)),
        section("definitions", "Definitions", definitions(found)),
    ]
