"""Renewals: how many of the terms that come to their end are followed by another one, and how many are frozen."""

from collections.abc import Sequence
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.frames.door import beside, civil_day, day_number, day_of
from crmkit.frames.table import MONEY_UNITS
from crmkit.frames.tally import Counts, Question, Sums, merged
from crmkit.frames.words import categorised
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import (
    DUE,
    DUE_DAY,
    check_days,
    civil,
    dated,
    day_at,
    first_day_not_over,
    with_instant,
)
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.money import UNPRICED, one_currency, unpriced
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result
from crmkit.model.subscription import Subscription
from crmkit.model.transition import Transition
from crmkit.stats.periods import index_of

RENEWED, _LOST, _OPEN = "renewed", "not renewed", "open"
COUNTED = (RENEWED, _LOST)
NOTHING = "no term was due"
_KEPT = "value kept"
_REPRICED = "renewed before its plan changed"
_MONTHS_A_YEAR = 12
_CATEGORIES = ("trial", "active", "frozen", "past_due", "cancelling", "lapsed")

RENEWAL_RATE = Definition(
    name="renewal_rate",
    title="Renewal rate",
    text="Of the terms that were due for renewal in the period, the share that was followed by another term.",
    formula="terms renewed / terms due",
    unit="share",
    inputs=("subscriptions", "transitions"),
    key="customer",
    methods={
        "logo": "terms renewed / terms due, however large",
        "gross": "sum of min(renewed, due) / sum of due, in yearly amounts: what was kept, without what was added",
        "net": "sum of renewed / sum of due, in yearly amounts; above 1 where renewals are for more",
    },
    sources=("winsabove.com: renewal rate", "trymerrily.com: renewal rate"),
)


@kpi(RENEWAL_RATE)
def renewal_rate(
    *,
    subscriptions: Any,
    transitions: Any,
    method: str = "logo",
    grace_days: int = 0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of the terms due for renewal that was renewed.

    A term counts in the period of the civil day on which it ends, `term_ends_on`, whenever it was renewed: early renewals
    belong to the period in which they were due. It is renewed if the subscription was given its next term, or another subscription
    that names it in `won_back_from_id` started, no later than `grace_days` after that day. A later one is a customer lost and won
    back. A term that was broken off counts as not renewed on the day on which it would have been due. The grace is none by default,
    because a longer one leaves the last weeks undecided.

    Amounts are yearly, `price * 12 / billing_months`, rounded down to the ten-thousandth. The price of a subscription is the one that
    its record has, so a renewal that a change of plan followed has no known price and is left out by "gross" and "net".

    Args:
        subscriptions: records, or a Polars, pandas or Arrow table with `id` and `term_ends_on`; it reads `started_at` and
            `won_back_from_id`. "gross" and "net" need `price` and read `price_currency` and `billing_months`.
        transitions: records or a table with `subject`, `subject_id`, `field`, `before` and `at`: those of
            `term_ends_on`, as `crmkit.model.renew` makes them, are the renewals.
        method: "logo", "gross" or "net".
        grace_days: how many days after its end a term may still be renewed.
        ci: confidence of the interval by Wilson; None for none. Amounts have no interval.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares; numerator terms or yearly amount renewed, denominator due. No value, with a reason, where nothing was
        due. Left out and counted: "open" terms, which can still be renewed, subscriptions without a term, renewals
        whose `before` is no ISO day, and for amounts those without a price.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, a negative grace, or amounts in several currencies.

    >>> from datetime import date
    >>> gym = Subscription(customer_id="ann", plan="Gym", price=Money("99", "PLN"), term_ends_on=date(2025, 5, 1))
    >>> renewal_rate(subscriptions=[gym], transitions=[], as_of=date(2025, 5, 31)).value
    0.0
    """
    scope = make_scope(RENEWAL_RATE, method, asked)
    is_priced = method != "logo"
    terms = due_terms(scope, subscriptions, transitions, grace_days, is_priced=is_priced)
    if not is_priced:
        first, second = yield [terms_question(scope, terms.past), terms_question(scope, terms.last)]
        return result(
            scope,
            merged(first, second),
            COUNTED,
            lambda counts: share(counts, [RENEWED], COUNTED, ci=scope.ci, nothing=NOTHING),
            numerator=[RENEWED],
        )
    followed = _followed(terms, is_net=method == "net")
    past, last, after = yield [
        terms_question(scope, terms.past, bucket="price_currency", amount="yearly"),
        terms_question(scope, terms.last, bucket="price_currency", amount="yearly"),
        terms_question(scope, followed, bucket="follower_currency", amount="kept"),
    ]
    same = {key: {_KEPT: counts[RENEWED]} for key, counts in past.items() if RENEWED in counts}
    found = merged(merged(past, last), merged(same, after))
    return result(scope, found, (*COUNTED, _KEPT), _value_kept, numerator=[RENEWED])


@attrs.frozen
class Terms:
    """Terms with the day on which they were due, as `due_at`, and their `outcome`.

    `past` are those after which the same subscription went on, `last` is the last one of each subscription, and `followers`
    are the other subscriptions that came in time after it.
    """

    past: nw.LazyFrame[Any]
    last: nw.LazyFrame[Any]
    followers: nw.LazyFrame[Any]


def due_terms(
    scope: Scope,
    subscriptions: Any,
    transitions: Any,
    grace_days: int,
    *,
    is_priced: bool = False,
    needs: Sequence[str] = (),
) -> Terms:
    """Return the terms of all subscriptions; with the yearly amount of each, in ten-thousandths, where it `is_priced`."""
    check_days(grace_days, "grace_days")
    rows = _subscriptions(scope, subscriptions, needs, is_priced=is_priced)
    columns = ("subject", "subject_id", "field", "before", "at")
    changes = scope.open(transitions, Transition, needs=columns, is_main=False).rows
    changes = changes.filter(nw.col("subject") == "Subscription")
    in_time = nw.col("renewed_day") <= nw.col(DUE_DAY) + grace_days
    without = [(nw.col("yearly").is_null(), unpriced(rows.collect_schema().names()))] if is_priced else []

    past = rows.drop(DUE, *beside(DUE)).join(_renewals(scope, changes), on="id", how="inner")
    repriced = []
    if is_priced:
        past = past.join(_last_plans(scope, changes), on="id", how="left")
        repriced = [(in_time & (nw.col("planned_at") >= nw.col("renewed_at")), nw.lit(_REPRICED))]
    past = past.with_columns(
        outcome=_outcome(scope, grace_days, in_time, "renewed from an unknown day", [*without, *repriced])
    )

    others = rows.filter(~nw.col("won_back_from_id").is_null() & ~nw.col("started_at").is_null()).select(
        id="won_back_from_id",
        renewed_day=day_of("started_at"),
        follower_yearly="yearly",
        follower_currency="price_currency",
    )
    followers = others.join(rows.select("id", DUE_DAY), on="id", how="inner").filter(in_time)
    unvalued = nw.when(nw.col("follower_yearly").is_null()).then(1).otherwise(0)
    first = (
        followers.with_columns(unvalued=unvalued)
        .group_by("id")
        .agg(renewed_day=nw.col("renewed_day").min(), unvalued=nw.col("unvalued").sum())
    )
    unvalued_too = [(nw.col("unvalued") > 0, nw.lit(UNPRICED))] if is_priced else []
    last = rows.join(first, on="id", how="left")
    last = last.with_columns(outcome=_outcome(scope, grace_days, in_time, "no term", [*without, *unvalued_too]))
    return Terms(past, last, followers)


def _subscriptions(scope: Scope, data: Any, needs: Sequence[str], *, is_priced: bool) -> nw.LazyFrame[Any]:
    """The subscriptions that have started, with the day on which the last term of each is due."""
    table = scope.open(
        data,
        Subscription,
        needs=("id", "term_ends_on", *(["price"] if is_priced else []), *needs),
        uses=("started_at", "won_back_from_id", *(["price_currency", "billing_months"] if is_priced else [])),
    )
    rows = with_instant(table, "started_at")
    texts = {"won_back_from_id", "price_currency"} - table.columns
    rows = rows.with_columns(nw.lit(None, nw.String).alias(each) for each in sorted(texts))
    rows = rows.filter(nw.col("started_at").is_null() | (nw.col("started_at") <= scope.known_until))
    return dated(rows, civil_day("term_ends_on")).with_columns(yearly=_yearly(table.columns))


def _yearly(columns: frozenset[str]) -> nw.Expr:
    if "price" not in columns:
        return nw.lit(None, nw.Int64)
    if "billing_months" not in columns:
        return nw.col("price") * _MONTHS_A_YEAR
    months = nw.col("billing_months")
    return nw.when(months > 0).then(nw.col("price") * _MONTHS_A_YEAR // months)


def _renewals(scope: Scope, changes: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The terms that were renewed, by when they were due and when that happened, if it has."""
    is_day = nw.col("before").str.contains(r"^\d{4}-\d{2}-\d{2}")
    text = nw.when(is_day).then(nw.col("before"))
    year, month, day = (text.str.slice(at, length).cast(nw.Int64) for at, length in ((0, 4), (5, 2), (8, 2)))
    happened = nw.col("at") <= scope.known_until
    renewals = dated(changes.filter(nw.col("field") == "term_ends_on"), (year, month, day))
    return renewals.select(
        DUE,
        *beside(DUE),
        id="subject_id",
        renewed_at=nw.when(happened).then(nw.col("at")),
        renewed_day=nw.when(happened).then(day_of("at")),
    )


def _last_plans(scope: Scope, changes: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """When each subscription last changed its plan."""
    changed = changes.filter((nw.col("field") == "plan") & (nw.col("at") <= scope.known_until))
    return changed.select("at", id="subject_id").group_by("id").agg(planned_at=nw.col("at").max())


def _outcome(
    scope: Scope, grace_days: int, in_time: nw.Expr, undated: str, unusable: Sequence[tuple[nw.Expr, nw.Expr]]
) -> nw.Expr:
    today = first_day_not_over(scope)
    is_open = nw.col(DUE_DAY) + grace_days >= today
    is_renewed = ~nw.col("renewed_day").is_null() & in_time
    outcome = nw.when(nw.col(DUE).is_null()).then(nw.lit(undated)).when(is_open & ~is_renewed).then(nw.lit(_OPEN))
    for condition, reason in unusable:
        outcome = outcome.when(condition).then(reason)
    return outcome.when(is_renewed).then(nw.lit(RENEWED)).otherwise(nw.lit(_LOST))


def terms_question(
    scope: Scope, terms: nw.LazyFrame[Any], *, bucket: str | None = None, amount: str | None = None
) -> Question:
    """Ask for terms by their outcome, in the periods in which they were due."""
    return civil(scope).question(
        terms,
        at=DUE,
        outcome=nw.col("outcome"),
        bucket=None if bucket is None else nw.col(bucket),
        amount=None if amount is None else nw.col(amount),
    )


def _followed(terms: Terms, *, is_net: bool) -> nw.LazyFrame[Any]:
    """The last terms that other subscriptions followed, with the amount of these; not above what there was unless `is_net`."""
    worth = terms.followers.group_by("id", "follower_currency").agg(worth=nw.col("follower_yearly").sum())
    renewed = terms.last.filter(nw.col("outcome") == RENEWED).join(worth, on="id", how="inner")
    more = nw.col("worth") > nw.col("yearly")
    kept = nw.col("worth") if is_net else nw.when(more).then(nw.col("yearly")).otherwise(nw.col("worth"))
    return renewed.with_columns(kept=kept, outcome=nw.lit(_KEPT))


def _value_kept(counts: Counts) -> dict[str, Any]:
    amounts: dict[Any, Sums] = {}
    for outcome in (*COUNTED, _KEPT):
        for currency, sums in counts.get(outcome, {}).items():
            amounts[currency] = amounts.get(currency, Sums()) + sums
    _, warnings = one_currency(amounts)
    kept = all_sums(counts.get(_KEPT)).total
    due = all_sums(counts.get(RENEWED)) + all_sums(counts.get(_LOST))
    return {
        "value": kept / due.total if due.total else None,
        "unit": "share",
        "numerator": kept / MONEY_UNITS,
        "denominator": due.total / MONEY_UNITS,
        "n": due.n,
        "reason": None if due.total else "no amount was due",
        "warnings": warnings if due.n else (),
    }


FREEZE_SHARE = Definition(
    name="freeze_share",
    title="Share of frozen subscriptions",
    text="Of the subscriptions that run, the share that is frozen.",
    formula="frozen subscriptions / subscriptions that have started and not ended",
    unit="share",
    inputs=("subscriptions",),
    key="subscription",
    methods={
        "now": "frozen at as_of / running at as_of",
        "ever": "frozen at as_of or for some days before / running at as_of",
    },
)


@kpi(FREEZE_SHARE)
def freeze_share(
    subscriptions: Any,
    *,
    method: str = "now",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of running subscriptions that is frozen at `as_of`.

    A subscription runs from `started_at` until `ended_at`, frozen or not; a trial does not run yet. A period is that in which
    subscriptions started. A freeze that is over has left no date in the record but days used, so for an `as_of` in the past those
    that are over since are not seen.

    Args:
        subscriptions: records, or a Polars, pandas or Arrow table with `category`, `started_at`, `ended_at` and `frozen_on`;
            "ever" needs `frozen_days_used`.
        method: "now" or "ever".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator frozen, denominator running. No value, with a reason, where none runs. Left
        out and counted: subscriptions that have not started or have ended.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> gym = Subscription(customer_id="ann", plan="Gym", price=Money("99", "PLN"), category="active",
    ...                    started_at=datetime(2025, 1, 1, tzinfo=UTC))
    >>> cold = gym.replace(id="2", category="frozen", frozen_on=date(2025, 5, 1))
    >>> freeze_share([gym, cold], as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(FREEZE_SHARE, method, asked)
    used = ["frozen_days_used"] if method == "ever" else []
    needs = ("category", "started_at", "ended_at", "frozen_on", *used)
    table = scope.open(subscriptions, Subscription, needs=needs, uses=("id",))
    category, ended_at = nw.col("category"), nw.col("ended_at")
    year, month, day = civil_day("frozen_on")
    today = index_of(day_at(scope, scope.as_of), "day")
    was_frozen = (day_number(year, month, day) <= today).fill_null(value=False)
    is_frozen = was_frozen | ((category == "frozen") & nw.col("frozen_on").is_null())
    if used:
        is_frozen = is_frozen | (nw.col("frozen_days_used").fill_null(0) > 0)
    outcome = (
        categorised(_CATEGORIES)
        .when((category == "trial") | nw.col("started_at").is_null())
        .then(nw.lit("not started"))
        .when((ended_at <= scope.known_until) | ((category == "lapsed") & ended_at.is_null()))
        .then(nw.lit("ended"))
        .when(is_frozen)
        .then(nw.lit("frozen"))
        .otherwise(nw.lit("running"))
    )
    (found,) = yield [scope.question(table.rows, at="started_at", outcome=outcome)]
    check_outcomes(found, "category", _CATEGORIES)
    counted = ("frozen", "running")
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, ["frozen"], counted, ci=scope.ci, nothing="no subscription runs"),
        numerator=["frozen"],
    )
