"""The one question that a KPI asks of a table: how many rows of which outcome, and what they sum to."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
import narwhals as nw
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


def tally(
    rows: nw.LazyFrame[Any],
    keys: Sequence[str],
    *,
    outcome: nw.Expr,
    bucket: nw.Expr | None = None,
    amount: nw.Expr | None = None,
) -> Tally:
    """Count the rows of each key, outcome and bucket, and sum their amounts; rows without an outcome do not count."""
    counted = rows.select(
        *(nw.col(key).alias(f"key_{number}") for number, key in enumerate(keys)),
        outcome=outcome,
        bucket=nw.lit(None, nw.Int64) if bucket is None else bucket,
        amount=nw.lit(0, nw.Int128) if amount is None else amount.cast(nw.Int128),
    ).filter(~nw.col("outcome").is_null())
    groups = [*(f"key_{number}" for number in range(len(keys))), "outcome", "bucket"]
    square = nw.col("amount") * nw.col("amount")
    # A square fits into 128 bits but the sum of some may not, so its two halves are summed apart.
    question = (
        counted.with_columns(upper=square // _HALF, lower=square % _HALF)
        .group_by(*groups, drop_null_keys=False)
        .agg(nw.len().alias("n"), nw.col("amount").sum(), nw.col("upper", "lower").sum())
    )
    try:
        answer = question.collect()
    except InvalidOperationError as error:
        if "column 'amount'" not in str(error):
            raise
        raise InvalidInput(
            "column 'amount' holds a number that is too large; give amounts below 922 trillion"
        ) from None
    result: dict[Key, dict[str, dict[Any, Sums]]] = {}
    for *key, label, inner, n, total, upper, lower in answer.select(
        *groups, "n", "amount", "upper", "lower"
    ).iter_rows():
        result.setdefault(tuple(key), {}).setdefault(label, {})[inner] = Sums(n, total, upper * _HALF + lower)
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
