"""What the tests of reading for analysis read: records with the ends of every kind, and some older than their fields."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from crmkit.io.stores import open_store, schema_of
from crmkit.io.stores.sql import SqlStore
from crmkit.model import Money, Record, record
from crmkit.testing.strategies import simplest
from tests.model.vertical import Visit

AT = datetime(2025, 1, 31, 12, tzinfo=UTC)


def opened(url: str, *classes: type[Record]) -> SqlStore:
    """Open a store for these classes too, its tables up to date."""
    schema_of(url, records=classes).apply()
    store = open_store(url, records=classes)
    assert isinstance(store, SqlStore)
    return store


def extreme_visits() -> list[Visit]:
    """Visits with the ends of what every kind of field can hold."""
    ends = [datetime(1, 1, 1, tzinfo=UTC), AT, datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
    largest = Decimal("9" * 28 + "." + "9" * 10)
    weights = [largest, largest.copy_negate(), Decimal(0), Decimal("-0.0000000001"), Decimal("38.5"), None]
    units = [2**63 - 1, 1 - 2**63, 0, 1]
    paid = [Money.from_minor_units(each, code) for each in units for code in ("PLN", "JPY", "KWD", "CLF", "XXX")]
    texts = ['"', "\\", '","', "[]", "a,b", "a\n\tb", "łódź 👩", "]", "'", "null", "%s"]
    n = len(paid)
    return [
        simplest(
            Visit,
            id=f"v{number:03}",
            member_id=texts[number % len(texts)],
            at=ends[number % 3],
            left_at=ends[number % 3] if number % 2 else None,
            paid=None if number % 7 == 0 else paid[number],
            guests=[2**63 - 1, -(2**63), 0][number % 3],
            rating=[0.1, -1.7976931348623157e308, 5e-324, None][number % 4],
            weight=weights[number % 6],
            is_trial=number % 2 == 0,
            goals=None if number % 5 == 0 else set(texts[: number % 4]),
            classes=texts[: number % 9],
        )
        for number in range(n)
    ]


@contextmanager
def store_of_passes(url: str) -> Iterator[tuple[SqlStore, list[Any]]]:
    """A store with passes from before most of their fields were declared and one from after that, and all as they are now."""
    before, after = _early_class(), _late_class()
    with closing(opened(url, before)) as store:
        store.add([before(id=f"p{number}", name="ten visits") for number in range(7)])
    passes = [after(id=f"p{number}", name="ten visits", note=None) for number in range(8)]
    with closing(opened(url, after)) as store:
        store.add(passes[7:])
        yield store, passes


def _early_class() -> type[Any]:
    @record
    class Pass(Record):
        name: str

    return Pass


def _late_class() -> type[Any]:
    @record
    class Pass(Record):
        name: str
        visits: int = 10
        is_open: bool = True
        colour: str = 'it\'s 100% "blue" \\ :x %s'
        note: str | None = "none"
        price_minor: str = "declared"
        price: Money = Money(99, "JPY")
        discount: Decimal = Decimal("0.5")
        share: float = 0.25
        since: datetime = AT
        until: date = date(2025, 12, 31)
        clubs: AbstractSet[str] = frozenset({"west", "east's"})
        rooms: Sequence[str] = ()

    return Pass
