"""An erased person is in no place any more, and every count stays what it was."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM, metrics
from crmkit.errors import CrmError, InvalidInput, NotFound
from crmkit.io.privacy import ERASED, LEGAL_HOLD, erase_person, erasures, export_person
from crmkit.io.stores import MemoryStore, open_store, schema_of
from crmkit.model import Customer, Deal, Interaction, Quote, Record, Task, Ticket, fields
from crmkit.sample import company
from crmkit.testing.strategies import companies
from tests.examples import few
from tests.io.privacy.people import CANARY, DAY, MAIL, PHONE, Member, Visit, club, told, traces_in
from tests.io.stores.places import KINDS, place

_QUALITY = {"completeness", "card_completeness"}
"""The KPIs that measure what is known of customers."""


@pytest.fixture(params=["memory", *KINDS])
def crm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CRM]:
    if request.param == "memory":
        yield club()
        return
    for url in place(request, request.param, tmp_path):
        schema_of(url, records=[Member, Visit]).apply()
        with club(url) as opened:
            yield opened


def test_nothing_of_an_erased_person_is_left_in_the_store(crm: CRM) -> None:
    assert traces_in(told(crm.store))
    erase_person(crm.store, "ann", at=DAY, by="eva", preview=False)

    assert traces_in(told(crm.store)) == []
    assert traces_in(repr(crm.store.changes())) == []


def test_others_keep_all_of_theirs() -> None:
    crm = club()
    kept: list[tuple[type[Record], str]] = [
        (Member, "bob"),
        (Customer, "acme"),
        (Deal, "d2"),
        (Interaction, "i3"),
        (Ticket, "t2"),
        (Visit, "v2"),
    ]
    before = [crm.store.read(cls, record_id) for cls, record_id in kept]
    erase_person(crm.store, "ann", at=DAY, preview=False)

    assert [crm.store.read(cls, record_id) for cls, record_id in kept] == before
    assert crm.tasks.get("k2").subject == "Lunch with [erased]"


def test_what_is_not_personal_stays() -> None:
    crm = club()
    before = crm[Member].get("ann"), crm.deals.get("d1"), crm.store.read(Quote, "q1").record
    erase_person(crm.store, "ann", at=DAY, preview=False)

    ann, deal = crm[Member].get("ann"), crm.deals.get("d1")
    assert ann == before[0].replace(
        name=ERASED,
        birth_on=None,
        contact_points=(),
        card=f"{ERASED} ann",
        goal=None,
        external_ids={},
        custom={"level": "gold"},
    )
    assert deal == before[1].replace(name="[erased], a year", external_ids={})
    assert crm.quotes.get("q1") == before[2].replace(custom={})
    assert {each.reason for each in crm.transitions} == {"[erased] asked for it"}


def test_a_preview_says_what_is_erased_and_changes_nothing() -> None:
    crm = club()
    before = told(crm.store)
    preview = erase_person(crm.store, "anna", at=DAY)

    assert told(crm.store) == before
    assert (preview.is_preview, preview.customer_id, preview.notes) == (True, "ann", 1)
    assert preview.counts == {
        "Consent": {"evidence": 1},
        "Contact": {"custom": 1},
        "Customer": {"contact_points": 1, "external_ids": 1, "name": 1},
        "Deal": {"external_ids": 1, "name": 1},
        "Interaction": {"body": 2, "subject": 1},
        "Lead": {"contact_points": 1, "name": 1},
        "Member": {
            "birth_on": 1, "card": 1, "city": 1, "contact_points": 1, "custom": 1, "external_ids": 1, "goal": 1, "name": 1,
        },
        "Message": {"address": 1},
        "Quote": {"custom": 1},
        "SurveyResponse": {"comment": 1},
        "Task": {"subject": 2},
        "Ticket": {"subject": 1},
        "Transition": {"reason": 1},
        "Visit": {"remark": 1},
    }  # fmt: skip
    assert erase_person(crm.store, "ann", at=DAY, preview=False).counts == preview.counts


def test_the_receipt_says_what_when_and_by_whom_and_nothing_personal() -> None:
    crm = club()
    receipt = erase_person(crm.store, "ann", at=DAY, by="eva", preview=False)

    assert (receipt.customer_id, receipt.at, receipt.by, receipt.suppressed) == ("ann", DAY, "eva", 4)
    assert erasures(crm.store) == erasures(crm.store, "ann") == (receipt,)
    assert erasures(crm.store, "bob") == ()
    assert traces_in(repr(receipt)) == []


def test_erasing_again_does_nothing_and_returns_the_receipt() -> None:
    crm = club()
    receipt = erase_person(crm.store, "ann", at=DAY, by="eva", preview=False)
    before = crm.changes().cursor

    assert erase_person(crm.store, "anna", at=DAY.replace(year=2026), preview=False) == receipt
    assert crm.changes().cursor == before
    assert not erase_person(crm.store, "ann", at=DAY)


def test_what_came_since_is_erased_with_a_receipt_of_its_own() -> None:
    crm = club()
    erase_person(crm.store, "ann", at=DAY, preview=False)
    crm.load([Interaction(channel="phone", direction="inbound", at=DAY, customer_id="ann", body=CANARY)])
    later = DAY.replace(year=2026)

    assert erase_person(crm.store, "ann", at=later, preview=False).counts == {"Interaction": {"body": 1}}
    assert [each.at for each in erasures(crm.store, "ann")] == [DAY, later]
    assert traces_in(told(crm.store)) == []


def test_an_error_leaves_everything_as_it_was() -> None:
    crm = club()
    before = told(crm.store)
    with pytest.raises(ZeroDivisionError), crm.transaction():
        erase_person(crm.store, "ann", at=DAY, preview=False)
        raise ZeroDivisionError

    assert told(crm.store) == before


@pytest.mark.parametrize(("cls", "record_id"), [(Member, "ann"), (Interaction, "i2"), (Task, "k1")])
def test_a_legal_hold_on_a_record_of_the_person_refuses(cls: type[Task], record_id: str) -> None:
    crm = club()
    crm.store.rewrite(cls, record_id, lambda each: each.replace(tags={LEGAL_HOLD}))  # type: ignore[attr-defined]

    for preview in (True, False):
        with pytest.raises(InvalidInput, match=f"{record_id!r} has the tag 'legal hold'"):
            erase_person(crm.store, "ann", at=DAY, preview=preview)


def test_a_legal_hold_on_a_record_of_others_does_not() -> None:
    crm = club()
    crm.tickets.update(crm.tickets.get("t2").replace(tags={LEGAL_HOLD}))

    assert erase_person(crm.store, "ann", at=DAY)


def test_bad_input_is_refused_with_nothing_personal_in_the_error() -> None:
    crm = club()
    for customer_id, at, error in (
        ("eve", DAY, NotFound),
        ("acme", DAY, InvalidInput),
        ("ann", datetime(2025, 1, 1), InvalidInput),
    ):
        with pytest.raises(error) as caught:
            erase_person(crm.store, customer_id, at=at, preview=False)
        assert traces_in(str(caught.value)) == []
    with pytest.raises(InvalidInput, match="give a store with the capability 'erasing'"):
        erase_person(crm.as_of(DAY).store, "ann", at=DAY)


def test_kpis_are_the_same_before_and_after() -> None:
    sample = company(seed=3, customers=40)
    now = datetime(sample.year + 1, 1, 1, tzinfo=DAY.tzinfo)
    with CRM.open("memory://", clock=lambda: now, tz=sample.tz) as crm:
        crm.load(sample.records())
        before = _figures(crm)
        people = [each.id for each in crm.customers if each.kind == "person"]
        for each in people:
            erase_person(crm.store, each, at=now, preview=False)
        after = _figures(crm)

    assert len(people) > 10
    assert len(before) > 50
    assert {name for name in before if before[name] != after[name]} <= _QUALITY


def _figures(crm: CRM) -> dict[str, object]:
    """Every KPI that needs no more than the tables."""
    found = {}
    for definition in metrics.catalogue():
        try:
            found[definition.name] = getattr(crm.metrics, definition.name)().to_dicts()
        except (CrmError, TypeError):
            continue
    return found


@few
@given(companies(customers=8), st.randoms())
def test_only_personal_fields_and_free_text_of_the_person_change(sample: object, chance: object) -> None:
    store = MemoryStore()
    store.add(sample.records())  # type: ignore[attr-defined]
    people = [each.id for each in store.every(Customer) if each.kind == "person"]
    if not people:
        return
    person = chance.choice(people)  # type: ignore[attr-defined]
    own = {each.record.id for each in export_person(store, person).told}
    before = {cls: list(store.every(cls)) for cls in store.classes}
    erase_person(store, person, at=DAY, preview=False)

    for cls, records in before.items():
        for was, now in zip(records, store.every(cls), strict=True):
            changed = {each for each in fields(cls) if getattr(was, each.name) != getattr(now, each.name)}
            assert not changed or was.id in own
            assert all(each.personal or each.shape.kind == "text" for each in changed)


def test_nothing_is_left_in_the_bytes_of_a_file(tmp_path: Path) -> None:
    with club(f"sqlite:///{tmp_path}/club.db") as crm:
        assert _in_files(tmp_path)
        crm.erase_person("ann", preview=False)
        assert not _in_files(tmp_path)


def _in_files(folder: Path) -> bool:
    held = b"".join(each.read_bytes() for each in folder.iterdir()).lower()
    return any(each.encode().lower() in held for each in (CANARY, MAIL, PHONE))


def test_the_facade_erases_and_exports_by_its_clock() -> None:
    crm = club()
    assert crm.erase_person("ann").is_preview
    receipt = crm.erase_person("ann", preview=False)

    assert (receipt.at, receipt.by) == (DAY, "eva")
    assert crm.customers.history("ann")[-1].stamp.by == "eva"
    assert crm.export_person("ann").to_dict()["records"]["Member"][0]["record"]["name"] == ERASED


def test_a_store_without_the_classes_of_aliases_and_moves_erases_too() -> None:
    store = MemoryStore([Customer, Interaction])
    store.add(
        [
            Customer(id="ann", kind="person", name="Ann"),
            Interaction(channel="phone", direction="inbound", at=DAY, customer_id="ann", body="b"),
        ]
    )

    assert erase_person(store, "ann", at=DAY, preview=False).counts == {
        "Customer": {"name": 1},
        "Interaction": {"body": 1},
    }


def test_two_persons_are_erased_in_one_store_of_two_tenants_apart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/club.db"
    with open_store_of(url, "a") as one, open_store_of(url, "b") as other:
        for crm in (one, other):
            crm.customers.add(Customer(id="ann", kind="person", name=f"Ann {CANARY}"))
        one.erase_person("ann", preview=False)

        assert other.customers.get("ann").name == f"Ann {CANARY}"
        assert erasures(other.store) == ()


def open_store_of(url: str, tenant: str) -> CRM:
    return CRM(open_store(url, tenant=tenant), clock=lambda: DAY)
