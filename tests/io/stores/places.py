"""Where the tests of the SQL stores keep records: a file or a schema of PostgreSQL of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from crmkit.io.stores import schema_of

KINDS = ("sqlite", "postgresql")


def place(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """Lend the URL of a place with the tables of crmkit."""
    for url in empty_place(request, kind, folder):
        schema_of(url).apply()
        yield url


def empty_place(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """Lend the URL of a place without tables, in a SQLite file or in PostgreSQL."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/club.db"
        return
    with empty_schema(request.getfixturevalue("postgres_url")) as url:
        yield url


@contextmanager
def empty_schema(server: str) -> Iterator[str]:
    """Lend the URL of a schema of PostgreSQL without tables; connections to it see nothing of others."""
    name = f"test_{uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    try:
        yield f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={name}')}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
