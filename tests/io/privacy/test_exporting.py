"""Everything that is known about a person comes out, and nothing about anybody else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.codec import to_plain
from crmkit.errors import InvalidInput, NotFound
from crmkit.io.privacy import export_person
from crmkit.io.stores import MemoryStore
from crmkit.model import Customer, Interaction, Segment, fields
from crmkit.sample import company
from crmkit.testing.strategies import companies
from tests.examples import few
from tests.io.privacy.people import CANARY, DAY, club


def test_every_record_about_a_person_is_in_the_export() -> None:
    told = export_person(club().store, "ann").to_dict()["records"]

    ids = {name: [each["record"]["id"] for each in records] for name, records in told.items()}
    assert ids.pop("Transition")
    assert ids == {
        "Consent": ["s1"],
        "Contact": ["c1"],
        "Customer": ["anna"],
        "Deal": ["d1", "d2"],
        "Interaction": ["i1", "i2"],
        "Lead": ["l1"],
        "Member": ["ann"],
        "Message": ["m1"],
        "Order": ["o1"],
        "Quote": ["q1"],
        "SurveyResponse": ["r1"],
        "Task": ["k1", "k2"],
        "Ticket": ["t1"],
        "Visit": ["v1"],
    }


def test_a_person_is_found_by_any_id_that_they_had() -> None:
    store = club().store

    assert export_person(store, "anna") == export_person(store, "ann")
    assert export_person(store, "anna").former_ids == ("anna",)


def test_the_export_tells_what_is_deleted_and_what_records_were_before() -> None:
    export = export_person(club().store, "ann").to_dict()

    assert [each["deleted"] for each in export["records"]["Task"]] == [True, False]
    (ann,) = export["records"]["Member"]
    assert next((each["version"], each["kind"], each["by"]) for each in ann["history"]) == (1, "added", "eva")
    assert [each["record"]["city"] for each in ann["history"]] == [CANARY, CANARY, None]


def test_nothing_of_other_people_is_in_the_export() -> None:
    crm = club()
    crm.load([Segment(id="g1", name="early", subject="Customer", added_ids={"ann", "bob"})])

    text = export_person(crm.store, "ann").to_json()

    assert not any(word in text for word in ("Bob", "broken locker", "for Bob", "late", "nuts"))
    assert json.loads(text)["records"]["Segment"][0]["record"]["added_ids"] == ["ann"]


def test_the_page_shows_the_same_and_nothing_in_it_is_markup() -> None:
    store = MemoryStore()
    store.add([Customer(id="<b>", kind="person", name='<script>alert(1)</script> & "co"')])
    page = export_person(store, "<b>").to_html("<i>")

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;co&quot;" in page
    assert "<title>&lt;i&gt;</title>" in page
    assert "City: C4N4RY → nothing" in export_person(club().store, "ann").to_html()


def test_an_export_is_the_same_in_any_order_of_records() -> None:
    sample = list(company(seed=7, customers=8).records())
    forth, back = MemoryStore(), MemoryStore()
    forth.add(sample)
    back.add(reversed(sample))
    person = next(each.id for each in sample if isinstance(each, Customer) and each.kind == "person")

    assert export_person(forth, person).to_json() == export_person(back, person).to_json()


@few
@given(companies(customers=8), st.randoms())
def test_the_export_has_what_reading_everything_finds(sample: object, chance: object) -> None:
    records = list(sample.records())  # type: ignore[attr-defined]
    people = [each.id for each in records if isinstance(each, Customer) and each.kind == "person"]
    if not people:
        return
    person = chance.choice(people)  # type: ignore[attr-defined]
    store = MemoryStore()
    store.add(records)

    linking = {
        each.id
        for each in records
        if person in _texts([held for name, held in to_plain(each).items() if name in _links(each) | {"contacts"}])
    }
    exported = {
        each["record"]["id"]
        for name, held in export_person(store, person).to_dict()["records"].items()
        for each in held
        if name not in ("Customer", "Transition")
    }
    assert linking <= exported
    about_others = {each.id for each in records if _customers(each) and person not in _customers(each)}
    assert not exported & about_others


def _links(record: object) -> set[str]:
    return {each.name for each in fields(type(record)) if each.links == "Customer"}


def _customers(record: object) -> set[str]:
    held = {getattr(record, name) for name in _links(record)} - {None}
    return held | {each.customer_id for each in getattr(record, "contacts", ())}


def _texts(plain: object) -> list[str]:
    if isinstance(plain, dict):
        return _texts(list(plain.values()))
    return [one for each in plain for one in _texts(each)] if isinstance(plain, list) else [str(plain)]


def test_a_vertical_in_a_database_is_exported_as_from_memory(tmp_path: object) -> None:
    with club(f"sqlite:///{tmp_path}/club.db") as crm:
        there = _without_new_ids(export_person(crm.store, "ann").to_dict())
    assert there == _without_new_ids(export_person(club().store, "ann").to_dict())


def _without_new_ids(export: dict[str, object]) -> dict[str, object]:
    """Transitions, whose ids are new each time, without these."""
    records = dict(export["records"])  # type: ignore[call-overload]
    moves = [each["record"] | {"id": ""} for each in records.pop("Transition")]
    return {**export, "records": records, "moves": moves}


def test_nobody_and_no_organization_is_exported() -> None:
    store = club().store

    with pytest.raises(NotFound, match="no Customer has the id 'eve'"):
        export_person(store, "eve")
    for nobody in ("\x00", "", None, 7):
        with pytest.raises(NotFound):
            export_person(store, nobody)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="'acme' is an organization; give a person"):
        export_person(store, "acme")


def test_a_deleted_person_is_exported() -> None:
    with CRM.open("memory://", clock=lambda: DAY) as crm:
        crm.load(
            [
                Customer(id="ann", kind="person", name="Ann"),
                Interaction(channel="phone", direction="inbound", at=DAY, customer_id="ann"),
            ]
        )
        crm.customers.delete("ann")
        export = export_person(crm.store, "ann")

    assert [each.is_deleted for each in export.told] == [True, False]


def test_an_export_does_not_show_personal_data_where_it_is_printed() -> None:
    assert CANARY not in repr(export_person(club().store, "ann"))
