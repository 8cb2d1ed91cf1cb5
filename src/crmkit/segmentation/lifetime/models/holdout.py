"""Whether a model tells the future: what it expected of customers against what they then did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import polars as pl

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.segmentation.given import check_whole
from crmkit.segmentation.lifetime.models.summaries import (
    PURCHASES,
    check,
    checked_purchases,
    collected,
    in_memory,
)
from crmkit.segmentation.lifetime.models.value import Purchases

if TYPE_CHECKING:
    import altair as alt


@attrs.frozen(kw_only=True)
class Group:
    """The customers with some number of purchases after the first, and the mean of what was expected of them and what they did."""

    label: str
    customers: int
    expected: float
    actual: float


@attrs.frozen(kw_only=True)
class Calibration:
    """What a model expected of a holdout and what came.

    `expected` and `actual` are the purchases of all customers together and `bias` is how far the first is off, as a part of the
    second; `correlation` and `mean_absolute_error` compare them customer by customer. None where there is nothing to divide by.
    """

    customers: int
    expected: float
    actual: int
    bias: float | None
    correlation: float | None
    mean_absolute_error: float | None
    groups: tuple[Group, ...]

    def to_polars(self) -> pl.DataFrame:
        """Return one row a group as a Polars frame."""
        types = {"label": pl.String, "customers": pl.Int64, "expected": pl.Float64, "actual": pl.Float64}
        return pl.DataFrame([attrs.astuple(group) for group in self.groups], schema=types, orient="row")

    def plot(self) -> "alt.Chart":
        """Return a chart of the mean purchases expected and made by how often customers came back before.

        Raises `MissingExtra` where Altair is not installed.
        """
        try:
            import altair as alt  # noqa: PLC0415 - an extra, needed here only
        except ModuleNotFoundError as error:
            raise MissingExtra("a plot needs Altair: pip install 'crmkit[plot]'") from error
        groups = self.to_polars()
        both = groups.unpivot(["expected", "actual"], index="label", variable_name="purchases", value_name="mean")
        chart: alt.Chart = (
            alt.Chart(both)
            .mark_line(point=True)
            .encode(
                x=alt.X(
                    "label", type="ordinal", sort=groups["label"].to_list(), title="purchases after the first before"
                ),
                y=alt.Y("mean", type="quantitative", title="mean purchases in the holdout"),
                color=alt.Color("purchases", type="nominal", sort=["expected", "actual"], title=None),
            )
        )
        return chart


def calibration(
    summary: Any, model: Purchases, *, most: int = 7, columns: Mapping[str, str] | None = None
) -> Calibration:
    """Compare what a model expects of a holdout with what came.

    Args:
        summary: a table with `frequency`, `recency`, `age`, `holdout_frequency` and `holdout_age`, as `purchase_summary` returns with
            `holdout_until`. The holdout is as long for all customers.
        model: a `BgNbd`, `MbgNbd` or `ParetoNbd` that was fitted to the same summary, so that it has not seen the holdout.
        most: customers who came back that often or more are one group.
        columns: the names of columns mapped to the names that the table has.

    Raises:
        InvalidInput: for a missing column, an empty number, or holdouts of several lengths.

    >>> from crmkit.segmentation.lifetime import BgNbd
    >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> seen = {"frequency": [2, 0], "recency": [30.43, 0], "age": [38.86, 38.86], "holdout_frequency": [1, 0], "holdout_age": [39, 39]}
    >>> found = calibration(pl.DataFrame(seen), model)
    >>> found.actual, round(found.expected, 3), [group.label for group in found.groups]
    (1, 1.421, ['0', '2'])
    """
    seen = collected(in_memory(summary), (*PURCHASES, "holdout_frequency", "holdout_age"), columns)
    checked_purchases(seen)
    periods, actual = seen["holdout_age"], seen["holdout_frequency"]
    check(seen, ~(actual >= 0), "'holdout_frequency' is below 0 or empty")
    if periods.size and not np.all(periods == periods[0]):
        raise InvalidInput(
            "'holdout_age' is not the same for all customers; a model is compared over one length of time"
        )
    histories = (seen[name] for name in PURCHASES)
    ahead = float(periods[0]) if periods.size else 0.0
    expected = np.asarray(model.expected_purchases(*histories, periods=ahead))
    n, came = expected.size, int(actual.sum())
    return Calibration(
        customers=n,
        expected=float(expected.sum()),
        actual=came,
        bias=float(expected.sum() / came - 1) if came else None,
        correlation=float(np.corrcoef(expected, actual)[0, 1]) if n and np.ptp(expected) and np.ptp(actual) else None,
        mean_absolute_error=float(np.abs(expected - actual).mean()) if n else None,
        groups=tuple(_groups(seen["frequency"], expected, actual, check_whole(most, "most"))),
    )


def _groups(frequency: Any, expected: Any, actual: Any, most: int) -> Any:
    capped = np.minimum(frequency, most)
    for times in np.unique(capped):
        chosen = capped == times
        yield Group(
            label=f"{most} or more" if times == most else f"{times:.0f}",
            customers=int(chosen.sum()),
            expected=float(expected[chosen].mean()),
            actual=float(actual[chosen].mean()),
        )
