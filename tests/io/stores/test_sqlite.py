"""SQLite as the store uses it: durable, waiting in turn, on a disk of this machine, whatever a host's connection is set to."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from crmkit.errors import InvalidInput, StoreBusy, StoreError
from crmkit.io.stores import Store, open_store
from crmkit.io.stores.sql import SqlStore
from crmkit.io.stores.sql.network import check_local
from crmkit.io.stores.sql.sqlite import Sqlite
from crmkit.io.stores.sql.tables import Place
from crmkit.model import Employee
from crmkit.sample import company
from tests.io.stores.hosts import Host, sqlite3_host

ANN = Employee(id="ann", name="Ann")
BOB = Employee(id="bob", name="Bob")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "club.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    with closing(open_store(f"sqlite:///{path}")) as opened:
        assert isinstance(opened, SqlStore)
        yield opened


def _impatient(path: Path, seconds: float) -> SqlStore:
    """A store that waits for others only so long."""
    return SqlStore(Sqlite(path, wait_seconds=seconds), Place("sqlite"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1), ("mmap_size", 0)],
)
def test_every_connection_has_the_settings_that_lose_nothing(store: SqlStore, setting: str, value: object) -> None:
    with store._session.connected() as one, store._session.connected() as other:
        for connection in (one, other):
            assert connection.execute(f"PRAGMA {setting}").fetchone() == (value,)


def test_what_is_deleted_for_ever_is_no_longer_in_the_file(store: SqlStore, path: Path) -> None:
    store.add([ANN.replace(name="canary-7361")])
    store.delete(Employee, "ann")
    store.purge(Employee, "ann")
    store.close()

    assert b"canary-7361" not in path.read_bytes()


def test_the_columns_refuse_values_of_another_type(store: SqlStore) -> None:
    store.add([ANN])
    with store._session.connected() as connection, pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        connection.execute("UPDATE crm_employee SET crm_version = 'many'")


def test_readers_do_not_wait_for_who_writes(store: SqlStore, path: Path) -> None:
    store.add([ANN])
    with closing(_impatient(path, 0.0)) as other, store.transaction():
        store.add([BOB])
        assert list(other.every(Employee)) == [ANN]


def test_who_waits_too_long_for_another_program_is_told_so_and_may_try_again(path: Path, store: SqlStore) -> None:
    with closing(_impatient(path, 0.1)) as patient, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match=r"another program has kept the file locked for 0.1 seconds; try again"):
            patient.add([ANN])
        other.execute("ROLLBACK")
        assert patient.add([ANN]) == 1


def test_who_waits_too_long_for_another_thread_is_told_so_and_may_try_again(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    with closing(_impatient(path, 0.1)) as store:
        errors: list[Exception] = []

        def write() -> None:
            try:
                store.add([ANN])
            except StoreBusy as error:
                errors.append(error)

        with store.transaction():
            thread = Thread(target=write)
            thread.start()
            thread.join()
        assert "another thread has been inside a transaction for 0.1 seconds" in str(errors)
        assert store.add([ANN]) == 1


HOSTS: list[Any] = [
    pytest.param({}, lambda connection: setattr(connection, "row_factory", sqlite3.Row), id="rows"),
    pytest.param({}, lambda connection: setattr(connection, "row_factory", lambda *_: None), id="no rows"),
    pytest.param({"detect_types": sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES}, lambda _: None, id="converters"),
    pytest.param({"isolation_level": "EXCLUSIVE"}, lambda _: None, id="exclusive"),
    pytest.param({"cached_statements": 0}, lambda _: None, id="no statements kept"),
]


@pytest.mark.parametrize(("options", "set_up"), HOSTS)
def test_what_goes_in_through_a_connection_of_the_host_comes_out_equal(
    store: SqlStore, options: dict[str, Any], set_up: Callable[[sqlite3.Connection], None]
) -> None:
    sample = list(company(seed=1, customers=20).records())
    with sqlite3_host(f"sqlite:///{store.schema.name}", **options) as host:
        set_up(host.connection)
        with host.transaction(), store.transaction(connection=host.connection):
            store.add(sample)
            for cls in {type(each) for each in sample}:
                kept = sorted((each for each in sample if type(each) is cls), key=lambda each: each.id)
                assert list(store.every(cls)) == kept
                assert store.get(cls, kept[0].id) == kept[0]


def _add(record: Employee, store: Store, host: Host) -> None:
    with store.transaction(connection=host.connection):
        store.add([record])


def test_a_connection_that_reads_text_as_something_else_is_refused(store: SqlStore) -> None:
    with sqlite3_host(f"sqlite:///{store.schema.name}") as host:
        host.connection.text_factory = bytes
        with pytest.raises(InvalidInput, match="has a text_factory of its own; give one with that of sqlite3"):
            _add(ANN, store, host)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the attribute autocommit of connections came with Python 3.12")
@pytest.mark.parametrize("autocommit", [True, False])
def test_autocommit_of_a_connection_tells_whether_it_has_a_transaction(store: SqlStore, autocommit: bool) -> None:
    with sqlite3_host(f"sqlite:///{store.schema.name}", autocommit=autocommit) as host:
        if autocommit:
            with pytest.raises(InvalidInput, match="in no transaction that could be joined; begin one first"):
                _add(ANN, store, host)
        else:
            with host.transaction():
                _add(ANN, store, host)
            assert list(store.every(Employee)) == [ANN]


def test_a_host_that_keeps_the_file_locked_does_not_keep_crmkit_waiting_for_ever(store: SqlStore, path: Path) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        sqlite3_host(f"sqlite:///{path}", timeout=0.1) as host,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="another program has kept the file locked"):
            _add(ANN, store, host)
        other.execute("ROLLBACK")


MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
nas:/clubs /srv/clubs nfs4 rw,vers=4.2 0 0
/dev/vdb1 /srv/clubs/own xfs rw 0 0
//nas/our\\040office /srv/our\\040office cifs rw 0 0
sshfs /mnt/far fuse.sshfs rw 0 0
systemd-1 /mnt/when\\134asked autofs rw 0 0
nas:/all /mnt/when\\134asked nfs rw 0 0
nas:/all /mnt/again nfs rw 0 0
/dev/vdc1 /mnt/again ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/clubs", "nfs4"),
        ("/srv/clubs/deep/er", "nfs4"),
        ("/srv/our office", "cifs"),
        ("/mnt/far", "fuse.sshfs"),
        ("/mnt/when\\asked", "nfs"),
    ],
)
def test_a_folder_on_a_network_is_refused(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    with pytest.raises(
        StoreError, match=rf"on a network file system \({kind}\), where SQLite can lose data; give a folder"
    ):
        check_local(Path(folder) / "club.db", mounts)


@pytest.mark.parametrize("folder", ["/srv/clubs/own", "/srv/clubsomething", "/mnt/again", "/home/ann", "/"])
def test_a_folder_on_a_disk_is_accepted(tmp_path: Path, folder: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    check_local(Path(folder) / "club.db", mounts)


def test_without_a_list_of_mounts_every_folder_is_accepted(tmp_path: Path) -> None:
    check_local(tmp_path / "club.db", tmp_path / "no mounts")
    (tmp_path / "odd").write_text("one\n\n  two words\n")
    check_local(tmp_path / "club.db", tmp_path / "odd")
