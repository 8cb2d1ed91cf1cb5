"""CDNOW: who bought compact discs from January 1997 to June 1998, as published."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from crmkit.segmentation.lifetime import purchase_summary

SPLIT, END = date(1997, 9, 30), date(1998, 6, 30)
NAMES = {"frequency": "x", "recency": "t_x", "age": "T", "value": "zbar"}


def orders(published: Path, file: str = "CDNOW_sample.txt") -> pl.DataFrame:
    """One row an order, whose lines end with the customer, the day, the number of discs and the amount."""
    rows = (published / "cdnow" / file).read_text().splitlines()
    lines = [line.split()[-4:] for line in rows if line.strip()[:1].isdigit()]
    return pl.DataFrame(
        {
            "customer_id": [customer for customer, *_ in lines],
            "at": pl.Series([day for _, day, *_ in lines]).str.to_datetime("%Y%m%d", time_zone="UTC"),
            "amount": [float(amount) for *_, amount in lines],
        }
    )


@cache
def summary(published: Path) -> pl.DataFrame:
    """The summary of 2,357 customers, with a holdout of 39 weeks."""
    found: pl.DataFrame = purchase_summary(orders(published), as_of=SPLIT, holdout_until=END)
    return found


def rounded(published: Path) -> pl.DataFrame:
    """The summary that circulates with times rounded to two decimals."""
    return pl.read_csv(published / "cdnow" / "cdnow_customers_summary_with_transactions.csv")


def in_polars(table: Any) -> pl.DataFrame:
    """Any table as one of Polars."""
    frame = nw.from_native(table)
    found: pl.DataFrame = frame.collect("polars").to_native() if isinstance(frame, nw.LazyFrame) else frame.to_polars()
    return found
