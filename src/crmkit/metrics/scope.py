"""The part that all KPIs share: which instants count, in which periods and groups, and how counts become measures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import period_index
from crmkit.frames.table import group_columns
from crmkit.frames.tally import Counts, Key, Sums, Tally, tally
from crmkit.metrics.definition import Definition
from crmkit.metrics.result import COLUMNS, Measure, MetricResult
from crmkit.stats.intervals import quantile_of_normal
from crmkit.stats.periods import Every, Period, check_every, index_of, instant, period_of, zone

Moment = date | datetime
Finish = Callable[[Counts], dict[str, Any]]
"""Counts of one group into the value, unit, numerator, denominator and so on of its measure."""

_SMALLEST = timedelta(microseconds=1)
_LAST_YEAR = 9998


@attrs.frozen(kw_only=True)
class Scope:
    """The checked arguments that every KPI takes.

    `as_of` is inclusive, `start` and `end` are half-open; all three are instants in UTC.
    """

    definition: Definition
    method: str
    as_of: datetime
    start: datetime | None
    end: datetime | None
    every: Every | None
    by: tuple[str, ...]
    tz: str
    ci: float | None

    def window(self, at: nw.Expr) -> nw.Expr:
        """Whether an instant counts: inside the half-open window and not after `as_of`."""
        inside = at <= self.as_of
        if self.start is not None:
            inside = inside & (at >= self.start)
        return inside if self.end is None else inside & (at < self.end)

    def tally(
        self,
        rows: nw.LazyFrame[Any],
        *,
        at: nw.Expr,
        outcome: nw.Expr,
        bucket: nw.Expr | None = None,
        amount: nw.Expr | None = None,
    ) -> Tally:
        """Count rows by period, group and outcome.

        Rows whose instant lies outside the window do not count; rows without an instant are in no period.
        """
        index = nw.lit(None, nw.Int64) if self.every is None else period_index(nw.col("scope_at"), self.every, self.tz)
        dated = rows.with_columns(scope_at=at).filter(nw.col("scope_at").is_null() | self.window(nw.col("scope_at")))
        return tally(
            dated.with_columns(scope_period=index),
            ["scope_period", *group_columns(self.by)],
            outcome=outcome,
            bucket=bucket,
            amount=amount,
        )


def make_scope(
    definition: Definition,
    *,
    as_of: Moment,
    start: Moment | None,
    end: Moment | None,
    every: str | None,
    by: str | Sequence[str] | None,
    tz: str,
    method: str,
    ci: float | None,
) -> Scope:
    """Check the arguments of a KPI; raise `InvalidInput`, which names the argument, for one that cannot be used."""
    zone(tz)
    if not isinstance(method, str) or method not in definition.methods:
        raise InvalidInput(
            f"method={method!r} is no definition of {definition.name}; {choices(str(method), definition.methods)}"
        )
    if ci is not None:
        quantile_of_normal(ci)
    scope = Scope(
        definition=definition,
        method=method,
        as_of=instant(as_of, tz, "as_of", end_of_day=True),
        start=None if start is None else instant(start, tz, "start"),
        end=None if end is None else instant(end, tz, "end"),
        every=check_every(every),
        by=_check_by(by),
        tz=tz,
        ci=ci,
    )
    if scope.as_of.year > _LAST_YEAR:
        raise InvalidInput(f"as_of={as_of} is at an end of the calendar; give a day before the year {_LAST_YEAR + 1}")
    if scope.start is not None and scope.end is not None and scope.start >= scope.end:
        raise InvalidInput(f"start={start} is not before end={end}; the end is the first moment that does not count")
    return scope


def _check_by(by: Any) -> tuple[str, ...]:
    names = (by,) if isinstance(by, str) else by or ()
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InvalidInput(f"by={by!r} is no column; give the name of one, or a list of names")
    for name in names:
        if name in COLUMNS:
            raise InvalidInput(
                f"by={name!r} is also a column of the result; group by='my_{name}' with columns={{'my_{name}': {name!r}}}"
            )
    return tuple(names)


_UNKNOWN = "?"


def unknown(category: str) -> nw.Expr:
    """The outcome of a row whose category has no meaning; `check_outcomes` makes an error of it."""
    return nw.concat_str([nw.lit(_UNKNOWN), nw.col(category)])


def check_outcomes(found: Tally, column: str, accepted: Sequence[str]) -> None:
    """Raise `InvalidInput` where a column of categories holds a word that has no meaning."""
    strange: dict[str, int] = {}
    for counts in found.values():
        for outcome, buckets in counts.items():
            if outcome.startswith(_UNKNOWN):
                strange[outcome[1:]] = strange.get(outcome[1:], 0) + rows(buckets)
    if strange:
        listed = ", ".join(f"{word!r} ({n} rows)" for word, n in sorted(strange.items())[:5])
        raise InvalidInput(f"column {column!r} holds {listed}; accepted are {', '.join(map(repr, accepted))}")


def all_sums(buckets: Mapping[Any, Sums] | None) -> Sums:
    """Return the sums over all buckets."""
    return sum((buckets or {}).values(), start=Sums())


def rows(buckets: Mapping[Any, Sums] | None) -> int:
    """Return the number of rows in all buckets."""
    return all_sums(buckets).n


def result(scope: Scope, found: Tally, counted: Sequence[str], finish: Finish) -> MetricResult:
    """Turn counts into measures: one a period and group, with empty periods between filled in.

    Outcomes that are not `counted` are reasons for exclusion.
    """
    undated = {key: counts for key, counts in found.items() if scope.every and key[0] is None}
    dated = {key: counts for key, counts in found.items() if key not in undated}
    groups = sorted({key[1:] for key in dated}, key=_sortable) or ([()] if not scope.by else [])
    measures = []
    for index in _indexes(scope, dated):
        period = None if index is None or scope.every is None else period_of(index, scope.every)
        for group in groups:
            counts = dated.get((index, *group), {})
            measure = Measure(
                period=period,
                group=dict(zip(scope.by, group, strict=True)),
                partial=_is_partial(scope, period),
                excluded=_excluded([counts], counted),
                **finish(counts),
            )
            measures.append(measure)
    return MetricResult(
        definition=scope.definition,
        method=scope.method,
        as_of=scope.as_of,
        tz=scope.tz,
        by=scope.by,
        measures=tuple(measures),
        excluded=_excluded(undated.values(), counted),
    )


def _excluded(parts: Iterable[Counts], counted: Sequence[str]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counts in parts:
        for outcome, buckets in counts.items():
            if outcome not in counted:
                total[outcome] = total.get(outcome, 0) + rows(buckets)
    return dict(sorted(total.items()))


def _indexes(scope: Scope, dated: Tally) -> list[int | None]:
    """The periods of the series: from the start or the first row, to the end or `as_of`."""
    if scope.every is None:
        return [None]
    first = min((key[0] for key in dated), default=None) if scope.start is None else _index(scope, scope.start)
    return [] if first is None else list(range(first, _index(scope, _last_moment(scope)) + 1))


def _index(scope: Scope, moment: datetime) -> int:
    assert scope.every is not None
    return index_of(moment.astimezone(zone(scope.tz)).date(), scope.every)


def _is_partial(scope: Scope, period: Period | None) -> bool:
    """Whether the period was cut by the window or had not ended at `as_of`."""
    if period is None:
        return _last_moment(scope) < (scope.as_of if scope.end is None else scope.end - _SMALLEST)
    begins, ends = instant(period.start, scope.tz, "start"), instant(period.end, scope.tz, "end")
    return _last_moment(scope) < ends - _SMALLEST or (scope.start is not None and begins < scope.start)


def _last_moment(scope: Scope) -> datetime:
    return scope.as_of if scope.end is None else min(scope.as_of, scope.end - _SMALLEST)


def _sortable(group: Key) -> list[tuple[bool, str, Any]]:
    return [
        (value is None, "" if value is None else type(value).__name__, "" if value is None else value)
        for value in group
    ]
