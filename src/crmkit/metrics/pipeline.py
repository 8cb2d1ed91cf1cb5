"""The pipeline: what is under way, what it will bring and how fast, and what was to be reached."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from math import sqrt
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import day_of, moment, period_of
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, merged, question
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.deals import closed_amounts
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import number, share, total_amount
from crmkit.metrics.money import UNPRICED, currency_bucket, one_currency
from crmkit.metrics.result import Measure
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows, unknown
from crmkit.model.deal import Deal
from crmkit.model.employee import Employee
from crmkit.model.pipeline import Pipeline
from crmkit.model.quote import Quote
from crmkit.model.target import Target
from crmkit.stats import periods
from crmkit.stats.intervals import quantile_of_normal
from crmkit.stats.periods import index_of, instant, zone

_CATEGORIES = ("open", "won", "lost")
_SMALLEST = timedelta(microseconds=1)
_MILLION = 1_000_000

PIPELINE_VALUE = Definition(
    name="pipeline_value",
    title="Pipeline value",
    text="What the open deals are worth together, at the end of the period.",
    formula="sum of the amounts of open deals",
    unit="money",
    inputs=("deals",),
    key="deal",
    methods={
        "amount": "the sum of their amounts",
        "count": "the number of open deals",
    },
    sources=("fivetran/dbt_salesforce: total_pipeline_amount",),
)


@kpi(PIPELINE_VALUE)
def pipeline_value(
    deals: Any,
    *,
    method: str = "amount",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what the open deals are worth at `as_of`, or at the end of each period.

    It is a state and no flow: a deal counts at every moment from its creation until it is closed, so periods do not add up.
    `start` says only where the series begins. A reopened deal was open all the time, and amounts are those of today: what was
    known then is a question to the store's past.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category` ("open", "won", "lost"), `created_at`, `closed_at` and,
            for "amount", `amount`; it reads `currency`.
        method: "amount" or "count".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in the currency of the data, or deals: the same as numerator, 0 where nothing is open. Left out and counted:
        deals without an amount or a category, closed ones without a date, and, with `every`, those without a creation date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> deals = [Deal(pipeline_id="gym", stage="Offer", created_at=may, amount=Money(sum_, "PLN")) for sum_ in (100, 50)]
    >>> pipeline_value(deals, as_of=date(2025, 5, 31)).value
    150.0
    """
    scope = make_scope(PIPELINE_VALUE, method, asked)
    needs = ("category", "created_at", "closed_at")
    if method == "count":
        table = scope.open(deals, Deal, needs=needs, uses=("id",))
    else:
        table = scope.open(deals, Deal, needs=(*needs, "amount"), uses=("currency", "id"))
    first = yield from _first_period(scope, table)
    (found,) = yield [_open_deals(scope, table, first, priced=method == "amount")]
    check_outcomes(found, "category", _CATEGORIES)
    finish = number if method == "count" else total_amount
    return result(scope, found, ["open"], lambda counts: finish(counts, ["open"]))


def _first_period(scope: Scope, table: Table) -> Generator[Sequence[Question], Sequence[Tally], int | None]:
    """The period in which a series of states begins: that of `start`, or in which the first deal was created."""
    if scope.every is None:
        return None
    if scope.start is not None:
        return index_of(_civil_day(scope, scope.start), scope.every)
    (found,) = yield [scope.question(table.rows, at="created_at", outcome=nw.lit("created"))]
    return min((key[0] for key in found if key[0] is not None), default=None)


def _civil_day(scope: Scope, at: datetime) -> date:
    return at.astimezone(zone(scope.tz)).date()


def _last_moment(scope: Scope) -> datetime:
    return scope.as_of if scope.end is None else min(scope.as_of, scope.end - _SMALLEST)


def _ends(scope: Scope, first: int | None) -> dict[int | None, int]:
    """The last moment of each period, by its index: the moment at which its state is taken."""
    last = _last_moment(scope)
    if scope.every is None:
        return {None: moment(last)}
    if first is None:
        return {}
    indexes = range(first, index_of(_civil_day(scope, last), scope.every) + 1)
    days = {index: periods.period_of(index, scope.every).end for index in indexes}
    return {index: moment(min(last, instant(day, scope.tz, "end") - _SMALLEST)) for index, day in days.items()}


def _open_deals(scope: Scope, table: Table, first: int | None, *, priced: bool) -> Question:
    """Ask for the deals that were open at the end of each period, each of which has a row for every deal then open."""
    category, created_at, closed_at = nw.col("category"), nw.col("created_at"), nw.col("closed_at")
    closed = category.is_in(["won", "lost"])
    reason = (
        nw.when(category.is_null())
        .then(nw.lit("no category"))
        .when(~category.is_in(_CATEGORIES))
        .then(unknown("category"))
        .when(closed & closed_at.is_null())
        .then(nw.lit("closed without a close date"))
    )
    if scope.every is not None:
        reason = reason.when(created_at.is_null()).then(nw.lit("no creation date"))
    existing = created_at.is_null() | (created_at <= moment(_last_moment(scope)))
    known = table.rows.filter(existing).with_columns(scope_outcome=reason.otherwise(nw.lit("open")))
    usable = known.filter(nw.col("scope_outcome") == "open")
    if priced:
        unpriced = nw.when(nw.col("amount").is_null()).then(nw.lit(UNPRICED))
        usable = usable.with_columns(scope_outcome=unpriced.otherwise(nw.col("scope_outcome")))
    taken = [
        usable.filter((created_at.is_null() | (created_at <= end)) & (~closed | (closed_at > end))).with_columns(
            scope_period=nw.lit(index, nw.Int64)
        )
        for index, end in _ends(scope, first).items()
    ]
    unusable = known.filter(nw.col("scope_outcome") != "open").with_columns(scope_period=nw.lit(None, nw.Int64))
    return question(
        nw.concat([unusable, *taken]),
        ["scope_period", *group_columns(scope.by)],
        outcome=nw.col("scope_outcome"),
        bucket=currency_bucket(table) if priced else None,
        amount=nw.col("amount") if priced else None,
        record=_id(table),
    )


def _id(table: Table) -> nw.Expr | None:
    return nw.col("id") if "id" in table.columns else None


FORECAST = Definition(
    name="forecast",
    title="Sales forecast",
    text="What the open deals are expected to bring: each counts with its amount times the probability that it is won.",
    formula="sum of (amount * probability)",
    unit="money",
    inputs=("deals",),
    key="deal",
    methods={
        "weighted": "open deals, each with its own probability or that of its stage",
        "with_won": "the same, and the deals that were won in the window with all of their amount",
    },
    sources=("Salesforce: expected revenue", "HubSpot: weighted amount"),
)


@kpi(FORECAST)
def forecast(
    deals: Any,
    *,
    method: str = "weighted",
    stage_probabilities: Mapping[str, float] | Iterable[Pipeline] | None = None,
    probability_unit: str = "share",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what the deals that are open at `as_of` are expected to bring.

    `start` and `end` are the window of expected close dates, which lies in the future as a rule; without them all open deals
    count, and with `end` alone those that are overdue too. The interval takes deals to be won independently of each other
    (Poisson-binomial, by the normal approximation), so a common cause such as a recession makes it too narrow.
    Probabilities count to a millionth.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category`, `created_at`, `closed_at`, `amount` and `probability`,
            which is not needed where `stage_probabilities` are given; `expected_close_on` where there is a window. It reads
            `currency`; where pipelines are given it needs `stage` and `pipeline_id`, for a mapping `stage`.
        method: "weighted" or "with_won".
        stage_probabilities: what a deal without a probability of its own has: shares by stage, or pipelines.
        probability_unit: "share" (from 0 to 1) or "percent" (from 0 to 100) for the column `probability`.
        ci: confidence of the interval; None for none.
        asked: as for every KPI, see `crmkit.metrics`; `every` is refused, because periods end at `as_of`.

    Returns:
        Measures in the currency of the data: the expected amount as value and numerator, deals as `n`, and `details` with the
        standard deviation `sd` and the `unweighted` amount. 0 where nothing is open. Left out and counted: deals without an
        amount, a probability, a category, or an expected close where there is a window, those with a negative amount, and
        closed ones without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, amounts in several currencies, `every`, or a
            probability that is no share: 40 for 40 % would make the forecast 100 times too large.

    >>> from datetime import date
    >>> deals = [Deal(pipeline_id="gym", stage="Offer", amount=Money(amount, "PLN"), probability=probability)
    ...          for amount, probability in ((100, 0.5), (200, 0.25), (50, 0.9))]
    >>> expected = forecast(deals, as_of=date(2025, 5, 31)).only
    >>> expected.value, round(expected.details["sd"], 3)
    (145.0, 101.119)
    """
    scope = make_scope(FORECAST, method, asked)
    if scope.every is not None:
        raise InvalidInput(
            f"every={scope.every!r} is not for a forecast, which is about the future; give start= and end= of each period"
        )
    if probability_unit not in {"share", "percent"}:
        raise InvalidInput(f"probability_unit={probability_unit!r} is unknown; give 'share' or 'percent'")
    by_stage = _by_stage(stage_probabilities)
    table = scope.open(deals, Deal, needs=_forecast_columns(scope, by_stage), uses=("probability", "currency", "id"))
    (found,) = yield [_expected(scope, table, by_stage, 100 if probability_unit == "percent" else 1)]
    _check_probabilities(found)
    check_outcomes(found, "category", _CATEGORIES)
    counted = ["open"] if method == "weighted" else ["open", "won"]
    return result(scope, found, counted, lambda counts: _weighted(counts, counted, ci=scope.ci))


_ByStage = Mapping[tuple[str | None, str], float]
_STRANGE_PROBABILITY = "?probability"


def _by_stage(given: Mapping[str, float] | Iterable[Pipeline] | None) -> _ByStage:
    """Probabilities by pipeline, None for any, and stage."""
    found: dict[tuple[str | None, str], float] = {}
    if isinstance(given, Mapping):
        found = {(None, stage): probability for stage, probability in given.items()}
    elif given is not None:
        stages = [(each.id, stage) for each in given for stage in each.stages]
        found = {(id_, each.label): each.probability for id_, each in stages if each.probability is not None}
    for (_, stage), probability in found.items():
        if not 0 <= probability <= 1:
            raise InvalidInput(
                f"stage_probabilities: {probability} of {stage!r} is no share; give a number from 0 to 1"
            )
    return found


def _forecast_columns(scope: Scope, by_stage: _ByStage) -> list[str]:
    needs = ["category", "created_at", "closed_at", "amount"]
    if scope.start is not None or scope.end is not None:
        needs.append("expected_close_on")
    if not by_stage:
        return [*needs, "probability"]
    return [*needs, "stage", *(["pipeline_id"] if any(pipeline for pipeline, _ in by_stage) else [])]


def _expected(scope: Scope, table: Table, by_stage: _ByStage, scale: int) -> Question:
    """Ask for the amounts of deals and the sums of their squares by currency and probability."""
    category, closed_at, amount = nw.col("category"), nw.col("closed_at"), nw.col("amount")
    created_at, probability = nw.col("created_at"), nw.col("scope_probability")
    closed = category.is_in(["won", "lost"])
    is_over = closed & (closed_at <= scope.now)
    is_new_win = is_over & (category == "won") & scope.window(closed_at)
    outcome = (
        nw.when(category.is_null())
        .then(nw.lit("no category"))
        .when(~category.is_in(_CATEGORIES))
        .then(unknown("category"))
        .when(closed & closed_at.is_null())
        .then(nw.lit("closed without a close date"))
        .when(is_over & ~is_new_win if scope.method == "with_won" else is_over)
        .then(nw.lit(None, nw.String))
    )
    if "expected_close_on" in table.columns:
        outcome = (
            outcome.when(~is_over & nw.col("expected_close_on").is_null())
            .then(nw.lit("no expected close"))
            .when(~is_over & ~_is_expected(scope))
            .then(nw.lit(None, nw.String))
        )
    judged = (
        outcome.when(amount.is_null())
        .then(nw.lit(UNPRICED))
        .when(amount < 0)
        .then(nw.lit("negative amount"))
        .when(is_over)
        .then(nw.lit("won"))
        .when(probability.is_null())
        .then(nw.lit("no probability"))
        .when((probability < 0) | (probability > 1))
        .then(nw.lit(_STRANGE_PROBABILITY))
        .otherwise(nw.lit("open"))
    )
    weighed = table.rows.filter(created_at.is_null() | (created_at <= scope.now)).with_columns(
        scope_period=nw.lit(None, nw.Int64), scope_probability=_probability(table, by_stage, scale)
    )
    weight = nw.when(is_over).then(nw.lit(_MILLION)).otherwise((probability * _MILLION).round().cast(nw.Int64))
    currency = nw.col("currency").fill_null("") if "currency" in table.columns else nw.lit("")
    return question(
        weighed,
        ["scope_period", *group_columns(scope.by)],
        outcome=judged,
        bucket=nw.concat_str([weight.fill_null(0).cast(nw.String), currency], separator=" "),
        amount=amount,
        squares=True,
        record=_id(table),
    )


def _probability(table: Table, by_stage: _ByStage, scale: int) -> nw.Expr:
    """The probability of each deal from 0 to 1: its own, or else that of its stage."""
    own: nw.Expr = nw.lit(None, nw.Float64)
    if "probability" in table.columns:
        held = table.rows.collect_schema()["probability"]
        if not held.is_numeric() and held != nw.Unknown:
            raise InvalidInput(f"Deal column 'probability' is {held}; give numbers")
        own = nw.col("probability").cast(nw.Float64) / scale
        own = nw.when(~own.is_nan()).then(own)
    for (pipeline, stage), probability in by_stage.items():
        is_there = nw.col("stage") == stage
        if pipeline is not None:
            is_there = is_there & (nw.col("pipeline_id") == pipeline)
        own = nw.when(own.is_null() & is_there).then(nw.lit(float(probability))).otherwise(own)
    return own


def _is_expected(scope: Scope) -> nw.Expr:
    """Whether the expected close, a civil day, lies in the window."""
    day = nw.col("expected_close_on")
    inside = ~day.is_null()
    if scope.start is not None:
        inside = inside & (day >= nw.lit(_day_from(scope, scope.start)))
    return inside if scope.end is None else inside & (day < nw.lit(_day_from(scope, scope.end)))


def _day_from(scope: Scope, at: datetime) -> date:
    """The first civil day that begins at a moment or after it."""
    day = _civil_day(scope, at)
    return day if instant(day, scope.tz, "start") == at else day + timedelta(days=1)


def _check_probabilities(found: Tally) -> None:
    strange = sum(rows(counts.get(_STRANGE_PROBABILITY)) for counts in found.values())
    if strange:
        raise InvalidInput(
            f"column 'probability' holds {strange} values that are no share; give numbers from 0 to 1, or "
            "probability_unit='percent'"
        )


def _weighted(counts: Counts, outcomes: Sequence[str], *, ci: float | None) -> dict[str, Any]:
    """The mean and the standard deviation of a sum of amounts of which each is won or not."""
    by_currency: dict[str | None, Sums] = {}
    by_weight: dict[int, Sums] = {}
    for outcome in outcomes:
        for bucket, sums in counts.get(outcome, {}).items():
            weight, _, currency = bucket.partition(" ")
            by_currency[currency or None] = by_currency.get(currency or None, Sums()) + sums
            by_weight[int(weight)] = by_weight.get(int(weight), Sums()) + sums
    unit, warnings = one_currency(by_currency)
    whole = all_sums(by_currency)
    value = sum(weight * sums.total for weight, sums in by_weight.items()) / _MILLION / MONEY_UNITS
    variance = sum(weight * (_MILLION - weight) * sums.squares for weight, sums in by_weight.items())
    sd = sqrt(variance) / _MILLION / MONEY_UNITS
    certain = by_weight.get(_MILLION, Sums()).total / MONEY_UNITS
    possible = (whole.total - by_weight.get(0, Sums()).total) / MONEY_UNITS
    reach = None if ci is None or not whole.n else quantile_of_normal(ci) * sd
    return {
        "value": value,
        "unit": unit,
        "numerator": value,
        "n": whole.n,
        "low": None if reach is None else max(certain, value - reach),
        "high": None if reach is None else min(possible, value + reach),
        "details": {"sd": sd, "unweighted": whole.total / MONEY_UNITS} if whole.n else {},
        "warnings": warnings if whole.n else (),
    }


PIPELINE_VELOCITY = Definition(
    name="pipeline_velocity",
    title="Pipeline velocity",
    text="How much the pipeline brings a day: open deals times win rate times average won deal, divided by the days of a cycle.",
    formula="open deals * win rate * average amount won / average days from creation to win",
    unit="money",
    inputs=("deals",),
    key="deal",
    methods={"mean": "with the mean of the cycles of won deals"},
    sources=("HubSpot: deal velocity", "Salesforce: pipeline velocity"),
)


@kpi(PIPELINE_VELOCITY)
def pipeline_velocity(
    deals: Any,
    *,
    method: str = "mean",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how much money a day the pipeline brings if things go on as in the period.

    Open deals are those at the end of the period; win rate, average amount and cycle are those of the deals closed in it.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category`, `created_at`, `closed_at` and `amount`; it reads
            `currency`.
        method: "mean".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in the currency of the data a day, without an interval: expected revenue of the open deals as numerator, days of
        a cycle as denominator, closed deals as `n`, and `details` with the four factors. No value, with a reason, where one
        of them is not known or cycles take 0 days. Left out and counted: deals without a category and closed ones without a date;
        won deals without an amount, without a creation date, or won before they were created are left out of the average that
        they do not have.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> first, last = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 11, tzinfo=UTC)
    >>> deals = [Deal(pipeline_id="gym", stage=label, category=label, created_at=first, amount=Money(300, "PLN"),
    ...               closed_at=last if label != "open" else None) for label in ("won", "lost", "open", "open")]
    >>> pipeline_velocity(deals, as_of=date(2025, 5, 31)).value
    30.0
    """
    scope = make_scope(PIPELINE_VELOCITY, method, asked)
    table = scope.open(deals, Deal, needs=("category", "created_at", "closed_at", "amount"), uses=("currency", "id"))
    first = yield from _first_period(scope, table)
    opens, closes, prices = yield [
        _open_deals(scope, table, first, priced=False),
        _cycles(scope, table),
        closed_amounts(scope, deals),
    ]
    check_outcomes(opens, "category", _CATEGORIES)
    found = merged(merged(opens, closes), _renamed(prices, {"won": "priced"}))
    return result(scope, found, ["won", "lost", "open", "priced"], _velocity, numerator=["open"])


def _cycles(scope: Scope, table: Table) -> Question:
    """Ask for closed deals by the days that it took to win them."""
    category, created_at, closed_at = nw.col("category"), nw.col("created_at"), nw.col("closed_at")
    closed = category.is_in(["won", "lost"]) & (closed_at <= scope.now)
    existing = created_at.is_null() | (created_at <= scope.now)
    days = day_of("closed_at") - day_of("created_at")
    return scope.question(
        table.rows.filter(closed & existing),
        at="closed_at",
        outcome=category,
        bucket=nw.when((category == "won") & (days >= 0)).then(days),
    )


def _renamed(found: Tally, names: Mapping[str, str]) -> Tally:
    """The counts of some outcomes alone, under other names."""
    kept = {key: {names[word]: counts[word] for word in names if word in counts} for key, counts in found.items()}
    return {key: counts for key, counts in kept.items() if counts}


def _velocity(counts: Counts) -> dict[str, Any]:
    unit, warnings = one_currency(counts.get("priced", {}))
    n_open, won, lost = (rows(counts.get(word)) for word in ("open", "won", "lost"))
    priced = all_sums(counts.get("priced"))
    cycles = {days: sums.n for days, sums in counts.get("won", {}).items() if days is not None}
    days, n_cycles = sum(length * n for length, n in cycles.items()), sum(cycles.values())
    reason = (
        ("no deal was closed" if not won + lost else None)
        or ("no deal was won" if not won else None)
        or ("no won deal has an amount" if not priced.n else None)
        or ("no won deal has a cycle of at least one day" if not days else None)
    )
    if reason:
        return {"value": None, "unit": unit, "numerator": 0, "denominator": 0, "n": won + lost, "reason": reason}
    win_rate, average, cycle = won / (won + lost), priced.total / MONEY_UNITS / priced.n, days / n_cycles
    expected = n_open * win_rate * average
    return {
        "value": expected / cycle,
        "unit": unit,
        "numerator": expected,
        "denominator": cycle,
        "n": won + lost,
        "details": {"open": float(n_open), "win_rate": win_rate, "average_won": average, "cycle_days": cycle},
        "warnings": warnings,
    }


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

_QUOTE_CATEGORIES = ("draft", "sent", "accepted", "declined", "expired", "withdrawn")


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
    sent = ~nw.col("category").is_in(["draft"]) & (nw.col("sent_at") <= scope.now)
    existing = table.rows.filter(nw.col("sent_at").is_null() | (nw.col("sent_at") <= scope.now))
    (found,) = yield [scope.question(existing, at="sent_at", dated=sent, outcome=_answer(scope, table))]
    check_outcomes(found, "category", _QUOTE_CATEGORIES)
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
    still_open = category.is_in(["accepted", "declined"]) & (decided_at > scope.now)
    expired = category == "expired"
    if "valid_until_on" in table.columns:
        is_over = (nw.col("valid_until_on") < nw.lit(_civil_day(scope, scope.as_of))).fill_null(value=False)
        unsaid = nw.col("valid_until_on").is_null()
        expired = (expired & (is_over | unsaid)) | ((category == "sent") & is_over)
        still_open = still_open | ((category == "expired") & ~(is_over | unsaid))
    return (
        nw.when(category.is_null())
        .then(nw.lit("no category"))
        .when(~category.is_in(_QUOTE_CATEGORIES))
        .then(unknown("category"))
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


TARGET_ATTAINMENT = Definition(
    name="target_attainment",
    title="Target attainment",
    text="How much of its target an employee, a team or the whole business has reached with the deals won in the period.",
    formula="won / target",
    unit="share",
    inputs=("deals", "targets"),
    key="deal",
    methods={
        "amount": "the amount of won deals / the targets for the metric won_amount",
        "count": "the number of won deals / the targets for the metric won_deals",
    },
    sources=("Salesforce: quota attainment", "HubSpot: goals"),
)

_LEVELS = (None, "owner_id", "team")
_METRICS = {"amount": "won_amount", "count": "won_deals"}


@kpi(TARGET_ATTAINMENT)
def target_attainment(
    *,
    deals: Any,
    targets: Any,
    employees: Any = None,
    method: str = "amount",
    metric: str | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return what was won in proportion to its target: of the business, of each employee or of each team.

    Deals count in the period of their close date and for their present owner. The target of a period is the one for exactly that
    period, or the sum of those that cover it day by day; a quarter of which one month has no target has none, and no target is
    divided. Without a target of its own the business is measured by its employees: the sum of what those with a target won over
    the sum of their targets, which is not the mean of their ratios.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category`, `closed_at`, `owner_id` and, for "amount", `amount`; it
            reads `created_at` and `currency`.
        targets: records or a table with `metric`, `starts_on` and `ends_on`, and `amount` or `count`; it reads `owner_id`, `team` and
            `currency`.
        employees: records or a table with `id` and `team`, for `by="team"`.
        method: "amount" or "count".
        metric: the `metric` of the targets that count; "won_amount", or "won_deals" by "count", where nothing is said.
        by: "owner_id" for each employee, "team" for each team, None for the whole.
        asked: as for every KPI, see `crmkit.metrics`; without `every` both `start` and `end` are needed.

    Returns:
        Measures in shares, which may exceed 1: what was won as numerator, the target as denominator, won deals as `n`, and
        `details` with the `variance` from the target, the `elapsed` share of days of the period, and the `pace`, which is
        the attainment over that share. No value, with a reason, where there is no target or it is 0. An employee or team with a
        target and no deal is there. Left out and counted: deals without a category, won ones without a close date or an amount and,
        where the business is measured by its employees, those of employees without a target.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, amounts in several currencies, two
            targets for the same days, or a period that is not said.

    >>> from datetime import date, UTC, datetime
    >>> may = {"starts_on": date(2025, 5, 1), "ends_on": date(2025, 6, 1)}
    >>> target = Target(metric="won_amount", owner_id="ann", amount=Money("1000", "PLN"), **may)
    >>> deal = Deal(pipeline_id="gym", stage="Won", category="won", closed_at=datetime(2025, 5, 2, tzinfo=UTC), owner_id="ann",
    ...             amount=Money("800", "PLN"))
    >>> target_attainment(deals=[deal], targets=[target], by="owner_id", every="month", as_of=date(2025, 5, 31)).value
    0.8
    """
    scope = make_scope(TARGET_ATTAINMENT, method, asked)
    level = _level(scope)
    if scope.every is None and (scope.start is None or scope.end is None):
        raise InvalidInput("a target is for a period; give start= and end=, or every='month'")
    if level == "team" and employees is None:
        raise InvalidInput("by='team' needs the teams of employees; give employees=")
    quotas = _quotas(scope, targets, level, metric or _METRICS[method])
    (found,) = yield [_won(scope, deals, employees, quotas)]
    check_outcomes(found, "category", _CATEGORIES)
    whole: Tally = {(index, *whose): {} for index, whose in quotas.shown}
    finish = number if method == "count" else total_amount
    won = result(scope, {**whole, **found}, ["won"], lambda counts: finish(counts, ["won"]))
    return attrs.evolve(won, measures=tuple(_attained(scope, each, quotas) for each in won))


def _level(scope: Scope) -> str | None:
    level = ", ".join(scope.by) or None
    if level not in _LEVELS:
        raise InvalidInput(f"by={level!r} has no targets; {choices(level or '', [each for each in _LEVELS if each])}")
    return level


@attrs.frozen
class _Quota:
    """A target: of the business (), of one employee or of one team, for the days from `start` until before `end`."""

    whose: tuple[str, ...]
    start: date
    end: date
    value: int
    currency: str | None


@attrs.frozen
class _Quotas:
    """The targets of one level. `is_sum` says that the business has none of its own and is measured by its employees."""

    every: tuple[_Quota, ...]
    spans: Mapping[int | None, tuple[date, date]]
    is_sum: bool

    @property
    def shown(self) -> list[tuple[int | None, tuple[str, ...]]]:
        """The periods and owners that have a target, whether or not anything was won."""
        found = [(index, whose) for index in self.spans for whose in self.met(index)]
        return [(index, ()) for index in dict.fromkeys(index for index, _ in found)] if self.is_sum else found

    def met(self, index: int | None) -> dict[tuple[str, ...], list[_Quota]]:
        """The targets that cover a period day by day, by whose they are."""
        start, end = self.spans[index]
        mine: dict[tuple[str, ...], list[_Quota]] = {}
        for each in self.every:
            mine.setdefault(each.whose, []).append(each)
        covers = {whose: _cover(quotas, start, end) for whose, quotas in mine.items()}
        return {whose: cover for whose, cover in covers.items() if cover}

    def of(self, whose: tuple[str, ...], index: int | None) -> list[_Quota]:
        """The targets that make up the one of a period; none where some of its days have none."""
        met = self.met(index) if index in self.spans else {}
        return [each for cover in met.values() for each in cover] if self.is_sum else met.get(whose, [])


def _cover(quotas: Sequence[_Quota], start: date, end: date) -> list[_Quota]:
    """Targets that follow one another from the first to the last day, the longest where several begin on one day."""
    cover: list[_Quota] = []
    while start < end:
        longest = max((each.end for each in quotas if each.start == start and each.end <= end), default=None)
        found = [each for each in quotas if each.start == start and each.end == longest]
        if not found:
            return []
        if len(found) > 1:
            whose = " ".join(map(repr, found[0].whose)) or "the business"
            raise InvalidInput(f"{whose} has {len(found)} targets from {start} until {longest}; give one")
        cover += found
        start = found[0].end
    return cover


def _quotas(scope: Scope, targets: Any, level: str | None, metric: str) -> _Quotas:
    needs, uses = ("metric", "starts_on", "ends_on", scope.method), ("owner_id", "team", "currency")
    table = scope.open(targets, Target, needs=needs, uses=uses, is_main=False)
    held = table.rows.filter((nw.col("metric") == metric) & ~nw.col(scope.method).is_null())
    found = held.collect("polars").to_native().to_dicts()
    levels: dict[str | None, list[_Quota]] = {}
    for row in found:
        owner = "owner_id" if row.get("owner_id") else "team" if row.get("team") else None
        whose = () if owner is None else (row[owner],)
        start, end = (_as_day(row[each]) for each in ("starts_on", "ends_on"))
        quota = _Quota(whose, start, end, int(row[scope.method]), row.get("currency"))
        levels.setdefault(owner, []).append(quota)
    is_sum = level is None and None not in levels
    every = levels.get("owner_id" if is_sum else level, [])
    return _Quotas(tuple(every), _spans(scope, every), is_sum)


def _as_day(day: date) -> date:
    """A day; pandas has instants only."""
    return day.date() if isinstance(day, datetime) else day


def _spans(scope: Scope, quotas: Sequence[_Quota]) -> dict[int | None, tuple[date, date]]:
    """The days of each period that there may be a target for, by its index."""
    if scope.every is None:
        assert scope.start is not None
        assert scope.end is not None
        return {None: (_day_from(scope, scope.start), _day_from(scope, scope.end))}
    if not quotas:
        return {}
    first = min(each.start for each in quotas) if scope.start is None else _civil_day(scope, scope.start)
    last = min(_civil_day(scope, _last_moment(scope)), max(each.end for each in quotas))
    indexes = range(index_of(first, scope.every), index_of(last, scope.every) + 1)
    found = {index: periods.period_of(index, scope.every) for index in indexes}
    return {index: (period.start, period.end) for index, period in found.items()}


def _won(scope: Scope, deals: Any, employees: Any, quotas: _Quotas) -> Question:
    """Ask for what was won; of those who have no target too, unless the business is measured by those who have one."""
    is_priced = scope.method == "amount"
    needs = ("category", "closed_at", "owner_id", *(["amount"] if is_priced else []))
    by_owner = attrs.evolve(scope, by=()) if scope.by == ("team",) else scope
    table = by_owner.open(deals, Deal, needs=needs, uses=("created_at", "currency", "id"))
    category, closed_at = nw.col("category"), nw.col("closed_at")
    outcome = (
        nw.when(category.is_null())
        .then(nw.lit("no category"))
        .when(~category.is_in(_CATEGORIES))
        .then(unknown("category"))
        .when((category != "won") | (closed_at > scope.now))
        .then(nw.lit(None, nw.String))
        .when(closed_at.is_null())
        .then(nw.lit("won without a close date"))
    )
    if is_priced:
        outcome = outcome.when(nw.col("amount").is_null()).then(nw.lit(UNPRICED))
    if quotas.is_sum:
        outcome = outcome.when(~_has_target(scope, quotas)).then(nw.lit("owner without a target"))
    won = table.rows if scope.by != ("team",) else _with_teams(scope, table.rows, employees)
    return scope.question(
        won,
        at="closed_at",
        outcome=outcome.otherwise(nw.lit("won")),
        bucket=currency_bucket(table) if is_priced else None,
        amount=nw.col("amount") if is_priced else None,
    )


def _has_target(scope: Scope, quotas: _Quotas) -> nw.Expr:
    """Whether the owner of a deal had a target in the period in which it was closed."""
    found = nw.lit(value=False)
    for index in quotas.spans:
        has_one = nw.col("owner_id").is_in([owner for (owner,) in quotas.met(index)]).fill_null(value=False)
        if scope.every is not None:
            has_one = has_one & (period_of("closed_at", scope.every) == index)
        found = found | has_one
    return found


def _with_teams(scope: Scope, deals: nw.LazyFrame[Any], employees: Any) -> nw.LazyFrame[Any]:
    table = scope.open(employees, Employee, needs=("id", "team"), is_main=False)
    (group,) = group_columns(scope.by)
    teams = table.rows.group_by("id").agg(nw.col("team").max().alias(group))
    return deals.join(teams, left_on="owner_id", right_on="id", how="left")


def _attained(scope: Scope, won: Measure, quotas: _Quotas) -> Measure:
    """What was won, in proportion to its target."""
    index, *whose = won.key
    cover = quotas.of(tuple(whose), index)
    target = sum(each.value for each in cover) / (MONEY_UNITS if scope.method == "amount" else 1)
    reached = won.value or 0.0
    if not target:
        reason = "the target is 0" if cover else "no target"
        return attrs.evolve(won, value=None, unit="share", numerator=reached, denominator=0, reason=reason)
    if scope.method == "amount":
        named = {each.currency: Sums() for each in cover if each.currency}
        one_currency(named if won.unit == "money" else {**named, won.unit: Sums()})
    start, end = quotas.spans[index]
    days = (_civil_day(scope, _last_moment(scope)) - start).days + 1
    elapsed = max(0.0, min(1.0, days / (end - start).days))
    details = {"variance": reached - target, "elapsed": elapsed}
    return attrs.evolve(
        won,
        value=reached / target,
        unit="share",
        numerator=reached,
        denominator=target,
        details=details | ({"pace": reached / target / elapsed} if elapsed else {}),
    )
