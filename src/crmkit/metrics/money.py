"""Sums of money: exact, and of one currency only."""

from collections.abc import Collection, Mapping
from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.rates import HAS_NO_RATE
from crmkit.frames.table import Table
from crmkit.frames.tally import Sums

UNPRICED = "no amount"
"""The reason for leaving out a record without an amount."""
NO_RATE = "no exchange rate"
"""The reason for leaving out a record whose amount could not be brought to the currency asked for."""


def unpriced(columns: Collection[str]) -> nw.Expr:
    """The reason for leaving out a record whose amount is not known, in a table that has some columns."""
    if HAS_NO_RATE not in columns:
        return nw.lit(UNPRICED)
    return nw.when(nw.col(HAS_NO_RATE)).then(nw.lit(NO_RATE)).otherwise(nw.lit(UNPRICED))


def currency_bucket(table: Table) -> nw.Expr | None:
    """The currency as what sums are kept apart by, where the data says it."""
    return nw.col("currency") if "currency" in table.columns else None


def one_currency(amounts: Mapping[Any, Sums]) -> tuple[str, tuple[str, ...]]:
    """Return the one currency of some amounts by currency, and a warning where the data does not say it of all.

    Without any it is "money". Raises `InvalidInput` for several: a sum of different currencies means nothing.
    """
    currencies = sorted(str(currency) for currency in amounts if currency is not None)
    if len(currencies) > 1:
        listed = ", ".join(currencies)
        raise InvalidInput(f"amounts in {listed} cannot be added; convert them first, or group with by='currency'")
    unsaid = amounts.get(None, Sums()).n
    if not currencies:
        return "money", ("the data does not say the currency",) if unsaid else ()
    warning = f"{unsaid} amounts have no currency and are taken for {currencies[0]}"
    return currencies[0], (warning,) if unsaid else ()
