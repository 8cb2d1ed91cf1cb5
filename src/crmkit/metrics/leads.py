"""Leads: how many come, and how many of them become customers."""

from collections.abc import Generator, Sequence
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY, beside
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts, Question, Tally
from crmkit.frames.words import categorised
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import number, share
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result, rows, unknown_words
from crmkit.model.deal import Deal
from crmkit.model.lead import Lead

CATEGORIES = ("open", "converted", "disqualified")
DEAL_CATEGORIES = ("open", "won", "lost")
CONVERTED, _LOST, _OPEN = COUNTED = ("converted", "not converted", "open")
_UNDATED = "no creation date"

NEW_LEADS = Definition(
    name="new_leads",
    title="New leads",
    text="How many leads came in the period, by the date of their creation.",
    formula="leads created in the period",
    unit="count",
    inputs=("leads",),
    key="customer",
    methods={
        "leads": "every lead",
        "people": "leads of one customer count once, when the first of them came; a lead of nobody known is a person of its own",
    },
)


@kpi(NEW_LEADS)
def new_leads(
    leads: Any,
    *,
    method: str = "leads",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the number of leads that came.

    Every lead counts, because what is no lead differs between businesses: leave out tests, duplicates or junk with a rule such as
    `where=field("category") != "disqualified"`. Somebody who asks twice is two leads; `method="people"` counts them once.

    Args:
        leads: records, or a Polars, pandas or Arrow table with `created_at`; "people" needs `customer_id`, or with
            `columns={"customer_id": "email"}` whatever says who somebody is.
        method: "leads" or "people".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in leads; numerator the same, and no interval, because nothing is estimated. 0 where none came. Left out and
        counted: leads without a creation date.

    Raises:
        InvalidInput: for a missing column or a naive timestamp.

    >>> from datetime import date, UTC, datetime
    >>> leads = [Lead(created_at=datetime(2025, 5, day, tzinfo=UTC)) for day in (2, 9)]
    >>> new_leads(leads, as_of=date(2025, 5, 31)).value
    2.0
    """
    scope = make_scope(NEW_LEADS, method, asked)
    needs = ("created_at",) if method == "leads" else ("created_at", "customer_id")
    table = scope.open(leads, Lead, needs=needs, uses=("id",))
    came = table.rows if method == "leads" else _first_of_each(scope, table)
    outcome = nw.when(nw.col("created_at").is_null()).then(nw.lit(_UNDATED)).otherwise(nw.lit("lead"))
    (found,) = yield [scope.question(came, at="created_at", outcome=outcome)]
    return result(scope, found, ["lead"], lambda counts: number(counts, ["lead"]))


def _first_of_each(scope: Scope, table: Table) -> nw.LazyFrame[Any]:
    """One row a customer and group, at the time of the first lead; leads without a customer or a date stay as they are."""
    columns = ["created_at", *beside("created_at")]
    keys = ["customer_id", *group_columns(scope.by)]
    is_somebody = ~nw.col("customer_id").is_null() & ~nw.col("created_at").is_null()
    people = table.rows.filter(is_somebody).group_by(*keys, drop_null_keys=False).agg(nw.col(*columns).min())
    return nw.concat([people.select(*keys, *columns), table.rows.filter(~is_somebody).select(*keys, *columns)])


LEAD_CONVERSION = Definition(
    name="lead_conversion",
    title="Lead conversion",
    text="Of the leads that came in the period, the share that was converted. Young leads may still follow.",
    formula="leads converted / leads created",
    unit="share",
    inputs=("leads",),
    key="lead",
    methods={
        "converted": "leads converted / leads, each counted in the period of its creation",
        "deal": "leads that became a deal / leads: the deals per 100 leads, where a lead counts once however many deals it has",
        "won": "leads whose deal was won / leads",
    },
    other_inputs={"won": ("leads", "deals")},
    sources=("kpitree.co: lead conversion rate", "HubSpot glossary: sales conversion rate"),
)


@kpi(LEAD_CONVERSION)
def lead_conversion(
    leads: Any,
    *,
    deals: Any = None,
    method: str = "converted",
    within_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of leads that was converted, by the period in which they came.

    Each lead counts in the period of its creation, whenever it was converted, so a cohort's share grows with time. While some
    of its leads are open the measure says so in a warning. `within_days` makes cohorts comparable: only conversions within
    so many days of 24 hours count, and only leads that had that long.

    Args:
        leads: records, or a Polars, pandas or Arrow table with `created_at`, `category` ("open", "converted", "disqualified") and
            `converted_at`; "deal" and "won" need `deal_id`.
        deals: records or a table with `id`, `category` and `closed_at`, for "won".
        method: "converted", "deal" or "won".
        within_days: the time that a lead has, from its creation; None for as long as it takes.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1: leads converted as numerator, leads as denominator; `details` has the same as
        `per_100_leads`, and the number of leads that are `open`. No value, with a reason, where no lead came. Left out and
        counted: leads without a creation date or category; with `within_days` also those whose time has not passed, and those
        converted without a date or before they came.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or a window that is no number of days.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> leads = [Lead(category="converted", created_at=may, converted_at=may), Lead(category="disqualified", created_at=may)]
    >>> lead_conversion(leads, as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(LEAD_CONVERSION, method, asked)
    found = yield from conversions(scope, leads, deals, within_days)
    return result(
        scope,
        found,
        COUNTED,
        lambda counts: converted_share(counts, ci=scope.ci, is_final=within_days is not None),
        numerator=[CONVERTED],
    )


def conversions(
    scope: Scope, leads: Any, deals: Any, within_days: int | None
) -> Generator[Sequence[Question], Any, Tally]:
    """Return the leads of each period and group by what became of them; ask once."""
    _check_window(within_days)
    needs = ("created_at", "category", "converted_at")
    table = scope.open(leads, Lead, needs=needs if scope.method == "converted" else (*needs, "deal_id"), uses=("id",))
    checks = []
    if scope.method == "won":
        sales = scope.open(deals, Deal, needs=("id", "category", "closed_at"), is_main=False)
        checks = [unknown_words(sales, "category", DEAL_CATEGORIES)]
        followed = _with_their_deals(scope, table.rows, sales)
    else:
        followed = _with_conversions(table.rows, into_deals=scope.method == "deal")
    found, *strange = yield [scope.question(followed, at="created_at", outcome=_outcome(scope, within_days)), *checks]
    check_outcomes(found, "category", CATEGORIES)
    for each in strange:
        check_outcomes(each, "category", DEAL_CATEGORIES)
    by_outcome: Tally = found
    return by_outcome


def _check_window(within_days: Any) -> None:
    if within_days is None:
        return
    if not isinstance(within_days, int) or isinstance(within_days, bool) or within_days < 0:
        raise InvalidInput(
            f"within_days={within_days!r} is no window; give a whole number of days, or None for no limit"
        )


def _with_conversions(leads: nw.LazyFrame[Any], *, into_deals: bool) -> nw.LazyFrame[Any]:
    """Leads with whether and when they reached what is counted, and whether they never will."""
    converted = nw.col("category") == "converted"
    counts = converted & ~nw.col("deal_id").is_null() if into_deals else converted
    return leads.with_columns(reached=counts, reached_at=nw.col("converted_at"), gone=converted & ~counts)


def _with_their_deals(scope: Scope, leads: nw.LazyFrame[Any], deals: Table) -> nw.LazyFrame[Any]:
    """Leads with whether and when their deal was won, and whether it was lost."""
    won, lost = (nw.col("category") == word for word in ("won", "lost"))
    is_lost = lost & (nw.col("closed_at").is_null() | (nw.col("closed_at") <= scope.known_until))
    sales = deals.rows.with_columns(
        won_at=nw.when(won).then(nw.col("closed_at")),
        wins=nw.when(won).then(nw.lit(1)).otherwise(nw.lit(0)),
        losses=nw.when(is_lost).then(nw.lit(1)).otherwise(nw.lit(0)),
    )
    by_deal = sales.group_by("id").agg(nw.col("won_at").min(), nw.col("wins", "losses").sum())
    return leads.join(by_deal, left_on="deal_id", right_on="id", how="left").with_columns(
        reached=nw.col("wins").fill_null(0) > 0, reached_at=nw.col("won_at"), gone=nw.col("losses").fill_null(0) > 0
    )


def _outcome(scope: Scope, within_days: int | None) -> nw.Expr:
    """What became of a lead: what happened after `as_of`, or after the time that it has, has not happened."""
    category, created_at, reached_at = nw.col("category"), nw.col("created_at"), nw.col("reached_at")
    outcome = categorised(CATEGORIES).when(created_at.is_null()).then(nw.lit(_UNDATED))
    reached = nw.col("reached") & (reached_at.is_null() | (reached_at <= scope.known_until))
    if within_days is not None:
        window = within_days * MICROSECONDS_A_DAY
        outcome = (
            outcome.when(created_at + window > scope.known_until)
            .then(nw.lit("window still open"))
            .when(nw.col("reached") & reached_at.is_null())
            .then(nw.lit("converted without a date"))
            .when(nw.col("reached") & (reached_at < created_at))
            .then(nw.lit("converted before it came"))
        )
        reached = nw.col("reached") & (reached_at <= created_at + window)
    return (
        outcome.when(reached)
        .then(nw.lit(CONVERTED))
        .when(nw.col("gone") | (category == "disqualified"))
        .then(nw.lit(_LOST))
        .otherwise(nw.lit(_OPEN))
    )


def converted_share(counts: Counts, *, ci: float | None, is_final: bool) -> dict[str, Any]:
    """Return the share of leads that was converted, and unless it `is_final` a warning where some are still open."""
    found = share(counts, [CONVERTED], COUNTED, ci=ci, nothing="no lead came")
    still_open = rows(counts.get(_OPEN))
    details = {"per_100_leads": 100 * found["value"], "open": float(still_open)} if found["n"] else {}
    warning = f"{still_open} of {found['n']} leads have not been converted yet and may still be"
    return found | {"details": details, "warnings": (warning,) if still_open and not is_final else ()}
