"""Lengths of time: counted in buckets on the engine, and told in minutes."""

from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import polars as pl

from crmkit.frames.tally import Counts, Question, Sums
from crmkit.metrics.scope import Scope, all_sums
from crmkit.model.calendar import BusinessCalendar
from crmkit.stats.histogram import Histogram
from crmkit.stats.periods import UNIX_EPOCH

MICROSECONDS_A_MINUTE = 60_000_000
_SECOND = 1_000_000
_EXACT = 1024
_STEPS = 10


def minutes(scope: Scope, counts: Counts, outcome: str, nothing: str) -> dict[str, Any]:
    """Return the median of durations in minutes, with the mean and the 90th percentile, from their sums in each `length_bucket`.

    All durations of a bucket are taken to be as long as their mean: of one ticket alone that is exact.
    """
    buckets = counts.get(outcome, {})
    lengths = Histogram({_mean(sums): sums.n for sums in buckets.values()})
    low, high = (scope.ci and lengths.median_interval(scope.ci)) or (None, None)
    middle, p90, sums = lengths.quantile(0.5), lengths.quantile(0.9), all_sums(buckets)
    details = (
        {} if p90 is None else {"mean": sums.total / sums.n / MICROSECONDS_A_MINUTE, "p90": p90 / MICROSECONDS_A_MINUTE}
    )
    return {
        "value": None if middle is None else middle / MICROSECONDS_A_MINUTE,
        "unit": "minutes",
        "numerator": sums.total / MICROSECONDS_A_MINUTE,
        "denominator": sums.n,
        "n": sums.n,
        "low": None if low is None else low / MICROSECONDS_A_MINUTE,
        "high": None if high is None else high / MICROSECONDS_A_MINUTE,
        "reason": None if sums.n else nothing,
        "details": details,
    }


def _mean(sums: Sums) -> int:
    return sums.total // sums.n


def length_bucket(length: nw.Expr) -> nw.Expr:
    """Return the bucket of a duration in microseconds: its second up to some minutes, an interval of less than 0.4 % beyond.

    The durations of any number of tickets fill at most some thousands of buckets. The bucket is the microsecond at which it begins.
    """
    width = nw.lit(_SECOND, nw.Int64)
    for step in range(1, _STEPS):
        # Where durations are four times as long, so are the buckets wide.
        is_longer = length >= _EXACT * _SECOND * 4 ** (step - 1)
        width = nw.when(is_longer).then(nw.lit(_SECOND * 4**step, nw.Int64)).otherwise(width)
    return nw.when(length >= 0).then(length - length % width)


def timed(rows: nw.LazyFrame[Any], start: str, end: str, calendar: BusinessCalendar | None) -> nw.LazyFrame[Any]:
    """Return rows with the `length` of the time from one instant to another, of a calendar's working time where there is one.

    No engine knows working time, so with a calendar the rows are read and counted here.
    """
    if calendar is None:
        return rows.with_columns(length=nw.col(end) - nw.col(start))
    schedule = calendar.schedule
    frame = rows.collect("polars").to_native()
    lengths = [
        None if first is None or last is None else schedule.between(_instant(first), _instant(last))
        for first, last in frame.select(start, end).iter_rows()
    ]
    measured: nw.LazyFrame[Any] = nw.from_native(
        frame.with_columns(pl.Series("length", lengths, dtype=pl.Int64)).lazy()
    )
    return measured


def _instant(microseconds: int) -> datetime:
    return UNIX_EPOCH + timedelta(microseconds=microseconds)


def lengths(
    scope: Scope, rows: nw.LazyFrame[Any], at: str, outcome: nw.Expr, dated: nw.Expr, *, squares: bool = False
) -> Question:
    """Ask for the `length` of rows by outcome, in the period of an instant."""
    length = nw.col("length")
    bucket = nw.when(dated).then(length_bucket(length))
    return scope.question(rows, at=at, dated=dated, outcome=outcome, bucket=bucket, amount=length, squares=squares)
