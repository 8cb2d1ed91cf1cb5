"""Forecasts: what the deals that are under way will bring."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, question
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import first_day_from
from crmkit.metrics.deals import CATEGORIES
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import UNPRICED, one_currency
from crmkit.metrics.pipeline import record_id
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows, unknown
from crmkit.model.deal import Deal
from crmkit.model.pipeline import Pipeline
from crmkit.stats.intervals import quantile_of_normal

_MILLION = 1_000_000

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
    check_outcomes(found, "category", CATEGORIES)
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
    is_over = closed & (closed_at <= scope.known_until)
    is_new_win = is_over & (category == "won") & scope.window(closed_at)
    outcome = (
        nw.when(category.is_null())
        .then(nw.lit("no category"))
        .when(~category.is_in(CATEGORIES))
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
        record=record_id(table),
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
