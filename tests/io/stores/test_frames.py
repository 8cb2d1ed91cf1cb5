"""A store gives its records as frames that equal those made of the records, through adbc and without it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, StoreError
from crmkit.frames import from_records, schema
from crmkit.io.stores.sql import SqlStore, frames, streams
from crmkit.model import RECORDS, Customer, CustomField, Money, Record, new_id
from crmkit.model.custom_field import with_custom
from crmkit.rules import field
from tests.examples import few, several
from tests.io.stores.analysed import AT, extreme_visits, opened, store_of_passes
from tests.io.stores.places import KINDS, empty_place
from tests.model.vertical import Member, Visit

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """A store for the whole module; each test has tenants of its own in it."""
    for url in empty_place(request, request.param, tmp_path_factory.mktemp("frames")):
        store = opened(url, Visit, Member)
        with closing(store):
            yield store


@pytest.fixture
def store(house: SqlStore) -> SqlStore:
    return house.for_tenant(new_id())


@pytest.fixture
def from_adbc(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows but the first few are read through adbc."""
    pytest.importorskip("adbc_driver_manager")
    monkeypatch.setattr(frames, "_MANY", 1)
    monkeypatch.setattr(frames, "_PAGE_ROWS", 2)
    monkeypatch.setattr(streams, "READ_ROWS", 3)
    monkeypatch.setattr(streams, "READ_BYTES", 1000)


@pytest.fixture(params=["plain", "adbc"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "adbc":
        request.getfixturevalue("from_adbc")
    else:
        monkeypatch.setitem(sys.modules, "adbc_driver_manager", None)
    way: str = request.param
    return way


def by_id(held: list[Any]) -> list[Any]:
    return sorted(held, key=lambda each: each.id)


def same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found.schema == expected.schema
    assert found.sort("id").equals(expected)


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", [*RECORDS, Visit, Member], ids=lambda cls: cls.__name__)
def test_a_frame_is_that_of_the_records_by_id(data: st.DataObject, cls: type[Record], house: SqlStore) -> None:
    store = house.for_tenant(new_id())
    kept = by_id(data.draw(several(cls, most=4)))
    store.add(kept)

    found = store.frame(cls)
    assert found.schema == schema(cls)
    assert found.equals(from_records(kept, cls))


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_the_types_are_declared_even_of_no_records(cls: type[Record], store: SqlStore) -> None:
    (only,) = store.batches(cls)

    assert only.schema == schema(cls)
    assert only.height == 0


def test_the_ends_of_every_kind_come_out_exact(store: SqlStore, way: str) -> None:
    visits = extreme_visits()
    store.add(visits)

    same(store.frame(Visit), from_records(visits, Visit))


@given(n=st.integers(0, 12), rows=st.integers(1, 13))
@shared
def test_batches_have_at_most_so_many_rows_and_together_all(n: int, rows: int, house: SqlStore) -> None:
    store = house.for_tenant(new_id())
    visits = extreme_visits()[:n]
    store.add(visits)

    found = list(store.batches(Visit, rows=rows))
    assert [each.height for each in found] == [rows] * (n // rows) + [n % rows] * (n % rows > 0 or n == 0)
    assert pl.concat(found).equals(from_records(visits, Visit))


def test_batches_through_adbc_have_at_most_so_many_rows(store: SqlStore, from_adbc: None) -> None:
    visits = extreme_visits()
    store.add(visits)

    found = list(store.batches(Visit, rows=2))
    assert {each.height for each in found} <= {1, 2}
    same(pl.concat(found), from_records(visits, Visit))


@given(columns=st.lists(st.sampled_from(list(schema(Visit))), max_size=4))
@shared
def test_some_columns_are_those_of_the_whole_frame(columns: list[str], house: SqlStore) -> None:
    store = house.for_tenant(new_id())
    visits = extreme_visits()[:9]
    store.add(visits)

    assert store.frame(Visit, columns=columns).equals(from_records(visits, Visit, columns))


def test_columns_without_the_id_are_read_to_the_end(store: SqlStore, way: str) -> None:
    visits = extreme_visits()
    store.add(visits)

    found = store.frame(Visit, columns=["paid"])
    assert found.columns == ["paid"]
    assert found["paid"].sort().equals(from_records(visits, Visit)["paid"].sort())


RULES = [
    field("paid") >= Money(0, "PLN"),
    field("paid").is_in([Money.from_minor_units(1, "JPY"), Money.from_minor_units(0, "CLF")]),
    field("at") == AT,
    field("at") < AT,
    field("weight").is_in([Decimal("38.5"), Decimal(0)]),
    field("rating") == 0.1,
    field("guests") == -(2**63),
    field("is_trial") == True,  # noqa: E712 - a rule, not a condition
    field("classes").has("\\") & ~field("goals").has('"'),
    field("member_id").is_in(["'", "\\", "%s", "a,b"]),
    field("member_id").like("%\\%"),
    field("member_id").contains("%"),
    field("external_ids.the 'old' % \\ shop") == "x",
    field("goals").is_empty() | field("left_at").is_empty(),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_chooses_the_same_records_either_way(rule: Any, store: SqlStore, way: str) -> None:
    visits = [
        each.replace(external_ids={"the 'old' % \\ shop": "x"} if each.is_trial else {}) for each in extreme_visits()
    ]
    store.add(visits)

    same(store.frame(Visit, rule), from_records(list(store.every(Visit, rule)), Visit))


def test_a_rule_about_declared_fields_chooses_the_same_records_either_way(store: SqlStore, way: str) -> None:
    declared = [
        CustomField(subject="Visit", name="size", kind="decimal"),
        CustomField(subject="Visit", name="since", kind="instant"),
        CustomField(subject="Visit", name="until", kind="day"),
        CustomField(subject="Visit", name="floor", kind="choice", choices=["first", "it's"]),
    ]
    values = {"size": Decimal("38.5"), "since": AT, "until": date(2025, 1, 31), "floor": "it's"}
    visits = [with_custom(each, declared, **values) if each.is_trial else each for each in extreme_visits()]
    store.add([*declared, *visits])

    for name, value in values.items():
        found = store.frame(Visit, field(f"custom.{name}") == value)
        same(found, from_records([each for each in visits if each.is_trial], Visit))


def test_deleted_records_and_those_of_others_are_left_out(store: SqlStore, way: str) -> None:
    people: list[Customer] = [Customer(id=f"c{number}", kind="person", name="Ann") for number in range(6)]
    members = [Member(id=f"m{number}", kind="person", name="Bob", card=str(number)) for number in range(6)]
    store.add([*people, *members])
    store.for_tenant(new_id()).add([*people, *members])
    store.delete(Customer, "c5")
    store.delete(Member, "m5")

    same(store.frame(Customer), from_records([*people[:5], *members[:5]], Customer))
    same(store.frame(Member), from_records(members[:5], Member))


def test_a_unit_of_work_sees_what_it_wrote_and_others_do_not(store: SqlStore, from_adbc: None) -> None:
    visits = extreme_visits()
    seen_by_other: list[pl.DataFrame] = []
    store.add(visits[:9])
    with store.transaction():
        store.add(visits[9:])
        other = Thread(target=lambda: seen_by_other.append(store.frame(Visit)))
        other.start()
        other.join()
        same(store.frame(Visit), from_records(visits, Visit))

    same(seen_by_other[0], from_records(visits[:9], Visit))


def test_reading_through_adbc_leaves_the_locks_of_this_process_alone(tmp_path: Path, from_adbc: None) -> None:
    visits = extreme_visits()
    is_writing, is_read = Event(), Event()
    with closing(opened(f"sqlite:///{tmp_path}/club.db", Visit)) as store:
        store.add(visits[:9])

        def write() -> None:
            with store.transaction():
                store.add(visits[9:])
                is_writing.set()
                assert is_read.wait(30)

        writer = Thread(target=write)
        writer.start()
        assert is_writing.wait(30)
        assert store.frame(Visit).height == 9
        try:
            assert _is_locked_for_others(tmp_path / "club.db")
        finally:
            is_read.set()
            writer.join()
        assert store.frame(Visit).height == len(visits)


def _is_locked_for_others(path: Path) -> bool:
    code = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute('BEGIN IMMEDIATE')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True, text=True)
    return "database is locked" in done.stderr


def test_adbc_is_really_used_where_it_is_installed(store: SqlStore, from_adbc: None) -> None:
    store.add(extreme_visits())
    source = frames.Source(store._reader(Visit), list(schema(Visit)), 2)

    found = list(streams.stream(store._session, source.rest, "v004"))
    assert sum(each.height for each in found) == len(extreme_visits()) - 5


def test_reading_may_stop_at_any_frame(store: SqlStore, from_adbc: None) -> None:
    store.add(extreme_visits())

    for n in (1, 4):
        found = store.batches(Visit, rows=2)
        for _ in range(n):
            assert 1 <= next(found).height <= 2
        found.close()  # type: ignore[attr-defined]
    assert not _children()


def test_reading_that_breaks_off_is_an_error_not_a_shorter_frame(store: SqlStore, from_adbc: None) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells the children of a process")
    store.add([each.replace(id=f"{n}{each.id}") for n in range(200) for each in extreme_visits()])
    found = store.batches(Visit, rows=2)
    for _ in range(3):
        next(found)
    for child in _children():
        os.kill(child, signal.SIGKILL)

    with pytest.raises(StoreError, match="reading broke off before the end; try again"):
        list(found)


def _children() -> set[int]:
    listed = Path("/proc/self/task").glob("*/children")
    return {int(number) for each in listed for number in each.read_text().split()}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"columns": ["paid", "guest"]}, "frames of Visit have no column 'guest'.*did you mean 'guests'"),
        ({"columns": ["lockers"]}, "frames of Visit have no column 'lockers'"),
        ({"where": field("guest") == 1}, "Visit has no field 'guest'.*did you mean 'guests'"),
        ({"rows": 0}, "0 is no number of records"),
    ],
)
def test_what_does_not_fit_raises_before_anything_is_read(wrong: dict[str, Any], message: str, store: SqlStore) -> None:
    with pytest.raises(InvalidInput, match=message):
        store.batches(Visit, **wrong)


def test_what_another_program_wrote_is_told_without_its_value(tmp_path: Path, way: str) -> None:
    with closing(opened(f"sqlite:///{tmp_path}/club.db", Visit)) as store:
        store.add(extreme_visits())
        with closing(sqlite3.connect(tmp_path / "club.db")) as other, other:
            other.execute("UPDATE crm_visit SET left_at = 'canary' WHERE left_at IS NOT NULL")

        with pytest.raises(StoreError, match="the table of Visit holds a value that crmkit did not write") as caught:
            store.frame(Visit)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_came_later_has_its_default(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, way: str
) -> None:
    for url in empty_place(request, kind, tmp_path):
        with store_of_passes(url) as (store, passes):
            same(store.frame(type(passes[0])), from_records(passes, type(passes[0])))
