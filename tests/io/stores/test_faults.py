"""A fault of the disk, the file or the server is one clear error: nothing personal in it, nothing half done, and over when it is over."""

import logging
import os
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from crmkit.errors import CrmError, StoreBusy, StoreError
from crmkit.io.stores import Store, open_store, schema_of
from crmkit.io.stores.sql import SqlStore
from crmkit.io.stores.sql.sqlite import Sqlite
from crmkit.io.stores.sql.tables import Place
from crmkit.model import ContactPoint, Customer
from tests.io.stores.hosts import psycopg_host
from tests.io.stores.places import place
from tests.io.stores.proxy import Proxy
from tests.io.stores.units import everything_told

CANARY = "canary-7361"
PASSWORD = "s3cret-5512"
ANN = Customer(
    id="ann",
    kind="person",
    name=f"Ann {CANARY}",
    contact_points=(ContactPoint("email", f"ann@{CANARY}.example"),),
    custom={"note": CANARY},
)
BOB = Customer(id="bob", kind="person", name=f"Bob {CANARY}")
MANY = tuple(Customer(id=f"many-{number}", kind="person", name=f"{CANARY} {'x' * 500}") for number in range(100))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "club.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    """A store in a file that waits for nobody and holds Ann."""
    schema_of(f"sqlite:///{path}").apply()
    with closing(SqlStore(Sqlite(path, wait_seconds=0.1), Place("sqlite"))) as opened:
        opened.add([ANN])
        yield opened


@pytest.fixture
def postgres(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from place(request, "postgresql", tmp_path)


@contextmanager
def fault(message: str, caplog: pytest.LogCaptureFixture, kind: type[StoreError] = StoreError) -> Iterator[None]:
    """Expect exactly one error, which says this in one sentence, and nothing personal anywhere."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CrmError, match=message) as caught:
        yield
    error = caught.value
    assert isinstance(error, kind)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert "\n" not in str(error)
    told = [repr(error), *traceback.format_exception(error), caplog.text]
    assert not [each for each in told if CANARY in each or PASSWORD in each]


def write(store: Store) -> None:
    """Do a unit of work of which every part writes."""
    with store.transaction():
        store.add([BOB])
        store.put(ANN.replace(name=f"Anna {CANARY}"))
        store.set_note("last", CANARY, was=None)


def assert_untouched(store: Store) -> None:
    """Check that a unit of work is as if it had never begun, and that the store is of use."""
    assert list(store.every(Customer)) == [ANN]
    assert [(each.kind, each.subject_id) for each in everything_told(store, 1)] == [("added", "ann")]
    assert store.note("last") is None
    write(store)
    assert store.count(Customer) == 2


def test_a_full_disk(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    _limit_pages(store, "(SELECT page_count FROM pragma_page_count)")
    with fault("the disk is full; nothing of this unit of work was kept", caplog), store.transaction():
        store.put(ANN.replace(name=CANARY))
        store.add(MANY)
    _limit_pages(store, "1073741823")
    assert_untouched(store)


def _use(path: Path, use: Callable[[Store], object]) -> None:
    with closing(open_store(f"sqlite:///{path}")) as store:
        use(store)


def _limit_pages(store: SqlStore, limit: str) -> None:
    with store._session.connected() as connection:
        (pages,) = connection.execute(f"SELECT {limit}").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_file_that_another_program_keeps_locked(
    store: SqlStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with fault("another program has kept the file locked for 0.1 seconds; try again", caplog, StoreBusy):
            write(store)
        assert store.get(Customer, "ann") == ANN
        other.execute("ROLLBACK")
    assert_untouched(store)


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Give up the rights of root, who may write wherever it likes."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A store with Ann, in a folder that everybody may enter."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "club.db"
        path.parent.chmod(0o755)
        with closing(open_store(f"sqlite:///{path}")) as store:
            store.add([ANN])
        yield path


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has other rights")
def test_a_folder_that_is_read_only(open_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_path.parent.chmod(0o555)
    with _as_nobody():
        with fault("read-only; a store needs write permission for both|in a folder where you may write", caplog):
            _use(open_path, write)
        with fault("the file cannot be opened; check that its path is a file in a folder where you may write", caplog):
            open_store(f"sqlite:///{open_path.with_name('new.db')}")
    open_path.parent.chmod(0o755)
    with closing(open_store(f"sqlite:///{open_path}")) as again:
        assert_untouched(again)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has other rights")
def test_a_file_that_is_read_only(open_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_path.chmod(0o444)
    open_path.parent.chmod(0o777)
    with _as_nobody(), fault("the file or its folder is read-only; a store needs write permission for both", caplog):
        _use(open_path, write)
    open_path.chmod(0o644)
    with closing(open_store(f"sqlite:///{open_path}")) as again:
        assert_untouched(again)


def test_a_connection_that_is_read_only(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    with store._session.connected() as connection:
        connection.execute("PRAGMA query_only = ON")
    with fault("the file or its folder is read-only; a store needs write permission for both", caplog):
        write(store)
    with store._session.connected() as connection:
        connection.execute("PRAGMA query_only = OFF")
    assert_untouched(store)


def _overwritten(path: Path) -> None:
    """Damage all pages but the first, of which the others are found."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for start in range(4096, size, 4096):
            file.seek(start)
            file.write(b"\xff" * 4096)


def _cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGE: list[Any] = [pytest.param(_overwritten, id="overwritten"), pytest.param(_cut_off, id="cut off")]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_damaged(
    store: SqlStore, path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    store.add(MANY)
    store.close()
    backup = Path(shutil.copy(path, tmp_path / "backup.db"))
    damage(path)

    for use in (write, lambda opened: list(opened.every(Customer)), lambda opened: list(opened.histories(Customer))):
        with fault("the file is damaged; restore it from a backup", caplog):
            _use(path, use)
    shutil.copy(backup, path)
    with closing(open_store(f"sqlite:///{path}")) as restored:
        assert restored.count(Customer) == 1 + len(MANY)


def _read_everything(store: Store) -> None:
    for cls in store.classes:
        list(store.every(cls))
    list(store.changes())
    write(store)


def test_a_file_that_is_damaged_while_it_is_read(store: SqlStore, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store.add(MANY)
    store.close()
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for start in range(size // 2, size, 4096):
            file.seek(start)
            file.write(b"\xff" * 4096)
    with fault("the file is damaged; restore it from a backup", caplog):
        _use(path, _read_everything)


def test_a_file_that_is_no_database(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(f"{CANARY}\n" * 500)
    with fault(
        "this is not a SQLite database; give the path of a crmkit store, or of a file that does not exist", caplog
    ):
        open_store(f"sqlite:///{path}")
    assert path.read_text() == f"{CANARY}\n" * 500


def test_a_table_that_is_missing(store: SqlStore, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("ALTER TABLE crm_ledger RENAME TO elsewhere")
    with fault("a table or column is missing; crmkit schema verify URL says which", caplog):
        write(store)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("ALTER TABLE elsewhere RENAME TO crm_ledger")
    assert_untouched(store)


def test_a_store_that_a_newer_crmkit_wrote(store: SqlStore, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store.close()
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE crm_meta SET value = '99' WHERE key = 'schema_version'")
    with fault(
        r"a newer crmkit wrote this store \(schema 99, this one knows 2\); upgrade with: pip install -U", caplog
    ):
        open_store(f"sqlite:///{path}")
    path.write_bytes(before)
    with closing(open_store(f"sqlite:///{path}")) as again:
        assert_untouched(again)


@contextmanager
def _with_ann(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as store:
        store.add([ANN])
        yield store


def test_a_server_that_goes_away_inside_a_unit_of_work(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    lost = "the connection to the server was lost; nothing of this unit of work was kept"
    with closing(Proxy(postgres)) as way, _with_ann(postgres) as direct, closing(open_store(way.url)) as store:
        with fault(lost, caplog), store.transaction():
            store.add([BOB])
            way.cut()
            store.put(ANN.replace(name=CANARY))
        assert store.get(Customer, "ann") == ANN
        assert_untouched(direct)


def test_a_server_that_ends_the_connection(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    with _with_ann(postgres) as store, psycopg_host(postgres, autocommit=True) as host:
        assert isinstance(store, SqlStore)
        with fault("the server is shutting down; try again when it is back", caplog), store.transaction():
            store.add([BOB])
            assert store._session.unit is not None
            host.run(f"SELECT pg_terminate_backend({store._session.unit.connection.info.backend_pid})")
            store.put(ANN.replace(name=CANARY))
        assert_untouched(store)


def test_a_server_that_cannot_be_reached(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    way = Proxy(postgres)
    with closing(open_store(way.url)) as store:
        way.close()
        with fault("the server cannot be reached; check that it runs and that the URL is right", caplog):
            write(store)
    with fault("the server cannot be reached; check that it runs and that the URL is right", caplog):
        open_store(f"postgresql://anna:{PASSWORD}@127.0.0.1:1/club")


def test_a_database_that_is_not_there(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = f"{postgres_url}{'&' if '?' in postgres_url else '?'}dbname=no_such_club"
    with fault("no_such_club: there is no such database; create it first", caplog):
        open_store(elsewhere)


def test_tables_that_are_not_there(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    with fault("this database holds no crmkit store yet; create its tables with: crmkit schema apply URL", caplog):
        open_store(postgres, prefix="other_")
    with _with_ann(postgres) as store, psycopg_host(postgres, autocommit=True) as host:
        host.run("ALTER TABLE crm_ledger RENAME TO elsewhere")
        with fault("the tables of crmkit are missing; create them with: crmkit schema apply URL", caplog):
            write(store)
        host.run("ALTER TABLE elsewhere RENAME TO crm_ledger")
        assert_untouched(store)


def test_a_user_who_may_not_write(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    with _with_ann(postgres) as store, psycopg_host(postgres, autocommit=True) as host:
        role = f"reader_{os.getpid()}"
        schema = postgres.rpartition("%3D")[2]
        host.run(f"CREATE ROLE {role}")
        try:
            host.run(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
            host.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
            with closing(open_store(f"{postgres}%20-crole%3D{role}")) as reader:
                with fault("this user may not do that; grant it the tables of crmkit", caplog):
                    write(reader)
                assert reader.get(Customer, "ann") == ANN
        finally:
            host.run(f"DROP OWNED BY {role}")
            host.run(f"DROP ROLE {role}")
        assert_untouched(store)


def test_a_server_that_takes_no_writes(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    with _with_ann(postgres) as store:
        with closing(open_store(f"{postgres}%20-cdefault_transaction_read_only%3Don")) as standby:
            with fault("the server is read-only; connect to the one that accepts writes", caplog):
                write(standby)
            assert standby.get(Customer, "ann") == ANN
        assert_untouched(store)


def test_a_store_that_a_newer_crmkit_wrote_on_a_server(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    with psycopg_host(postgres, autocommit=True) as host:
        host.run("UPDATE crm_meta SET value = '99' WHERE key = 'schema_version'")
        with fault(r"a newer crmkit wrote this store \(schema 99, this one knows 2\); upgrade with", caplog):
            open_store(postgres)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://anna:{PASSWORD}@localhost/club",
        f"mysql://localhost/club?password={PASSWORD}",
        f"postgresql:anna:{PASSWORD}@localhost/club",
        f"postgresql+psycopg://anna:{PASSWORD}@localhost/club",
    ],
)
def test_a_url_of_another_kind_shows_no_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(CrmError, match="is no store URL; give 'sqlite:///club.db', 'postgresql://") as caught:
        open_store(url)
    assert PASSWORD not in repr(caught.value)
