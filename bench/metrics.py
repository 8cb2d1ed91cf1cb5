"""KPIs over a generated company against hand-written Polars, DuckDB SQL and pandas for the same numbers, on small data, and in parts.

    python bench/metrics.py [--scale 0.1] [--rounds 5] [--data FOLDER] [--only NAME ...] [--cpu] [PART ...]

Parts are "polars", "duckdb", "pandas", "dashboard", "small", "growth" and "memory"; all of them without any. At scale 1 the
company has 1 M customers, 10 M orders, 2 M tickets, and 1 M deals with 4 M stage entries; "memory" makes 50 M orders at scale 1.

Promised, as medians of runs in turn: each KPI at most 1.25 times Polars, and 1.25 times SQL where the data is in DuckDB; given
pandas frames none slower than 2 times pandas, and the geometric mean at most 0.5 times; a dashboard of twenty in at most 40 % of
the time of them one by one; 100 records at most 6 ms a KPI after the first, and twenty KPIs over them at most 40 ms; 10 times the
data at most 11 times as long; 50 M orders counted in parts with a peak of memory below 2 GiB.

The baselines give all that the KPIs give, which is checked to be equal: values, numerators and denominators, numbers of rows, intervals,
details, and how many rows were left out for which reason, in each month and group and in none. They count in the time zone of the
report, look for unknown categories and for several currencies as the KPIs do, and trust amounts to be finite. Each is one query whose
small answer `by_hand` finishes within the time that is measured; intervals are those of `crmkit.stats` on both sides.
"""

import argparse
import gc
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import by_duckdb
import by_pandas
import by_polars
import company
import duckdb
import numpy as np
import pandas as pd
import polars as pl
from by_hand import FINISHES, Figure, Figures, figures_of

from crmkit import metrics
from crmkit.model import (
    Deal,
    Interaction,
    Lead,
    Message,
    Money,
    Order,
    Subscription,
    SurveyResponse,
    Ticket,
    Transition,
)

START, AS_OF = company.BEGINNING.date(), company.NOW.date() - timedelta(days=1)
MONTHLY: Mapping[str, Any] = {"start": START, "as_of": AS_OF, "every": "month"}
WHOLE: Mapping[str, Any] = {"start": START, "as_of": AS_OF}
QUARTERLY: Mapping[str, Any] = {"start": START, "as_of": AS_OF, "every": "quarter"}

KPIS: Mapping[str, Callable[..., metrics.MetricResult]] = {
    "win_rate": partial(metrics.win_rate, by="owner_id", **MONTHLY),
    "sales_cycle": partial(metrics.sales_cycle, **MONTHLY),
    "stage_duration": partial(metrics.stage_duration, **WHOLE),
    "pipeline_value": partial(metrics.pipeline_value, **MONTHLY),
    "pipeline_velocity": partial(metrics.pipeline_velocity, **MONTHLY),
    "average_order_value": partial(metrics.average_order_value, **MONTHLY),
    "average_row_value": partial(metrics.average_order_value, method="row", **MONTHLY),
    "new_customers": partial(metrics.new_customers, method="order", **MONTHLY),
    "customer_lifetime_value": partial(metrics.customer_lifetime_value, **WHOLE),
    "churn_rate": partial(metrics.churn_rate, **MONTHLY),
    "retention_rate": partial(metrics.retention_rate, by="plan", **QUARTERLY),
    "mrr_movements": partial(metrics.mrr_movements, **MONTHLY),
    "average_revenue_per_account": partial(metrics.average_revenue_per_account, method="end", **MONTHLY),
    "first_contact_resolution": partial(metrics.first_contact_resolution, **MONTHLY),
    "first_response_time": partial(metrics.first_response_time, **MONTHLY),
    "resolution_time": partial(metrics.resolution_time, by="channel", **WHOLE),
    "reopen_rate": partial(metrics.reopen_rate, **MONTHLY),
    "backlog": partial(metrics.backlog, **MONTHLY),
    "nps": partial(metrics.nps, **MONTHLY),
    "response_rate": partial(metrics.response_rate, **MONTHLY),
    "new_leads": partial(metrics.new_leads, by="source", **MONTHLY),
    "lead_conversion": partial(metrics.lead_conversion, **MONTHLY),
    "click_rate": partial(metrics.click_rate, by="campaign_id", **MONTHLY),
}
"""What a company looks at, over all families of KPIs; each has a baseline of its name for every engine."""

ROUGH = {"first_response_time": 4e-3, "resolution_time": 4e-3}
"""Whose medians and their intervals come from histograms, which are off by less than 0.4 %."""
EXACT = 1e-9

Tables = Mapping[str, Any]


def ours(name: str, tables: Tables) -> metrics.MetricResult:
    kpi: Any = KPIS[name]
    inputs = kpi.func.definition.tables(kpi.keywords.get("method"))
    return kpi(tables[inputs[0]]) if len(inputs) == 1 else kpi(**{table: tables[table] for table in inputs})


def check(name: str, mine: Figures, theirs: Figures) -> None:
    """Raise where the two do not say the same; a month in which nothing happened need not be told."""
    for whole in ("excluded", "currency"):
        assert getattr(mine, whole) == getattr(theirs, whole), f"{name}: {mine}, {theirs}"
    assert theirs.by_key.keys() <= mine.by_key.keys(), f"{name}: {theirs.by_key.keys() - mine.by_key.keys()}"
    for key, figure in mine.by_key.items():
        other = theirs.by_key.get(key)
        same = _agree(name, figure, other) if other else not figure.n and not figure.excluded
        assert same, f"{name} {key}: {figure}, {other}"


def _agree(name: str, mine: Figure, theirs: Figure) -> bool:
    rough = ROUGH.get(name, EXACT)
    tolerances = {"value": rough, "low": rough, "high": rough}
    numbers = ("value", "n", "numerator", "denominator", "low", "high")
    pairs = [(getattr(mine, each), getattr(theirs, each), tolerances.get(each, EXACT)) for each in numbers]
    details = [(mine.details[each], theirs.details.get(each), rough) for each in mine.details]
    return mine.excluded == theirs.excluded and all(_close(*pair) for pair in (*pairs, *details))


def _close(mine: float | None, theirs: float | None, tolerance: float) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return math.isclose(mine, theirs, rel_tol=tolerance, abs_tol=tolerance)


clock = time.perf_counter


def in_turn(rounds: int, *contenders: Callable[[], object]) -> list[float]:
    """Return the median of the seconds of each contender."""
    taken: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for contender, seconds in zip(contenders, taken, strict=True):
            gc.collect()
            begun = clock()
            contender()
            seconds.append(clock() - begun)
    return [statistics.median(seconds) for seconds in taken]


def race(tables: Tables, ask: Callable[[str], pl.DataFrame], names: list[str], rounds: int, promised: float) -> None:
    """Compare each KPI with its baseline, and print the ratios."""

    def baseline(name: str) -> Figures:
        return FINISHES[name](ask(name))

    ratios = []
    for name in names:
        check(name, figures_of(ours(name, tables)), baseline(name))
        mine, theirs = in_turn(rounds, partial(ours, name, tables), partial(baseline, name))
        ratios.append(mine / theirs)
        late = "  late" if ratios[-1] > promised else ""
        print(f"  {name:28} {1000 * mine:9.1f} ms {1000 * theirs:9.1f} ms  {ratios[-1]:6.2f}{late}", flush=True)
    print(f"  geometric mean {statistics.geometric_mean(ratios):.2f}, promised for each: {promised}", flush=True)


def frames_of(folder: Path) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in company.TABLES}


def with_polars(folder: Path, names: list[str], rounds: int) -> None:
    tables = frames_of(folder)
    lazy = {name: table.lazy() for name, table in tables.items()}
    race(tables, lambda name: getattr(by_polars, name)(lazy).collect(engine="streaming"), names, rounds, 1.25)


def with_duckdb(folder: Path, names: list[str], rounds: int) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name in company.TABLES:
        connection.execute(f"CREATE TABLE {name} AS FROM '{folder / name}.parquet'")
    tables = {name: connection.table(name) for name in company.TABLES}
    race(tables, lambda name: connection.sql(by_duckdb.QUERIES[name]).pl(), names, rounds, 1.25)


def with_pandas(folder: Path, names: list[str], rounds: int) -> None:
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in company.TABLES}
    race(tables, lambda name: getattr(by_pandas, name)(tables), names, rounds, 2.0)


def dashboard(folder: Path, names: list[str], rounds: int) -> None:
    twenty = {name: KPIS[name] for name in names[:20]}
    data = {
        "tables in Polars": frames_of(folder),
        "20,000 records a table": {name: rows(20_000) for name, rows in RECORDS.items()},
    }
    for of, tables in data.items():

        def one_by_one(tables: Tables = tables) -> None:
            for name in twenty:
                ours(name, tables)

        together, apart = in_turn(rounds, partial(metrics.compute, twenty, tables), one_by_one)
        print(f"  {of}: {len(twenty)} together {together:.2f} s, one by one {apart:.2f} s: {together / apart:.2f}")
    print("  promised: 0.40")


def small(_: Path, names: list[str], rounds: int) -> None:
    tables = {name: rows(100) for name, rows in RECORDS.items()}
    for name in names:
        ours(name, tables)
    taken = {name: in_turn(rounds * 4, partial(ours, name, tables))[0] for name in names}
    for name, seconds in taken.items():
        print(f"  {name:28} {1000 * seconds:6.1f} ms{'  late' if seconds > 0.006 else ''}")
    twenty = {name: KPIS[name] for name in names[:20]}
    (together,) = in_turn(rounds * 4, lambda: metrics.compute(twenty, tables))
    print(f"  {len(twenty)} together {1000 * together:.1f} ms, promised: 6 ms each, 40 ms together")


def growth(folder: Path, names: list[str], rounds: int) -> None:
    scale = float(folder.name.removeprefix("scale-"))
    less, more = frames_of(company.folder_of(scale / 10, folder.parent)), frames_of(folder)
    for name in names:
        begun, ended = in_turn(rounds, partial(ours, name, less), partial(ours, name, more))
        print(f"  {name:28} {1000 * begun:9.1f} ms {1000 * ended:9.1f} ms  {ended / begun:6.2f}", flush=True)
    print("  promised for 10 times the data: 11")


PARTS_OF_ORDERS = 10


def memory(folder: Path, _names: list[str], _rounds: int) -> None:
    scale = float(folder.name.removeprefix("scale-"))
    for part in range(PARTS_OF_ORDERS):
        path = folder / f"orders-{part}-of-{PARTS_OF_ORDERS}.parquet"
        if not path.exists():
            orders = company.orders(np.random.default_rng([company.SEED, part, 1]), scale / 2)
            apart = [pl.concat_str(pl.lit(part), pl.col(column)).alias(column) for column in ("id", "customer_id")]
            orders.with_columns(apart).write_parquet(path)
    subprocess.run([sys.executable, __file__, "--count", str(folder)], check=True)


def count_in_parts(folder: Path) -> None:
    """Count orders in parts, in a process of its own, and print how much memory that took."""
    asked = {
        name: KPIS[name]
        for name in ("average_order_value", "average_row_value", "new_customers", "customer_lifetime_value")
    }
    found: dict[str, metrics.MetricResult] = {}
    begun, before = time.perf_counter(), peak()
    for part in range(PARTS_OF_ORDERS):
        orders = pl.scan_parquet(folder / f"orders-{part}-of-{PARTS_OF_ORDERS}.parquet")
        for name, kpi in asked.items():
            counted = kpi(orders)
            found[name] = found[name] + counted if name in found else counted
    counted_orders = sum(each.n for each in found["average_row_value"])
    seconds = time.perf_counter() - begun
    print(f"  {len(asked)} KPIs of {counted_orders:,} orders in {PARTS_OF_ORDERS} parts: {seconds:.1f} s")
    print(f"  peak of memory {peak():.0f} MiB, {before:.0f} before; promised: 2048")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _moment(number: int) -> Any:
    return company.BEGINNING + timedelta(days=number * 7 % 700, hours=number % 24)


RECORDS: Mapping[str, Callable[[int], list[Any]]] = {
    "deals": lambda n: [
        Deal(
            id=f"d{k}",
            pipeline_id="gym",
            stage="Offer",
            category=("open", "won", "lost")[k % 3],
            owner_id=f"employee {k % 5}",
            created_at=_moment(k),
            closed_at=_moment(k) + timedelta(days=k % 30) if k % 3 else None,
            amount=Money(100 + k, "PLN"),
        )
        for k in range(n)
    ],
    "transitions": lambda n: [
        Transition(
            id=f"m{k}",
            subject="Deal",
            subject_id=f"d{k}",
            field="stage",
            before="Trial",
            after="Offer",
            at=_moment(k) + timedelta(days=1),
        )
        for k in range(n)
    ],
    "orders": lambda n: [
        Order(id=f"o{k}", customer_id=f"c{k % 40}", at=_moment(k), amount=Money(10 + k, "PLN"), category="completed")
        for k in range(n)
    ],
    "subscriptions": lambda n: [
        Subscription(
            id=f"s{k}",
            customer_id=f"c{k % 80}",
            plan=("basic", "plus")[k % 2],
            price=Money(99, "PLN"),
            category="active" if k % 2 else "lapsed",
            started_at=_moment(k),
            ended_at=None if k % 2 else _moment(k) + timedelta(days=90),
        )
        for k in range(n)
    ],
    "tickets": lambda n: [
        Ticket(
            id=f"t{k}",
            customer_id=f"c{k % 40}",
            topic="fees",
            channel="email",
            category="resolved" if k % 4 else "open",
            created_at=_moment(k),
            first_responded_at=_moment(k) + timedelta(minutes=k),
            resolved_at=_moment(k) + timedelta(days=1) if k % 4 else None,
        )
        for k in range(n)
    ],
    "interactions": lambda n: [
        Interaction(at=_moment(k) + timedelta(minutes=k), channel="email", direction="outbound", ticket_id=f"t{k}")
        for k in range(n)
    ],
    "survey_responses": lambda n: [
        SurveyResponse(
            kind="nps",
            scale_low=0,
            scale_high=10,
            customer_id=f"c{k}",
            score=k % 11,
            sent_at=_moment(k),
            responded_at=_moment(k) + timedelta(days=1),
        )
        for k in range(n)
    ],
    "leads": lambda n: [
        Lead(
            source=("web", "fair")[k % 2],
            category="converted" if k % 2 else "open",
            created_at=_moment(k),
            converted_at=_moment(k) + timedelta(days=3) if k % 2 else None,
        )
        for k in range(n)
    ],
    "messages": lambda n: [
        Message(
            channel="email",
            campaign_id=f"campaign {k % 3}",
            sent_at=_moment(k),
            clicked_at=_moment(k) if k % 2 else None,
        )
        for k in range(n)
    ],
}
"""Records of each class, so many as are asked for."""


PARTS: Mapping[str, Callable[[Path, list[str], int], None]] = {
    "polars": with_polars,
    "duckdb": with_duckdb,
    "pandas": with_pandas,
    "dashboard": dashboard,
    "small": small,
    "growth": growth,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / ".peers" / "company")
    parser.add_argument("--only", nargs="+", choices=list(KPIS), default=list(KPIS))
    parser.add_argument(
        "--cpu", action="store_true", help="compare seconds of the processor, where others use the machine"
    )
    parser.add_argument("--count", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cpu:
        globals()["clock"] = time.process_time
    if options.count:
        count_in_parts(options.count)
        return
    folder = company.folder_of(options.scale, options.data)
    for part in options.parts or PARTS:
        print(f"{part}:")
        PARTS[part](folder, options.only, options.rounds)


if __name__ == "__main__":
    main()
