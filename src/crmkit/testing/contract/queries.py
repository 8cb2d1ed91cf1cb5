"""The contract of "queries": pages in an order, and rules."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from crmkit.errors import InvalidInput
from crmkit.io.stores.port import SortBy, Store
from crmkit.model import Customer, CustomField, Employee, Money, Record, Ticket
from crmkit.rules import Rule, columns, field, last_days, predicate
from crmkit.testing.contract.base import StoreTests, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, CAT, NOON, TEXTS, Specimen, specimens

SORTABLE = ("text", "choice", "integer", "share", "decimal", "flag", "instant", "day", "amount")
_OPTIONAL = ("price", *(f"maybe_{name}" for name in SORTABLE[:-1]))
_PATHS = ("id", "currency", "price_currency", "number", *SORTABLE, *_OPTIONAL)
_HOSTILE = (
    "",
    "nope",
    "id; DROP TABLE x",
    '"id"',
    "ID",
    "id desc",
    "custom.nope",
    "custom.a'b",
    "é",
    "tags.x",
    "\x00",
    "a" * 999,
)
_FIELDS = (
    CustomField(id="f1", subject="Employee", name="size", kind="decimal"),
    CustomField(id="f2", subject="Employee", name="since", kind="day"),
    CustomField(id="f3", subject="Employee", name="rank", kind="integer"),
    CustomField(id="f4", subject="Employee", name="shift", kind="choice", choices=["early", "late"]),
    CustomField(id="f5", subject="Customer", name="other", kind="text"),
)


def _rules() -> Iterable[Rule]:
    """Comparisons of every kind of field by every operator, and some joined."""
    operands: dict[str, Sequence[Any]] = {
        "text": (*TEXTS[:8], "y"),
        "integer": (0, -1, 10),
        "share": (0, 0.1, -1.5),
        "decimal": (0, Decimal("1.50"), Decimal("9.9999999999")),
        "instant": (NOON,),
        "day": (date(2025, 1, 31), date.min),
        "amount": (Money(0, "PLN"), Money(1, "JPY")),
    }
    for name, values in operands.items():
        path = field("price" if name == "amount" else f"maybe_{name}")
        yield path.is_in(values)
        yield path.is_empty()
        for value in values:
            yield from (path == value, path != value, path < value, path <= value, path > value, path >= value)
    for text in ("a", "%", "_", "*", "[a-z]", "\\", "'", "Ł", "x" * 900):
        path = field("maybe_text")
        yield from (path.contains(text), path.starts_with(text), path.ends_with(text), field("maybe_steps").has(text))
    for pattern in ("%", "_", "p%n", r"\%%", "_____", "%l%i%", "Ł_d_", "%\r\n%"):
        yield field("text").like(pattern)
    yield from (field("flag") == True, field("maybe_flag") == False, field("maybe_choice") == "red")  # noqa: E712
    yield from (field(f"maybe_{name}").is_empty() for name in ("labels", "steps", "coin", "coins", "measured"))
    yield field("labels").has("Łódź") & ~(field("price_currency") == "PLN") | (field("integer") > 0)
    yield ~(field("maybe_integer") > 0) & ~~field("tags").has("vip")


class QueriesContract(StoreTests):
    """What a store with the capability "queries" does."""

    @promise("queries")
    def test_find_gives_the_first_hundred_by_id(self, store: Store) -> None:
        """Where nobody says otherwise; then there is a next page."""
        store.add(Specimen(id=f"{number:03}") for number in reversed(range(101)))
        page = store.find(Specimen)
        assert [each.id for each in page] == [f"{number:03}" for number in range(100)]
        assert [each.id for each in store.find(Specimen, after=page.next)] == ["100"]

    @promise("queries")
    def test_find_of_nothing_is_an_empty_page(self, store: Store) -> None:
        """Without a next one."""
        store.add([ANN])
        page = store.find(Employee, field("name") == "Eva")
        assert (page.records, page.next) == ((), None)

    @promise("queries")
    def test_records_are_sorted_by_every_kind_of_field_both_ways(self, store: Store) -> None:
        """Empty values last either way, equal ones by id; text by code point, money by currency and then amount."""
        kept = specimens()
        store.add(kept)
        for path in _PATHS:
            for is_descending in (False, True):
                sort = [SortBy(path, is_descending)]
                assert _ids(store.find(Specimen, sort=sort)) == _ids(_sorted(kept, sort)), sort

    @promise("queries")
    def test_pages_of_any_size_give_every_record_once_in_order(self, store: Store) -> None:
        """By one key or several, in either direction, over ties and empty values; the last page has no next one."""
        kept = specimens()
        store.add(kept)
        for path in _PATHS:
            sorts = ([SortBy(path)], [SortBy("flag", is_descending=True), SortBy(path, is_descending=True)])
            for sort in sorts:
                assert _ids(_walked(store, sort, 3)) == _ids(_sorted(kept, sort)), sort
        for limit in (1, 2, len(kept) - 1, len(kept), len(kept) + 1):
            sort = [SortBy("maybe_choice"), SortBy("price", is_descending=True), SortBy("maybe_flag")]
            assert _ids(_walked(store, sort, limit)) == _ids(_sorted(kept, sort)), limit

    @promise("queries")
    def test_the_last_page_has_no_next_one(self, store: Store) -> None:
        """Also where it is full."""
        store.add([ANN, BOB])
        assert store.find(Employee, limit=2).next is None
        assert store.find(Employee, limit=1).next is not None

    @promise("queries")
    def test_ties_are_neither_missed_nor_repeated(self, store: Store) -> None:
        """Where all values are equal, ids decide."""
        kept = [Specimen(id=f"{number:02}") for number in range(20)]
        store.add(kept)
        for path in ("text", "maybe_text", "price", "flag"):
            for is_descending in (False, True):
                assert _ids(_walked(store, [SortBy(path, is_descending)], 7)) == _ids(kept)

    @promise("queries")
    def test_find_follows_any_rule(self, store: Store) -> None:
        """As `crmkit.rules.predicate` does, with every operator on every kind of field."""
        kept = specimens()
        store.add(kept)
        for rule in _rules():
            holds = predicate(rule, Specimen)
            expected = sorted(each.id for each in kept if holds(each))
            assert _ids(store.find(Specimen, rule)) == expected, rule
            assert store.count(Specimen, ~rule) == len(kept) - len(expected), rule

    @promise("queries")
    def test_pages_follow_a_rule_too(self, store: Store) -> None:
        """Only records for which it holds are gone through."""
        store.add(Specimen(id=f"{number:02}", integer=number % 3, flag=number % 2 == 0) for number in range(30))
        page = store.find(Specimen, field("integer") > 0, sort=[SortBy("flag")], limit=4)
        seen = list(page)
        while page.next:
            page = store.find(Specimen, field("integer") > 0, sort=[SortBy("flag")], limit=4, after=page.next)
            seen += page
        assert _ids(seen) == sorted(
            (f"{n:02}" for n in range(30) if n % 3), key=lambda each: (int(each) % 2 == 0, each)
        )

    @promise("queries", "deletion")
    def test_changes_between_two_pages_move_nothing_else(self, store: Store) -> None:
        """What is added or changed is seen where its place is still to come, and the record of the cursor may be gone."""
        store.add(Specimen(id=f"{number}", integer=number * 10) for number in range(6))
        by_integer = [SortBy("integer")]
        page = store.find(Specimen, sort=by_integer, limit=3)
        store.delete(Specimen, "2")
        store.add([Specimen(id="before", integer=5), Specimen(id="behind", integer=35), Specimen(id="1a", integer=20)])
        store.put(Specimen(id="0", integer=60))
        store.put(Specimen(id="5", integer=-1))
        assert _ids(page) == ["0", "1", "2"]
        assert _ids(store.find(Specimen, sort=by_integer, after=page.next)) == ["3", "behind", "4", "0"]

    @promise("queries")
    def test_find_sees_what_its_own_transaction_wrote(self, store: Store) -> None:
        """And nobody does once it is undone."""
        store.add([ANN])
        with undone(store):
            store.add([BOB])
            store.put(ANN.replace(team="North"))
            assert _ids(store.find(Employee, sort=[SortBy("team")])) == ["ann", "bob"]
            assert _ids(store.find(Employee, field("team").is_empty())) == ["bob"]
        assert store.find(Employee).records == (ANN,)

    @promise("queries")
    def test_fields_declared_at_run_time_are_compared_and_sorted_by(self, store: Store) -> None:
        """By the kind that they were declared with; what does not fit it is empty."""
        store.add(_FIELDS)
        store.add(
            [
                ANN.replace(custom={"size": "38.5", "since": "2025-01-31", "rank": 10, "shift": "late"}),
                BOB.replace(custom={"size": "9", "since": "2024-12-31", "rank": 9, "shift": "early"}),
                CAT.replace(custom={"size": "large", "since": "soon", "rank": "8", "shift": "noon"}),
            ]
        )
        for path, expected in {"size": "bac", "since": "bac", "rank": "bac", "shift": "bac"}.items():
            found = store.find(Employee, sort=[SortBy(f"custom.{path}")])
            assert [each.id[0] for each in found] == list(expected), path
            assert _ids(store.find(Employee, field(f"custom.{path}").is_empty())) == ["cat"], path
        assert _ids(store.find(Employee, field("custom.size") > Decimal(9))) == ["ann"]
        assert _ids(store.find(Employee, field("custom.since") <= date(2025, 1, 1))) == ["bob"]
        with raises(InvalidInput):
            store.find(Employee, field("custom.other") == "x")
        with raises(InvalidInput):
            store.find(Customer, sort=[SortBy("custom.size")])

    @promise("queries")
    def test_ids_of_other_systems_are_compared(self, store: Store) -> None:
        """By the name of the system, whatever its name."""
        names = ("hubspot", "Łódź 1", "a.b", "it's", '"x"', "%")
        store.add(Employee(id=f"e{n}", name="Ann", external_ids={name: "7"}) for n, name in enumerate(names))
        for place, name in enumerate(names):
            assert _ids(store.find(Employee, field(f"external_ids.{name}") == "7")) == [f"e{place}"], name

    @promise("queries", "deletion")
    def test_rules_ask_of_related_records(self, store: Store) -> None:
        """Of those that link to a record and are not deleted. Relative time is said for a moment before, else `InvalidInput`."""
        store.add(Customer(id=name, kind="person", name=name) for name in ("ann", "bob"))
        store.add(
            Ticket(id=f"t{n}", customer_id="ann", category="open" if n else "resolved", created_at=NOON)
            for n in range(3)
        )
        store.delete(Ticket, "t2")
        recent = field("tickets").any(category="open", within=last_days(3))
        expected = {
            field("tickets.count") == 2: ["ann"],  # noqa: PLR2004
            field("tickets.open") == 1: ["ann"],
            field("tickets.count") == 0: ["bob"],
            field("tickets.last_at") == NOON: ["ann"],
            field("tickets.count").where(field("id") > "t0") == 1: ["ann"],
            ~field("tickets").any(category="paused"): ["ann", "bob"],
            recent.at(NOON): ["ann"],
            recent.at(NOON - timedelta(days=1)): [],
            recent.at(NOON + timedelta(days=4)): [],
        }
        for rule, found in expected.items():
            assert _ids(store.find(Customer, rule)) == _ids(store.every(Customer, rule)) == found, rule
        for unfit in (recent, field("tickets.cuont") == 1, field("nothing.count") == 1):
            with raises(InvalidInput):
                store.find(Customer, unfit)

    @promise("queries")
    def test_unknown_and_hostile_sort_keys_are_refused(self, store: Store) -> None:
        """`InvalidInput`, as for a field that has no order."""
        store.add([ANN])
        for path in (*_HOSTILE, "tags", "custom", "external_ids"):
            with raises(InvalidInput):
                store.find(Employee, sort=[SortBy(path)])
        assert _ids(store.every(Employee)) == ["ann"]

    @promise("queries")
    def test_a_cursor_of_another_query_is_refused(self, store: Store) -> None:
        """`InvalidInput` for another class, key or direction, and for anything that is no cursor."""
        store.add([*specimens(), ANN, BOB])
        cursor = store.find(Specimen, sort=[SortBy("text")], limit=1).next
        assert cursor is not None
        for sort in ([], [SortBy("text", is_descending=True)], [SortBy("id")], [SortBy("text"), SortBy("day")]):
            with raises(InvalidInput):
                store.find(Specimen, sort=sort, after=cursor)
        with raises(InvalidInput):
            store.find(Employee, after=store.find(Specimen, limit=1).next)
        for broken in ("", "x", "é", "\x00", cursor[:-1], cursor + "A", cursor.swapcase(), "W10", "A" * 10_000):
            with raises(InvalidInput):
                store.find(Specimen, sort=[SortBy("text")], after=broken)

    @promise("queries")
    def test_a_page_of_no_records_is_refused(self, store: Store) -> None:
        """`InvalidInput` for a limit below 1."""
        for limit in (0, -1):
            with raises(InvalidInput):
                store.find(Employee, limit=limit)


def _walked(store: Store, sort: Sequence[SortBy], limit: int) -> list[Specimen]:
    page = store.find(Specimen, sort=sort, limit=limit)
    seen = list(page)
    while page.next:
        page = store.find(Specimen, sort=sort, limit=limit, after=page.next)
        assert 1 <= len(page) <= limit
        seen += page
    return seen


def _sorted(records: Iterable[Specimen], sort: Sequence[SortBy]) -> list[Specimen]:
    """The records in order, by sorting them once for each key from the last to the first."""
    known = columns(Specimen)
    found = sorted(records, key=lambda record: record.id)
    for by in reversed(sort):
        get = known[by.path].get
        filled = sorted(
            (each for each in found if get(each) is not None),
            key=lambda record, get=get: _comparable(get(record)),  # type: ignore[misc]
            reverse=by.is_descending,
        )
        found = filled + [each for each in found if get(each) is None]
    return found


def _comparable(value: Any) -> Any:
    return (value.currency, value.minor_units) if isinstance(value, Money) else value


def _ids(records: Iterable[Record]) -> list[str]:
    return [each.id for each in records]
