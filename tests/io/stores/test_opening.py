"""A store that cannot be opened says why in one sentence, and leaves everything as it was."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from crmkit.errors import CrmError, InvalidInput, StoreError
from crmkit.io.stores import open_store
from crmkit.model import Customer


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


def _newer_store(path: Path) -> None:
    open_store(_url(path)).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE crm_meta SET value = '9' WHERE key = 'schema_version'")


def _other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE other (a)")


@pytest.mark.parametrize(
    ("make", "create", "message"),
    [
        (lambda path: path.write_text("not a database" * 100), True, "not a SQLite database; give the path"),
        (_newer_store, True, "a newer crmkit wrote this store .schema 9, this one knows 2.; upgrade"),
        (_other_database, False, "holds no crmkit store"),
        (lambda path: path.mkdir(), True, "cannot be opened; check that its path is a file"),
        (lambda path: None, False, "there is no such file"),
    ],
    ids=["text", "newer", "other", "folder", "missing"],
)
def test_a_file_that_is_no_store_is_refused_and_left_as_it_was(
    tmp_path: Path, make: Callable[[Path], object], create: bool, message: str
) -> None:
    path = tmp_path / "club.db"
    make(path)
    before = path.read_bytes() if path.is_file() else path.exists()

    with pytest.raises(StoreError, match=message) as caught:
        open_store(_url(path), create=create)
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else path.exists()) == before
    assert len(list(tmp_path.iterdir())) <= 1


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the folder '.*nowhere' does not exist; create it first"):
        open_store(_url(tmp_path / "nowhere" / "club.db"))


@pytest.mark.parametrize("url", ["club.db", "mysql://host/db", "", "sqlite:club.db"])
def test_another_url_is_refused_with_those_that_work(url: str) -> None:
    with pytest.raises(InvalidInput, match="is no store URL; give 'sqlite:///club.db', 'postgresql://"):
        open_store(url)


def test_a_database_of_the_host_gets_the_tables_beside_its_own(tmp_path: Path) -> None:
    path = tmp_path / "host.db"
    _other_database(path)

    with closing(open_store(_url(path))) as store:
        assert store.count(Customer) == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM other").fetchone() == (0,)


def test_no_error_of_a_store_holds_personal_data(tmp_path: Path) -> None:
    canary = Customer(id="c1", kind="person", name="Zofia Canary", custom={"phone": "canary-555"})
    with closing(open_store(_url(tmp_path / "club.db"))) as store:
        store.add([canary])
        with pytest.raises(CrmError) as caught:
            store.add([canary])

    assert "canary" not in repr(caught.value).lower()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
