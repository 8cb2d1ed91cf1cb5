"""A segment of ten conditions over many customers against the same filter written by hand: in Polars, and pushed down to the databases.

    python bench/segments.py [--customers 1000000] [--runs 7] [--postgresql URL]

Promised, in one run: over a million customers within 1.3 times the filter in Polars, and within 1.1 times the SQL in PostgreSQL. Six
conditions are about customers, four about their orders and tickets; "six" is without the latter. By hand, Polars gets the table as
crmkit does and sorts the ids as crmkit does; SQL goes through the orders and tickets of each customer by their index ("each"), or groups
all of them and joins ("joined"), which pays where hardly any customer is ruled out before. Medians of the ratios of neighbouring runs.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from crmkit.io.stores import open_store, schema_of
from crmkit.model import Customer, Money, Order, Record, Ticket
from crmkit.rules import Rule, days_ago, field
from crmkit.segmentation import members

AS_OF = datetime(2025, 3, 1, tzinfo=UTC)
SINCE, SILENT_SINCE, BORN = datetime(2021, 1, 1, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC), date(1990, 1, 1)
COUNTRIES, SOURCES = ["TH", "PL", "DE", "FR", "US"], ["web", "shop", "event", "referral"]
PROMISED = {"polars": 1.3, "postgresql": 1.1}

SIX = (
    field("country").is_in(COUNTRIES[:3])
    & (field("kind") == "person")
    & ~field("tags").has("staff")
    & (field("birth_on") < BORN)
    & (field("source") != "referral")
    & (field("created_at") >= SINCE)
)
FOUR = (
    (field("orders.count") >= 3)
    & (field("orders.total") > Money(500, "PLN"))
    & (field("orders.last_at") < days_ago(90))
    & (field("tickets.open") == 0)
)
RULES = {"six": SIX, "ten": SIX & FOUR, "four": FOUR}


def tables(n: int) -> dict[type[Record], pl.DataFrame]:
    """Customers, three orders for each on average, and one ticket, in the columns that the rules read."""
    draw = np.random.default_rng(20250301)

    def instants(first: datetime, rows: int) -> pl.Series:
        low, high = (int(each.timestamp()) * 1_000_000 for each in (first, datetime(2025, 3, 5, tzinfo=UTC)))
        return pl.Series(draw.integers(low, high, rows)).cast(pl.Datetime("us", "UTC"))

    def ids(prefix: str, numbers: Any) -> pl.Series:
        return prefix + pl.Series(numbers).cast(pl.String).str.zfill(9)

    people = {
        "id": ids("c", np.arange(n)),
        "kind": draw.choice(["person", "person", "person", "organization"], n),
        "name": ["Ann"] * n,
        "country": draw.choice(COUNTRIES, n),
        "source": draw.choice(SOURCES, n),
        "birth_on": pl.Series(draw.integers(-7_300, 12_700, n)).cast(pl.Int32).cast(pl.Date),
        "tags": pl.Series([[], ["vip"], ["staff", "vip"]]).gather(draw.integers(0, 3, n)),
        "created_at": instants(datetime(2019, 1, 1, tzinfo=UTC), n),
    }
    bought = {
        "id": ids("o", np.arange(3 * n)),
        "customer_id": ids("c", draw.integers(0, n, 3 * n)),
        "at": instants(datetime(2022, 1, 1, tzinfo=UTC), 3 * n),
        "amount": pl.Series(draw.integers(0, 400, 3 * n)).cast(pl.Decimal(38, 4)),
        "currency": ["PLN"] * (3 * n),
    }
    asked = {
        "id": ids("t", np.arange(n)),
        "customer_id": ids("c", draw.integers(0, n, n)),
        "category": draw.choice(["open", "paused", "resolved"], n),
        "created_at": instants(datetime(2022, 1, 1, tzinfo=UTC), n),
    }
    return {Customer: pl.DataFrame(people), Order: pl.DataFrame(bought), Ticket: pl.DataFrame(asked)}


def records(cls: type[Record], frame: pl.DataFrame) -> Iterator[Record]:
    for row in frame.iter_rows(named=True):
        if cls is Order:
            row["amount"] = Money(row.pop("amount"), row.pop("currency"))
        yield cls(**row)


def by_polars(held: dict[type[Record], pl.DataFrame], rule: str) -> pl.DataFrame:
    """What somebody writes who knows Polars."""
    six = [
        pl.col("country").is_in(COUNTRIES[:3]),
        pl.col("kind") == "person",
        ~pl.col("tags").list.contains("staff"),
        pl.col("birth_on") < BORN,
        pl.col("source") != "referral",
        pl.col("created_at") >= SINCE,
    ]
    people = held[Customer].lazy().filter(*six if rule != "four" else [])
    if rule != "six":
        counting = held[Order].lazy().filter(pl.col("at") <= AS_OF, pl.col("currency") == "PLN")
        bought = counting.group_by("customer_id").agg(n=pl.len(), total=pl.col("amount").sum(), last=pl.col("at").max())
        asked = held[Ticket].lazy().filter(pl.col("created_at") <= AS_OF, pl.col("category") == "open")
        wanted = (pl.col("n") >= 3) & (pl.col("total") > 500) & (pl.col("last") < SILENT_SINCE)
        people = people.join(bought.filter(wanted), left_on="id", right_on="customer_id", how="semi")
        people = people.join(asked, left_on="id", right_on="customer_id", how="anti")
    return people.select(customer_id="id").sort("customer_id").collect(engine="streaming")


def by_crmkit(held: dict[type[Record], pl.DataFrame], rule: str) -> pl.DataFrame:
    related = {cls: frame for cls, frame in held.items() if cls is not Customer}
    found: pl.DataFrame = members(held[Customer], RULES[rule], as_of=AS_OF, related=related)
    return found


LIVE = "{0}.crm_tenant = '' AND {0}.crm_deleted_unit IS NULL"
SIX_SQL = {
    "postgresql": "c.country IN ('TH', 'PL', 'DE') AND c.kind = 'person' AND NOT 'staff' = ANY (c.tags) AND c.birth_on < '1990-01-01'"
    " AND c.source <> 'referral' AND c.created_at >= '2021-01-01Z'",
    "sqlite": "c.country IN ('TH', 'PL', 'DE') AND c.kind = 'person' AND 'staff' NOT IN (SELECT value FROM json_each(c.tags))"
    " AND c.birth_on < '1990-01-01' AND c.source <> 'referral' AND c.created_at >= '2021-01-01T00:00:00.000000Z'",
}
WAYS = {
    "each": "EXISTS (SELECT 1 FROM crm_order o WHERE o.customer_id = c.id AND {o} AND o.at <= '{now}' GROUP BY o.customer_id HAVING {wanted})"
    " AND NOT EXISTS (SELECT 1 FROM crm_ticket t WHERE t.customer_id = c.id AND {t} AND t.category = 'open' AND t.created_at <= '{now}')",
    "joined": "c.id IN (SELECT o.customer_id FROM crm_order o WHERE {o} AND o.at <= '{now}' GROUP BY o.customer_id HAVING {wanted})"
    " AND NOT EXISTS (SELECT 1 FROM crm_ticket t WHERE t.customer_id = c.id AND {t} AND t.category = 'open' AND t.created_at <= '{now}')",
}
FORM = {"postgresql": "%Y-%m-%dT%H:%M:%SZ", "sqlite": "%Y-%m-%dT%H:%M:%S.000000Z"}


def by_hand(dialect: str, rule: str, way: str) -> str:
    """What somebody writes who knows the tables."""
    now, silent = (each.strftime(FORM[dialect]) for each in (AS_OF, SILENT_SINCE))
    wanted = f"count(*) >= 3 AND sum(o.amount) FILTER (WHERE o.currency = 'PLN') > 50000 AND max(o.at) < '{silent}'"
    related = WAYS[way].format(o=LIVE.format("o"), t=LIVE.format("t"), now=now, wanted=wanted)
    asked = [LIVE.format("c"), *([SIX_SQL[dialect]] if rule != "four" else []), *([related] if rule != "six" else [])]
    return f"SELECT count(*) FROM crm_customer c WHERE {' AND '.join(asked)}"


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def compared(title: str, runs: int, ours: Callable[[], Any], theirs: Callable[[], Any], promised: float | None) -> None:
    """Print how long ours takes, and how many times that of theirs; the two in turns, so that both see the same machine."""
    pairs = [(timed(ours), timed(theirs)) for _ in range(runs + 1)][1:]
    ratio = statistics.median(one / other for one, other in pairs)
    verdict = "" if promised is None else f", promised {promised}: {'kept' if ratio <= promised else 'BROKEN'}"
    print(f"{title:32} {min(one for one, _ in pairs):7.3f} s   {ratio:5.2f} times by hand{verdict}", flush=True)


def in_database(url: str, held: dict[type[Record], pl.DataFrame], runs: int) -> None:
    schema_of(url).apply()
    dialect = url.partition(":")[0]
    with closing(open_store(url)) as store:
        for cls, frame in held.items():
            store.add(records(cls, frame))
        with store._session.connected() as connection:  # type: ignore[attr-defined]
            connection.execute("ANALYZE")
        for rule, where in RULES.items():
            for way in WAYS if rule != "six" else ["each"]:
                sql, asked = by_hand(dialect, rule, way), where.at(AS_OF)

                def theirs(sql: str = sql) -> int:
                    return int(store._session.rows(sql)[0][0])  # type: ignore[attr-defined]

                def ours(asked: Rule = asked) -> int:
                    return store.count(Customer, asked)

                assert ours() == theirs(), (rule, way)
                promised = PROMISED.get(dialect) if (rule, way) == ("ten", "each") else None
                compared(f"{dialect}, {rule}, {way}", runs, ours, theirs, promised)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database")
    parser.add_argument("--no-sqlite", action="store_true")
    given = parser.parse_args()
    held = tables(given.customers)
    for rule in RULES:
        assert by_crmkit(held, rule).equals(by_polars(held, rule)), rule
        ours, theirs = partial(by_crmkit, held, rule), partial(by_polars, held, rule)
        compared(f"polars, {rule}", given.runs, ours, theirs, PROMISED["polars"] if rule == "ten" else None)
    if given.postgresql:
        in_database(given.postgresql, held, given.runs)
    if not given.no_sqlite:
        with tempfile.TemporaryDirectory() as folder:
            in_database(f"sqlite:///{folder}/club.db", held, given.runs)


if __name__ == "__main__":
    main()
