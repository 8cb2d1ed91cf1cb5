"""Processes that are killed while they commit."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from time import sleep

from crmkit.errors import StoreError
from crmkit.io.stores import open_store
from tests.io.stores import processes, units

_LONGEST_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0


def killed_while_committing(url: str, chance: random.Random, kill_server: Callable[[], object] | None = None) -> int:
    """Let a process do units of work until it, or its server, is killed at a random moment; return the last that it said was kept."""
    context = processes.context()
    acknowledged, said = context.Pipe(duplex=False)
    process = context.Process(target=_commit_for_ever, args=(url, said))
    process.start()
    said.close()
    kept = acknowledged.recv() if acknowledged.poll(_PATIENCE_SECONDS) else 0
    sleep(chance.uniform(0, _LONGEST_SECONDS))
    (process.kill if kill_server is None else kill_server)()
    process.join()
    return _all_said(acknowledged, kept)


def _commit_for_ever(url: str, said: Connection) -> None:
    with suppress(StoreError):  # the server was killed
        units.commit_for_ever(url, said.send)


def _all_said(acknowledged: Connection, kept: int) -> int:
    try:
        while True:
            kept = acknowledged.recv()
    except EOFError:
        return kept


def check(url: str, acknowledged: int) -> int:
    """Fail unless all that was acknowledged is there, and nothing in part; return how many units are there."""
    if url.startswith("sqlite"):
        check_file(Path(url.removeprefix("sqlite:///")))
    with closing(open_store(url)) as store:
        assert units.last(store) >= acknowledged
        units.check(store)
        return units.last(store)


def check_file(path: Path) -> None:
    """Fail where SQLite finds damage in a file."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
