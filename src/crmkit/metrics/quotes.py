"""Quotes: how many of them customers accept."""

from typing import Any, Unpack

import narwhals as nw

from crmkit.frames.table import Table
from crmkit.frames.words import categorised, one_of
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import day_at
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result
from crmkit.model.quote import Quote

QUOTE_ACCEPTANCE = Definition(
    name="quote_acceptance",
    title="Quote acceptance",
    text="Of the quotes that were sent in the period, the share that the customer accepted.",
    formula="accepted / (accepted + declined + expired)",
    unit="share",
    inputs=("quotes",),
    key="quote",
    methods={
        "decided": "accepted / (accepted + declined + expired)",
        "sent": "accepted / all that were sent; young periods still hold open quotes",
    },
    sources=("crmkit: the win rate of quotes, by the day on which they were sent",),
)

_CATEGORIES = ("draft", "sent", "accepted", "declined", "expired", "withdrawn")


@kpi(QUOTE_ACCEPTANCE)
def quote_acceptance(
    quotes: Any,
    *,
    method: str = "decided",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of quotes that was accepted, by the period in which they were sent.

    A quote whose last day is over at `as_of` has expired, whether or not somebody said so. One that was withdrawn, or replaced by
    a revision, was never decided by the customer.

    Args:
        quotes: records, or a Polars, pandas or Arrow table with `category` ("draft", "sent", "accepted", "declined", "expired",
            "withdrawn"), `sent_at` and `decided_at`; it reads `valid_until_on`.
        method: "decided" or "sent".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator accepted, denominator decided ("sent": sent). No value, with a reason, where
        there is none. Left out and counted: drafts, withdrawn quotes, open ones ("decided"), and those without a category or the
        day on which they were sent.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> quotes = [Quote(status=each, category=each, sent_at=may, decided_at=may) for each in ("accepted", "declined")]
    >>> quote_acceptance(quotes, as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(QUOTE_ACCEPTANCE, method, asked)
    table = scope.open(quotes, Quote, needs=("category", "sent_at", "decided_at"), uses=("valid_until_on", "id"))
    sent = (nw.col("category") != "draft") & (nw.col("sent_at") <= scope.known_until)
    existing = table.rows.filter(nw.col("sent_at").is_null() | (nw.col("sent_at") <= scope.known_until))
    (found,) = yield [scope.question(existing, at="sent_at", dated=sent, outcome=_answer(scope, table))]
    check_outcomes(found, "category", _CATEGORIES)
    counted = ("accepted", "declined", "expired", *(["open"] if method == "sent" else []))
    nothing = "no quote was sent" if method == "sent" else "no quote was decided"
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, ["accepted"], counted, ci=scope.ci, nothing=nothing),
        numerator=["accepted"],
    )


def _answer(scope: Scope, table: Table) -> nw.Expr:
    category, decided_at = nw.col("category"), nw.col("decided_at")
    still_open = one_of(category, ["accepted", "declined"]) & (decided_at > scope.known_until)
    expired = category == "expired"
    if "valid_until_on" in table.columns:
        is_over = (nw.col("valid_until_on") < nw.lit(day_at(scope, scope.as_of))).fill_null(value=False)
        unsaid = nw.col("valid_until_on").is_null()
        expired = (expired & (is_over | unsaid)) | ((category == "sent") & is_over)
        still_open = still_open | ((category == "expired") & ~(is_over | unsaid))
    return (
        categorised(_CATEGORIES)
        .when(category == "draft")
        .then(nw.lit("not sent"))
        .when(category == "withdrawn")
        .then(nw.lit("withdrawn"))
        .when(nw.col("sent_at").is_null())
        .then(nw.lit("sent without a date"))
        .when(expired)
        .then(nw.lit("expired"))
        .when(still_open | (category == "sent"))
        .then(nw.lit("open"))
        .otherwise(category)
    )
