"""Renewals: how many of the terms that come to their end are followed by another one."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from math import hypot, sqrt
from typing import Any, Unpack

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import MICROSECONDS_A_DAY, beside, day_of
from crmkit.frames.schema import schema
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, merged
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.money import UNPRICED, one_currency
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, unknown
from crmkit.model.interaction import Interaction
from crmkit.model.package import Package
from crmkit.model.subscription import Subscription
from crmkit.model.transition import Transition
from crmkit.model.usage import Usage
from crmkit.stats.intervals import proportion, quantile_of_normal
from crmkit.stats.periods import index_of, zone

_RENEWED, _LOST, _OPEN = "renewed", "not renewed", "open"
_COUNTED = (_RENEWED, _LOST)
_KEPT = "value kept"
_REPRICED = "renewed before its plan changed"
_NOTHING = "no term was due"
_DUE = "due_at"
_MONTHS_A_YEAR = 12
_DAY_0 = 719_468
"""The days from the first of March of the year 0 to 1970."""

_SMALLEST = timedelta(microseconds=1)

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
        first, second = yield [_question(scope, terms.past), _question(scope, terms.last)]
        return result(
            scope,
            merged(first, second),
            _COUNTED,
            lambda counts: share(counts, [_RENEWED], _COUNTED, ci=scope.ci, nothing=_NOTHING),
            numerator=[_RENEWED],
        )
    followed = _followed(terms, is_net=method == "net")
    past, last, after = yield [
        _question(scope, terms.past, bucket="price_currency", amount="yearly"),
        _question(scope, terms.last, bucket="price_currency", amount="yearly"),
        _question(scope, followed, bucket="follower_currency", amount="kept"),
    ]
    same = {key: {_KEPT: counts[_RENEWED]} for key, counts in past.items() if _RENEWED in counts}
    found = merged(merged(past, last), merged(same, after))
    return result(scope, found, (*_COUNTED, _KEPT), _value_kept, numerator=[_RENEWED])


TOUCH_EFFECTIVENESS = Definition(
    name="touch_effectiveness",
    title="Effectiveness of touches",
    text="Of the terms that were due and before which the business was in touch, the share that was renewed, by kind of touch.",
    formula="terms renewed after a touch / terms due after a touch; uplift = that rate - rate of terms without any touch",
    unit="share",
    inputs=("subscriptions", "transitions", "interactions"),
    key="customer",
    methods={
        "crude": "uplift = renewal rate with the touch - renewal rate without any, with its interval by Newcombe",
        "stratified": "uplift as the mean of those in each stratum, weighted by Mantel and Haenszel, so that strata do not mix",
    },
    sources=("Newcombe 1998, method 10", "Greenland and Robins 1985: risk difference"),
)


@kpi(TOUCH_EFFECTIVENESS)
def touch_effectiveness(
    *,
    subscriptions: Any,
    transitions: Any,
    interactions: Any,
    method: str = "crude",
    touch: str = "channel",
    strata: str | None = None,
    within_days: int = 60,
    grace_days: int = 0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the renewal rate of terms by the kind of touch before them, and its uplift against terms without any.

    A touch is an outbound interaction with the customer at most `within_days` before the term was due, and no later than its
    renewal. A term counts once under each kind of touch that it had, so kinds do not add up. The rates go with touches, and need not
    come from them: businesses choose whom they call. A customer who is in trouble is called more often, so a good touch can look bad.
    `method="stratified"` compares alike with alike, as far as `strata` says what alike is; only a random group that is held out
    tells what a touch does. Every measure says so as a warning.

    Args:
        subscriptions: records, or a Polars, pandas or Arrow table as for `renewal_rate`, with `customer_id`.
        transitions: records or a table as for `renewal_rate`.
        interactions: records or a table with `customer_id`, `at`, `direction` and the column `touch`.
        method: "crude" or "stratified", which needs `strata`.
        touch: the column of interactions that says what kind of touch it was, such as "channel", "kind" or "campaign_id".
        strata: the column of subscriptions within whose values terms are compared, such as "plan".
        within_days: how long before the due day a touch counts, in civil days.
        grace_days: how many days after its end a term may still be renewed.
        ci: confidence of the intervals; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        A measure in shares for each kind of touch, with "touch" in its group ("none": terms without any); numerator terms renewed,
        denominator terms due. `details` have "uplift" with "uplift_low" and "uplift_high", where terms without a touch can be
        compared. Left out and counted: as for `renewal_rate`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, a touch that is no text, or a method without its strata.

    >>> from datetime import date, UTC, datetime
    >>> left = Subscription(id="s1", customer_id="ann", plan="Gym", price=Money("99", "PLN"), term_ends_on=date(2025, 5, 1))
    >>> call = Interaction(at=datetime(2025, 4, 20, tzinfo=UTC), channel="phone", direction="outbound", customer_id="ann")
    >>> rates = touch_effectiveness(subscriptions=[left], transitions=[], interactions=[call], as_of=date(2025, 5, 31))
    >>> [(each.group["touch"], each.value, each.n) for each in rates]
    [('phone', 0.0, 1)]
    """
    scope = make_scope(TOUCH_EFFECTIVENESS, method, asked)
    check_days(within_days, "within_days")
    _check_touch(touch, strata, method)
    opened = scope if strata is None else attrs.evolve(scope, by=(*scope.by, strata))
    terms = due_terms(opened, subscriptions, transitions, grace_days, needs=["customer_id"])
    touches = _touches(scope, interactions, touch)
    asking = attrs.evolve(scope, by=(*scope.by, "touch"))
    *_, kind = group_columns(asking.by)
    questions = []
    for each in (terms.past, terms.last):
        stratified = each.with_columns(stratum=nw.lit(None, nw.String) if strata is None else nw.col(kind))
        questions.append(_question(asking, _touched(stratified, touches, kind, within_days), bucket="stratum"))
    first, second = yield questions
    found = _with_untouched(merged(first, second), is_grouped=bool(scope.by))
    return result(asking, found, (*_COUNTED, *_UNTOUCHED), lambda counts: _uplift(counts, scope), numerator=[_RENEWED])


_NO_TOUCH = "none"
_UNTOUCHED = ("renewed without a touch", "not renewed without a touch")
_FEW = 20
_CHOSEN = "who is touched is chosen, so a difference need not come from the touch"


def _check_touch(touch: str, strata: str | None, method: str) -> None:
    texts = [
        name for name, kind in schema(Interaction).items() if kind == pl.String and name not in {"id", "customer_id"}
    ]
    if touch not in texts:
        raise InvalidInput(f"touch={touch!r} is no kind of interaction; {choices(str(touch), texts)}")
    if (strata is None) == (method == "stratified"):
        raise InvalidInput(
            f"strata={strata!r} does not fit method={method!r}; give a column for 'stratified', and for it alone"
        )


def _touches(scope: Scope, interactions: Any, touch: str) -> nw.LazyFrame[Any]:
    needs = dict.fromkeys(["customer_id", "at", "direction", touch])
    table = scope.open(interactions, Interaction, needs=list(needs), is_main=False)
    is_touch = (nw.col("direction") == "outbound") & (nw.col("at") <= scope.now)
    kind = nw.col(touch).fill_null("unknown")
    return table.rows.filter(is_touch).select("customer_id", touched_day=day_of("at"), touched_by=kind)


def _touched(terms: nw.LazyFrame[Any], touches: nw.LazyFrame[Any], kind: str, within_days: int) -> nw.LazyFrame[Any]:
    """Each term once for each kind of touch that it had, or once without any."""
    due, touched = nw.col(_day(_DUE)), nw.col("touched_day")
    before = (touched <= due) & (nw.col("renewed_day").is_null() | (touched <= nw.col("renewed_day")))
    pairs = terms.select("id", "customer_id", "renewed_day", _DUE, _day(_DUE)).join(
        touches, on="customer_id", how="inner"
    )
    had = pairs.filter(before & (touched >= due - within_days)).group_by("id", _DUE, "touched_by").agg(times=nw.len())
    return terms.join(had, on=["id", _DUE], how="left").with_columns(
        nw.col("touched_by").fill_null(_NO_TOUCH).alias(kind)
    )


def _with_untouched(found: Tally, *, is_grouped: bool) -> Tally:
    """Beside the counts of each kind of touch those of the terms without any, to compare with."""
    several = {**found} or ({} if is_grouped else {(None, _NO_TOUCH): {}})
    together = {}
    for key, counts in several.items():
        untouched = several.get((*key[:-1], _NO_TOUCH), {}) if key[-1] != _NO_TOUCH else {}
        beside_ = {name: untouched[each] for name, each in zip(_UNTOUCHED, _COUNTED, strict=True) if each in untouched}
        together[key] = {**counts, **beside_}
    return together


def _uplift(counts: Counts, scope: Scope) -> dict[str, Any]:
    measured = share(counts, [_RENEWED], _COUNTED, ci=scope.ci, nothing=_NOTHING)
    both = [[counts.get(outcome, {}) for outcome in pair] for pair in (_COUNTED, _UNTOUCHED)]
    strata = {stratum for pair in both for buckets in pair for stratum in buckets}
    tables = [
        _Table(*(part.get(stratum, Sums()).n for pair in both for part in pair))
        for stratum in sorted(strata, key=lambda each: (each is not None, str(each)))
    ]
    few = [f"there are fewer than {_FEW} terms"] if 0 < measured["n"] < _FEW else []
    warnings = (_CHOSEN, *few) if measured["n"] else ()
    crude = scope.method == "crude"
    return measured | {
        "warnings": warnings,
        "details": _newcombe(tables, scope.ci) if crude else _pooled(tables, scope.ci),
    }


@attrs.frozen
class _Table:
    """Terms that were renewed or lost, with a touch and without one."""

    renewed: int
    lost: int
    renewed_without: int
    lost_without: int

    @property
    def n(self) -> int:
        return self.renewed + self.lost

    @property
    def n_without(self) -> int:
        return self.renewed_without + self.lost_without


def _newcombe(tables: Sequence[_Table], ci: float | None) -> dict[str, float]:
    """The difference of two shares, with its interval from those of both by Wilson."""
    if not tables or not tables[0].n or not tables[0].n_without:
        return {}
    (both,) = tables
    p, q = both.renewed / both.n, both.renewed_without / both.n_without
    with_, without = (
        ci and proportion(each, n, ci) for each, n in ((both.renewed, both.n), (both.renewed_without, both.n_without))
    )
    if not with_ or not without:
        return {"uplift": p - q}
    low, high = hypot(p - with_[0], without[1] - q), hypot(with_[1] - p, q - without[0])
    return {"uplift": p - q, "uplift_low": p - q - low, "uplift_high": p - q + high}


def _pooled(tables: Sequence[_Table], ci: float | None) -> dict[str, float]:
    """The difference of two shares within strata, by Mantel and Haenszel; a stratum without both kinds of terms says nothing."""
    usable = [each for each in tables if each.n and each.n_without]
    if not usable:
        return {}
    weights = [each.n * each.n_without / (each.n + each.n_without) for each in usable]
    differences = [each.renewed / each.n - each.renewed_without / each.n_without for each in usable]
    uplift = sum(weight * each for weight, each in zip(weights, differences, strict=True)) / sum(weights)
    if ci is None:
        return {"uplift": uplift}
    variances = [
        each.renewed * each.lost / each.n**3 + each.renewed_without * each.lost_without / each.n_without**3
        for each in usable
    ]
    variance = sum(weight**2 * each for weight, each in zip(weights, variances, strict=True)) / sum(weights) ** 2
    reach = quantile_of_normal(ci) * sqrt(variance)
    return {"uplift": uplift, "uplift_low": max(-1.0, uplift - reach), "uplift_high": min(1.0, uplift + reach)}


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
    in_time = nw.col("renewed_day") <= nw.col(_day(_DUE)) + grace_days
    unpriced = [(nw.col("yearly").is_null(), UNPRICED)] if is_priced else []

    past = rows.drop(_DUE, *beside(_DUE)).join(_renewals(scope, changes), on="id", how="inner")
    repriced = []
    if is_priced:
        past = past.join(_last_plans(scope, changes), on="id", how="left")
        repriced = [(in_time & (nw.col("planned_at") >= nw.col("renewed_at")), _REPRICED)]
    past = past.with_columns(
        outcome=_outcome(scope, grace_days, in_time, "renewed from an unknown day", [*unpriced, *repriced])
    )

    others = rows.filter(~nw.col("won_back_from_id").is_null() & ~nw.col("started_at").is_null()).select(
        id="won_back_from_id",
        renewed_day=day_of("started_at"),
        follower_yearly="yearly",
        follower_currency="price_currency",
    )
    followers = others.join(rows.select("id", _day(_DUE)), on="id", how="inner").filter(in_time)
    unvalued = nw.when(nw.col("follower_yearly").is_null()).then(1).otherwise(0)
    first = (
        followers.with_columns(unvalued=unvalued)
        .group_by("id")
        .agg(renewed_day=nw.col("renewed_day").min(), unvalued=nw.col("unvalued").sum())
    )
    unvalued_too = [(nw.col("unvalued") > 0, UNPRICED)] if is_priced else []
    last = rows.join(first, on="id", how="left")
    last = last.with_columns(outcome=_outcome(scope, grace_days, in_time, "no term", [*unpriced, *unvalued_too]))
    return Terms(past, last, followers)


def check_days(days: Any, name: str) -> None:
    """Raise `InvalidInput` for what is no whole number of days."""
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise InvalidInput(f"{name}={days!r} is no number of days; give a whole one, or 0 for none")


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
    rows = rows.filter(nw.col("started_at").is_null() | (nw.col("started_at") <= scope.now))
    return _dated(rows, _civil_day(rows, "term_ends_on")).with_columns(yearly=_yearly(table.columns))


def with_instant(table: Table, column: str) -> nw.LazyFrame[Any]:
    """Return the rows with an instant that a table may lack; null where it does."""
    if column in table.columns:
        return table.rows
    return table.rows.with_columns(nw.lit(None, nw.Int64).alias(each) for each in (column, *beside(column)))


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
    happened = nw.col("at") <= scope.now
    renewals = _dated(changes.filter(nw.col("field") == "term_ends_on"), (year, month, day))
    return renewals.select(
        _DUE,
        *beside(_DUE),
        id="subject_id",
        renewed_at=nw.when(happened).then(nw.col("at")),
        renewed_day=nw.when(happened).then(day_of("at")),
    )


def _last_plans(scope: Scope, changes: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """When each subscription last changed its plan."""
    changed = changes.filter((nw.col("field") == "plan") & (nw.col("at") <= scope.now))
    return changed.select("at", id="subject_id").group_by("id").agg(planned_at=nw.col("at").max())


def _outcome(
    scope: Scope, grace_days: int, in_time: nw.Expr, undated: str, unusable: Sequence[tuple[nw.Expr, str]]
) -> nw.Expr:
    today = first_day_not_over(scope)
    is_open = nw.col(_day(_DUE)) + grace_days >= today
    is_renewed = ~nw.col("renewed_day").is_null() & in_time
    outcome = nw.when(nw.col(_DUE).is_null()).then(nw.lit(undated)).when(is_open & ~is_renewed).then(nw.lit(_OPEN))
    for condition, reason in unusable:
        outcome = outcome.when(condition).then(nw.lit(reason))
    return outcome.when(is_renewed).then(nw.lit(_RENEWED)).otherwise(nw.lit(_LOST))


def first_day_not_over(scope: Scope) -> int:
    """Return the number of the first civil day that is not over at `as_of`."""
    return index_of((scope.as_of + _SMALLEST).astimezone(zone(scope.tz)).date(), "day")


def _question(
    scope: Scope, terms: nw.LazyFrame[Any], *, bucket: str | None = None, amount: str | None = None
) -> Question:
    return civil(scope).question(
        terms,
        at=_DUE,
        outcome=nw.col("outcome"),
        bucket=None if bucket is None else nw.col(bucket),
        amount=None if amount is None else nw.col(amount),
    )


def _followed(terms: Terms, *, is_net: bool) -> nw.LazyFrame[Any]:
    """The last terms that other subscriptions followed, with the amount of these; not above what there was unless `is_net`."""
    worth = terms.followers.group_by("id", "follower_currency").agg(worth=nw.col("follower_yearly").sum())
    renewed = terms.last.filter(nw.col("outcome") == _RENEWED).join(worth, on="id", how="inner")
    more = nw.col("worth") > nw.col("yearly")
    kept = nw.col("worth") if is_net else nw.when(more).then(nw.col("yearly")).otherwise(nw.col("worth"))
    return renewed.with_columns(kept=kept, outcome=nw.lit(_KEPT))


def _value_kept(counts: Counts) -> dict[str, Any]:
    amounts: dict[Any, Sums] = {}
    for outcome in (*_COUNTED, _KEPT):
        for currency, sums in counts.get(outcome, {}).items():
            amounts[currency] = amounts.get(currency, Sums()) + sums
    _, warnings = one_currency(amounts)
    kept = all_sums(counts.get(_KEPT)).total
    due = all_sums(counts.get(_RENEWED)) + all_sums(counts.get(_LOST))
    return {
        "value": kept / due.total if due.total else None,
        "unit": "share",
        "numerator": kept / MONEY_UNITS,
        "denominator": due.total / MONEY_UNITS,
        "n": due.n,
        "reason": None if due.total else "no amount was due",
        "warnings": warnings if due.n else (),
    }


def civil(scope: Scope) -> Scope:
    """Return the scope for days that are not instants: the clock of its zone is taken for UTC, where days have their midnight."""

    def wall(at: datetime) -> datetime:
        local = at.astimezone(zone(scope.tz))
        midnight = datetime.combine(local, time.min, local.tzinfo)
        # Some zones skip a midnight; their day then begins at what their clocks call one o'clock.
        return datetime.combine(local, time.min if midnight >= at else local.time(), UTC)

    return attrs.evolve(
        scope, as_of=wall(scope.as_of), start=scope.start and wall(scope.start), end=scope.end and wall(scope.end)
    )


def _day(column: str) -> str:
    return beside(column)[0]


Civil = tuple[nw.Expr, nw.Expr, nw.Expr]


def _civil_day(rows: nw.LazyFrame[Any], column: str) -> Civil:
    """The year, month and day of a column of days; pandas has midnights for them."""
    dtype = rows.collect_schema()[column]
    if not (dtype == nw.Date or (isinstance(dtype, nw.Datetime) and dtype.time_zone is None)):
        raise InvalidInput(f"column {column!r} is {dtype}; give dates")
    parts = nw.col(column).dt
    return parts.year().cast(nw.Int64), parts.month().cast(nw.Int64), parts.day().cast(nw.Int64)


def _dated(rows: nw.LazyFrame[Any], on: Civil) -> nw.LazyFrame[Any]:
    """The rows with the midnight of a civil day as `due_at`, and beside it what stands beside an instant."""
    year, month, day = on
    day_name, month_name = beside(_DUE)
    return rows.with_columns(
        **{day_name: _day_number(year, month, day), month_name: year * 12 + month - 1}
    ).with_columns(**{_DUE: nw.col(day_name) * MICROSECONDS_A_DAY})


def _day_number(year: nw.Expr, month: nw.Expr, day: nw.Expr) -> nw.Expr:
    """Days since 1970 in whole numbers, because engines turn a date into a number each in its own way.

    Years are counted from March, so that the day that only some years have is their last.
    """
    since_march = (month + 9) % 12
    years = year - since_march // 10
    leap_days = years // 4 - years // 100 + years // 400
    return years * 365 + leap_days + (since_march * 153 + 2) // 5 + day - 1 - _DAY_0


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
    year, month, day = _civil_day(table.rows, "frozen_on")
    today = index_of(scope.as_of.astimezone(zone(scope.tz)).date(), "day")
    was_frozen = (_day_number(year, month, day) <= today).fill_null(value=False)
    is_frozen = was_frozen | ((category == "frozen") & nw.col("frozen_on").is_null())
    if used:
        is_frozen = is_frozen | (nw.col("frozen_days_used").fill_null(0) > 0)
    outcome = (
        nw.when(category.is_null())
        .then(nw.lit("no category"))
        .when(~category.is_in(_CATEGORIES))
        .then(unknown("category"))
        .when((category == "trial") | nw.col("started_at").is_null())
        .then(nw.lit("not started"))
        .when((ended_at <= scope.now) | ((category == "lapsed") & ended_at.is_null()))
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


PACKAGE_BALANCE = Definition(
    name="package_balance",
    title="Balance of packages",
    text="How many units of their packages customers have left: visits that they have paid for and not made.",
    formula="sum of max(units + bonus units - used, 0) over the packages that have not expired",
    unit="count",
    inputs=("packages", "usages"),
    key="customer",
    methods={
        "left": "units left on packages that have not expired; details say what was used, and what expired unused"
    },
)


@kpi(PACKAGE_BALANCE)
def package_balance(
    *,
    packages: Any,
    usages: Any,
    method: str = "left",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how many units customers have left on their packages at `as_of`, as `crmkit.model.balance` counts them.

    A usage counts on the days of its package, from `valid_from_on` up to, not including, `expires_on`, less what reversals gave
    back. A period is that of the creation of packages; those of which nobody knows it count where no period is asked for.

    Args:
        packages: records, or a Polars, pandas or Arrow table with `id`, `units` and `expires_on`; it reads `bonus_units`, `unit`,
            `valid_from_on` and `created_at`.
        usages: records or a table with `id`, `package_id`, `at` and `units`; it reads `reversal_of_id`.
        method: "left".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in units; n is packages, and `details` have "units" and what became of them: "used + left + expired - overdrawn"
        are the units. Where there is no package the value is 0. There is no interval.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or packages of several units, such as visits and minutes.

    >>> from datetime import date, UTC, datetime
    >>> visit = Usage(customer_id="ann", at=datetime(2025, 5, 2, tzinfo=UTC), package_id="ten")
    >>> package_balance(packages=[Package(id="ten", customer_id="ann", units=10)], usages=[visit], as_of=date(2025, 5, 31)).value
    9.0
    """
    scope = make_scope(PACKAGE_BALANCE, method, asked)
    rows = _balances(scope, packages, usages)
    expired = _day_number(*_civil_day(rows, "expires_on")) <= index_of(
        scope.as_of.astimezone(zone(scope.tz)).date(), "day"
    )
    state = nw.when(expired).then(nw.lit(_EXPIRED)).otherwise(nw.lit(_VALID))
    outcome = nw.concat_str([state, nw.col("unit")])
    (found,) = yield [
        scope.question(rows, at="created_at", outcome=outcome, bucket=nw.col("rest"), amount=nw.col("total"))
    ]
    counted = sorted({outcome for counts in found.values() for outcome in counts})
    return result(scope, found, counted, _units_left, numerator=[each for each in counted if each.startswith(_VALID)])


PACKAGE_EXPIRY = Definition(
    name="package_expiry",
    title="Units that expire",
    text="Of the units of the packages that expired in the period, the share that was not used.",
    formula="sum of max(units + bonus units - used, 0) / sum of units and bonus units, over packages by the day of expiry",
    unit="share",
    inputs=("packages", "usages"),
    key="customer",
    methods={"units": "units expired / units of the packages that expired, so large packages weigh more"},
)


@kpi(PACKAGE_EXPIRY)
def package_expiry(
    *,
    packages: Any,
    usages: Any,
    method: str = "units",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of the units of expired packages that nobody used.

    A package counts in the period of the civil day `expires_on`, the first on which it cannot be used. Units are counted as in
    `package_balance`.

    Args:
        packages: as for `package_balance`.
        usages: as for `package_balance`.
        method: "units".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator units expired, denominator units; n is packages. No value, with a reason, where
        nothing expired. Left out and counted: packages that never expire. The units of a package expire together, so there is
        no interval.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or packages of several units, such as visits and minutes.

    >>> from datetime import date
    >>> ten = Package(id="ten", customer_id="ann", units=10, expires_on=date(2025, 5, 2))
    >>> package_expiry(packages=[ten], usages=[], as_of=date(2025, 5, 31)).value
    1.0
    """
    scope = make_scope(PACKAGE_EXPIRY, method, asked)
    rows = _balances(scope, packages, usages)
    rows = _dated(rows, _civil_day(rows, "expires_on"))
    outcome = nw.concat_str([nw.lit(_EXPIRED), nw.col("unit")])
    outcome = nw.when(nw.col(_DUE).is_null()).then(nw.lit("never expires")).otherwise(outcome)
    (found,) = yield [
        civil(scope).question(rows, at=_DUE, outcome=outcome, bucket=nw.col("rest"), amount=nw.col("total"))
    ]
    counted = sorted({outcome for counts in found.values() for outcome in counts} - {"never expires"})
    return result(scope, found, counted, _units_expired)


_CATEGORIES = ("trial", "active", "frozen", "past_due", "cancelling", "lapsed")
_VALID, _EXPIRED = "valid, in ", "expired, in "


def _balances(scope: Scope, packages: Any, usages: Any) -> nw.LazyFrame[Any]:
    """The packages with all their units as `total` and those that were not used as `rest`, which is negative if overdrawn."""
    uses = ("bonus_units", "unit", "valid_from_on", "created_at")
    table = scope.open(packages, Package, needs=("id", "units", "expires_on"), uses=uses)
    rows = with_instant(table, "created_at")
    rows = rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.now))
    bonus = nw.col("bonus_units").fill_null(0) if "bonus_units" in table.columns else nw.lit(0, nw.Int64)
    unit = nw.col("unit").fill_null("unit") if "unit" in table.columns else nw.lit("unit")
    rows = rows.with_columns(total=nw.col("units").fill_null(0).cast(nw.Int64) + bonus.cast(nw.Int64), unit=unit)
    until = _day_number(*_civil_day(rows, "expires_on"))
    from_ = nw.lit(None, nw.Int64)
    if "valid_from_on" in table.columns:
        from_ = _day_number(*_civil_day(rows, "valid_from_on"))
    days = rows.select(package_id="id", from_day=from_, until_day=until)
    used = _net_usages(scope, usages).join(days, on="package_id", how="inner")
    day = nw.col("used_day")
    is_valid = (nw.col("from_day").is_null() | (day >= nw.col("from_day"))) & (
        nw.col("until_day").is_null() | (day < nw.col("until_day"))
    )
    sums = used.filter(is_valid).select("net", id="package_id").group_by("id").agg(used=nw.col("net").sum())
    rest = nw.col("total") - nw.col("used").fill_null(0).cast(nw.Int64)
    return rows.join(sums, on="id", how="left").with_columns(rest=rest)


def _net_usages(scope: Scope, usages: Any) -> nw.LazyFrame[Any]:
    """The usages with what reversals left of each."""
    table = scope.open(
        usages, Usage, needs=("id", "package_id", "at", "units"), uses=("reversal_of_id",), is_main=False
    )
    known = table.rows.filter((nw.col("at") <= scope.now) & ~nw.col("package_id").is_null())
    if "reversal_of_id" not in table.columns:
        return known.select("package_id", used_day=day_of("at"), net=nw.col("units").cast(nw.Int64))
    reversals = known.filter(~nw.col("reversal_of_id").is_null()).select("package_id", "units", id="reversal_of_id")
    back = reversals.group_by("package_id", "id").agg(back=nw.col("units").sum())
    taken = known.filter(nw.col("reversal_of_id").is_null()).join(back, on=["package_id", "id"], how="left")
    left = nw.col("units").cast(nw.Int64) - nw.col("back").fill_null(0).cast(nw.Int64)
    net = nw.when(left > 0).then(left).otherwise(nw.lit(0, nw.Int64))
    return taken.select("package_id", used_day=day_of("at"), net=net)


def _check_one_unit(counts: Counts) -> None:
    units = sorted({outcome.partition(", in ")[2] for outcome in counts} - {""})
    if len(units) > 1:
        raise InvalidInput(
            f"units in {', '.join(units)} cannot be added; keep one with where=field('unit') == {units[0]!r}, or group by another column"
        )


def _units(counts: Counts, state: str) -> tuple[int, int, int, int]:
    """The packages of a state, their units, those that were not used, and those used beyond what there was."""
    chosen = [each for outcome, buckets in counts.items() if outcome.startswith(state) for each in buckets.items()]
    n, total = sum(sums.n for _, sums in chosen), sum(sums.total for _, sums in chosen)
    return (
        n,
        total,
        sum(max(rest, 0) * sums.n for rest, sums in chosen),
        sum(max(-rest, 0) * sums.n for rest, sums in chosen),
    )


def _units_left(counts: Counts) -> dict[str, Any]:
    _check_one_unit(counts)
    n, units, left, overdrawn = _units(counts, _VALID)
    n_expired, units_expired, expired, overdrawn_too = _units(counts, _EXPIRED)
    total, beyond = units + units_expired, overdrawn + overdrawn_too
    used = total - left - expired + beyond
    details = {"units": total, "used": used, "left": left, "expired": expired, "overdrawn": beyond}
    return {"value": float(left), "unit": "count", "numerator": left, "n": n + n_expired, "details": details}


def _units_expired(counts: Counts) -> dict[str, Any]:
    _check_one_unit(counts)
    n, units, expired, _ = _units(counts, _EXPIRED)
    return {
        "value": expired / units if units else None,
        "unit": "share",
        "numerator": expired,
        "denominator": units,
        "n": n,
        "reason": None if units else "no unit expired",
    }
