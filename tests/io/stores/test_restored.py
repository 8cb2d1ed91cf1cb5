"""A PostgreSQL database that was restored into another server: its feed begins anew, and nobody misses anything."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from crmkit.errors import InvalidInput, StoreError
from crmkit.io.stores import open_store, schema_of
from crmkit.model import Employee
from tests.io.stores.places import empty_schema

ANN, BOB = Employee(id="ann", name="Ann"), Employee(id="bob", name="Bob")


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    with empty_schema(postgres_url) as url:
        schema_of(url).apply()
        yield url


def test_a_ledger_of_another_server_is_noticed_and_its_feed_begins_anew(url: str) -> None:
    with closing(open_store(url)) as store:
        store.add([ANN])
        cursor = store.changes().cursor
    with psycopg.connect(url, autocommit=True) as connection:
        # As after a restore: the entries are of transactions that this server has not come to.
        connection.execute("UPDATE crm_ledger SET tx = '900000000000'::xid8")

    with pytest.raises(StoreError, match="crmkit schema apply URL"):
        open_store(url)
    assert schema_of(url).verify() == (
        "the ledger comes from another server, whose transactions had higher numbers; apply begins the feed anew",
    )
    schema_of(url).apply()
    assert schema_of(url).verify() == ()
    with closing(open_store(url)) as store:
        store.add([BOB])
        assert [change.subject_id for change in store.changes()] == ["ann", "bob"]
        with pytest.raises(InvalidInput, match="the cursor belongs to another feed"):
            store.changes(cursor)


def test_what_verify_misses_apply_brings_back(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE crm_quote CASCADE")
        connection.execute("ALTER TABLE crm_task DROP COLUMN subject CASCADE")

    assert schema_of(url).verify() == ("the table crm_quote is missing", "crm_task.subject is missing")
    schema_of(url).apply()
    assert schema_of(url).verify() == ()
