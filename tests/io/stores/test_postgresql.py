"""PostgreSQL as the store uses it: whatever the session of a host, the default of a database or the network does."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.numeric import FloatLoader

from crmkit import CRM
from crmkit.errors import CommitOutcomeUnknown, Conflict, InvalidInput, StoreError
from crmkit.io.stores import open_store, schema_of
from crmkit.io.stores.sql import SqlStore
from crmkit.io.stores.sql.postgresql import Postgresql
from crmkit.model import Employee
from crmkit.sample import company
from tests.io.stores import racers, units
from tests.io.stores.hosts import psycopg_host
from tests.io.stores.places import empty_schema, place
from tests.io.stores.proxy import Proxy

ANN = Employee(id="ann", name="Ann")
BOB = Employee(id="bob", name="Bob")
COMMIT = b"COMMIT\0"
"""How a client says it, and not as a part of another word."""


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from place(request, "postgresql", tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with closing(open_store(url)) as opened:
        assert isinstance(opened, SqlStore)
        yield opened


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with closing(Proxy(url)) as way:
        yield way


def _settings(*settings: str) -> Callable[[Any], None]:
    def set_up(connection: Any) -> None:
        for each in settings:
            connection.execute(f"SET {each}")
        connection.commit()

    return set_up


def _rounding(connection: Any) -> None:
    """As the documentation of psycopg shows, for those who want floats."""
    connection.adapters.register_loader("numeric", FloatLoader)


HOSTS: list[Any] = [
    pytest.param({"row_factory": dict_row}, _settings(), id="dicts"),
    pytest.param({"cursor_factory": psycopg.ClientCursor}, _settings(), id="binding by the client"),
    pytest.param({"cursor_factory": psycopg.RawCursor}, _settings(), id="placeholders of the server"),
    pytest.param({"prepare_threshold": None}, _settings(), id="nothing prepared"),
    pytest.param({}, _settings("TimeZone TO 'Asia/Kathmandu'", "DateStyle TO 'German, DMY'"), id="times"),
    pytest.param({}, _settings("extra_float_digits TO -15"), id="numbers"),
    pytest.param({}, _settings("bytea_output TO 'escape'", "lc_monetary TO 'C'"), id="others"),
    pytest.param({}, _rounding, id="floats"),
    pytest.param(
        {}, _settings("SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"), id="serializable"
    ),
]


@pytest.mark.parametrize(("options", "set_up"), HOSTS)
def test_what_goes_in_through_a_connection_of_the_host_comes_out_equal(
    store: SqlStore, url: str, options: dict[str, Any], set_up: Callable[[Any], None]
) -> None:
    sample = list(company(seed=1, customers=20).records())
    with psycopg_host(url, **options) as host:
        set_up(host.connection)
        with host.transaction(), store.transaction(connection=host.connection):
            store.add(sample)
            for cls in {type(each) for each in sample}:
                kept = sorted((each for each in sample if type(each) is cls), key=lambda each: each.id)
                assert list(store.every(cls)) == kept
                assert store.get(cls, kept[0].id) == kept[0]
        assert len(store.history(type(sample[0]), sample[0].id)) == 1


def test_the_changes_of_a_record_come_in_order_though_the_transaction_that_began_first_changed_it_last(
    store: SqlStore, url: str
) -> None:
    store.add([ANN])
    with closing(open_store(url)) as other, store.transaction():
        store.add([BOB])
        other.put(ANN.replace(name="Anna"))
        store.put(ANN.replace(name="Hanna"))

    changes = list(units.everything_told(store, 4))
    assert [each.version for each in changes if each.subject_id == "ann"] == [1, 2, 3]
    names = [each.record.name for each in store.history(Employee, "ann") if each.record is not None]
    assert names == ["Ann", "Anna", "Hanna"]


def test_a_record_that_changed_since_it_was_read_first_is_not_overwritten(store: SqlStore, url: str) -> None:
    store.add([ANN])
    with closing(open_store(url)) as other, pytest.raises(Conflict) as caught, store.transaction():
        read = store.get(Employee, "ann")
        other.put(ANN.replace(name="Anna"))
        store.get(Employee, "ann")
        store.put(read.replace(team="front desk"))

    assert (caught.value.expected, caught.value.actual) == (1, 2)
    assert store.get(Employee, "ann").name == "Anna"


def test_a_record_that_is_restored_meanwhile_is_not_purged(store: SqlStore, url: str) -> None:
    store.add([ANN])
    store.delete(Employee, "ann")
    errors = list[Conflict]()

    def purge() -> None:
        try:
            store.purge(Employee, "ann")
        except Conflict as error:
            errors.append(error)

    with closing(open_store(url)) as other:
        with other.transaction():
            other.restore(Employee, "ann")
            thread = Thread(target=purge)
            thread.start()
            thread.join(0.2)
        thread.join()

    assert [(each.expected, each.actual) for each in errors] == [(2, 3)]
    assert store.get(Employee, "ann") == ANN
    assert [each.kind for each in store.history(Employee, "ann")] == ["added", "deleted", "restored"]


def test_what_is_locked_stays_as_it_is(store: SqlStore, url: str) -> None:
    store.add([ANN])
    with closing(open_store(url)) as other:

        def rename() -> None:
            with other.transaction(lock=True):
                other.put(other.get(Employee, "ann").replace(name="Anna"))

        with store.transaction(lock=True):
            read = store.get(Employee, "ann")
            thread = Thread(target=rename)
            thread.start()
            thread.join(0.1)
            assert store.get(Employee, "ann") == read
            store.put(read.replace(team="front desk"))
        thread.join()

    assert store.get(Employee, "ann") == ANN.replace(name="Anna", team="front desk")


def test_units_of_work_that_wait_for_each_other_are_a_conflict_of_one(store: SqlStore, url: str) -> None:
    store.add([ANN, BOB])
    has_locked, errors = Event(), list[Conflict]()
    with closing(open_store(url)) as other:

        def work() -> None:
            try:
                with other.transaction():
                    other.put(BOB.replace(name="Bert"))
                    has_locked.set()
                    other.put(ANN.replace(name="Anna"))
            except Conflict as error:
                errors.append(error)

        thread = Thread(target=work)
        try:
            with store.transaction():
                store.put(ANN.replace(team="front desk"))
                thread.start()
                has_locked.wait()
                store.put(BOB.replace(team="front desk"))
        except Conflict as error:
            errors.append(error)
        thread.join()

    assert [str(each).partition(": ")[2] for each in errors] == [
        "another unit of work changed the same records meanwhile; do this one again"
    ]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_another_default_of_the_database_changes_nothing(postgres_url: str, level: str) -> None:
    with empty_schema(postgres_url) as place_, empty_schema(postgres_url) as other:
        urls = [
            f"{each}%20-cdefault_transaction_isolation%3D{level.replace(' ', '%5C%20')}" for each in (place_, other)
        ]
        assert racers.first_starts(urls, 3) == []
        with CRM.open(urls[0]) as crm:
            crm.load([racers.TALLY])
        runs = racers.in_threads(urls[0], 4, 0.5)
        assert [each.error for each in runs if each.error] == []
        with CRM.open(urls[0]) as crm:
            assert racers.visits(crm) == sum(each.counted for each in runs)


def test_a_connection_that_was_lost_while_idle_is_replaced(store: SqlStore, proxy: Proxy) -> None:
    with closing(open_store(proxy.url)) as through:
        through.add([ANN])
        proxy.cut()
        assert through.get(Employee, "ann") == ANN
        proxy.cut()
        assert through.add([BOB]) == 1


def test_a_connection_that_is_lost_inside_a_unit_of_work_undoes_it(store: SqlStore, proxy: Proxy) -> None:
    with closing(open_store(proxy.url)) as through:
        with pytest.raises(StoreError, match="was lost; nothing of this unit of work was kept"), through.transaction():
            through.add([ANN])
            proxy.cut()
            through.add([BOB])
        assert through.count(Employee) == 0
        assert through.add([ANN]) == 1


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "undone"])
def test_a_connection_that_is_lost_during_the_commit_leaves_the_outcome_unknown(
    store: SqlStore, proxy: Proxy, is_kept: bool
) -> None:
    with closing(open_store(proxy.url)) as through:
        proxy.cut_at(COMMIT, are_heard=is_kept)
        with pytest.raises(CommitOutcomeUnknown, match="nobody can tell whether this unit of work was kept, so look"):
            through.add([ANN])
        _wait_until(lambda: bool(store.count(Employee)) == is_kept)
        assert through.count(Employee) == is_kept


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "undone"])
def test_work_under_a_key_is_done_once_though_the_connection_is_lost_during_its_commit(
    store: SqlStore, proxy: Proxy, is_kept: bool
) -> None:
    with CRM.open(proxy.url) as crm:
        proxy.cut_at(COMMIT, are_heard=is_kept)
        made = crm.run(lambda crm: crm.employees.add(Employee(name="Ann")), key="form-17")
        assert [each.id for each in crm.employees] == [made.id]


def test_a_server_that_is_away_is_explained_and_used_again_when_it_is_back(store: SqlStore, url: str) -> None:
    way = Proxy(url)
    with closing(open_store(way.url)) as through:
        through.add([ANN])
        way.close()
        for use in (lambda: through.get(Employee, "ann"), lambda: through.add([BOB])):
            with pytest.raises(
                StoreError, match="the server cannot be reached; check that it runs and that the URL is right"
            ):
                use()


def test_a_statement_that_the_server_ends_is_explained(store: SqlStore, url: str) -> None:
    store.add([ANN])
    slow = f"{url}%20-cstatement_timeout%3D100"
    with closing(open_store(slow)) as through, store.transaction():
        store.put(ANN.replace(name="Anna"))
        with pytest.raises(StoreError, match="took too long"):
            through.put(ANN.replace(team="front desk"))
    assert store.get(Employee, "ann").name == "Anna"


def test_waiting_for_a_lock_for_too_long_is_explained(store: SqlStore, url: str) -> None:
    store.add([ANN])
    impatient = f"{url}%20-clock_timeout%3D100"
    with closing(open_store(impatient)) as through, store.transaction():
        store.put(ANN.replace(name="Anna"))
        with pytest.raises(StoreError, match="another unit of work has kept a record locked for too long; try again"):
            through.put(ANN.replace(team="front desk"))


def test_tables_in_a_schema_are_found_whatever_the_search_path_is(postgres_url: str) -> None:
    with empty_schema(postgres_url) as url:
        name = url.rpartition("%3D")[2]
        schema_of(postgres_url, schema=name).apply()
        with closing(open_store(postgres_url, schema=name)) as store:
            assert isinstance(store, SqlStore)
            store.add([ANN])
            with psycopg_host(postgres_url) as host, host.transaction():
                host.run("SET LOCAL search_path TO pg_catalog")
                with store.transaction(connection=host.connection):
                    assert store.get(Employee, "ann") == ANN
                    store.put(ANN.replace(name="Anna"))
            assert len(store.history(Employee, "ann")) == 2


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://anna:s3cret@db.example:5433/club", "postgresql://db.example/club"),
        ("postgresql://anna:s3cret@/club?host=/run/postgresql", "postgresql:///run/postgresql/club"),
        ("postgresql://anna@localhost?password=s3cret", "postgresql://localhost/anna"),
        ("postgresql:///?host=db.example&dbname=club&user=anna&password=s3cret", "postgresql://db.example/club"),
    ],
)
def test_the_name_of_a_database_has_no_password(url: str, name: str) -> None:
    database = Postgresql(url)
    assert database.name == name
    assert "s3cret" not in repr(database)


@pytest.mark.parametrize("url", ["postgresql://anna:s3cret@localhost/%zz", "postgresql://anna:s3cret@[::1/club"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="the URL of the database cannot be read; give one such as") as caught:
        open_store(url)
    assert "s3" not in str(caught.value)


def _wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = monotonic() + seconds
    while not holds():
        assert monotonic() < end
        sleep(0.01)
