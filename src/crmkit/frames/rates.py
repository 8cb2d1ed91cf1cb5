"""Exchange rates: amounts of several currencies brought to one, where a rate says how, and marked where none does."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, get_args

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import day_of
from crmkit.frames.schema import schema
from crmkit.frames.small import small_table
from crmkit.model.deal import Deal
from crmkit.model.money import currency_column
from crmkit.model.records import Record
from crmkit.stats.periods import Every, index_of, period_of

HAS_NO_RATE = "has no rate"
"""The column that marks rows whose amount could not be brought to the currency asked for."""

At = Literal["event", "period_end", "record"]
_COLUMNS = ("currency", "on", "rate")
_DAY = timedelta(days=1)
_EPOCH = date(1970, 1, 1)
_EVENTS: Mapping[str, tuple[str, ...]] = {
    "Deal": ("closed_at",),
    "Order": ("at",),
    "Payment": ("paid_at",),
    "Quote": ("sent_at",),
    "Subscription": ("started_at",),
    "Campaign": ("starts_on",),
    "Cost": ("starts_on", "incurred_on"),
    "Package": ("valid_from_on",),
    "Target": ("starts_on",),
}
"""The instant or day of the event that an amount belongs to; the first that is known counts."""


def _daily(table: Any) -> pl.DataFrame:
    """The rates as a checked frame."""
    try:
        frame = nw.from_native(table, pass_through=True)
        if isinstance(frame, nw.LazyFrame):
            frame = frame.collect()
        found = frame.to_polars() if isinstance(frame, nw.DataFrame) else pl.DataFrame(table)
        rates = found.select(
            pl.col("currency").cast(pl.String), pl.col("on").cast(pl.Date), pl.col("rate").cast(pl.Float64)
        ).sort("currency", "on")
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InvalidInput(
            "table is no table of rates; give the columns 'currency', 'on' (the day from which the rate holds) and 'rate' "
            "(what one unit costs in the currency `into`)"
        ) from error
    wrong = rates.filter(
        pl.any_horizontal(pl.all().is_null()) | ~pl.col("rate").is_finite() | (pl.col("rate") <= 0)
    ).height
    if wrong:
        raise InvalidInput(f"{wrong} rates have no currency, no day or no positive number; give all three in each row")
    twice = rates.filter(rates.select("currency", "on").is_duplicated())
    if twice.height:
        currency, on, _ = twice.row(0)
        raise InvalidInput(f"{currency} has more than one rate on {on}; give one a day")
    return rates


@attrs.frozen(kw_only=True)
class Rates:
    """Exchange rates, and which of them counts for an amount.

    Args:
        table: a frame or a list of dicts with `currency`, `on` and `rate`: from the day `on` until the next one of that currency, one
            unit of it costs `rate` in the currency `into`.
        into: the currency that amounts are brought to, such as "EUR".
        at: "event" takes the rate of the day on which the deal was closed, the order placed, the contract begun, the cost due; what
            is still open takes that of `as_of`. "period_end" takes that of the last day of the period, or of the window, so that all
            amounts of a period are weighed alike. "record" takes the `reporting_amount` that is kept with each deal.

    An amount without a rate counts as a record and has no price; a result says how many these are.
    Raises `InvalidInput` for a table that is none, and for rates that are not positive or twice on one day.

    >>> Rates(into="PLN", table=[{"currency": "EUR", "on": date(2025, 5, 1), "rate": 4.25}]).at
    'event'
    """

    table: pl.DataFrame = attrs.field(converter=_daily, repr=False, eq=False)
    into: str
    at: At = "event"

    def __attrs_post_init__(self) -> None:  # noqa: D105
        if self.at not in get_args(At):
            raise InvalidInput(f"at={self.at!r} is no policy; {choices(str(self.at), get_args(At))}")
        if not isinstance(self.into, str) or not self.into:
            raise InvalidInput(f"into={self.into!r} is no currency; give its code, such as 'EUR'")


@attrs.frozen(kw_only=True)
class Conversion:
    """Rates, and the time that they are asked for."""

    rates: Rates
    as_of: date
    last: date
    every: Every | None

    def columns(self, cls: type[Record]) -> tuple[str, ...]:
        """Return the columns that decide about the rate of a record, where the data has them."""
        if self.rates.at == "record":
            if not issubclass(cls, Deal):
                raise InvalidInput(f"a {cls.__name__} keeps no amount in another currency; give Rates(at='event')")
            return "reporting_amount", currency_column("reporting_amount")
        return next((_EVENTS[each.__name__] for each in cls.__mro__ if each.__name__ in _EVENTS), ())

    def apply(self, rows: nw.LazyFrame[Any], cls: type[Record], columns: Sequence[str]) -> nw.LazyFrame[Any]:
        """Return rows of an opened table whose amounts are in one currency, empty where there is no rate, with `HAS_NO_RATE`."""
        amounts = [
            column
            for column in columns
            if isinstance(schema(cls)[column], pl.Decimal) and currency_column(column) in columns
        ]
        if not amounts:
            return rows.with_columns(nw.lit(value=False).alias(HAS_NO_RATE))
        if self.rates.at == "record":
            return self._as_recorded(rows)
        kept = rows.collect_schema().names()
        events = [column for column in self.columns(cls) if column in columns]
        rows = rows.with_columns(rate_day=self._day(cls, events))
        by_day = self._by_day(as_text=not events or not isinstance(schema(cls)[events[0]], pl.Datetime))
        rows = rows.with_columns(nw.lit(value=False).alias(HAS_NO_RATE))
        for amount in amounts:
            currency, rate = currency_column(amount), f"rate of {amount}"
            theirs = small_table(by_day.rename({"currency": currency, "rate": rate}), rows)
            rows = rows.join(theirs, on=[currency, "rate_day"], how="left")
            is_known = nw.col(currency).is_null() | (nw.col(currency) == self.rates.into)
            has_none = ~is_known & nw.col(rate).is_null() & ~nw.col(amount).is_null()
            # Rounded half up, because engines round halves in different ways.
            converted = (nw.col(amount) * nw.col(rate) + 0.5).floor().cast(nw.Int64)
            rows = rows.with_columns(
                nw.when(is_known).then(nw.col(amount)).otherwise(converted).alias(amount),
                (nw.col(HAS_NO_RATE) | has_none).alias(HAS_NO_RATE),
            )
        into = [
            nw.when(~nw.col(each).is_null()).then(nw.lit(self.rates.into)).alias(each)
            for each in map(currency_column, amounts)
        ]
        return rows.with_columns(*into).select(*kept, HAS_NO_RATE)

    def _as_recorded(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        recorded, currency = "reporting_amount", currency_column("reporting_amount")
        known = nw.col(currency) == self.rates.into
        amount = nw.when(known).then(nw.col(recorded))
        unpriced = nw.when(nw.col("amount").is_null() | ~amount.is_null()).then(nw.lit(value=False))
        return rows.with_columns(
            unpriced.otherwise(nw.lit(value=True)).alias(HAS_NO_RATE),
            amount.alias("amount"),
            nw.when(~nw.col("currency").is_null()).then(nw.lit(self.rates.into)).alias("currency"),
        )

    def _day(self, cls: type[Record], columns: Sequence[str]) -> nw.Expr:
        """The day whose rate counts; what has no event yet, or a planned one, has the rate of `as_of`."""
        are_instants = bool(columns) and isinstance(schema(cls)[columns[0]], pl.Datetime)
        days = [day_of(column) if are_instants else nw.col(column).cast(nw.String) for column in columns]
        today = nw.lit((self.as_of - _EPOCH).days, nw.Int64) if are_instants else nw.lit(self.as_of.isoformat())
        day = nw.coalesce(*days, today)
        return nw.when(day > today).then(today).otherwise(day)

    def _by_day(self, *, as_text: bool) -> pl.DataFrame:
        """The rate of each currency on each day, which is that of an earlier day where none begins on it."""
        first: Any = min(self.rates.table["on"], default=self.as_of)
        begins = (
            first if self._is_event or self.every is None else period_of(index_of(first, self.every), self.every).start
        )
        days = pl.DataFrame({"day": pl.date_range(begins, max(begins, self.as_of), eager=True)})
        days = days.with_columns(on=days["day"].map_elements(self._weighed_on, return_dtype=pl.Date))
        currencies = self.rates.table.select("currency").unique()
        every = days.join(currencies, how="cross").sort("on")
        joined = every.join_asof(self.rates.table.sort("on"), on="on", by="currency", check_sortedness=False)
        day = pl.col("day").cast(pl.String) if as_text else pl.col("day").cast(pl.Int32).cast(pl.Int64)
        return joined.drop_nulls("rate").select("currency", day.alias("rate_day"), "rate")

    @property
    def _is_event(self) -> bool:
        return self.rates.at == "event"

    def _weighed_on(self, day: date) -> date:
        """The day whose rate counts for an event of a day."""
        if self._is_event:
            return day
        return (
            self.last
            if self.every is None
            else min(self.last, period_of(index_of(day, self.every), self.every).end - _DAY)
        )
