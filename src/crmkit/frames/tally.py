"""The one question that a KPI asks of a table: how many rows of which outcome, and what they sum to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, Self

import attrs
import narwhals as nw
import polars as pl
from narwhals.exceptions import InvalidOperationError

from crmkit.errors import InvalidInput
from crmkit.frames.door import exact
from crmkit.frames.words import STRANGE


class Sums(NamedTuple):
    """The number of rows, and the sum and the sum of squares of their amounts; all exact, so they add in any order."""

    n: int = 0
    total: int = 0
    squares: int = 0

    def __add__(self, other: Self) -> Self:  # type: ignore[override]  # sums add, tuples do not
        """Return the sums of both sets of rows, which share no row."""
        return type(self)(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def times(self, factor: int) -> Self:
        """Return the sums of so many times the rows."""
        return type(self)(self.n * factor, self.total * factor, self.squares * factor)


_HALF = 2**32

Key = tuple[Any, ...]
Counts = Mapping[str, Mapping[Any, Sums]]
"""Outcome to bucket to sums. The bucket is whatever a KPI distinguishes further: a duration, a currency, or None."""

Tally = Mapping[Key, Counts]
"""Group to counts; the answer that an engine gives."""


@attrs.frozen(eq=False)
class Question:
    """A tally to be asked for: rows with an outcome, the number of their keys, and whether amounts are summed.

    `rows` has the columns `key_0` and so on, `outcome`, `bucket`, `amount`, `until`, and `record`, the id of what the row stands for.
    A row counts under its keys alone; or, where there is a `last` period, in every period from `key_0` on, before the one that it has
    as `until`, and up to the last. Those that have no period do not last.
    """

    rows: nw.LazyFrame[Any]
    n_keys: int
    has_amount: bool
    has_squares: bool
    last: int | None = None

    @property
    def groups(self) -> list[str]:
        """The columns that rows are grouped by."""
        return [*(f"key_{number}" for number in range(self.n_keys)), "outcome", "bucket"]

    @property
    def sums(self) -> list[str]:
        """The columns that are summed."""
        if self.has_squares:
            return ["amount", "upper", "mixed", "lower"]
        return ["amount"] if self.has_amount else []

    def asked(self) -> nw.LazyFrame[Any]:
        """Return the small table that answers the question."""
        rows, amount = self.rows, nw.col("amount")
        if self.has_squares:
            # A square fits into 128 bits but the sum of some may not, so those of the halves of amounts are summed.
            rows = rows.with_columns(upper=(amount // _HALF).cast(exact(rows)))
            rows = rows.with_columns(lower=amount.cast(exact(rows)) - nw.col("upper") * _HALF)
            upper, lower = nw.col("upper"), nw.col("lower")
            rows = rows.with_columns(upper=upper * upper, mixed=upper * lower, lower=lower * lower)
        if self.has_amount:
            rows = rows.with_columns(amount.cast(exact(rows)))
        if self.last is None:
            return self._counted(rows)
        # Counting what changes in each period takes as long for many periods as for one.
        ended = rows.filter(~nw.col("until").is_null()).with_columns(key_0=nw.col("until"))
        changes = [self._counted(rows).with_columns(sign=nw.lit(1)), self._counted(ended).with_columns(sign=nw.lit(-1))]
        return nw.concat(changes)

    def _counted(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        counted = rows.group_by(*self.groups, drop_null_keys=False)
        return counted.agg(nw.len().alias("n"), *(nw.col(each).sum() for each in self.sums))


def question(
    rows: nw.LazyFrame[Any],
    keys: Sequence[str],
    *,
    outcome: nw.Expr,
    bucket: nw.Expr | None = None,
    amount: nw.Expr | None = None,
    squares: bool = False,
    record: nw.Expr | None = None,
    until: nw.Expr | None = None,
    last: int | None = None,
) -> Question:
    """Return the question for the rows of each key, outcome and bucket, and what their amounts sum to.

    Rows without an outcome do not count. Sums of `squares` are asked for only where an interval needs them. With a `last` period
    rows count from the period that is their first key on, before that of `until`, which is empty for those that last.
    """
    # The other columns stay for the words of those that have no meaning; an engine reads what is asked for.
    counted = rows.with_columns(
        *(nw.col(key).alias(f"key_{number}") for number, key in enumerate(keys)),
        outcome=outcome,
        bucket=nw.lit(None, nw.Int64) if bucket is None else bucket,
        amount=nw.lit(0, nw.Int64) if amount is None else amount,
        record=nw.lit(None, nw.String) if record is None else record,
        until=nw.lit(None, nw.Int64) if until is None else until,
    ).filter(~nw.col("outcome").is_null())
    return Question(counted, len(keys), amount is not None, squares, last)


def answers(questions: Sequence[Question]) -> list[Tally]:
    """Return the answers to questions; those to one engine are asked together."""
    asked = [each.asked() for each in questions]
    in_polars = [number for number, each in enumerate(asked) if each.implementation.is_polars()]
    try:
        together = pl.collect_all([asked[number].to_native() for number in in_polars], engine="streaming")
        found = dict(zip(in_polars, together, strict=True))
        for number in set(range(len(asked))) - found.keys():
            found[number] = asked[number].collect("polars").to_native()
    except (InvalidOperationError, pl.exceptions.InvalidOperationError) as error:
        if "column 'amount'" not in str(error):
            raise
        raise InvalidInput(
            "column 'amount' holds a number that is too large; give amounts below 922 trillion"
        ) from None
    return [_with_words(each, _tally(each, found[number])) for number, each in enumerate(questions)]


def _with_words(asked: Question, tally: Tally) -> Tally:
    """Put strange words in place of the columns that hold them; they are looked up only where there are any."""
    if not any(name.startswith(STRANGE) for counts in tally.values() for name in counts):
        return tally
    return {key: dict(_named(asked, key, counts)) for key, counts in tally.items()}


def _named(asked: Question, key: Key, counts: Counts) -> Iterator[tuple[str, Mapping[Any, Sums]]]:
    for name, sums in counts.items():
        if not name.startswith(STRANGE):
            yield name, sums
            continue
        word = name.removeprefix(STRANGE)
        for found, n in _behind(asked, key, [name]).group_by(word).agg(n=nw.len()).collect("polars").iter_rows():
            yield f"{STRANGE}{found}", {None: Sums(n)}


def _tally(asked: Question, answer: pl.DataFrame) -> Tally:
    if asked.last is None:
        return _read(asked, answer)
    begun, ended = (_read(asked, answer.filter(pl.col("sign") == sign)) for sign in (1, -1))
    return _lasting(begun, ended, asked.last)


def _read(asked: Question, answer: pl.DataFrame) -> Tally:
    result: dict[Key, dict[str, dict[Any, Sums]]] = {}
    keys = answer.select(asked.groups[: asked.n_keys]).iter_rows() if asked.n_keys else repeat(())
    names = ["outcome", "bucket", "n", *asked.sums]
    columns = [answer[name].to_list() for name in names[:2]]
    # Some engines give sums as decimals.
    columns += [answer[name].cast(pl.Int128).to_list() for name in names[2:]]
    for key, outcome, bucket, n, *sums in zip(keys, *columns, strict=False):
        squares = (sums[1] * _HALF + 2 * sums[2]) * _HALF + sums[3] if asked.has_squares else 0
        counts = result.get(key)
        if counts is None:
            counts = result[key] = {}
        counts.setdefault(outcome, {})[bucket] = Sums(n, sums[0] if sums else 0, squares)
    return result


def _lasting(begun: Tally, ended: Tally, last: int) -> Tally:
    """The rows that are there in each period up to the last: those that have begun so far less those that have ended."""
    result: dict[Key, dict[str, dict[Any, Sums]]] = {}
    changes: dict[tuple[Key, str, Any], dict[int, Sums]] = {}
    for sign, part in ((1, begun), (-1, ended)):
        for (period, *group), counts in part.items():
            for outcome, buckets in counts.items():
                for bucket, sums in buckets.items():
                    series = changes.setdefault((tuple(group), outcome, bucket), {})
                    series[period] = series.get(period, Sums()) + sums.times(sign)
    for (group_, outcome, bucket), series in changes.items():
        running = Sums()
        periods: Iterable[Any] = [None] if None in series else range(min(series), last + 1)
        for period in periods:
            running += series.get(period, Sums())
            if running.n:
                result.setdefault((period, *group_), {}).setdefault(outcome, {})[bucket] = running
    return result


def merged(first: Tally, second: Tally) -> Tally:
    """Return the tally of two parts of the data that share no row."""
    result: dict[Key, dict[str, dict[Any, Sums]]] = {}
    for part in (first, second):
        for key, counts in part.items():
            for outcome, buckets in counts.items():
                into = result.setdefault(key, {}).setdefault(outcome, {})
                for bucket, sums in buckets.items():
                    into[bucket] = into.get(bucket, Sums()) + sums
    return result


def records_behind(asked: Question, key: Key, outcomes: Sequence[str]) -> list[str]:
    """Return the ids of the records that were counted under a key with one of some outcomes, sorted."""
    if len(key) > asked.n_keys:  # it was asked about something else
        return []
    found = _behind(asked, key, outcomes).select("record").collect("polars").to_native()["record"]
    return sorted(found.drop_nulls().to_list())


def _behind(asked: Question, key: Key, outcomes: Sequence[str]) -> nw.LazyFrame[Any]:
    """The rows that were counted under a key with one of some outcomes."""
    rows = asked.rows.filter(nw.col("outcome").is_in(list(outcomes)))
    for number, value in enumerate(key):
        column = nw.col(f"key_{number}")
        if number == 0 and asked.last is not None and value is not None:
            rows = rows.filter((column <= value) & (nw.col("until").is_null() | (nw.col("until") > value)))
        else:
            rows = rows.filter(column.is_null() if value is None else column == value)
    return rows
