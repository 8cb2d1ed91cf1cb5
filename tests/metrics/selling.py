"""Deals, quotes and targets, and what they are worth to an oracle."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from crmkit.model import Deal, Money, Quote, Target
from crmkit.testing.strategies import simplest
from tests.metrics.cases import maybe, owners
from tests.metrics.oracle import Asked

MAY = date(2025, 5, 31)
FIRST = datetime(2025, 5, 1, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


def deal(category: Any = "open", **given_: Any) -> Deal:
    closed = {"created_at": FIRST, "closed_at": None if category == "open" else FIRST + 10 * DAY}
    return simplest(Deal, **{"category": category, "stage": "Offer", "amount": Money(100, "PLN")} | closed | given_)


def paid(deals_: Iterable[Deal]) -> Decimal:
    return sum((each.amount.amount for each in deals_ if each.amount), start=Decimal())


def was_open(each: Deal, day: date, asked_: Asked) -> bool:
    is_there = each.created_at is None or asked_.day(each.created_at) <= day
    return is_there and (each.category == "open" or (each.closed_at is not None and asked_.day(each.closed_at) > day))


answers = st.sampled_from(["draft", "sent", "accepted", "declined", "expired", "withdrawn"])
quotes = st.lists(
    st.builds(
        Quote,
        id=st.uuids().map(str),
        category=answers,
        sent_at=maybe,
        decided_at=maybe,
        valid_until_on=st.sampled_from([None, date(2025, 2, 1), date(2025, 3, 31), date(2025, 6, 1)]),
        customer_id=owners,
    ),
    max_size=8,
)


def target(amount: int | None, month: int = 5, months: int = 1, **whose: Any) -> Target:
    starts, ends = date(2025, month, 1), date(2025, month + months, 1)
    value: dict[str, Any] = {
        "amount": amount if amount is None else Money(amount, "PLN"),
        "count": whose.pop("count", None),
    }
    return Target(metric=whose.pop("metric", "won_amount"), starts_on=starts, ends_on=ends, **value, **whose)


def maven_deals(published: Path) -> pl.DataFrame:
    """The published deals, under the names of crmkit; an open one is worth its list price."""
    prices = pl.read_csv(published / "maven_crm" / "products.csv")
    return (
        pl.read_csv(published / "maven_crm" / "sales_pipeline.csv")
        .with_columns(pl.col("product").replace("GTXPro", "GTX Pro"))
        .join(prices, on="product", how="left")
        .with_columns(
            pl.col("engage_date", "close_date").str.to_datetime("%m/%d/%Y", time_zone="UTC"),
            pl.coalesce("close_value", "sales_price").alias("amount"),
            category=pl.col("deal_stage").replace_strict(
                {"Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open"}
            ),
        )
        .rename(
            {"engage_date": "created_at", "close_date": "closed_at", "deal_stage": "stage", "sales_agent": "owner_id"}
        )
    )
