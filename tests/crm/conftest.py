"""A CRM on each kind of store."""

from collections.abc import Iterator

import pytest

from crmkit import CRM
from crmkit.io.stores import schema_of
from crmkit.model import new_id
from tests.crm.club import GYM, OWN, SettableClock
from tests.io.stores.places import empty_schema


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="session")
def postgres_club(postgres_url: str) -> Iterator[str]:
    """The URL of one place in PostgreSQL for all tests of this folder; each is a tenant of its own."""
    with empty_schema(postgres_url) as url:
        schema_of(url, records=OWN).apply()
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        named: str = request.getfixturevalue("postgres_club")
        return named
    return f"{request.param}://"


@pytest.fixture
def crm(url: str, clock: SettableClock) -> Iterator[CRM]:
    with CRM.open(url, records=OWN, tenant=new_id(), clock=clock, by="host", tz="Europe/Warsaw") as opened:
        opened.pipelines.add(GYM)
        yield opened
