"""A CRM on each kind of store."""

from collections.abc import Iterator

import pytest

from crmkit import CRM
from tests.crm.club import GYM, OWN, SettableClock


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(params=["memory://", "sqlite://"])
def crm(request: pytest.FixtureRequest, clock: SettableClock) -> Iterator[CRM]:
    with CRM.open(request.param, records=OWN, clock=clock, by="host", tz="Europe/Warsaw") as opened:
        opened.pipelines.add(GYM)
        yield opened
