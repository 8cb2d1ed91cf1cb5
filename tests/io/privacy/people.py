"""A club in which everything personal about one member can be told from everything else."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

from crmkit import CRM
from crmkit.codec import to_plain
from crmkit.io.stores import Store
from crmkit.io.stores.parts import EntryPart, NotePart, RecordPart
from crmkit.io.stores.port import Copying
from crmkit.model import (
    Consent,
    Contact,
    ContactPoint,
    Customer,
    CustomField,
    Deal,
    DealContact,
    Interaction,
    Lead,
    Message,
    Order,
    Participant,
    Pipeline,
    Quote,
    Record,
    Stage,
    SurveyResponse,
    Task,
    Ticket,
    field,
    record,
)

CANARY, MAIL, PHONE = "C4N4RY", "ann.c4n4ry@example.com", "+48 501 777 333"
TRACES = ("c4n4ry", PHONE)
"""What is in everything personal about Ann, and in nothing else."""

DAY = datetime(2025, 3, 1, tzinfo=UTC)


@record
class Member(Customer):
    """A member of the club."""

    card: str = field(unique=True, personal=True)
    goal: str | None = field(default=None, category="qualitative", personal=True)


@record
class Visit(Record):
    """A visit, which a guest may be on."""

    member_id: str = field(links="Member")
    guest_id: str | None = field(default=None, links="Customer")
    at: datetime
    remark: str | None = field(default=None, personal=True)


def club(url: str = "memory://") -> CRM:
    """Return a club in which Ann, who was Anna too, and Bob have lived."""
    crm = CRM.open(url, records=[Member, Visit], clock=lambda: DAY, by="eva")
    mail, phone, home = (
        ContactPoint("email", MAIL),
        ContactPoint("phone", PHONE),
        ContactPoint("phone", "+48 22 123 45 67"),
    )
    lead = ContactPoint("email", "lead@c4n4ry.example")
    private = {"allergy": CANARY, "level": "gold"}
    ann = Member(
        id="ann", kind="person", name=f"Ann {CANARY}", contact_points=[mail, home], card=CANARY, custom=private
    )
    crm.load(
        [
            *(
                CustomField(id=name, subject="Customer", name=name, kind="text", is_personal=name == "allergy")
                for name in private
            ),
            Pipeline(
                id="gym",
                stages=[Stage("Trial", "open"), Stage("Offer", "open"), Stage("Won", "won"), Stage("Lost", "lost")],
            ),
            ann.replace(city=CANARY),
            Customer(
                id="anna", kind="person", name=f"Anna {CANARY}", contact_points=[phone], external_ids={"till": CANARY}
            ),
            Member(
                id="bob", kind="person", name="Bob B.", contact_points=[home], card="bob", custom={"allergy": "nuts"}
            ),
            Customer(id="acme", kind="organization", name="Acme"),
            Contact(id="c1", person_id="ann", organization_id="acme", custom={"desk": CANARY}),
            Deal(
                id="d1",
                pipeline_id="gym",
                stage="Trial",
                customer_id="ann",
                name=f"Ann {CANARY}, a year",
                external_ids={"x": CANARY},
            ),
            Deal(
                id="d2",
                pipeline_id="gym",
                stage="Trial",
                customer_id="acme",
                contacts=[DealContact("ann")],
                name="Acme",
                external_ids={"x": "acme"},
            ),
            Quote(id="q1", deal_id="d1", custom={"remark": CANARY}),
            Interaction(
                id="i1", channel="phone", direction="inbound", at=DAY, customer_id="anna", subject=CANARY, body=CANARY
            ),
            Interaction(id="i2", channel="phone", direction="inbound", at=DAY, deal_id="d1", body=CANARY),
            Interaction(
                id="i3", channel="phone", direction="inbound", at=DAY, customer_id="bob", body="for Bob", deal_id="d1"
            ),
            Message(id="m1", channel="email", customer_id="ann", address=MAIL),
            Consent(
                id="s1", customer_id="ann", channel="email", purpose="news", state="granted", at=DAY, evidence=CANARY
            ),
            Lead(id="l1", name=CANARY, customer_id="ann", organization_id="acme", contact_points=[lead]),
            SurveyResponse(
                id="r1", kind="nps", scale_low=0, scale_high=10, customer_id="ann", sent_at=DAY, comment=CANARY, score=9
            ),
            Ticket(id="t1", number="T-1", customer_id="anna", subject=CANARY),
            Ticket(id="t2", number="T-2", customer_id="bob", subject="broken locker"),
            Task(id="k1", subject=CANARY, customer_id="ann"),
            Task(
                id="k2",
                subject=f"Lunch with ann {CANARY.lower()}",
                customer_id="bob",
                participants=[Participant("ann")],
            ),
            Visit(id="v1", member_id="ann", at=DAY, remark=CANARY),
            Visit(id="v2", member_id="bob", at=DAY, remark="late"),
            Order(id="o1", at=DAY, customer_id="ann"),
        ]
    )
    crm.merge("ann", ["anna"])
    crm[Member].update(crm[Member].get("ann").replace(city=None, birth_on=date(1990, 5, 17), goal=CANARY))
    crm.deals.advance("d1", "Offer", reason=f"Ann {CANARY} asked for it")
    crm.tasks.delete("k1")
    crm.store.set_note("host", f"write to {MAIL} or call {PHONE}", was=None)
    return crm


def told(store: Store) -> str:
    """Return everything that a store keeps, as text."""
    return "\n".join(_told(store))


def _told(store: Store) -> Iterator[str]:
    assert isinstance(store, Copying)
    for part in store.contents():
        if isinstance(part, NotePart):
            yield f"{part.key} {part.text}"
        elif isinstance(part, RecordPart):
            yield json.dumps(to_plain(part.record), ensure_ascii=False)
        elif isinstance(part, EntryPart) and part.before is not None:
            yield json.dumps(to_plain(part.before), ensure_ascii=False)


def traces_in(text: str) -> list[str]:
    """Return what in a text is Ann's."""
    return [each for each in TRACES if each in text.casefold()]
