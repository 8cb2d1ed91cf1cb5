"""Summaries of customers as numbers in memory: checked, and where a model is fitted, compressed."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from crmkit.errors import InvalidInput, choices

Numbers = NDArray[np.float64]

PURCHASES = ("frequency", "recency", "age")


@attrs.frozen(eq=False)
class Observed:
    """Columns of a summary: one item a customer, or one for all who look alike. `customers` counts them."""

    values: Mapping[str, Numbers]
    customers: Numbers

    def __getitem__(self, column: str) -> Numbers:
        """Return a column by its name."""
        return self.values[column]


def compressed(
    summary: Any,
    needs: Sequence[str],
    columns: Mapping[str, str] | None = None,
    *,
    where: nw.Expr | None = None,
    count: str | None = None,
) -> Observed:
    """Return the distinct combinations of some columns and how many customers have each; an engine counts where its data is.

    They are in ascending order, so neither the order nor the parts in which rows come matter. `where` chooses rows by the columns;
    `count` is a column of how many customers a row stands for, where the table has it. Raises `InvalidInput`, naming the column, for
    one that is missing, has no numbers, or is empty or not finite somewhere.
    """
    table = _table(summary)
    counts = [count] if count and _source(count, columns) in table.collect_schema() else []
    sources = _sources(table, [*needs, *counts], columns)
    rows = table.select(**{name: nw.col(source) for name, source in sources.items()})
    rows = rows if isinstance(rows, nw.LazyFrame) else nw.from_native(rows.to_polars().lazy())
    rows = rows if where is None else rows.filter(where)
    number = nw.col(*counts).sum() if counts else nw.len()
    found = rows.group_by(*needs, drop_null_keys=False).agg(summary_customers=number)
    return _observed(found.collect("polars").to_native().sort(needs), needs, sources)


def collected(summary: Any, needs: Sequence[str], columns: Mapping[str, str] | None = None) -> Observed:
    """Return some columns of a table, row by row; raises `InvalidInput` as `compressed` does, but lets columns be empty."""
    table = nw.from_native(summary, eager_only=True)
    sources = _sources(table, needs, columns)
    frame = table.select(**{name: nw.col(source) for name, source in sources.items()}).to_polars()
    values = {name: frame[name].cast(pl.Float64).to_numpy() for name in needs}
    return Observed(values, np.ones(frame.height))


def in_memory(summary: Any) -> Any:
    """Return a table as it is, or in Polars where it is lazy, because what is computed of rows needs rows in an order."""
    table = _table(summary)
    return table.collect("polars").to_native() if isinstance(table, nw.LazyFrame) else summary


def with_column(table: Any, name: str, values: Numbers) -> Any:
    """Return a table in memory with one more column, in which NaN is no value."""
    frame = nw.from_native(table, eager_only=True)
    found = frame.with_columns(nw.new_series(name, values, nw.Float64, backend=frame.implementation))
    if np.isnan(values).any() and not frame.implementation.is_pandas_like():
        found = found.with_columns(nw.when(~nw.col(name).is_nan()).then(nw.col(name)).alias(name))
    return found.to_native()


def observed_purchases(summary: Any, columns: Mapping[str, str] | None) -> tuple[Observed, float]:
    """Return the distinct histories of a summary, and how often customers bought in a unit of time.

    Raises `InvalidInput` where histories contradict themselves, or nobody came back.
    """
    observed = checked_purchases(compressed(summary, PURCHASES, columns))
    repeats = float((observed.customers * observed["frequency"]).sum())
    if not repeats:
        raise InvalidInput("nobody in the summary came back, so nothing can be learned about when customers do")
    return observed, repeats / float((observed.customers * observed["age"]).sum())


def checked_purchases(observed: Observed) -> Observed:
    """Return histories of purchases; raise `InvalidInput` where one contradicts itself."""
    frequency, recency, age = (observed[name] for name in PURCHASES)
    check(observed, ~(frequency >= 0) | (frequency != np.floor(frequency)), "'frequency' is no whole number from 0")
    check(observed, ~((recency >= 0) & (recency <= age)), "'recency' does not lie from 0 to 'age'")
    check(observed, (frequency == 0) & (recency > 0), "'recency' is above 0 where 'frequency' is 0")
    check(observed, (frequency > 0) & (age == 0), "'age' is 0 where 'frequency' is above 0")
    return observed


def check(observed: Observed, wrong: NDArray[np.bool_], complaint: str) -> None:
    """Raise `InvalidInput` where something is wrong, saying of how many customers."""
    if wrong.any():
        raise InvalidInput(f"{complaint}, for {int(observed.customers[wrong].sum())} customers")


def history(frequency: Any, recency: Any, age: Any) -> Observed:
    """Return histories given as numbers or arrays; raise `InvalidInput` where they contradict themselves or are no numbers."""
    try:
        values = np.broadcast_arrays(*(np.asarray(each, np.float64) for each in (frequency, recency, age)))
    except (TypeError, ValueError):
        raise InvalidInput("frequency, recency and age must be numbers, or arrays of one length") from None
    return checked_purchases(Observed(dict(zip(PURCHASES, values, strict=True)), np.ones(values[0].shape)))


def plain(values: Numbers) -> Any:
    """Return a number for an array of no dimension, and other arrays as they are."""
    return values.item() if values.ndim == 0 else values


def length(value: Any, name: str) -> float:
    """Return a length of time; raise `InvalidInput`, naming the argument, unless it is a finite number from 0."""
    if not isinstance(value, int | float) or not 0 <= value < np.inf:
        raise InvalidInput(f"{name}={value!r} is no length of time; give a number from 0")
    return float(value)


def _table(summary: Any) -> Any:
    table = nw.from_native(summary, pass_through=True)
    if isinstance(table, nw.DataFrame | nw.LazyFrame):
        return table
    given = type(summary).__name__
    raise InvalidInput(f"{given} is no summary of customers; give a Polars, pandas, Arrow or DuckDB table")


def _source(name: str, columns: Mapping[str, str] | None) -> str:
    return (columns or {}).get(name, name)


def _sources(table: Any, needs: Sequence[str], columns: Mapping[str, str] | None) -> dict[str, str]:
    present = table.collect_schema()
    sources = {name: _source(name, columns) for name in needs}
    for name, source in sources.items():
        if source not in present:
            raise InvalidInput(
                f"the summary has no column {source!r}; {choices(source, present)}; "
                f"a column of another name is given as columns={{{name!r}: 'its name'}}"
            )
        if not present[source].is_numeric() and present[source] != nw.Boolean:
            raise InvalidInput(f"the summary's column {source!r} is {present[source]}; give numbers")
    return sources


def _observed(frame: pl.DataFrame, needs: Sequence[str], sources: Mapping[str, str]) -> Observed:
    values = {name: frame[name].cast(pl.Float64).to_numpy() for name in needs}
    observed = Observed(values, frame["summary_customers"].cast(pl.Float64).to_numpy())
    for name, numbers in values.items():
        check(observed, ~np.isfinite(numbers), f"the summary's column {sources[name]!r} has no finite number")
    return observed
