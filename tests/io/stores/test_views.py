"""Programs that read the database themselves find in its views what `store.frame` gives."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.frames import schema
from crmkit.io.stores import schema_of
from crmkit.io.stores.sql import SqlStore
from crmkit.model import RECORDS, Customer, Record, new_id
from tests.examples import few, several
from tests.io.stores.analysed import extreme_visits, opened, store_of_passes
from tests.io.stores.places import KINDS, empty_place
from tests.model.vertical import Member, Visit


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqlStore, str]]:
    """A store for the whole module, and its URL; each test has tenants of its own in it."""
    for url in empty_place(request, request.param, tmp_path_factory.mktemp("views")):
        with closing(opened(url, Visit, Member)) as store:
            yield store, url


def read(url: str, view: str, tenant: str) -> list[dict[str, Any]]:
    """The rows of a view by id, read with the driver and plain SQL."""
    mark = "?" if url.startswith("sqlite") else "%s"
    query = f"SELECT * FROM {view} WHERE crm_tenant = {mark} ORDER BY id"
    with closing(_connected(url)) as connection:
        cursor = connection.cursor()
        cursor.execute(query, (tenant,))
        names = [each[0] for each in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _connected(url: str) -> Any:
    if url.startswith("sqlite"):
        return sqlite3.connect(url.removeprefix("sqlite:///"))
    return pytest.importorskip("psycopg").connect(url)


def as_frames_have_them(row: dict[str, Any], cls: type[Record]) -> dict[str, Any]:
    """A row of a view of SQLite, which has fewer types, as far as it has them."""
    return {name: _typed(row[name], dtype) for name, dtype in schema(cls).items()}


def _typed(value: Any, dtype: pl.DataType) -> Any:
    if dtype == pl.Boolean:
        return None if value is None else bool(value)
    if not isinstance(value, str) or dtype == pl.String:
        return value
    if isinstance(dtype, pl.Datetime):
        return datetime.fromisoformat(value)
    if isinstance(dtype, pl.Date):
        return date.fromisoformat(value)
    if isinstance(dtype, pl.List):
        return json.loads(value)
    return value


def nearest(row: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def check(store: SqlStore, url: str, cls: type[Record], view: str) -> None:
    frame = store.frame(cls).sort("id")
    rows = read(url, view, store._tenant)
    assert [row.pop("crm_tenant") for row in rows] == [store._tenant] * frame.height
    if url.startswith("sqlite"):
        found = [as_frames_have_them(row, cls) for row in rows]
        expected = [nearest(row) for row in frame.rows(named=True)]
        for ours, theirs in zip(found, expected, strict=True):
            for name, value in theirs.items():
                assert ours[name] == (pytest.approx(value, rel=1e-15, abs=0) if isinstance(value, float) else value), (
                    name
                )
    else:
        assert [dict(row) for row in rows] == frame.rows(named=True)


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_the_view_of_a_class_has_what_its_frame_has(
    data: st.DataObject, cls: type[Record], house: tuple[SqlStore, str]
) -> None:
    store, url = house[0].for_tenant(new_id()), house[1]
    store.add(data.draw(several(cls, most=3)))
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)

    check(store, url, cls, f"crm_view{name}")


def test_the_ends_of_every_kind_are_there(house: tuple[SqlStore, str]) -> None:
    store, url = house[0].for_tenant(new_id()), house[1]
    store.add(extreme_visits())

    check(store, url, Visit, "crm_view_visit")


def test_sqlite_shows_the_exact_amount_in_smallest_units(house: tuple[SqlStore, str]) -> None:
    store, url = house[0].for_tenant(new_id()), house[1]
    visits = extreme_visits()
    store.add(visits)
    rows = read(url, "crm_view_visit", store._tenant)

    if url.startswith("sqlite"):
        expected = [None if visit.paid is None else visit.paid.minor_units for visit in visits]
        assert [row["paid_minor"] for row in rows] == expected
    else:
        assert "paid_minor" not in rows[0]


def test_a_view_has_the_rows_of_its_class_that_are_not_deleted(house: tuple[SqlStore, str]) -> None:
    store, url = house[0].for_tenant(new_id()), house[1]
    people = [Customer(id=f"c{number}", kind="person", name="Ann") for number in range(3)]
    members = [Member(id=f"m{number}", kind="person", name="Bob", card=str(number)) for number in range(3)]
    store.add([*people, *members])
    store.delete(Customer, "c0")
    store.delete(Member, "m0")

    check(store, url, Customer, "crm_view_customer")
    check(store, url, Member, "crm_view_member")
    assert [row["id"] for row in read(url, "crm_view_member", store._tenant)] == ["m1", "m2"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_came_later_is_in_the_view_with_its_default(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    for url in empty_place(request, kind, tmp_path):
        with store_of_passes(url) as (store, passes):
            check(store, url, type(passes[0]), "crm_view_pass")
            assert {row["price_minor"] for row in read(url, "crm_view_pass", "")} == {"declared"}


@pytest.mark.parametrize("kind", KINDS)
def test_views_are_made_once_and_stay(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    for url in empty_place(request, kind, tmp_path):
        assert schema_of(url).apply().pending
        assert schema_of(url).apply().pending == ()
        assert read(url, "crm_view_deal", "") == []
