"""RFM, cohorts and lifecycle against the same written by hand, in Polars and in DuckDB.

    python bench/segmentation.py [--customers 1000000] [--orders 10000000] [--turns 3]

Every pair is run in turns and the median of the ratios is printed, with the results compared first. By hand means what somebody
writes who knows the data to be clean: without refunds, cancelled orders, currencies, and checks of any of them.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl

from crmkit.segmentation import cohorts, lifecycle, rfm

START, END = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_SECONDS = int((END - START).total_seconds())
LOST_AFTER = 90


def made(customers: int, orders: int) -> pl.DataFrame:
    """Orders of customers of whom some buy far more often than others."""
    number = pl.int_range(orders)
    chance = number.hash(seed=7) / 2.0**64
    return pl.select(
        customer_id=(chance * chance * customers).cast(pl.Int64).cast(pl.String),
        at=pl.lit(START) + pl.duration(seconds=number.hash(seed=8) % _SECONDS),
        amount=(number.hash(seed=9) % 20000) / 100,
    )


def rfm_in_polars(orders: pl.LazyFrame) -> pl.DataFrame:
    """Scores by quintiles, as usually written."""
    days = orders.group_by("customer_id", pl.col("at").dt.date().alias("day")).agg(pl.col("amount").sum())
    found = days.group_by("customer_id").agg(
        recency=(pl.lit(END.date()) - pl.col("day").max()).dt.total_days(),
        frequency=pl.len(),
        monetary=pl.col("amount").sum(),
    )
    others = pl.len() - 1
    scores = [
        pl.max_horizontal(1, ((pl.col(each).rank("min").cast(pl.Int64) - 1) * 5 + others - 1) // others).alias(
            f"{each}_score"
        )
        for each in ("recency", "frequency", "monetary")
    ]
    scored = found.with_columns(scores).with_columns(recency_score=6 - pl.col("recency_score"))
    return scored.sort("customer_id").collect(engine="streaming")


def cohorts_in_polars(orders: pl.LazyFrame) -> pl.DataFrame:
    """Customers and revenue by cohort and period."""
    month = pl.col("at").dt.year().cast(pl.Int64) * 12 + pl.col("at").dt.month()
    bought = orders.group_by("customer_id", month.alias("month")).agg(pl.col("amount").sum())
    since = bought.with_columns(cohort=pl.col("month").min().over("customer_id"))
    cells = since.group_by("cohort", period=pl.col("month") - pl.col("cohort")).agg(
        customers=pl.len(), revenue=pl.col("amount").sum()
    )
    return cells.sort("cohort", "period").collect(engine="streaming")


def lifecycle_in_polars(orders: pl.LazyFrame) -> pl.DataFrame:
    """Purchases, and those since the last long gap."""
    days = orders.select("customer_id", day=pl.col("at").dt.date()).unique().sort("customer_id", "day")
    gap = (pl.col("day") - pl.col("day").shift(1).over("customer_id")).dt.total_days()
    begun = days.with_columns(began=pl.when(gap.is_null() | (gap > LOST_AFTER)).then("day").max().over("customer_id"))
    found = begun.group_by("customer_id").agg(purchases=pl.len(), recent=(pl.col("day") >= pl.col("began")).sum())
    return found.sort("customer_id").collect(engine="streaming")


RFM_SQL = """
with days as (select customer_id, cast(timezone('UTC', "at") as date) as day, sum(amount) as amount from orders group by all),
found as (
    select customer_id, date_diff('day', max(day), date '2024-12-31') as recency, count(*) as frequency, sum(amount) as monetary
    from days group by all
)
select *, 6 - greatest(1, ((rank() over (order by recency) - 1) * 5 + count(*) over () - 2) // (count(*) over () - 1)) as r,
    greatest(1, ((rank() over (order by frequency) - 1) * 5 + count(*) over () - 2) // (count(*) over () - 1)) as f,
    greatest(1, ((rank() over (order by monetary) - 1) * 5 + count(*) over () - 2) // (count(*) over () - 1)) as m
from found order by customer_id
"""
COHORTS_SQL = """
with bought as (
    select customer_id, date_trunc('month', timezone('UTC', "at")) as month, sum(amount) as amount from orders group by all
),
since as (select *, min(month) over (partition by customer_id) as cohort from bought)
select cohort, date_diff('month', cohort, month) as period, count(*) as customers, sum(amount) as revenue
from since group by all order by all
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=10_000_000)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    orders = made(asked.customers, asked.orders)
    connection = duckdb.connect()
    connection.register("polars_orders", orders)
    connection.execute("create table orders as select * from polars_orders")
    table = connection.table("orders")

    def in_duckdb(sql: str) -> pl.DataFrame:
        found: pl.DataFrame = connection.sql(sql).pl()
        return found

    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any], list[str]]] = {
        "rfm in Polars": (
            lambda: rfm(orders, as_of=END, segments=None),
            lambda: rfm_in_polars(orders.lazy()),
            ["customer_id", "recency_score", "frequency_score"],
        ),
        "cohorts in Polars": (
            lambda: cohorts(orders, as_of=END).filter(pl.col("customers") > 0),
            lambda: cohorts_in_polars(orders.lazy()),
            ["period", "customers"],
        ),
        "lifecycle in Polars": (
            lambda: lifecycle(orders, as_of=END, lost_after_days=LOST_AFTER),
            lambda: lifecycle_in_polars(orders.lazy()),
            ["customer_id", "purchases"],
        ),
        "rfm in DuckDB": (
            lambda: rfm(table, as_of=END, segments=None).pl(),
            lambda: in_duckdb(RFM_SQL),
            ["customer_id", "frequency"],
        ),
        "cohorts in DuckDB": (
            lambda: cohorts(table, as_of=END).pl().filter(pl.col("customers") > 0),
            lambda: in_duckdb(COHORTS_SQL),
            ["period", "customers"],
        ),
    }
    for name, (ours, by_hand, same) in pairs.items():
        mine, theirs = ours(), by_hand()
        if not mine.select(same).cast(pl.String).equals(theirs.select(same).cast(pl.String)):
            raise SystemExit(f"{name}: the results differ")
        times = [(timed(ours), timed(by_hand)) for _ in range(asked.turns)]
        ratio = statistics.median(mine / theirs for mine, theirs in times)
        ours_, theirs_ = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"{name:22} {ours_:6.2f} s, by hand {theirs_:6.2f} s, ratio {ratio:.2f}")


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
