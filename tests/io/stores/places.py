"""Where the tests of the SQL stores keep records: files and schemas of their own, and the processes that write there."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest

from crmkit.io.stores import schema_of


def processes() -> ForkServerContext | SpawnContext:
    """Return how to start processes that share nothing with this one: from a clean copy where the system can make one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crmkit.crm", "crmkit.io.stores.sql.sqlite", "crmkit.io.stores.sql.postgresql"])
    return context


@contextmanager
def empty_schema(server: str) -> Iterator[str]:
    """Lend the URL of a schema of PostgreSQL that has no tables yet; all connections to it look there first."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{name}"')
        try:
            yield with_options(server, options=f"-csearch_path={name}")
        finally:
            connection.execute(f'DROP SCHEMA "{name}" CASCADE')


def with_options(url: str, **options: str) -> str:
    """Return the URL of a server with options for its connections."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(options, safe='=', quote_via=lambda text, *_: _quoted(text))}"


def empty_place(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """Lend the URL of a place without tables, in a SQLite file or in PostgreSQL."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/club.db"
        return
    with empty_schema(request.getfixturevalue("postgres_url")) as url:
        yield url


def place(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """Lend the URL of a place with the tables of crmkit."""
    for url in empty_place(request, kind, folder):
        schema_of(url).apply()
        yield url
