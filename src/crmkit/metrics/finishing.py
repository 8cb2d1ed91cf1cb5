"""How counts become numbers: the shares, durations and averages that many KPIs are."""

from collections.abc import Sequence
from typing import Any

from crmkit.frames.table import MONEY_UNITS
from crmkit.frames.tally import Counts, Sums
from crmkit.metrics.money import one_currency
from crmkit.metrics.scope import all_sums, rows
from crmkit.stats import intervals
from crmkit.stats.histogram import Histogram
from crmkit.stats.survival import Lifetimes


def share(
    counts: Counts, numerator: Sequence[str], denominator: Sequence[str], *, ci: float | None, nothing: str
) -> dict[str, Any]:
    """Return the share of rows with one of some outcomes among those with one of others, with its interval by Wilson.

    `nothing` is the reason where there is nothing to divide by.
    """
    part = sum(rows(counts.get(outcome)) for outcome in numerator)
    n = sum(rows(counts.get(outcome)) for outcome in denominator)
    low, high = (ci and intervals.proportion(part, n, ci)) or (None, None)
    return {
        "value": part / n if n else None,
        "unit": "share",
        "numerator": part,
        "denominator": n,
        "n": n,
        "low": low,
        "high": high,
        "reason": None if n else nothing,
    }


def number(counts: Counts, outcomes: Sequence[str], *, unit: str = "count") -> dict[str, Any]:
    """Return the number of rows with one of some outcomes, which is 0 where there are none."""
    n = sum(rows(counts.get(outcome)) for outcome in outcomes)
    return {"value": float(n), "unit": unit, "numerator": n, "n": n}


def durations(counts: Counts, outcomes: Sequence[str], *, unit: str, ci: float | None, nothing: str) -> dict[str, Any]:
    """Return the median of the durations in the buckets of some outcomes, with the mean and the 90th percentile."""
    histogram = Histogram({})
    for outcome in outcomes:
        histogram += Histogram({length: sums.n for length, sums in counts.get(outcome, {}).items()})
    mean, p90 = histogram.mean(), histogram.quantile(0.9)
    low, high = (ci and histogram.median_interval(ci)) or (None, None)
    return {
        "value": histogram.quantile(0.5),
        "unit": unit,
        "numerator": histogram.total,
        "denominator": histogram.n,
        "n": histogram.n,
        "low": low,
        "high": high,
        "reason": None if histogram.n else nothing,
        "details": {} if mean is None or p90 is None else {"mean": mean, "p90": p90},
    }


def average_amount(counts: Counts, outcome: str, *, ci: float | None, nothing: str) -> dict[str, Any]:
    """Return the average amount of an outcome, whose bucket is the currency; asks for sums of squares where `ci` is given."""
    currency, warnings = one_currency(counts.get(outcome, {}))
    sums = all_sums(counts.get(outcome))
    bounds = (ci and intervals.mean(sums.total, sums.squares, sums.n, ci)) or None
    return {
        "value": sums.total / MONEY_UNITS / sums.n if sums.n else None,
        "unit": currency,
        "numerator": sums.total / MONEY_UNITS,
        "denominator": sums.n,
        "n": sums.n,
        "low": bounds and bounds[0] / MONEY_UNITS,
        "high": bounds and bounds[1] / MONEY_UNITS,
        "reason": None if sums.n else nothing,
        "warnings": warnings if sums.n else (),
    }


def total_amount(counts: Counts, outcomes: Sequence[str]) -> dict[str, Any]:
    """Return the sum of the amounts of some outcomes, whose bucket is the currency; 0 where there are none."""
    by_currency: dict[Any, Sums] = {}
    for outcome in outcomes:
        for currency, sums in counts.get(outcome, {}).items():
            by_currency[currency] = by_currency.get(currency, Sums()) + sums
    unit, warnings = one_currency(by_currency)
    sums = all_sums(by_currency)
    return {
        "value": sums.total / MONEY_UNITS,
        "unit": unit,
        "numerator": sums.total / MONEY_UNITS,
        "n": sums.n,
        "warnings": warnings if sums.n else (),
    }


def censored_durations(
    counts: Counts, ended: Sequence[str], open_: Sequence[str], *, unit: str, ci: float | None, nothing: str
) -> dict[str, Any]:
    """Return the median of durations by Kaplan-Meier; those in the buckets of `open_` have lasted so long and are not over.

    There is no value where half of them have not ended by the longest duration, which `low` may still bound.
    """
    over, going_on = _lengths(counts, ended), _lengths(counts, open_)
    curve = Lifetimes({"ended": over}, going_on).curve()
    n, median, p90 = over.n + going_on.n, curve.median(), curve.quantile(0.9)
    low, high = (ci and curve.median_interval(ci)) or (None, None)
    return {
        "value": median,
        "unit": unit,
        "numerator": over.total + going_on.total,
        "denominator": n,
        "n": n,
        "low": low,
        "high": high,
        "reason": nothing if not n else None if median is not None else "fewer than half have ended",
        "details": {"open": float(going_on.n), **({} if p90 is None else {"p90": p90})} if n else {},
    }


def _lengths(counts: Counts, outcomes: Sequence[str]) -> Histogram:
    parts = (counts.get(outcome, {}).items() for outcome in outcomes)
    return sum((Histogram({length: sums.n for length, sums in part}) for part in parts), start=Histogram({}))
