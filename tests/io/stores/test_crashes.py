"""What was said to be kept is there after a crash, and nothing is there in part."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crmkit.io.stores import open_store
from tests.io.stores import crashes, units
from tests.io.stores.places import KINDS, place

KILLS = 8


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from place(request, request.param, tmp_path)


def test_a_process_that_is_killed_loses_no_unit_of_work_and_halves_none(url: str) -> None:
    chance = random.Random(4)
    with closing(open_store(url)) as store:
        units.begin(store)
    done = 0
    for _ in range(KILLS):
        acknowledged = crashes.killed_while_committing(url, chance)
        assert acknowledged > done
        done = crashes.check(url, acknowledged)
