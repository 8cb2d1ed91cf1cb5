"""How good forecasts would have been, had they been made at past moments with what was known then."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from math import fsum
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import day_of, moment
from crmkit.frames.table import MONEY_UNITS
from crmkit.frames.tally import Counts, Sums
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.chances import (
    NOTHING_CLOSED,
    TIMED,
    Expected,
    Given,
    Histories,
    by_currency,
    check_transitions,
    expected,
    histories,
    regrouped,
)
from crmkit.metrics.days import day_at, days_window, first_day_not_over
from crmkit.metrics.deals import CATEGORIES
from crmkit.metrics.definition import Definition
from crmkit.metrics.forecast import probabilities_by_stage
from crmkit.metrics.money import one_currency
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result
from crmkit.metrics.snapshots import Moment, Past, ask_deals, ask_histories, forecastable, open_past
from crmkit.model.pipeline import Pipeline
from crmkit.stats import periods
from crmkit.stats.periods import check_every, index_of, instant

_SMALLEST = timedelta(microseconds=1)
_WON, _NOT_WON = "won", "not won"

FORECAST_BACKTEST = Definition(
    name="forecast_backtest",
    title="Forecast error",
    text="How far forecasts made at past moments, with what was known then, were from what came, as a share of what came.",
    formula="sum of |forecast - won| / sum of won",
    unit="share",
    inputs=("deals",),
    key="deal",
    methods={
        "competing_risks": "deals open then, each with the share of deals of its age that were won within so many days",
        "competing_risks_by_stage": "the same, of deals that had been at its stage as long as it had",
        "stage_history": "deals open then, each with the share won of the closed deals that had been at its stage",
        "weighted": "deals open then, each with the probability that is given for the stage that it was at",
    },
    sources=("Hyndman and Koehler, International Journal of Forecasting 22 (2006)",),
    other_inputs=dict.fromkeys(["competing_risks_by_stage", "stage_history", "weighted"], ("deals", "transitions")),
)


@kpi(FORECAST_BACKTEST)
def forecast_backtest(
    deals: Any,
    *,
    transitions: Any = None,
    method: str = "competing_risks",
    within_days: int = 90,
    snapshots: str = "month",
    stage_probabilities: Mapping[str, float] | Iterable[Pipeline] | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return how far past forecasts would have been from what came.

    At the end of each month, or of the other periods of `snapshots`, the deals that were open then are forecast by `method` from
    what had become of other deals by then, and the forecast is held against the amounts of those deals that were won
    within `within_days`. Only moments that are so long ago that all those days are over at `as_of` are judged. Errors are added
    up and divided by what came (WAPE), the default, because the mean of percentages (MAPE) knows no answer where nothing
    came and lets the smallest moment decide.

    "stage_history" and "weighted" forecast what is won in the end, so with few days they are above what came. "weighted" takes
    the probabilities of stages, because what somebody thought of a deal then is not known. Amounts are those of today, and
    what came is told by the last close of a deal: the store's past knows what they were.

    Args:
        deals: as for `forecast`.
        transitions: as for `forecast`, for all methods but "competing_risks".
        method: "competing_risks", "competing_risks_by_stage", "stage_history" or "weighted".
        within_days: the civil days after each moment whose won deals are what came.
        snapshots: the kind of period at whose ends forecasts are made, such as "month" or "week".
        stage_probabilities: for "weighted", shares by stage, or pipelines, of which no two give a stage different ones.
        ci: confidence of the interval of each forecast, whose coverage is told; None for none.
        asked: as for every KPI, see `crmkit.metrics`; `start` and `end` are the window of the moments, and `every` the period that
            the moments of a measure lie in.

    Returns:
        Measures in shares of what came: the sum of all errors as numerator and what came as denominator, deals as `n`, each counted
        once a forecast, and `details` with the number of `forecasts`, the sums `forecast` and `won`, the `bias` (forecast / won - 1,
        above 0 where too much was promised), `mape` where something came after every forecast, and the `coverage`, the share of
        forecasts whose interval held what came. No value, with a reason, where no forecast can be judged or nothing came.
        Left out and counted, once a forecast: deals as for `forecast`.

    Raises:
        InvalidInput: as for `forecast`, and for an unknown kind of period.

    >>> from datetime import date, UTC, datetime
    >>> def won(month, days):
    ...     created = datetime(2025, month, 20, tzinfo=UTC)
    ...     return Deal(pipeline_id="gym", stage="Won", category="won", amount=Money(100, "PLN"), created_at=created,
    ...                 closed_at=created + timedelta(days=days))
    >>> error = forecast_backtest([won(1, 5), won(2, 15), won(3, 15)], within_days=20, as_of=date(2025, 5, 31)).only
    >>> error.details["forecasts"], error.details["won"], error.value
    (2.0, 200.0, 0.25)
    """
    scope = make_scope(FORECAST_BACKTEST, method, asked)
    check_transitions(method, transitions)
    if days_window(within_days) is None:
        raise InvalidInput(
            "within_days=None has no end, and no forecast could be judged; give a whole number of days from 1"
        )
    if check_every(snapshots) is None:
        raise InvalidInput("snapshots=None is not a kind of period; give one such as 'month'")
    shares = _given(method, stage_probabilities)
    past = open_past(scope, deals, transitions)
    daily = attrs.evolve(scope, every="day", start=None, end=None)
    (created,) = yield [daily.question(past.table.rows, at="created_at", outcome=nw.lit("created"), record=None)]
    days = [key[0] for key in created if key[0] is not None]
    moments = _moments(scope, snapshots, within_days, min(days)) if days else []
    # Where no moment can be judged one is asked about all the same, so that the answers of parts have one shape.
    before, found = yield [
        ask_histories(scope, past, moments or [_NEVER]),
        ask_deals(scope, past, moments or [_NEVER], _came(scope, past, within_days, shares) if moments else _NOBODY),
    ]
    check_outcomes(found, "category", CATEGORIES)
    known: Mapping[int, Histories | Given] = histories(before)
    if shares is not None:
        known = dict.fromkeys((each.day for each in moments), Given(shares))
    return result(
        scope,
        regrouped(found),
        [_WON, _NOT_WON],
        lambda counts: _error(scope, counts, known, within_days),
        numerator=[_WON],
    )


_NEVER = Moment(0, 0)
_NOBODY = nw.lit(None, nw.String)


def _moments(scope: Scope, snapshots: str, within_days: int, first_day: int) -> list[Moment]:
    """The ends of periods, from the first deal on, that lie in the window and long enough ago."""
    found = []
    first = index_of(periods.period_of(first_day, "day").start, snapshots)
    for index in range(first, index_of(day_at(scope, scope.as_of), snapshots) + 1):
        at = instant(periods.period_of(index, snapshots).end, scope.tz, "end") - _SMALLEST
        on = day_at(scope, at)
        day = index_of(on, "day")
        is_inside = (scope.start is None or at >= scope.start) and (scope.end is None or at < scope.end)
        if is_inside and day + within_days < first_day_not_over(scope):
            found.append(Moment(moment(at), day, None if scope.every is None else index_of(on, scope.every)))
    return found


def _given(method: str, stage_probabilities: Any) -> Mapping[str | None, float] | None:
    """The probabilities of stages, which a method takes or not."""
    if (method == "weighted") != (stage_probabilities is not None):
        asked = (
            "needs stage_probabilities=" if method == "weighted" else "takes no stage_probabilities=; leave them out"
        )
        raise InvalidInput(f"method={method!r} {asked}")
    shares: dict[str | None, float] = {}
    for (_, stage), share in probabilities_by_stage(stage_probabilities).items():
        if shares.setdefault(stage, share) != share:
            raise InvalidInput(f"stage_probabilities: {stage!r} has {shares[stage]} and {share}; give one pipeline")
    return shares if method == "weighted" else None


def _came(scope: Scope, past: Past, within_days: int, shares: Mapping[str | None, float] | None) -> nw.Expr:
    """Whether a deal that was open at a moment was won in the days after it."""
    after = day_of("closed_at") - nw.col("scope_moment")
    is_won = (nw.col("category") == "won") & (nw.col("closed_at") <= scope.known_until)
    came = is_won & (after > 0) & (after <= within_days)
    reasons = [] if shares is None else [(~nw.col("scope_stage").is_in([*shares]), "no probability")]
    return forecastable(past, nw.when(came).then(nw.lit(_WON)).otherwise(nw.lit(_NOT_WON)), reasons=reasons)


@attrs.frozen
class _Judged:
    """A forecast and what came."""

    forecast: Expected
    won: float

    @property
    def error(self) -> float:
        return self.forecast.value - self.won


def _error(scope: Scope, counts: Counts, known: Mapping[int, Histories | Given], within_days: int) -> dict[str, Any]:
    judged, n_untold = _judged(scope, counts, known, within_days)
    currencies: dict[Any, Sums] = {}
    for outcome in (_WON, _NOT_WON):
        for currency, sums in by_currency(counts.get(outcome, {})).items():
            currencies[currency] = currencies.get(currency, Sums()) + sums
    _, warnings = one_currency(currencies)
    errors, won = fsum(abs(each.error) for each in judged), fsum(each.won for each in judged)
    untold = (f"{n_untold} forecasts could not be made, because no deal had been closed by then",) if n_untold else ()
    if not judged:
        reason: str | None = NOTHING_CLOSED if n_untold else "no forecast can be judged yet"
    else:
        reason = None if won else "nothing was won of what was forecast"
    return {
        "value": errors / won if won else None,
        "unit": "share",
        "numerator": errors,
        "denominator": won,
        "n": sum(each.forecast.n for each in judged),
        "reason": reason,
        "details": _details(judged, ci=scope.ci),
        "warnings": (*warnings, *untold) if judged else untold,
    }


def _judged(
    scope: Scope, counts: Counts, known: Mapping[int, Histories | Given], within_days: int
) -> tuple[list[_Judged], int]:
    """The forecasts of moments at which there was something to learn from, and the number of the others."""
    deals: dict[int, list[tuple[str, Any, Sums]]] = {}
    for outcome in (_WON, _NOT_WON):
        for (day, *bucket), sums in counts.get(outcome, {}).items():
            deals.setdefault(day, []).append((outcome, bucket, sums))
    days = within_days if scope.method in TIMED else None
    told = {day: rows for day, rows in deals.items() if day in known and known[day].tell}
    judged = []
    for day, rows in sorted(told.items()):
        chances = [known[day].chance(stage, age, days) for _, (stage, age, _), _ in rows]
        won = sum(sums.total for outcome, _, sums in rows if outcome == _WON)
        forecast = expected([(sums, chance) for (_, _, sums), chance in zip(rows, chances, strict=True)])
        judged.append(_Judged(forecast, won / MONEY_UNITS))
    return judged, len(deals) - len(told)


def _details(judged: Sequence[_Judged], *, ci: float | None) -> dict[str, float]:
    if not judged:
        return {}
    forecast, won = fsum(each.forecast.value for each in judged), fsum(each.won for each in judged)
    found = {"forecasts": float(len(judged)), "forecast": forecast, "won": won}
    if won:
        found["bias"] = forecast / won - 1
    if all(each.won for each in judged):
        found["mape"] = fsum(abs(each.error) / each.won for each in judged) / len(judged)
    if ci is not None:
        bounds = [(*each.forecast.interval(ci), each.won) for each in judged]
        found["coverage"] = sum(low <= came <= high for low, high, came in bounds) / len(judged)
    return found
