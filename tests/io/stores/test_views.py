"""Programs that read the database themselves find in its views what `store.frame` gives."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.frames import schema
from crmkit.io.stores.sql import SqlStore
from crmkit.model import RECORDS, Customer, Money, Record, new_id, record
from crmkit.testing.strategies import records
from tests.examples import few
from tests.io.stores.places import KINDS, connected, empty_place
from tests.io.stores.test_frames import extreme_visits, opened
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
    connection = sqlite3.connect(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else connected(url)
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute(query, (tenant,))
        names = [each[0] for each in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def as_frames_have_them(row: dict[str, Any], cls: type[Record]) -> dict[str, Any]:
    """A row of a view of SQLite, which has fewer types, as far as it has them."""
    return {name: _typed(row[name], dtype) for name, dtype in schema(cls).items()}


def _typed(value: Any, dtype: pl.DataType) -> Any:
    if value is None or not isinstance(value, str | int) or dtype == pl.String:
        return value
    if isinstance(dtype, pl.Datetime):
        return datetime.fromisoformat(value)
    if isinstance(dtype, pl.Date):
        return date.fromisoformat(value)
    if isinstance(dtype, pl.List):
        return json.loads(value)
    return bool(value) if dtype == pl.Boolean else value


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
            assert ours == pytest.approx(theirs, rel=1e-15, abs=0) if _has_float(theirs) else ours == theirs
    else:
        assert [dict(row) for row in rows] == frame.rows(named=True)


def _has_float(row: dict[str, Any]) -> bool:
    return any(isinstance(value, float) for value in row.values())


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_the_view_of_a_class_has_what_its_frame_has(
    data: st.DataObject, cls: type[Record], house: tuple[SqlStore, str]
) -> None:
    store, url = house[0].for_tenant(new_id()), house[1]
    store.add(data.draw(st.lists(records(cls), max_size=3, unique_by=lambda each: each.id)))
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)

    check(store, url, cls, f"crm_view{name}")
