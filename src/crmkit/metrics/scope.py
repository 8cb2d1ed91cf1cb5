"""The part that all KPIs share: which instants count, in which periods and groups, and how counts become measures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from inspect import Parameter
from typing import Any, Required, TypedDict

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import engine_of, moment, period_of
from crmkit.frames.filtering import check_rule
from crmkit.frames.rates import Conversion, Rates
from crmkit.frames.table import Table, group_columns, open_table
from crmkit.frames.tally import Counts, Key, Question, Sums, Tally, question
from crmkit.frames.words import STRANGE, one_of, unknown
from crmkit.metrics.definition import Definition
from crmkit.metrics.result import COLUMNS, Measure, MetricResult
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule
from crmkit.stats import periods
from crmkit.stats.intervals import quantile_of_normal
from crmkit.stats.periods import Every, Period, check_every, index_of, instant, zone

Moment = date | datetime
Finish = Callable[[Counts], dict[str, Any]]
"""Counts of one group into the value, unit, numerator, denominator and so on of its measure."""

_SMALLEST = timedelta(microseconds=1)
_LAST_YEAR = 9998


class Asked(TypedDict, total=False):
    """The arguments that every KPI takes; `crmkit.metrics` says what they mean."""

    as_of: Required[Moment]
    start: Moment | None
    end: Moment | None
    every: str | None
    by: str | Sequence[str] | None
    where: Rule
    tz: str
    ci: float | None
    columns: Mapping[str, str] | None
    versus: str | None
    rates: Rates | None
    related: Mapping[type[Record], Any] | None


DEFAULTS: Mapping[str, Any] = {
    "as_of": Parameter.empty,
    "start": None,
    "end": None,
    "every": None,
    "by": None,
    "where": EVERYTHING,
    "tz": "UTC",
    "ci": 0.95,
    "columns": None,
    "versus": None,
    "rates": None,
    "related": None,
}
"""The arguments of `Asked` and what they are where nobody gives them; `as_of` must be given."""


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
    where: Rule
    tz: str
    ci: float | None
    columns: Mapping[str, str] | None
    rates: Rates | None
    related: Mapping[type[Record], Any] | None
    _engines: set[str] = attrs.field(factory=set, init=False, eq=False, repr=False)

    @property
    def known_until(self) -> int:
        """`as_of` as it is behind the door."""
        return moment(self.as_of)

    @property
    def last_moment(self) -> datetime:
        """The last moment that counts: that of the window, or `as_of`."""
        return self.as_of if self.end is None else min(self.as_of, self.end - _SMALLEST)

    def open(
        self, data: Any, cls: type[Record], *, needs: Sequence[str], uses: Sequence[str] = (), is_main: bool = True
    ) -> Table:
        """Return a table of the KPI; the main one is that which is grouped by columns and filtered by a rule.

        Raises `InvalidInput` as `open_table` does, and for tables that are in different engines.
        """
        table = open_table(
            data,
            cls,
            needs=needs,
            uses=uses,
            by=self.by if is_main else (),
            columns=self.columns,
            tz=self.tz,
            where=self.where if is_main else EVERYTHING,
            related=self.related,
            conversion=self._conversion(),
        )
        self._engines.add(engine_of(table.rows))
        if len(self._engines) > 1:
            raise InvalidInput(
                f"the tables of {self.definition.name} are in {' and '.join(sorted(self._engines))}, and no engine reads another's; "
                "give all of them as one kind of data"
            )
        return table

    def _conversion(self) -> Conversion | None:
        if self.rates is None:
            return None
        here = zone(self.tz)
        as_of, last = (each.astimezone(here).date() for each in (self.as_of, self.last_moment))
        return Conversion(rates=self.rates, as_of=as_of, last=last, every=self.every)

    def window(self, at: nw.Expr) -> nw.Expr:
        """Whether an instant counts: inside the half-open window and not after `as_of`."""
        inside = at <= self.known_until
        if self.start is not None:
            inside = inside & (at >= moment(self.start))
        return inside if self.end is None else inside & (at < moment(self.end))

    def question(
        self,
        rows: nw.LazyFrame[Any],
        *,
        at: str,
        outcome: nw.Expr,
        dated: nw.Expr | None = None,
        bucket: nw.Expr | None = None,
        amount: nw.Expr | None = None,
        squares: bool = False,
        record: str | None = "id",
    ) -> Question:
        """Return the question for rows by period, group and outcome.

        A row is in the period of the instant column `at`. Rows whose instant lies outside the window do not count; rows without one,
        or that are not `dated`, are in no period. `record` is the column that names what a row stands for.
        """
        instant = nw.col(at) if dated is None else nw.when(dated).then(nw.col(at))
        index = nw.lit(None, nw.Int64)
        if self.every is not None:
            index = nw.when(~nw.col("scope_at").is_null()).then(period_of(at, self.every))
        known = rows.with_columns(scope_at=instant)
        inside = known.filter(nw.col("scope_at").is_null() | self.window(nw.col("scope_at")))
        return question(
            inside.with_columns(scope_period=index),
            ["scope_period", *group_columns(self.by)],
            outcome=outcome,
            bucket=bucket,
            amount=amount,
            squares=squares,
            record=None if record is None or record not in rows.collect_schema() else nw.col(record),
        )


def make_scope(definition: Definition, method: str, asked: Asked) -> Scope:
    """Check the arguments of a KPI; raise `InvalidInput`, which names the argument, for one that cannot be used."""
    given = {**DEFAULTS, **asked}
    tz, ci = given["tz"], given["ci"]
    zone(tz)
    if not isinstance(method, str) or method not in definition.methods:
        raise InvalidInput(
            f"method={method!r} is no definition of {definition.name}; {choices(str(method), definition.methods)}"
        )
    if ci is not None:
        quantile_of_normal(ci)
    where = check_rule(given["where"])
    if given["rates"] is not None and not isinstance(given["rates"], Rates):
        raise InvalidInput("rates= takes crmkit.metrics.Rates(table=..., into='EUR'), or None")
    if given["related"] is not None and not isinstance(given["related"], Mapping):
        raise InvalidInput("related= takes the data of other classes by class, such as {Order: orders}, or None")
    start, end = given["start"], given["end"]
    as_of = instant(given["as_of"], tz, "as_of", end_of_day=True)
    scope = Scope(
        definition=definition,
        method=method,
        as_of=as_of,
        start=None if start is None else instant(start, tz, "start"),
        end=None if end is None else instant(end, tz, "end"),
        every=check_every(given["every"]),
        by=_check_by(given["by"]),
        where=where.at(as_of, tz),
        tz=tz,
        ci=ci,
        columns=given["columns"],
        rates=given["rates"],
        related=given["related"],
    )
    if scope.as_of.year > _LAST_YEAR:
        raise InvalidInput(
            f"as_of={scope.as_of} is at an end of the calendar; give a day before the year {_LAST_YEAR + 1}"
        )
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


def unknown_words(table: Table, column: str, accepted: Sequence[str]) -> Question:
    """Ask a further table for words without a meaning only, so that `check_outcomes` finds them in the same pass."""
    return question(table.rows, [], outcome=nw.when(~one_of(nw.col(column), accepted)).then(unknown(column)))


def check_outcomes(found: Tally, column: str, accepted: Sequence[str]) -> None:
    """Raise `InvalidInput` where a column of categories holds a word that has no meaning."""
    strange: dict[str, int] = {}
    for counts in found.values():
        for outcome, buckets in counts.items():
            if outcome.startswith(STRANGE):
                strange[outcome[1:]] = strange.get(outcome[1:], 0) + rows(buckets)
    if strange:
        listed = ", ".join(f"{word!r} ({n} rows)" for word, n in sorted(strange.items())[:5])
        raise InvalidInput(f"column {column!r} holds {listed}; accepted are {', '.join(map(repr, accepted))}")


def all_sums(buckets: Mapping[Any, Sums] | None) -> Sums:
    """Return the sums over all buckets."""
    held = (buckets or {}).values()
    return Sums(sum(each.n for each in held), sum(each.total for each in held), sum(each.squares for each in held))


def rows(buckets: Mapping[Any, Sums] | None) -> int:
    """Return the number of rows in all buckets."""
    return sum(each.n for each in (buckets or {}).values())


def result(
    scope: Scope, found: Tally, counted: Sequence[str], finish: Finish, *, numerator: Sequence[str] = ()
) -> MetricResult:
    """Turn counts into measures: one a period and group, with empty periods between filled in.

    Outcomes that are not `counted` are reasons for exclusion. `numerator` are those of the numerator, all counted ones where
    nothing is said.
    """
    undated = {key: counts for key, counts in found.items() if scope.every and key[0] is None}
    dated = {key: counts for key, counts in found.items() if key not in undated}
    groups = sorted({key[1:] for key in dated}, key=_sortable) or ([()] if not scope.by else [])
    measures = []
    for index in _indexes(scope, dated):
        period = None if index is None or scope.every is None else periods.period_of(index, scope.every)
        is_partial = _is_partial(scope, period)
        for group in groups:
            counts = dated.get((index, *group), {})
            measure = Measure(
                period=period,
                group=dict(zip(scope.by, group, strict=True)),
                partial=is_partial,
                key=(index, *group),
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
        outcomes={"numerator": tuple(numerator or counted), "denominator": tuple(counted)},
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
    return [] if first is None else list(range(first, _index(scope, scope.last_moment) + 1))


def _index(scope: Scope, moment: datetime) -> int:
    assert scope.every is not None
    return index_of(moment.astimezone(zone(scope.tz)).date(), scope.every)


def _is_partial(scope: Scope, period: Period | None) -> bool:
    """Whether the period was cut by the window or had not ended at `as_of`."""
    if period is None:
        return scope.last_moment < (scope.as_of if scope.end is None else scope.end - _SMALLEST)
    begins, ends = instant(period.start, scope.tz, "start"), instant(period.end, scope.tz, "end")
    return scope.last_moment < ends - _SMALLEST or (scope.start is not None and begins < scope.start)


def _sortable(group: Key) -> list[tuple[bool, str, Any]]:
    return [
        (value is None, "" if value is None else type(value).__name__, "" if value is None else value)
        for value in group
    ]
