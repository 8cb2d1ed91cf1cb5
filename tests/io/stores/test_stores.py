"""What every store must do, run on each of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import Conflict, InvalidInput, NotFound, StoreError
from crmkit.io.stores import MemoryStore, Store, open_store
from crmkit.model import RECORDS, Customer, Employee, Record, record
from crmkit.testing.strategies import records
from tests.examples import few

OpenStore = Callable[[], AbstractContextManager[Store]]

ANN = Employee(id="ann", name="Ann")
BOB = Employee(id="bob", name="Bob")


@contextmanager
def _memory() -> Iterator[Store]:
    yield MemoryStore()


@contextmanager
def _sqlite_file() -> Iterator[Store]:
    with TemporaryDirectory() as folder, closing(open_store(f"sqlite:///{folder}/store.db")) as store:
        yield store


@contextmanager
def _sqlite_memory() -> Iterator[Store]:
    with closing(open_store("sqlite://")) as store:
        yield store


@pytest.fixture(params=[_memory, _sqlite_file], ids=["memory", "sqlite file"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with request.param() as opened:
        yield opened


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("open_a_store", [_memory, _sqlite_memory], ids=["memory", "sqlite"])
def test_what_goes_in_comes_out_equal(data: st.DataObject, cls: type[Record], open_a_store: OpenStore) -> None:
    kept = data.draw(st.lists(records(cls), max_size=3, unique_by=lambda each: each.id))
    with open_a_store() as store:
        assert store.add(kept) == len(kept)

        assert [store.get(cls, each.id) for each in kept] == kept
        assert list(store.every(cls)) == sorted(kept, key=lambda each: each.id)
        assert store.count(cls) == len(kept)


@given(ids=st.lists(st.text(min_size=1).filter(lambda text: text.isprintable() and not text.isspace()), unique=True))
def test_all_stores_go_through_records_in_the_same_order(ids: list[str]) -> None:
    kept = {each.id: each for each in (Employee(id=each, name="Ann") for each in ids)}.values()
    with _memory() as memory, _sqlite_memory() as sqlite:
        memory.add(kept)
        sqlite.add(kept)

        assert list(memory.every(Employee)) == list(sqlite.every(Employee))


def test_many_records_are_gone_through_once_each(store: Store) -> None:
    many = [Employee(id=f"employee-{number:05}", name="Ann") for number in range(12_001)]
    store.add(many)

    assert list(store.every(Employee)) == many


def test_an_id_that_is_stored_already_is_a_conflict_and_none_of_the_batch_is_kept(store: Store) -> None:
    store.add([ANN])

    with pytest.raises(Conflict, match="a Employee with the id 'ann' is stored already"):
        store.add([BOB, ANN])
    assert list(store.every(Employee)) == [ANN]


def test_an_id_twice_in_one_batch_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict, match="'bob'"):
        store.add([BOB, BOB])
    assert store.count(Employee) == 0


def test_two_classes_may_use_the_same_id(store: Store) -> None:
    store.add([ANN, Customer(id="ann", kind="person", name="Ann")])

    assert store.get(Employee, "ann") == ANN


def test_put_replaces_and_get_returns_the_new_one(store: Store) -> None:
    store.add([ANN, BOB])
    store.put(ANN.replace(team="North"))

    assert store.get(Employee, "ann").team == "North"
    assert store.get(Employee, "bob") == BOB


@pytest.mark.parametrize("use", [lambda store: store.get(Employee, "ann"), lambda store: store.put(ANN)])
def test_an_id_that_is_not_stored_is_not_found(store: Store, use: Callable[[Store], object]) -> None:
    with pytest.raises(NotFound, match="no Employee has the id 'ann'"):
        use(store)


def test_a_class_that_the_store_does_not_know_is_refused_with_those_it_knows(store: Store) -> None:
    @record
    class Visit(Record):
        pass

    for use in (lambda: store.add([Visit()]), lambda: store.count(Visit), lambda: store.get(Visit, "1")):
        with pytest.raises(InvalidInput, match="Visit is no record class of this store; there are 'Employee'"):
            use()


def test_a_transaction_keeps_all_of_it(store: Store) -> None:
    with store.transaction():
        store.add([ANN])
        store.add([BOB])
        store.put(ANN.replace(team="North"))

    assert [each.team for each in store.every(Employee)] == ["North", None]


def test_an_error_undoes_all_of_a_transaction(store: Store) -> None:
    store.add([ANN])

    with pytest.raises(ZeroDivisionError), store.transaction():
        store.add([BOB])
        store.put(ANN.replace(team="North"))
        raise ZeroDivisionError
    assert list(store.every(Employee)) == [ANN]


def test_an_interruption_undoes_a_transaction_too(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.transaction():
        store.add([BOB])
        raise KeyboardInterrupt
    assert store.count(Employee) == 0


def test_a_failed_inner_transaction_is_undone_alone(store: Store) -> None:
    with store.transaction():
        store.add([ANN])
        with pytest.raises(Conflict), store.transaction():
            store.add([BOB])
            store.add([ANN])

    assert list(store.every(Employee)) == [ANN]


def test_an_outer_failure_undoes_an_inner_success(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        with store.transaction():
            store.add([BOB])
        raise ZeroDivisionError

    assert store.count(Employee) == 0


@given(steps=st.lists(st.tuples(st.sampled_from(["add", "put", "begin", "keep", "undo"]), st.sampled_from("abc"))))
def test_any_sequence_of_steps_leaves_both_stores_alike(steps: list[tuple[str, str]]) -> None:
    with _memory() as memory, _sqlite_memory() as sqlite:
        assert _run(memory, list(steps)) == _run(sqlite, list(steps))
        assert list(memory.every(Employee)) == list(sqlite.every(Employee))


class _Undone(Exception):
    pass


def _run(store: Store, steps: list[tuple[str, str]], depth: int = 0) -> list[str]:
    """Do the steps, which are taken off the list, and return what was said."""
    said: list[str] = []
    while steps:
        step, name = steps.pop(0)
        try:
            if step == "add":
                store.add([Employee(id=name, name="Ann")])
            elif step == "put":
                store.put(Employee(id=name, name="Ann", team=str(len(steps))))
            elif step == "begin":
                with store.transaction():
                    said += _run(store, steps, depth + 1)
                    if said[-1:] == ["undo"]:
                        raise _Undone  # noqa: TRY301 - the way to undo
            elif depth:
                return [*said, step]
        except (Conflict, NotFound) as error:
            said.append(str(error))
        except _Undone:
            pass
    return said


def test_threads_wait_for_each_other_and_lose_nothing(store: Store) -> None:
    store.add([ANN.replace(team="0")])

    def count_up() -> None:
        for _ in range(20):
            with store.transaction():
                stored = store.get(Employee, "ann")
                store.put(stored.replace(team=str(int(stored.team or 0) + 1)))

    threads = [Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(Employee, "ann").team == "80"


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()

    for use in (lambda: store.count(Employee), lambda: store.add([ANN]), lambda: list(store.every(Employee))):
        with pytest.raises(StoreError, match="the store is closed"):
            use()


def test_a_file_keeps_what_was_added_after_closing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/club.db"
    with closing(open_store(url)) as store:
        store.add([ANN])

    with closing(open_store(url, create=False)) as store:
        assert store.get(Employee, "ann") == ANN
    assert [path.name for path in tmp_path.iterdir()] == ["club.db"]
