"""Who entered and left segments: rules that find it, and tables that count it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.door import moment, period_of
from crmkit.frames.small import small_table
from crmkit.frames.table import open_table
from crmkit.model.segment import ENTERED, LEFT, membership_field
from crmkit.model.transition import Transition
from crmkit.rules import Rule, field
from crmkit.segmentation.given import as_given
from crmkit.stats.periods import check_every, index_of, instant, zone
from crmkit.stats.periods import period_of as civil_period

_PREFIX = membership_field("")
_SIZES = {
    "segment_id": pl.String,
    "start": pl.Date,
    "end": pl.Date,
    "entered": pl.Int64,
    "left": pl.Int64,
    "size": pl.Int64,
    "is_partial": pl.Boolean,
}
_OVERLAP = {
    "segment_id": pl.String,
    "other_id": pl.String,
    "size": pl.Int64,
    "other_size": pl.Int64,
    "both": pl.Int64,
    "share": pl.Float64,
    "other_share": pl.Float64,
    "jaccard": pl.Float64,
}


def entered(segment_id: str) -> Rule:
    """Return the rule about transitions that a customer entered a segment.

    >>> from crmkit.rules import field, last_week
    >>> since_monday = entered("at-risk") & (field("at") == last_week())
    """
    return _moved(segment_id, ENTERED)


def left(segment_id: str) -> Rule:
    """Return the rule about transitions that a customer left a segment."""
    return _moved(segment_id, LEFT)


def _moved(segment_id: str, after: str) -> Rule:
    return (field("field") == membership_field(segment_id)) & (field("after") == after)


def segment_sizes(
    transitions: Any, *, as_of: Any, every: str = "month", tz: str = "UTC", columns: Mapping[str, str] | None = None
) -> Any:
    """Return how large segments were over time: who entered and left in each period, and how many were in them at its end.

    Args:
        transitions: records, or a table of any engine, with `subject_id`, `field`, `after` and `at`, as `crm.segments.rebuild`
            keeps them; those of something else than segments do not count.
        as_of: the moment until which they count, inclusive. A date means its whole day in `tz`.
        every: the civil period, such as "day", "week" or "month".
        tz: the IANA name of the time zone in which periods begin.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records), ordered by segment and period: `segment_id`, `start` and `end` (the first
        day that does not belong to the period), `entered`, `left`, `size` at the end of the period, and `is_partial`, true
        of a period that had not ended at `as_of`. A segment begins with the first period in which somebody entered, and
        has a row for every period since. Somebody who came and went in one period counts on both sides. No row for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, a wrong type, or an unknown period.

    >>> moved = [("ann", "entered", 2), ("bob", "entered", 3), ("ann", "left", 20)]
    >>> transitions = [
    ...     Transition(subject="Customer", subject_id=id, field="segment:vip", after=after, at=datetime(2025, 5, day, tzinfo=UTC))
    ...     for id, after, day in moved
    ... ]
    >>> segment_sizes(transitions, as_of=date(2025, 6, 30)).select("entered", "left", "size").rows()
    [(2, 1, 1), (0, 0, 1)]
    """
    if check_every(every) is None:
        raise InvalidInput("every=None is no kind of period; give one such as 'month'")
    until = instant(as_of, tz, "as_of", end_of_day=True)
    rows = _moves(transitions, until, tz, columns)
    counted = rows.with_columns(period=period_of("at", every)).group_by("field", "after", "period").agg(n=nw.len())
    counts = {(name, after, period): n for name, after, period, n in _answers(counted)}
    sizes = pl.DataFrame(list(_sizes(counts, until, every, tz)), schema=_SIZES, orient="row")
    return as_given(small_table(sizes, rows).sort("segment_id", "start"), transitions)


def segment_overlap(transitions: Any, *, as_of: Any, tz: str = "UTC", columns: Mapping[str, str] | None = None) -> Any:
    """Return how many customers segments share, for every two of them that have members.

    Args:
        transitions: as for `segment_sizes`.
        as_of: the moment at which somebody must be inside. A date means the end of that day in `tz`.
        tz: the IANA name of the time zone of a date.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records), one row for two segments, ordered by their ids: `segment_id`, `other_id`,
        `size`, `other_size`, `both` (customers in both of them), `share` (of the first that is in the other, from 0 to 1),
        `other_share` (of the other that is in the first) and `jaccard` (of all who are in one of them, the share that is in
        both: 1 where they are the same customers, 0 where they share nobody). No row for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or a wrong type.

    Source: Jaccard (1901), coefficient de communauté.

    >>> transitions = [
    ...     Transition(subject="Customer", subject_id=id, field=f"segment:{segment}", after="entered", at=datetime(2025, 5, 1, tzinfo=UTC))
    ...     for id, segment in [("ann", "thai"), ("bob", "thai"), ("ann", "vip")]
    ... ]
    >>> segment_overlap(transitions, as_of=date(2025, 5, 1)).rows()
    [('thai', 'vip', 2, 1, 1, 0.5, 1.0, 0.5)]
    """
    rows = _moves(transitions, instant(as_of, tz, "as_of", end_of_day=True), tz, columns)
    balance = nw.when(nw.col("after") == ENTERED).then(nw.lit(1)).otherwise(nw.lit(-1))
    totals = rows.with_columns(balance=balance).group_by("field", "subject_id").agg(nw.col("balance").sum())
    inside = totals.filter(nw.col("balance") > 0).select("field", "subject_id")
    others = inside.select("subject_id", other=nw.col("field"))
    pairs = inside.join(others, on="subject_id", how="inner").group_by("field", "other").agg(n=nw.len())
    both = {(name, other): n for name, other, n in _answers(pairs)}
    found = pl.DataFrame(list(_overlaps(both)), schema=_OVERLAP, orient="row")
    return as_given(small_table(found, rows).sort("segment_id", "other_id"), transitions)


def _moves(transitions: Any, until: datetime, tz: str, columns: Mapping[str, str] | None) -> nw.LazyFrame[Any]:
    """The rows of those who entered and left segments until an instant."""
    needs = ("subject_id", "field", "after", "at")
    table = open_table(transitions, Transition, needs=needs, columns=columns, tz=tz)
    is_move = nw.col("field").str.starts_with(_PREFIX) & nw.col("after").is_in([ENTERED, LEFT])
    return table.rows.filter(is_move, nw.col("at") <= moment(until))


def _answers(counted: nw.LazyFrame[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a small table, with the id of the segment in the place of the field that it has in transitions."""
    frame = counted.collect("polars").to_native()
    plain = frame.with_columns(pl.col("^field|other$").str.strip_prefix(_PREFIX))
    return iter(plain.rows())


def _sizes(
    counts: Mapping[tuple[str, str, int], int], until: datetime, every: str, tz: str
) -> Iterator[tuple[Any, ...]]:
    """A row for every segment and period from its first."""
    last = index_of(until.astimezone(zone(tz)).date(), every)
    first: dict[str, int] = {}
    for segment_id, _, index in counts:
        first[segment_id] = min(index, first.get(segment_id, index))
    for segment_id, begin in first.items():
        size = 0
        for index in range(begin, last + 1):
            came, went = (counts.get((segment_id, after, index), 0) for after in (ENTERED, LEFT))
            size += came - went
            period = civil_period(index, every)
            is_partial = until < instant(period.end, tz, "end") - timedelta(microseconds=1)
            yield segment_id, period.start, period.end, came, went, size, is_partial


def _overlaps(both: Mapping[tuple[str, str], int]) -> Iterator[tuple[Any, ...]]:
    sizes = {segment_id: n for (segment_id, other_id), n in both.items() if segment_id == other_id}
    for segment_id, other_id in combinations(sorted(sizes), 2):
        size, other_size, n = sizes[segment_id], sizes[other_id], both.get((segment_id, other_id), 0)
        yield segment_id, other_id, size, other_size, n, n / size, n / other_size, n / (size + other_size - n)
