"""What customers will be worth: when they are expected to buy, times what a purchase of theirs is worth."""

from collections.abc import Mapping
from typing import Any, Protocol

import attrs
import narwhals as nw
import numpy as np
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.segmentation.given import check_whole
from crmkit.segmentation.lifetime.models.gamma_gamma import GammaGamma
from crmkit.segmentation.lifetime.models.summaries import (
    PURCHASES,
    Numbers,
    checked_purchases,
    collected,
    in_memory,
    length,
    with_column,
)
from crmkit.segmentation.lifetime.purchases import days


class Purchases(Protocol):
    """A model of repeat buying: `BgNbd`, `MbgNbd` or `ParetoNbd`."""

    def probability_alive(self, frequency: Any, recency: Any, age: Any) -> Any:
        """Return the probability that a customer with this history has not left."""

    def expected_purchases(self, frequency: Any, recency: Any, age: Any, *, periods: float) -> Any:
        """Return how many purchases to expect in the next `periods` units of time."""


def predict(summary: Any, model: Purchases, *, periods: float, columns: Mapping[str, str] | None = None) -> Any:
    """Return the summary with what a model expects of each customer.

    Args:
        summary: a Polars, pandas, Arrow or DuckDB table with `frequency`, `recency` and `age`, as `purchase_summary` returns.
        model: a fitted `BgNbd`, `MbgNbd` or `ParetoNbd`.
        periods: how far to look ahead, in the unit of time of the summary.
        columns: the names of columns mapped to the names that the table has.

    Returns:
        The caller's kind of table, in Polars where it was in an engine, with `probability_alive` and `expected_purchases`.

    Raises:
        InvalidInput: for a missing column, or a history that contradicts itself.

    >>> from crmkit.segmentation.lifetime import BgNbd
    >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> ann = pl.DataFrame({"frequency": [2], "recency": [30.43], "age": [38.86]})
    >>> predict(ann, model, periods=39).select(pl.col("probability_alive", "expected_purchases").round(4)).rows()
    [(0.7266, 1.226)]
    """
    table = in_memory(summary)
    seen = _histories(table, columns)
    table = with_column(table, "probability_alive", model.probability_alive(*seen))
    table = with_column(table, "expected_purchases", model.expected_purchases(*seen, periods=periods))
    return _as_lazy_as(summary, table)


def lifetime_value(
    summary: Any,
    model: Purchases,
    spending: GammaGamma | float,
    *,
    horizon_months: int,
    margin: float = 1.0,
    discount: float = 0.0,
    unit: str = "week",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return the summary with what each customer will be worth in the months to come, past purchases not counted.

    The purchases expected in each month, times what one is worth and the margin, discounted to now from the end of the month.

    Args:
        summary: a table with `frequency`, `recency` and `age`, and with `value` for a `GammaGamma`, as `purchase_summary` returns.
        model: a fitted `BgNbd`, `MbgNbd` or `ParetoNbd`.
        spending: a fitted `GammaGamma`, or one worth for every purchase.
        horizon_months: how many months to look ahead, each a twelfth of 365.25 days.
        margin: the part of revenue that is profit, from 0 to 1. By default all of it, because any other guess is silently wrong.
        discount: the effective rate by which money is worth less a year later, such as 0.1.
        unit: the unit of time of the summary: "day", "week", "month", "quarter" or "year".
        columns: the names of columns mapped to the names that the table has.

    Returns:
        The caller's kind of table, in Polars where it was in an engine, with `expected_value`, what a purchase is expected to be
        worth, and `lifetime_value`, in the unit of money of `value`. Both are empty where the model of spending has no mean.

    Raises:
        InvalidInput: for a missing column, a history that contradicts itself, no whole number of months, or a margin outside 0 to 1.

    >>> from crmkit.segmentation.lifetime import BgNbd
    >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> ann = pl.DataFrame({"frequency": [2], "recency": [30.43], "age": [38.86]})
    >>> lifetime_value(ann, model, 20.0, horizon_months=12, discount=0.1)["lifetime_value"].round(2).item()
    29.8
    """
    months = check_whole(horizon_months, "horizon_months")
    if not isinstance(margin, int | float) or not 0 <= margin <= 1:
        raise InvalidInput(f"margin={margin!r} is no part of revenue; give a number from 0 to 1")
    a_month = (1 + length(discount, "discount")) ** (1 / 12)
    units_a_month = days("month", "unit") / days(unit, "unit")
    table = in_memory(summary)
    seen = _histories(table, columns)
    bought, before = np.zeros(seen[0].shape), np.zeros(seen[0].shape)
    for month in range(1, months + 1):
        until = model.expected_purchases(*seen, periods=month * units_a_month)
        bought += (until - before) / a_month**month
        before = until
    worth = _worth(table, spending, columns)
    table = with_column(table, "expected_value", worth)
    return _as_lazy_as(summary, with_column(table, "lifetime_value", bought * worth * margin))


@attrs.frozen(kw_only=True)
class Independence:
    """How far those who buy often also spend more a purchase: correlations of frequency and value; None where nothing varies."""

    pearson: float | None
    spearman: float | None
    customers: int


def independence(summary: Any, *, columns: Mapping[str, str] | None = None) -> Independence:
    """Return how far frequency and value go together among those who came back; `GammaGamma` takes for granted that they do not.

    Far from 0, the value of frequent buyers is misjudged.

    Raises:
        InvalidInput: for a missing column.

    >>> summary = pl.DataFrame({"frequency": [1, 2, 3, 0], "value": [30.0, 20.0, 10.0, None]})
    >>> independence(summary).spearman
    -1.0
    """
    seen = collected(in_memory(summary), ("frequency", "value"), columns)
    came_back = (seen["frequency"] > 0) & np.isfinite(seen["value"])
    pair = pl.DataFrame({name: seen[name][came_back] for name in ("frequency", "value")})
    return Independence(
        pearson=_correlation(pair), spearman=_correlation(pair.select(pl.all().rank())), customers=pair.height
    )


def _correlation(pair: pl.DataFrame) -> float | None:
    if pair.height < 2 or min(pair[name].n_unique() for name in pair.columns) == 1:  # noqa: PLR2004 - a pair
        return None
    return float(np.clip(np.corrcoef(pair.to_numpy().T)[0, 1], -1, 1))


def _histories(table: Any, columns: Mapping[str, str] | None) -> tuple[Numbers, Numbers, Numbers]:
    observed = checked_purchases(collected(table, PURCHASES, columns))
    return observed["frequency"], observed["recency"], observed["age"]


def _worth(table: Any, spending: GammaGamma | float, columns: Mapping[str, str] | None) -> Numbers:
    if isinstance(spending, GammaGamma):
        seen = collected(table, ("frequency", "value"), columns)
        found: Numbers = spending.expected_value(seen["frequency"], seen["value"])
        return found
    if not isinstance(spending, int | float) or not np.isfinite(spending):
        raise InvalidInput(f"spending={spending!r} is no worth of a purchase; give a GammaGamma or a number")
    return np.full(nw.from_native(table, eager_only=True).shape[0], float(spending))


def _as_lazy_as(summary: Any, table: Any) -> Any:
    return table.lazy() if isinstance(summary, pl.LazyFrame) else table
