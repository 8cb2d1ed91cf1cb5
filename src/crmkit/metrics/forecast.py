"""Forecasts: what the deals that are under way will bring."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, question
from crmkit.frames.words import one_of
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.chances import (
    LEARNED,
    NOTHING_CLOSED,
    TIMED,
    Histories,
    by_currency,
    check_transitions,
    expected,
    histories,
    regrouped,
)
from crmkit.metrics.days import days_window, first_day_from
from crmkit.metrics.deals import CATEGORIES, CLOSED, flaw_of_deal
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import one_currency, unpriced
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows
from crmkit.metrics.snapshots import ask_deals, ask_histories, forecastable, open_past, reporting_moment
from crmkit.model.deal import Deal
from crmkit.model.pipeline import Pipeline
from crmkit.stats.intervals import quantile_of_normal

_MILLION = 1_000_000
_DAYS = 90

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
        "stage_history": "open deals, each with the share won of the closed deals that had been at its stage",
        "competing_risks": "open deals, each with the share of deals of its age that were won within so many days",
        "competing_risks_by_stage": "the same, of deals that had been at its stage as long as it has",
    },
    sources=(
        "Salesforce: expected revenue",
        "HubSpot: weighted amount",
        "Aalen and Johansen, Scandinavian Journal of Statistics 5 (1978)",
    ),
    other_inputs={"stage_history": ("deals", "transitions"), "competing_risks_by_stage": ("deals", "transitions")},
)


@kpi(FORECAST)
def forecast(
    deals: Any,
    *,
    transitions: Any = None,
    method: str = "weighted",
    within_days: int | None = None,
    stage_probabilities: Mapping[str, float] | Iterable[Pipeline] | None = None,
    probability_unit: str = "share",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what the deals that are open at `as_of` are expected to bring.

    "weighted", the default, is what everybody calls a forecast: it believes the probabilities that people give. The others learn
    them from the deals before, as they were known at `as_of`. "stage_history" is how often deals that had been at a stage
    were won; it takes no account of time, and as losing is often quicker than winning it is too low while a business is young.
    The competing risks are for what comes in the next `within_days`: winning and losing compete for each deal, open deals
    count as far as they have come, and a deal that has been open for long has other chances than a new one.

    With fewer than 20 deals that had been at a stage, its chance is drawn to the one of all stages. A deal older than all but few
    counts as one of the last age that 20 got beyond, and nothing is expected from later than anybody has been seen. By
    stage, a deal that is still there counts like those that have gone on since, so its chance is too high where going on is
    a good sign; stages of one name count as one, whatever their pipeline.

    `start` and `end` are the window of expected close dates, which lies in the future as a rule; without them all open deals
    count, and with `end` alone those that are overdue too. Competing risks have `within_days` instead. The interval takes deals
    to be won independently of each other (Poisson-binomial, by the normal approximation), so a common cause such as a
    recession makes it too narrow; where probabilities are learned, their own error is in it. Probabilities that people
    give count to a millionth.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category`, `created_at`, `closed_at` and `amount`; `probability`
            for "weighted" and "with_won", where no `stage_probabilities` are given; `expected_close_on` where there is a window;
            `id` and `stage` where there are transitions. It reads `currency`, and `pipeline_id`, which it needs with `stage` where
            pipelines are given.
        transitions: records or a table with `id`, `subject`, `subject_id`, `field`, `before`, `after` and `at`, for "stage_history" and
            "competing_risks_by_stage"; it reads `category_before` and `category_after`.
        method: "weighted", "with_won", "stage_history", "competing_risks" or "competing_risks_by_stage".
        within_days: how many civil days after `as_of` deals have to be won in, for competing risks; None for 90.
        stage_probabilities: what a deal without a probability of its own has: shares by stage, or pipelines.
        probability_unit: "share" (from 0 to 1) or "percent" (from 0 to 100) for the column `probability`.
        ci: confidence of the interval; None for none.
        asked: as for every KPI, see `crmkit.metrics`; `every` is refused, because periods end at `as_of`.

    Returns:
        Measures in the currency of the data: the expected amount as value and numerator, deals as `n`, and `details` with the
        standard deviation `sd`, the `unweighted` amount and, where probabilities are learned, the expected `wins`. 0 where nothing is
        open. No value, with a reason, where there is nothing to learn from. Left out and counted: deals without an amount, a
        probability, a category, the beginning of their time, or an expected close where there is a window, those with a
        negative amount, and closed ones without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, amounts in several currencies, `every`, an
            argument that the method does not take, or a probability that is no share: 40 for 40 % would make the forecast 100
            times too large.

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
    if method in LEARNED:
        _refuse(method, stage_probabilities=stage_probabilities)
        return (yield from _learned(scope, deals, transitions, within_days))
    _refuse(method, transitions=transitions, within_days=within_days)
    by_stage = probabilities_by_stage(stage_probabilities)
    table = scope.open(deals, Deal, needs=_forecast_columns(scope, by_stage), uses=("probability", "currency", "id"))
    (found,) = yield [_expected(scope, table, by_stage, 100 if probability_unit == "percent" else 1)]
    _check_probabilities(found)
    check_outcomes(found, "category", CATEGORIES)
    counted = ["open"] if method == "weighted" else ["open", "won"]
    return result(scope, found, counted, lambda counts: _weighted(counts, counted, ci=scope.ci))


def _refuse(method: str, **options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise InvalidInput(f"{name}= is not for method={method!r}; leave it out")


def _learned(scope: Scope, deals: Any, transitions: Any, within_days: int | None) -> Steps:
    """A forecast with chances that are learned from the deals before."""
    check_transitions(scope.method, transitions)
    if scope.method not in TIMED:
        _refuse(scope.method, within_days=within_days)
    days_window(within_days)
    days = (within_days or _DAYS) if scope.method in TIMED else None
    reasons = []
    if scope.method in TIMED and (scope.start is not None or scope.end is not None):
        raise InvalidInput(
            f"start= and end= are not for method={scope.method!r}, which has within_days=; leave them out"
        )
    if scope.start is not None or scope.end is not None:
        unknown_close = nw.col("expected_close_on").is_null()
        reasons = [(unknown_close, "no expected close"), (~_is_expected(scope), None)]
    past = open_past(scope, deals, transitions, needs=["expected_close_on"] if reasons else [])
    now = reporting_moment(scope)
    outcome = forecastable(past, nw.lit("open"), reasons=reasons)
    before, found = yield [ask_histories(scope, past, [now]), ask_deals(scope, past, [now], outcome)]
    check_outcomes(found, "category", CATEGORIES)
    known = histories(before).get(now.day, Histories({}))
    return result(scope, regrouped(found), ["open"], lambda counts: _learned_sum(scope, counts, known, days))


def _learned_sum(scope: Scope, counts: Counts, known: Histories, days: int | None) -> dict[str, Any]:
    deals = counts.get("open", {})
    unit, warnings = one_currency(by_currency(deals))
    if deals and not known.tell:
        return {"value": None, "unit": unit, "numerator": 0, "denominator": 0, "n": 0, "reason": NOTHING_CLOSED}
    sum_ = expected([(sums, known.chance(stage, age, days)) for (_, stage, age, _), sums in deals.items()])
    low, high = (None, None) if scope.ci is None or not sum_.n else sum_.interval(scope.ci)
    return {
        "value": sum_.value,
        "unit": unit,
        "numerator": sum_.value,
        "n": sum_.n,
        "low": low,
        "high": high,
        "details": {"sd": sum_.sd, "unweighted": sum_.unweighted, "wins": sum_.wins} if sum_.n else {},
        "warnings": (*warnings, *_too_young(known, days)) if sum_.n else (),
    }


def _too_young(known: Histories, days: int | None) -> tuple[str, ...]:
    if days is None or known.last is None or known.last >= days:
        return ()
    return (f"no deal has been seen for longer than {known.last} days, and nothing is expected from later",)


ByStage = Mapping[tuple[str | None, str], float]
_STRANGE_PROBABILITY = "no probability between 0 and 1"


def probabilities_by_stage(given: Mapping[str, float] | Iterable[Pipeline] | None) -> ByStage:
    """Return probabilities by pipeline, None for any, and stage; raise `InvalidInput` for one that is no share."""
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


def _forecast_columns(scope: Scope, by_stage: ByStage) -> list[str]:
    needs = ["category", "created_at", "closed_at", "amount"]
    if scope.start is not None or scope.end is not None:
        needs.append("expected_close_on")
    if not by_stage:
        return [*needs, "probability"]
    return [*needs, "stage", *(["pipeline_id"] if any(pipeline for pipeline, _ in by_stage) else [])]


def _expected(scope: Scope, table: Table, by_stage: ByStage, scale: int) -> Question:
    """Ask for the amounts of deals and the sums of their squares by currency and probability."""
    category, closed_at, amount = nw.col("category"), nw.col("closed_at"), nw.col("amount")
    created_at, probability = nw.col("created_at"), nw.col("scope_probability")
    closed = one_of(category, CLOSED)
    is_over = closed & (closed_at <= scope.known_until)
    is_new_win = is_over & (category == "won") & scope.window(closed_at)
    outcome = (
        flaw_of_deal()
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
        .then(unpriced(table.columns))
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
    weighed = table.rows.filter(created_at.is_null() | (created_at <= scope.known_until)).with_columns(
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
        record=table.record,
    )


def _probability(table: Table, by_stage: ByStage, scale: int) -> nw.Expr:
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
        inside = inside & (day >= nw.lit(first_day_from(scope, scope.start)))
    return inside if scope.end is None else inside & (day < nw.lit(first_day_from(scope, scope.end)))


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
