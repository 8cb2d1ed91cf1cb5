"""The one question that a KPI asks of a table: how many rows of which outcome, and what they sum to."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
import narwhals as nw
import polars as pl
from narwhals.exceptions import InvalidOperationError

from crmkit.errors import InvalidInput


@attrs.frozen
class Sums:
    """The number of rows, and the sum and the sum of squares of their amounts; all exact, so they add in any order."""

    n: int = 0
    total: int = 0
    squares: int = 0

    def __add__(self, other: Self) -> Self:
        """Return the sums of both sets of rows, which share no row."""
        return type(self)(self.n + other.n, self.total + other.total, self.squares + other.squares)


_HALF = 2**32

Key = tuple[Any, ...]
Counts = Mapping[str, Mapping[Any, Sums]]
"""Outcome to bucket to sums. The bucket is whatever a KPI distinguishes further: a duration, a currency, or None."""

Tally = Mapping[Key, Counts]
"""Group to counts; the answer that an engine gives."""


@attrs.frozen(eq=False)
class Question:
    """A tally to be asked for: rows with an outcome, the number of their keys, and whether amounts are summed.

    `rows` has the columns `key_0` and so on, `outcome`, `bucket`, `amount`, and `record`, the id of what the row stands for.
    """

    rows: nw.LazyFrame[Any]
    n_keys: int
    has_amount: bool
    has_squares: bool

    @property
    def groups(self) -> list[str]:
        """The columns that rows are grouped by."""
        return [*(f"key_{number}" for number in range(self.n_keys)), "outcome", "bucket"]

    @property
    def sums(self) -> list[str]:
        """The columns that are summed."""
        return ["amount", "upper", "lower"] if self.has_squares else ["amount"] if self.has_amount else []

    def asked(self) -> nw.LazyFrame[Any]:
        """Return the small table that answers the question."""
        rows = self.rows
        if self.has_amount:
            rows = rows.with_columns(nw.col("amount").cast(nw.Int128))
        if self.has_squares:
            # A square fits into 128 bits but the sum of some may not, so its two halves are summed apart.
            square = nw.col("amount") * nw.col("amount")
            rows = rows.with_columns(upper=square // _HALF, lower=square % _HALF)
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
) -> Question:
    """Return the question for the rows of each key, outcome and bucket, and what their amounts sum to.

    Rows without an outcome do not count. Sums of `squares` are asked for only where an interval needs them.
    """
    counted = rows.select(
        *(nw.col(key).alias(f"key_{number}") for number, key in enumerate(keys)),
        outcome=outcome,
        bucket=nw.lit(None, nw.Int64) if bucket is None else bucket,
        amount=nw.lit(0, nw.Int64) if amount is None else amount,
        record=nw.lit(None, nw.String) if record is None else record,
    ).filter(~nw.col("outcome").is_null())
    return Question(counted, len(keys), amount is not None, squares)


def answers(questions: Sequence[Question]) -> list[Tally]:
    """Return the answers to questions; those to one engine are asked together."""
    asked = [each.asked() for each in questions]
    in_polars = [number for number, each in enumerate(asked) if each.implementation.is_polars()]
    try:
        together = pl.collect_all([asked[number].to_native() for number in in_polars])
        found = dict(zip(in_polars, together, strict=True))
        for number in set(range(len(asked))) - found.keys():
            found[number] = asked[number].collect("polars").to_native()
    except (InvalidOperationError, pl.exceptions.InvalidOperationError) as error:
        if "column 'amount'" not in str(error):
            raise
        raise InvalidInput(
            "column 'amount' holds a number that is too large; give amounts below 922 trillion"
        ) from None
    return [_tally(each, found[number]) for number, each in enumerate(questions)]


def _tally(asked: Question, answer: pl.DataFrame) -> Tally:
    result: dict[Key, dict[str, dict[Any, Sums]]] = {}
    for row in answer.select(*asked.groups, "n", *asked.sums).iter_rows():
        *key, outcome, bucket = row[: asked.n_keys + 2]
        n, *sums = map(int, row[asked.n_keys + 2 :])
        total = sums[0] if sums else 0
        squares = sums[1] * _HALF + sums[2] if asked.has_squares else 0
        result.setdefault(tuple(key), {}).setdefault(outcome, {})[bucket] = Sums(n, total, squares)
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
    rows = asked.rows.filter(nw.col("outcome").is_in(list(outcomes)))
    for number, value in enumerate(key):
        column = nw.col(f"key_{number}")
        rows = rows.filter(column.is_null() if value is None else column == value)
    found = rows.select("record").collect("polars").to_native()["record"]
    return sorted(found.drop_nulls().to_list())
