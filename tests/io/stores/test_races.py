"""Of those who write the same at the same time nobody loses what another wrote, and nobody waits for ever."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from crmkit import CRM
from crmkit.io.stores import open_store, schema_of
from tests.io.stores import feed, racers
from tests.io.stores.places import KINDS, empty_place, place

SECONDS = 1.5
THREADS, PROCESSES = 8, 4
STARTS, ROUNDS = 8, 5


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from place(request, request.param, tmp_path)


@pytest.fixture(params=KINDS)
def empty_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    folders = [tmp_path / str(number) for number in range(ROUNDS)]
    with ExitStack() as stack:
        for each in folders:
            each.mkdir()
        places = (contextmanager(empty_place)(request, request.param, each) for each in folders)
        yield [stack.enter_context(each) for each in places]


def _counted(url: str, runs: list[racers.Run]) -> list[int]:
    """How often each racer counted, once all of it is checked to be there."""
    assert [run.error for run in runs if run.error] == []
    with CRM.open(url) as crm:
        assert racers.visits(crm) == sum(run.counted for run in runs)
    return [run.counted for run in runs]


def test_threads_lose_no_update_and_are_served_alike(url: str) -> None:
    with CRM.open(url) as crm:
        crm.load([racers.TALLY])

    counted = _counted(url, racers.in_threads(url, THREADS, SECONDS))
    assert min(counted) * 3 >= max(counted)


def test_processes_lose_no_update_and_all_make_progress(url: str) -> None:
    with CRM.open(url) as crm:
        crm.load([racers.TALLY])

    assert min(_counted(url, racers.in_processes(url, PROCESSES, SECONDS))) > 0


def test_who_follows_the_feed_misses_nothing_and_sees_each_record_change_in_order(url: str) -> None:
    with closing(open_store(url)) as store:
        followed = feed.follow(store, range(16), SECONDS)

    assert any(version > 1 for _, version in followed.kept)
    assert followed.missed == set()
    assert followed.made_up == set()
    assert followed.out_of_order == []


def test_programs_that_start_at_once_create_the_tables_together(empty_urls: list[str]) -> None:
    assert racers.first_starts(empty_urls, STARTS) == []
    for url in empty_urls:
        with CRM.open(url) as crm:
            assert len(crm.employees) == STARTS
        assert schema_of(url).verify() == ()
