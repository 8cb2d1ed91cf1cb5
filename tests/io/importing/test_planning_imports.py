"""A plan says what becomes of every row before anything is written, and what is stored decides between new and known."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit.crm import CRM
from crmkit.errors import CrmError, ImportFailed, InvalidInput
from crmkit.io.formats import excel
from crmkit.io.importing import ImportPlan, plan_import
from crmkit.io.mapping import folder_mapping
from crmkit.io.privacy import erase_person
from crmkit.io.stores import MemoryStore, open_store
from crmkit.model import ContactPoint, Customer, Deal, Money, Pipeline, Product, Record, Transition, field, record
from tests.examples import few
from tests.io.importing.files import CANARY, DEALS, DEALS_CSV, PEOPLE, PEOPLE_CSV, imported, mapping, planned, write


def _steps(plan: ImportPlan) -> list[tuple[str, int, str, str]]:
    return [(step.file, step.line, step.action, step.record) for step in plan.steps()]


def test_a_plan_counts_what_it_will_do_and_writes_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    with planned(store, write(tmp_path)) as plan:
        assert str(plan) == "Pipeline: 1 create\nCustomer: 2 create\nDeal: 2 create"
        assert _steps(plan) == [
            ("mapping", 0, "create", "Pipeline"),
            ("people.csv", 2, "create", "Customer"),
            ("people.csv", 3, "create", "Customer"),
            ("deals.csv", 2, "create", "Deal"),
            ("deals.csv", 3, "create", "Deal"),
        ]
        assert plan.source == "till"
        assert plan.at == datetime(2025, 5, 2, tzinfo=UTC)
    assert [store.count(cls) for cls in (Pipeline, Customer, Deal)] == [0, 0, 0]


def test_cells_become_what_they_mean(tmp_path: Path) -> None:
    store = MemoryStore()
    imported(store, write(tmp_path))
    ann, bob = sorted(store.every(Customer), key=lambda each: str(each.external_ids["till"]))
    assert (ann.name, ann.birth_on, ann.tags, dict(ann.custom)) == (
        "Ann Kowalska", date(1990, 12, 31), {"vip", "early"}, {"note": "likes tea"},
    )  # fmt: skip
    assert [(point.kind, point.value, point.is_primary) for point in ann.contact_points] == [
        ("email", "ann@example.org", True),
        ("phone", "+48 600 100 200", False),
        ("phone", "22 123 45 67", False),
        ("address", "Long 1, Oslo", False),
    ]
    assert (bob.name, bob.birth_on, len(bob.contact_points), dict(bob.custom)) == ("bob@example.org", date(1991, 2, 1), 1, {"note": "N/A"})  # fmt: skip
    offer, won = sorted(store.every(Deal), key=lambda each: str(each.external_ids["till"]))
    assert (offer.amount, offer.probability, offer.customer_id) == (Money(Decimal("1234.50"), "EUR"), 0.5, ann.id)
    assert (won.category, won.closed_at, won.created_at) == (
        "won", datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 1, 3, tzinfo=UTC),
    )  # fmt: skip
    assert store.get(Pipeline, "sales").labels() == ("New", "Offer", "Closed Won")


def test_stage_entries_become_transitions_with_their_own_time(tmp_path: Path) -> None:
    store = MemoryStore()
    imported(store, write(tmp_path))
    moves = sorted(
        ((each.before, each.after, each.at.date()) for each in store.every(Transition)), key=lambda each: each[2]
    )
    assert moves == [
        (None, "Offer", date(2025, 1, 2)),
        (None, "Offer", date(2025, 1, 5)),
        ("Offer", "Closed Won", date(2025, 3, 1)),
    ]


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{folder}/club.db"])
def test_importing_twice_changes_nothing(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    store = open_store(url.format(folder=tmp_path))
    imported(store, write(folder))
    before = [*store.every(Customer), *store.every(Deal), *store.every(Transition)]
    with planned(store, folder) as plan:
        assert str(plan) == "Pipeline: 1 skip\nCustomer: 2 skip\nDeal: 2 skip"
        assert plan.apply(store).skipped == 5
    assert [*store.every(Customer), *store.every(Deal), *store.every(Transition)] == before
    store.close()


def test_what_a_row_leaves_blank_stays_and_collections_are_added_to(tmp_path: Path) -> None:
    store = MemoryStore()
    write(tmp_path)
    imported(store, tmp_path / "people.csv")
    changed = "no,first,last,mail,phone,born,labels,street,town,note\n1,Anna,,new@example.org,,,late,,,\n"
    (tmp_path / "people.csv").write_text(changed)
    with planned(store, tmp_path / "people.csv") as plan:
        assert plan.counts == {"create": 0, "update": 1, "skip": 1, "conflict": 0, "reject": 0}
        plan.apply(store)
    (ann,) = [each for each in store.every(Customer) if each.external_ids["till"] == "1"]
    assert (ann.name, ann.birth_on, ann.tags, dict(ann.custom)) == (
        "Anna", date(1990, 12, 31), {"vip", "early", "late"}, {"note": "likes tea"},
    )  # fmt: skip
    assert [(point.value, point.is_primary) for point in ann.contact_points if point.kind == "email"] == [
        ("ann@example.org", True), ("new@example.org", False),
    ]  # fmt: skip


def test_a_deal_that_moves_gets_a_transition(tmp_path: Path) -> None:
    store = MemoryStore()
    imported(store, write(tmp_path))
    words = {**DEALS, "entries": {}}
    moved = DEALS_CSV.replace("7,Offer", "7,Lost").replace("8,Closed Won", "8,New").replace("2025-03-01", "")
    (tmp_path / "deals.csv").write_text(moved)
    imported(store, tmp_path / "deals.csv", mapping(words))
    moves = [(each.before, each.after, each.category_after, each.at) for each in store.every(Transition)]
    assert ("Offer", "Lost", "lost", datetime(2025, 5, 2, tzinfo=UTC)) in moves
    assert ("Closed Won", "New", "open", datetime(2025, 5, 2, tzinfo=UTC)) in moves
    assert store.get(Pipeline, "sales").stage("Lost").category == "lost"


def test_a_move_that_nobody_dated_must_be_decided(tmp_path: Path) -> None:
    store = MemoryStore()
    imported(store, write(tmp_path))
    (tmp_path / "deals.csv").write_text(DEALS_CSV.replace("7,Offer", "7,New").replace("2025-01-02", ""))
    with planned(store, tmp_path / "deals.csv", mapping(DEALS, exported_on=None)) as plan:
        (step,) = plan.steps("conflict")
        assert step.reasons == ("its state changes, and nothing says when; give exported_on in the mapping, or at",)


def test_a_row_that_does_not_fit_says_where_and_why_and_shows_no_cell(tmp_path: Path) -> None:
    people = PEOPLE_CSV + f"3,,,,,{CANARY},,,,\n" + f",{CANARY},,,,,,,,\n" + f"2,{CANARY},,,,,,,,\n" + f"4,{CANARY}\n"
    store = MemoryStore()
    with planned(store, write(tmp_path, people)) as plan:
        assert [(step.line, step.reasons) for step in plan.steps("reject") if step.file == "people.csv"] == [
            (3, ("the key (column 'no') is that of several rows; every Customer needs one of its own",)),
            (4, (
                "name (columns 'first', 'last') is blank; give text",
                "birth_on (column 'born') does not fit; give a date such as 2025-12-31 or 31/12/2025",
            )),
            (5, ("the key (column 'no') is blank; every Customer needs one of its own",)),
            (6, ("the key (column 'no') is that of several rows; every Customer needs one of its own",)),
            (7, ("the header has 10 columns, but this row has 2",)),
        ]  # fmt: skip
        assert CANARY not in f"{plan}{plan!r}{[*plan.steps()]}"
        with pytest.raises(ImportFailed, match=r"nothing is imported, because of 5 rows: people.csv, line 3") as caught:
            plan.apply(store)
    assert CANARY not in str(caught.value)
    assert store.count(Customer) == 0


def test_a_column_that_may_be_read_in_two_ways_is_refused_with_what_to_state(tmp_path: Path) -> None:
    people = PEOPLE_CSV.replace("31/12/1990", "3/4/1990")
    with pytest.raises(
        ImportFailed,
        match=r"people.csv: the dates of birth_on \(column 'born'\) may be read in two ways; state 'day first'",
    ):
        plan_import(MemoryStore(), write(tmp_path, people), mapping=mapping())
    with pytest.raises(ImportFailed, match=r"the dates of birth_on .* are written in both ways"):
        plan_import(MemoryStore(), write(tmp_path, PEOPLE_CSV.replace("1/2/1991", "1/31/1991")), mapping=mapping())
    with pytest.raises(ImportFailed, match=r"the numbers of amount \(column 'amount'\) may be read in two ways"):
        plan_import(MemoryStore(), write(tmp_path, deals=DEALS_CSV.replace("1,234.50", "1,234")), mapping=mapping())
    store = MemoryStore()
    imported(store, write(tmp_path, people), mapping(dates="month first"))
    assert {each.birth_on for each in store.every(Customer)} == {date(1990, 3, 4), date(1991, 1, 2)}


def test_a_record_that_changed_here_after_the_export_must_be_decided(tmp_path: Path) -> None:
    crm = CRM(MemoryStore(), clock=lambda: datetime(2025, 6, 1, tzinfo=UTC))
    write(tmp_path)
    imported(crm.store, tmp_path / "people.csv")
    ann = next(each for each in crm.customers if each.name == "Ann Kowalska")
    crm.customers.update(ann.replace(city="Bergen"))
    (tmp_path / "people.csv").write_text(PEOPLE_CSV.replace("Kowalska", "Nowak"))
    with planned(crm.store, tmp_path / "people.csv") as plan:
        (step,) = plan.steps("conflict")
        assert step.reasons == ("the Customer was changed here after the export; import with overwrite to replace it",)
    with planned(crm.store, tmp_path / "people.csv", overwrite=True) as plan:
        plan.apply(crm.store)
    assert crm.customers.get(ann.id).name == "Ann Nowak"
    assert crm.customers.get(ann.id).city == "Bergen"


def test_a_deleted_record_does_not_come_back_and_a_merged_one_stays_merged(tmp_path: Path) -> None:
    crm = CRM(MemoryStore())
    write(tmp_path)
    imported(crm.store, tmp_path / "people.csv")
    ann, bob = sorted(crm.customers, key=lambda each: str(each.external_ids["till"]))
    crm.customers.delete(bob.id)
    with planned(crm.store, tmp_path / "people.csv") as plan:
        (step,) = plan.steps("conflict")
        assert step.reasons == ("the Customer was deleted here; restore it first, or take the row out",)
    crm.customers.restore(bob.id)
    crm.merge(ann.id, [bob.id])
    with planned(crm.store, tmp_path / "people.csv") as plan:
        assert plan.counts["conflict"] == plan.counts["create"] == plan.counts["update"] == 0


def test_a_row_is_about_the_stored_record_with_its_address(tmp_path: Path) -> None:
    known = Customer(id="host-1", kind="person", name="Ann", contact_points=[ContactPoint("email", "ANN@example.org")])
    store = MemoryStore()
    store.add([known])
    write(tmp_path)
    by_mail = mapping({**PEOPLE, "match": ["email", "phone"]})
    imported(store, tmp_path / "people.csv", by_mail)
    assert store.count(Customer) == 2
    assert store.get(Customer, "host-1").external_ids == {"till": "1"}
    with planned(store, tmp_path / "people.csv", by_mail) as plan:
        assert plan.counts["skip"] == 3


def test_a_row_is_about_the_stored_record_with_its_number_and_not_about_one_with_the_same_end(tmp_path: Path) -> None:
    numbers = {"near": "600 100 200", "far": "+66 2 999 100 200"}
    store = MemoryStore()
    store.add(
        Customer(id=each, kind="person", name=each, contact_points=[ContactPoint("phone", numbers[each])])
        for each in numbers
    )
    write(tmp_path)
    imported(store, tmp_path / "people.csv", mapping({**PEOPLE, "match": ["phone"]}))
    assert [bool(store.get(Customer, each).external_ids) for each in ("near", "far")] == [True, False]


@pytest.mark.parametrize(
    ("stored", "people", "reason"),
    [
        (2, PEOPLE_CSV, "2 stored records of Customer have its e-mail address; tell which by its key"),
        (1, PEOPLE_CSV + "3,Al,,ann@example.org,,,,,,\n", "several rows are about the same stored Customer"),
    ],
)
def test_a_row_that_may_be_about_several_must_be_decided(tmp_path: Path, stored: int, people: str, reason: str) -> None:
    point = ContactPoint("email", "ann@example.org")
    store = MemoryStore()
    store.add(Customer(kind="person", name="A", contact_points=[point]) for _ in range(stored))
    write(tmp_path, people)
    with planned(store, tmp_path / "people.csv", mapping({**PEOPLE, "match": ["email"]})) as plan:
        assert {step.reasons for step in plan.steps("conflict")} == {(reason,)}


def test_links_reach_records_of_an_earlier_import_and_of_the_host(tmp_path: Path) -> None:
    store = MemoryStore()
    write(tmp_path, deals=DEALS_CSV.replace("8,Closed Won,2", "8,Closed Won,host-1"))
    store.add([Customer(id="host-1", kind="person", name="A")])
    imported(store, tmp_path / "people.csv")
    imported(store, tmp_path / "deals.csv", mapping(DEALS))
    names = {store.get(Customer, each.customer_id).name for each in store.every(Deal) if each.customer_id}
    assert names == {"Ann Kowalska", "A"}


def test_typed_cells_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "goods.xlsx"
    excel.write(
        path,
        ["sku", "title", "price", "since"],
        [{"sku": 7, "title": 2025, "price": 1234.5, "since": date(2025, 3, 4)}],
    )
    words = {
        "path": "goods.xlsx",
        "record": "Product",
        "key": "sku",
        "fields": {"name": "title", "price": "price", "created_at": "since"},
    }
    store = MemoryStore()
    imported(
        store,
        path,
        folder_mapping(source="till", currency="EUR", numbers="1.234,5", dates="month first", files=[words]),
    )
    (product,) = store.every(Product)
    assert (product.external_ids, product.name, product.price) == ({"till": "7"}, "2025", Money("1234.50", "EUR"))
    assert product.created_at == datetime(2025, 3, 4, tzinfo=UTC)


def test_customers_who_look_like_stored_ones_are_told(tmp_path: Path) -> None:
    store = MemoryStore()
    store.add([Customer(kind="person", name="Ann Kowalska", birth_on=date(1990, 12, 31))])
    write(tmp_path)
    with planned(store, tmp_path / "people.csv", warn_duplicates=True) as plan:
        (problem,) = [each for each in plan.problems if "looks like" in each.message]
        assert str(problem) == "people.csv: looks like a customer who is stored already (1 row: line 2)"


def test_a_verticals_own_records_are_imported(tmp_path: Path) -> None:
    @record
    class Member(Customer):
        goal: str | None = field(default=None)

    @record
    class Visit(Record):
        member_id: str = field(links="Customer")
        at: datetime

    store = MemoryStore([Customer, Member, Visit, Pipeline])
    (tmp_path / "members.csv").write_text("no,name,goal\n1,Ann,run\n")
    (tmp_path / "visits.csv").write_text("id,who,at\n9,1,2025-01-31 18:30\n")
    files: list[dict[str, Any]] = [
        {"path": "members.csv", "record": "Member", "key": "no", "fields": {"kind": {"value": "person"}, "name": "name", "goal": "goal"}},
        {"path": "visits.csv", "record": "Visit", "key": "id", "fields": {"member_id": "who", "at": "at"}},
    ]  # fmt: skip
    imported(store, tmp_path, folder_mapping(source="club", files=files, records=[Member, Visit]))
    (member,), (visit,) = store.every(Member), store.every(Visit)
    assert (member.goal, visit.member_id) == ("run", member.id)


def test_the_wrong_use_is_one_sentence(tmp_path: Path) -> None:
    store = MemoryStore()
    write(tmp_path)
    with pytest.raises(ImportFailed, match=r"deals.csv is not in the mapping; there are 'people.csv', 'goods.csv'"):
        plan_import(store, tmp_path / "deals.csv", mapping=mapping(PEOPLE, {**PEOPLE, "path": "goods.csv"}))
    with pytest.raises(
        ImportFailed,
        match="nothing says what the columns mean; 'crmkit import .*people.csv --suggest > .*crmkit.toml' writes",
    ):
        plan_import(store, tmp_path / "people.csv")
    with pytest.raises(InvalidInput, match="at has no time zone"):
        plan_import(store, tmp_path, mapping=mapping(), at=datetime(2025, 1, 1))
    with pytest.raises(InvalidInput, match="the store keeps no Customer"):
        plan_import(MemoryStore([Deal, Pipeline]), tmp_path, mapping=mapping())
    with pytest.raises(ImportFailed, match="people.csv has no column 'mail'"):
        plan_import(store, write(tmp_path, PEOPLE_CSV.replace("mail", "e-mail")), mapping=mapping())
    with planned(store, write(tmp_path)) as plan, pytest.raises(ImportFailed, match="'remove' is no action; there are"):
        plan.steps("remove")  # type: ignore[arg-type]


ROWS = st.lists(
    st.tuples(
        st.sampled_from("1234567"),
        st.sampled_from(["", "Ann", "Bob"]),
        st.sampled_from(["", "31/12/1990", "bad", "1/2/1991"]),
    ),
    max_size=8,
)


@settings(few, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(
    tmp_path: Path, rows: list[tuple[str, str, str]], random: Random
) -> None:
    words = {
        **PEOPLE,
        "custom": [],
        "fields": {"kind": {"value": "person"}, "name": "name", "birth_on": {"column": "born", "format": "day first"}},
    }

    def outcome(given: list[tuple[str, str, str]]) -> tuple[list[Any], list[Any]]:
        store = MemoryStore()
        (tmp_path / "people.csv").write_text("no,name,born\n" + "".join(",".join(row) + "\n" for row in given))
        with planned(store, tmp_path / "people.csv", mapping(words)) as plan:
            reasons = sorted((step.action, step.reasons) for step in plan.steps() if step.record == "Customer")
            plan.apply(store, partial=True)
        return reasons, [*store.every(Customer)]

    shuffled = random.sample(rows, len(rows))
    assert outcome(rows) == outcome(shuffled)


CELLS = st.one_of(
    st.text(max_size=8), st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(["\ud800", "1e999999999", "31/12/1990", "0001-01-01T00:00+14:00", "1,5", "-", "x\0y"]),
)  # fmt: skip


@settings(few, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["no", "first", "mail", "phone", "born", "labels", "note"]), CELLS), max_size=4
    )
)
def test_no_cell_raises_anything_but_our_errors(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    words = {**PEOPLE, "path": "people.jsonl", "match": ["email", "phone"]}
    head = dict.fromkeys(["no", "first", "last", "mail", "phone", "born", "labels", "street", "town", "note"])
    (tmp_path / "people.jsonl").write_text("".join(json.dumps({**head, **row}) + "\n" for row in [{}, *rows]))
    store = MemoryStore()
    store.add([Customer(kind="person", name="A", contact_points=[ContactPoint("email", "a@example.org")])])
    try:
        with planned(store, tmp_path / "people.jsonl", mapping(words)) as plan:
            assert sum(plan.counts.values()) == len(rows) + 2
            plan.apply(store, partial=True, rejects=tmp_path / "out")
    except CrmError:
        return


def test_a_record_of_another_class_must_be_decided(tmp_path: Path) -> None:
    @record
    class Member(Customer):
        goal: str | None = field(default=None)

    store = MemoryStore([Customer, Member, Pipeline])
    store.add([Customer(kind="person", name="Ann", external_ids={"club": "1"})])
    (tmp_path / "members.csv").write_text("no,name,goal\n1,Ann,run\n")
    words = {
        "path": "members.csv",
        "record": "Member",
        "key": "no",
        "fields": {"kind": {"value": "person"}, "name": "name", "goal": "goal"},
    }
    with planned(store, tmp_path, folder_mapping(source="club", files=[words], records=[Member])) as plan:
        (step,) = plan.steps("conflict")
        assert step.reasons == ("it is stored as a Customer, which is no Member; change that first",)


def test_a_person_who_was_erased_does_not_come_back(tmp_path: Path) -> None:
    store = MemoryStore()
    write(tmp_path)
    imported(store, tmp_path / "people.csv")
    ann = next(each for each in store.every(Customer) if each.name == "Ann Kowalska")
    erase_person(store, ann.id, at=datetime(2025, 6, 1, tzinfo=UTC), preview=False)
    again = PEOPLE_CSV + "9,Ann,Kowalska,ann@example.org,,,,,,\n"
    (tmp_path / "people.csv").write_text(again)
    with planned(store, tmp_path / "people.csv") as plan:
        reasons = {step.line: step.reasons for step in plan.steps("skip") if step.record == "Customer"}
        erased = ("the person was erased here and does not come back",)
        assert reasons == {2: erased, 3: (), 4: erased}
        plan.apply(store)
    assert not any(each.name == "Ann Kowalska" for each in store.every(Customer))


def test_of_a_file_that_is_mapped_twice_only_what_nobody_reads_is_told(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("no,name,firm,colour\n1,Ann,Acme,red\n")
    kinds = {
        "no": {"kind": {"value": "person"}, "name": "name"},
        "firm": {"kind": {"value": "organization"}, "name": "firm"},
    }
    files = [{"path": "people.csv", "record": "Customer", "key": key, "fields": each} for key, each in kinds.items()]
    with plan_import(MemoryStore(), tmp_path, mapping=folder_mapping(source="till", files=files)) as plan:
        told = [each.message for each in plan.problems if "not imported" in each.message]
    assert told == ["columns that are not imported: 'colour'"]


def test_an_encoding_that_was_guessed_is_told_once(tmp_path: Path) -> None:
    pytest.importorskip("charset_normalizer")
    (tmp_path / "people.csv").write_bytes("no,name\n1,Łucja Żółć\n2,Grażyna Gęś\n".encode("cp1250"))
    fields = {"kind": {"value": "person"}, "name": "name"}
    files = [{"path": "people.csv", "record": "Customer", "key": key, "fields": fields} for key in ("no", "name")]
    (told,) = plan_import(MemoryStore(), tmp_path, mapping=folder_mapping(source="till", files=files)).problems
    assert str(told).startswith(
        "people.csv: its letters are read as cp1250, which is guessed; if they look wrong, state encoding"
    )
