"""Deals, quotes and targets, and what they are worth to an oracle."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from crmkit.model import Deal, Money, Quote, Target, Transition
from crmkit.testing.strategies import simplest
from tests.metrics.cases import maybe, moments, owners
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


def help_desk(published: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The published log of a help desk: its events, its cases as deals won by their last event, and each event as a move."""
    log = pl.read_csv(
        published / "eventlogs" / "helpdesk.csv", schema_overrides={"ActivityID": pl.String}
    ).with_columns(
        pl.col("CompleteTimestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", time_zone="UTC").alias("at"),
        pl.col("CaseID").cast(pl.String),
    )
    cases = log.group_by("CaseID").agg(created_at=pl.col("at").min(), closed_at=pl.col("at").max())
    deals = cases.rename({"CaseID": "id"}).with_columns(category=pl.lit("won"), stage=pl.lit("6"))
    moves = log.with_row_index("id").select(
        "id",
        "at",
        subject=pl.lit("Deal"),
        field=pl.lit("stage"),
        subject_id="CaseID",
        before=pl.col("ActivityID").shift(1).over("CaseID"),
        after="ActivityID",
    )
    return log, deals, moves


STAGES = ["Trial", "Offer", "Contract"]
History = tuple[list[Deal], list[Transition]]


def went(*path: str, number: int = 1, category: Any = "open", **given_: Any) -> History:
    """A deal that came to a stage every day."""
    id_ = f"d{number}"
    ledger = [
        simplest(
            Transition,
            id=f"{number}-{day}",
            subject="Deal",
            subject_id=id_,
            field="stage",
            before=before,
            after=after,
            at=FIRST + (day + 1) * DAY,
        )
        for day, (before, after) in enumerate(pairwise(path))
    ]
    closed_at = FIRST + (len(path) - 1) * DAY if category != "open" else None
    told = {"id": id_, "pipeline_id": "gym", "stage": path[-1], "category": category, "created_at": FIRST}
    return [simplest(Deal, **told | {"closed_at": closed_at} | given_)], ledger


def together(*histories_: History) -> dict[str, Any]:
    return {
        "deals": [deal for deals, _ in histories_ for deal in deals],
        "transitions": [each for _, ledger in histories_ for each in ledger],
    }


@st.composite
def histories(draw: st.DrawFn) -> History:
    deals, ledger = [], []
    for number in range(draw(st.integers(0, 4))):
        path = draw(st.lists(st.sampled_from([*STAGES, "Won", "Talk"]), max_size=5))
        at = sorted(draw(st.lists(moments, min_size=len(path), max_size=len(path), unique=True)))
        before = draw(st.sampled_from([None, *STAGES]))
        deals.append(
            simplest(
                Deal,
                id=f"d{number}",
                pipeline_id="gym",
                stage=path[-1] if path else draw(st.sampled_from([*STAGES, "Won"])),
                category=draw(st.sampled_from(["open", "won", "lost"])),
                created_at=draw(maybe),
                closed_at=draw(maybe),
                owner_id=draw(owners),
            )
        )
        for step, (stage, then) in enumerate(zip(path, at, strict=True)):
            told = {"subject": "Deal", "subject_id": f"d{number}", "at": then, "before": before, "after": stage}
            ledger.append(simplest(Transition, id=f"{number}-{step}", field="stage", **told))
            ledger.append(simplest(Transition, id=f"{number}-{step}-x", field="owner_id", **told))
            before = stage
    return deals, draw(st.permutations(ledger))
