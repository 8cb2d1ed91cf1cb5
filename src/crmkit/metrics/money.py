"""Sums of money: exact, and of one currency only."""

from collections.abc import Hashable, Iterable

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.table import Table

UNPRICED = "no amount"
"""The reason for leaving out a record without an amount."""


def currency_bucket(table: Table) -> nw.Expr | None:
    """The currency as what sums are kept apart by, where the data says it."""
    return nw.col("currency") if "currency" in table.columns else None


def one_currency(buckets: Iterable[Hashable]) -> tuple[str, tuple[str, ...]]:
    """Return the one currency of some amounts and no warning, or "money" and a warning where the data does not say it.

    Raises `InvalidInput` for several: sums of different currencies mean nothing.
    """
    currencies = {bucket for bucket in buckets if bucket is not None}
    if len(currencies) > 1:
        listed = ", ".join(sorted(map(str, currencies)))
        raise InvalidInput(f"amounts in {listed} cannot be added; convert them first, or group with by='currency'")
    if currencies:
        return str(currencies.pop()), ()
    return "money", ("the data does not say the currency",)
