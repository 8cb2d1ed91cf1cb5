"""What a KPI returns: numbers that explain themselves."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, overload

import attrs
import polars as pl
from dateutil.relativedelta import relativedelta

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.metrics.definition import Definition
from crmkit.stats.intervals import difference
from crmkit.stats.periods import Period

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd
    import pyarrow as pa


@attrs.frozen(kw_only=True)
class Measure:
    """One number and what it is made of.

    `value` is None where there is nothing to divide by, and `reason` then says so; it is never NaN or infinite.
    `numerator` and `denominator` are what the value was computed from (the docstring of the KPI names them), `n` is the number
    of records behind it, `low` and `high` its confidence interval. `excluded` counts the records that were
    left out by reason. `partial` says that the period had not ended at `as_of` or was cut by the
    window. `details` holds further figures of the same records. `earlier` is the measure of the same group at the time that
    `versus` asks for.
    """

    period: Period | None = None
    group: Mapping[str, Any] = attrs.field(factory=dict)
    value: float | None
    unit: str
    numerator: float | None = None
    denominator: float | None = None
    n: int
    low: float | None = None
    high: float | None = None
    partial: bool = False
    reason: str | None = None
    excluded: Mapping[str, int] = attrs.field(factory=dict)
    details: Mapping[str, float] = attrs.field(factory=dict)
    warnings: tuple[str, ...] = ()
    earlier: "Measure | None" = None
    key: tuple[Any, ...] = attrs.field(default=(), eq=False, repr=False)

    @property
    def change(self) -> float | None:
        """How much the value is above that of the earlier time; None where one of them is not there."""
        if self.value is None or self.earlier is None or self.earlier.value is None:
            return None
        return self.value - self.earlier.value

    @property
    def change_interval(self) -> tuple[float, float] | None:
        """The interval of the change, as if both times were independent; None where one of them has no interval."""
        mine, theirs = self, self.earlier
        if theirs is None or mine.value is None or theirs.value is None:
            return None
        if mine.low is None or mine.high is None or theirs.low is None or theirs.high is None:
            return None
        return difference(mine.value, (mine.low, mine.high), theirs.value, (theirs.low, theirs.high))


@attrs.frozen(kw_only=True)
class MetricResult(Sequence[Measure]):
    """A KPI over some records: one `Measure` for each period and group, in that order.

    `excluded` counts the records that belong to no period at all, such as deals without a close date when a monthly
    win rate is asked for. `earlier` is the result for the earlier time that `versus` asks for.
    """

    definition: Definition
    method: str
    as_of: datetime
    tz: str
    by: tuple[str, ...] = ()
    measures: tuple[Measure, ...]
    excluded: Mapping[str, int] = attrs.field(factory=dict)
    earlier: "MetricResult | None" = attrs.field(default=None, repr=False)
    outcomes: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, eq=False, repr=False)
    back: relativedelta | None = attrs.field(default=None, eq=False, repr=False)
    trail: Any = attrs.field(default=None, eq=False, repr=False)

    def __add__(self, other: "MetricResult") -> "MetricResult":
        """Return the result for two parts of the data together, which share no `definition.key`, from their answers alone.

        Raises `InvalidInput` where the two were not asked the same.
        """
        mine, theirs = (
            (each.definition, each.method, each.as_of, each.tz, each.by, each.back) for each in (self, other)
        )
        if mine != theirs:
            raise InvalidInput("only results of the same KPI, asked in the same way, can be added")
        added: MetricResult = self.trail.plus(other.trail)
        if self.earlier is None or other.earlier is None or self.back is None:
            return added
        return added.versus(self.earlier + other.earlier, self.back)

    def versus(self, earlier: "MetricResult", back: relativedelta) -> "MetricResult":
        """Return the result with the measure of the same group beside each of its own, which lies so far back."""
        found = {(each.period and each.period.start, *each.key[1:]): each for each in earlier}
        measures = tuple(
            attrs.evolve(each, earlier=found.get((each.period and each.period.start - back, *each.key[1:])))
            for each in self.measures
        )
        return attrs.evolve(self, measures=measures, earlier=earlier, back=back)

    def explain(self, measure: Measure) -> dict[str, list[str]]:
        """Return the ids of the records behind a measure: its "numerator", its "denominator", and each reason for leaving out.

        Ids come sorted; where the data has none, or a row stands for several records, there are none.
        """
        behind = {part: self.trail.records(measure.key, outcomes) for part, outcomes in self.outcomes.items()}
        return behind | {reason: self.trail.records(measure.key, [reason]) for reason in measure.excluded}

    @overload
    def __getitem__(self, index: int) -> Measure: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Measure]: ...
    def __getitem__(self, index: int | slice) -> Measure | Sequence[Measure]:
        """Return a measure by its place."""
        return self.measures[index]

    def __len__(self) -> int:
        """Return the number of measures."""
        return len(self.measures)

    def __iter__(self) -> Iterator[Measure]:
        """Go through the measures, by period and then by group."""
        return iter(self.measures)

    @property
    def value(self) -> float | None:
        """The number, where there is exactly one measure; raises `InvalidInput` where there are several."""
        return self.only.value

    @property
    def only(self) -> Measure:
        """The one measure; raises `InvalidInput` where there are several or none."""
        if len(self.measures) != 1:
            raise InvalidInput(
                f"{self.definition.name} has {len(self.measures)} measures, not one; go through them, or leave out every= and by="
            )
        return self.measures[0]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one flat dict a measure: period, groups, value, and what it is made of."""
        return [_row(measure) | (_change(measure) if self.earlier is not None else {}) for measure in self.measures]

    def to_polars(self) -> pl.DataFrame:
        """Return one row a measure as a Polars frame, with a column for each group and for the period."""
        types: dict[str, Any] = {**_PERIOD_TYPES, **dict.fromkeys(self.by), **_VALUE_TYPES}
        if self.earlier is not None:
            types |= _CHANGE_TYPES
        rows = [[row[name] for name in types] for row in self.to_dicts()]
        return pl.DataFrame(rows, schema=types, orient="row", infer_schema_length=None)

    def to_pandas(self) -> "pd.DataFrame":
        """Return the same as a pandas frame; raises `MissingExtra` where pandas is not installed."""
        try:
            return self.to_polars().to_pandas()
        except ModuleNotFoundError as error:
            raise MissingExtra("to_pandas needs pandas and pyarrow: pip install 'crmkit[pandas]'") from error

    def to_arrow(self) -> "pa.Table":
        """Return the same as an Arrow table; raises `MissingExtra` where pyarrow is not installed."""
        try:
            return self.to_polars().to_arrow()
        except ModuleNotFoundError as error:
            raise MissingExtra("to_arrow needs pyarrow: pip install 'crmkit[arrow]'") from error

    def plot(self) -> "alt.LayerChart":
        """Return the result as an Altair chart: over time as lines, otherwise as one bar a group, with the intervals.

        Periods that are not over are hollow; the earlier time that `versus` asks for is dashed, or a tick on the bar. Raises
        `MissingExtra` where Altair is not installed, and `InvalidInput` where there is nothing to draw or there are several
        currencies.
        """
        from crmkit.metrics.plotting import plot  # noqa: PLC0415 - needs an extra

        return plot(self)

    def _repr_html_(self) -> str:
        caption = f"<strong>{escape(self.definition.title)}</strong>: {escape(self.definition.text)}"
        return f"<p>{caption}</p>{self.to_polars()._repr_html_()}"


_PERIOD_TYPES: dict[str, Any] = {"period": pl.String, "period_start": pl.Date, "period_end": pl.Date}
_VALUE_TYPES: dict[str, Any] = {
    "value": pl.Float64,
    "unit": pl.String,
    "numerator": pl.Float64,
    "denominator": pl.Float64,
    "n": pl.Int64,
    "low": pl.Float64,
    "high": pl.Float64,
    "partial": pl.Boolean,
    "reason": pl.String,
    "excluded": pl.Int64,
    "warnings": pl.List(pl.String),
}
_CHANGE_TYPES: dict[str, Any] = dict.fromkeys(("earlier", "change", "change_low", "change_high"), pl.Float64)

COLUMNS = frozenset({*_PERIOD_TYPES, *_VALUE_TYPES, *_CHANGE_TYPES})
"""The columns of a result as a frame, besides the groups."""


def _row(measure: Measure) -> dict[str, Any]:
    period = measure.period
    return {
        "period": period and period.label,
        "period_start": period and period.start,
        "period_end": period and period.end,
        **measure.group,
        **{name: getattr(measure, name) for name in _VALUE_TYPES if name not in {"excluded", "warnings"}},
        "excluded": sum(measure.excluded.values()),
        "warnings": list(measure.warnings),
    }


def _change(measure: Measure) -> dict[str, float | None]:
    low, high = measure.change_interval or (None, None)
    return {
        "earlier": None if measure.earlier is None else measure.earlier.value,
        "change": measure.change,
        "change_low": low,
        "change_high": high,
    }
