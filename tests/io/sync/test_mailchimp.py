"""An audience of Mailchimp, against a server on this machine that speaks as Mailchimp does."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import metrics
from crmkit.errors import InvalidInput, RemoteUnavailable
from crmkit.io.privacy import erase_person
from crmkit.io.stores import MemoryStore
from crmkit.io.sync import Mailchimp, SyncConsent, SyncField, SyncReport, receive_messages, synchronise
from crmkit.io.sync.mailchimp import audience_plan
from crmkit.model import Campaign, Consent, ContactPoint, Customer, Message, Transition
from crmkit.model.consent import ConsentState, consent_on, may_contact
from tests.examples import rare
from tests.io.sync.server import KEY, START, Platform, serving

NEWS = SyncConsent("email", "newsletter")


class Business:
    """A store and its audience on a platform."""

    def __init__(self, platform: Platform, **options: Any) -> None:
        self.platform, self.store, self.waits = platform, MemoryStore(), list[float]()
        self.remote = Mailchimp(
            KEY,
            "aud1",
            url=platform.url,
            sleep=self.waits.append,
            jitter=lambda: 0.5,
            clock=lambda: platform.now,
            **options,
        )
        self.plan = audience_plan()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remote.close()
        self.store.close()

    def customer(self, record_id: str, address: str | None, **fields: Any) -> Customer:
        points = [] if address is None else [ContactPoint("email", address)]
        made = Customer(id=record_id, kind="person", name=record_id, contact_points=points, **fields)
        self.store.add([made])
        return made

    def say(self, customer_id: str, state: ConsentState) -> None:
        at = datetime.fromisoformat(self.platform.tick())
        self.store.add([Consent(customer_id=customer_id, channel="email", purpose="newsletter", state=state, at=at)])

    def said(self, customer_id: str) -> str | None:
        found = consent_on(self.store.every(Consent), customer_id, "email", "newsletter", as_of=self.platform.now)
        return None if found is None else found.state

    def sync(self) -> SyncReport:
        self.platform.tick()
        return synchronise(self.store, self.remote, self.plan, at=self.platform.now)

    def receive(self) -> Any:
        self.platform.tick()
        return receive_messages(self.store, self.remote, "mailchimp", at=self.platform.now, consent=NEWS)


@pytest.fixture
def business() -> Iterator[Business]:
    with serving(Platform()) as platform, Business(platform) as made:
        yield made


def test_who_agreed_goes_out_and_nobody_else(business: Business) -> None:
    business.customer("ann", "ann@example.com", given_name="Ann", family_name="Kowalska")
    business.customer("bob", "bob@example.com")
    business.customer("eva", "eva@example.com")
    business.customer("mia", None)
    for customer_id, state in (("ann", "granted"), ("eva", "withdrawn"), ("mia", "granted")):
        business.say(customer_id, state)  # type: ignore[arg-type]
    report = business.sync()
    assert (report.created_there, report.faults) == (1, ())
    (member,) = business.platform.members.values()
    assert member["email_address"] == "ann@example.com"
    assert member["merge_fields"] == {"FNAME": "Ann", "LNAME": "Kowalska"}
    assert member["status"] == "subscribed"
    assert business.store.get(Customer, "ann").external_ids == {"mailchimp": "contact1"}
    assert not business.sync()


def test_an_opt_out_there_is_a_withdrawal_here(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    business.platform.change(business.platform.members["contact1"], status="unsubscribed")
    opted_out_at = business.platform.now
    assert business.sync().opted_out_here == 1
    (entry,) = [each for each in business.store.every(Consent) if each.state == "withdrawn"]
    assert (entry.at, entry.source) == (opted_out_at, "mailchimp")
    customer = business.store.get(Customer, "ann")
    permission = may_contact(
        customer, business.store.every(Consent), "email", "newsletter", as_of=business.platform.now
    )
    assert permission.obstacle == "withdrawn"
    assert not business.sync()


def test_an_opt_out_here_unsubscribes_there(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    business.say("ann", "withdrawn")
    assert business.sync().opted_out_there == 1
    assert business.platform.members["contact1"]["status"] == "unsubscribed"
    assert not business.sync()


def test_an_opt_out_there_wins_over_an_opt_in_here_that_knew_nothing_of_it(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    business.platform.change(business.platform.members["contact1"], status="unsubscribed")
    business.say("ann", "granted")
    business.sync()
    assert business.said("ann") == "withdrawn"
    assert business.platform.members["contact1"]["status"] == "unsubscribed"
    assert not business.sync()


def test_who_opts_in_again_here_is_asked_by_the_platform(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    member = business.platform.change(business.platform.members["contact1"], status="unsubscribed")
    business.sync()
    business.say("ann", "granted")
    assert business.sync().opted_in_there == 1
    assert member["status"] == "pending"
    assert not business.sync()
    business.platform.change(member, status="subscribed")
    assert not business.sync()
    assert business.said("ann") == "granted"


def test_who_opts_in_again_there_is_opted_in_here(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    business.say("ann", "withdrawn")
    business.sync()
    business.platform.change(business.platform.members["contact1"], status="subscribed")
    assert business.sync().opted_in_here == 1
    assert business.said("ann") == "granted"


def test_a_contact_keeps_its_customer_when_the_address_changes(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    business.platform.change(business.platform.members["contact1"], email_address="ann@new.example")
    assert business.sync().updated_here == 1
    assert [each.value for each in business.store.get(Customer, "ann").contact_points] == ["ann@new.example"]
    ann = business.store.get(Customer, "ann")
    business.store.put(ann.replace(contact_points=[ContactPoint("email", "ann@third.example")], given_name="Ann"))
    assert business.sync().updated_there == 1
    member = business.platform.members["contact1"]
    assert (member["email_address"], member["merge_fields"]["FNAME"]) == ("ann@third.example", "Ann")


def test_a_contact_that_is_there_already_is_met_and_not_overwritten(business: Business) -> None:
    business.platform.add("Ann@Example.com", FNAME="Ann", LNAME="Nowak")
    business.customer("ann", "ann@example.com", given_name="Ann")
    report = business.sync()
    assert (report.created_there, report.created_here) == (0, 0)
    assert business.store.get(Customer, "ann").family_name == "Nowak"
    assert business.said("ann") == "granted"


def test_a_contact_that_opted_out_before_the_first_run_stays_out(business: Business) -> None:
    business.platform.add("ann@example.com", "unsubscribed")
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    assert business.said("ann") == "withdrawn"
    assert business.platform.members["contact1"]["status"] == "unsubscribed"


def test_a_family_that_shares_an_address_is_named_and_the_others_go_on(business: Business) -> None:
    for customer_id, address in (("ann", "home@example.com"), ("bob", "home@example.com"), ("eva", "eva@example.com")):
        business.customer(customer_id, address)
        business.say(customer_id, "granted")
    (fault,) = business.sync().faults
    assert (fault.side, fault.id) == ("ours", "bob")
    assert "the same as 'ann', which is linked already; merge the two, or tell them apart" in str(fault)
    assert len(business.platform.members) == 2


def test_what_the_platform_refuses_is_a_fault_until_it_is_mended(business: Business) -> None:
    business.customer("ann", "fake@example.com")
    business.say("ann", "granted")
    (fault,) = business.sync().faults
    assert "an address that looks made up" in fault.message
    assert "@" not in str(fault)
    assert business.sync().faults == (fault,)
    business.store.put(
        business.store.get(Customer, "ann").replace(contact_points=[ContactPoint("email", "ann@example.com")])
    )
    report = business.sync()
    assert (report.created_there, report.faults) == (1, ())


@pytest.mark.parametrize("is_permanent", [False, True])
def test_who_is_deleted_or_erased_here_leaves_the_audience(is_permanent: bool) -> None:
    with serving(Platform()) as platform, Business(platform, is_permanent=is_permanent) as business:
        for customer_id in ("ann", "bob"):
            business.customer(customer_id, f"{customer_id}@example.com")
            business.say(customer_id, "granted")
        business.sync()
        business.store.delete(Customer, "ann")
        erase_person(business.store, "bob", at=platform.now, preview=False)
        assert business.sync().deleted_there == 2
        assert not business.sync()
        assert {each["status"] for each in platform.members.values()} == (set() if is_permanent else {"archived"})


def test_who_was_erased_does_not_come_back_from_there(business: Business) -> None:
    business.plan = business.plan.__class__(
        name="mailchimp",
        cls=Customer,
        fields=[SyncField("contact_points.email", "email_address"), SyncField("name", "FNAME")],
        defaults={"kind": "person"},
    )
    business.customer("ann", "ann@example.com")
    erase_person(business.store, "ann", at=START, preview=False)
    business.store.delete(Customer, "ann")
    business.platform.add("ann@example.com", FNAME="Ann")
    business.platform.add("bob@example.com", FNAME="Bob")
    assert business.sync().created_here == 1
    assert [each.name for each in business.store.every(Customer)] == ["Bob"]


def test_a_contact_that_is_archived_there_is_not_sent_again(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    business.platform.change(business.platform.members["contact1"], status="archived")
    business.sync()
    business.store.put(business.store.get(Customer, "ann").replace(given_name="Ann"))
    assert not business.sync()
    assert business.platform.members["contact1"]["status"] == "archived"
    assert business.store.get(Customer, "ann").given_name == "Ann"


def test_a_customer_who_is_restored_comes_back_to_the_audience(business: Business) -> None:
    business.customer("ann", "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    business.store.delete(Customer, "ann")
    business.sync()
    business.store.restore(Customer, "ann")
    business.sync()
    assert business.platform.members["contact1"]["status"] == "subscribed"
    assert not business.sync()


def test_every_contact_is_read_over_many_pages_also_of_one_second(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crmkit.io.sync.mailchimp._COUNT", 20)
    monkeypatch.setattr("crmkit.io.sync.mailchimp._OVERLAP", 5)
    for number in range(90):
        member = business.platform.add(f"c{number}@example.com", "archived" if number % 9 == 0 else "subscribed")
        if 10 < number < 70:
            member["last_changed"] = (START + timedelta(hours=1)).isoformat()
    cursor, seen = None, set()
    for _ in range(40):
        told = business.remote.changed(cursor)
        seen |= {each.id for each in told.records}
        cursor = told.cursor
        if not told.has_more:
            break
    assert seen == business.platform.members.keys()
    assert sum(each.is_deleted for each in told.records) == 10
    again = business.remote.changed(cursor)
    assert len(again.records) <= 2


def campaign(platform: Platform) -> None:
    """A mailing to four people, one of whom shares an address."""
    platform.reports["campaigns"] = [
        {"id": "cam1", "send_time": START.isoformat(), "settings": {"title": "", "subject_line": "Spring offer"}}
    ]
    addresses = ("ann@example.com", "bob@example.com", "stranger@example.com")
    platform.reports["sent_to"] = [
        {"campaign_id": "cam1", "email_address": each, "status": "hard" if each.startswith("bob") else "sent"}
        for each in addresses
    ]
    opened = {"action": "open", "timestamp": (START + timedelta(hours=2)).isoformat()}
    clicked = {"action": "click", "timestamp": (START + timedelta(hours=1)).isoformat(), "url": "https://example.com"}
    bounced = {"action": "bounce", "type": "hard", "timestamp": (START + timedelta(minutes=1)).isoformat()}
    platform.reports["emails"] = [
        {"campaign_id": "cam1", "email_address": "ann@example.com", "activity": [opened, clicked]},
        {"campaign_id": "cam1", "email_address": "bob@example.com", "activity": [bounced, {"action": "forward"}]},
    ]
    platform.now = START + timedelta(days=1)


def test_what_became_of_a_mailing_comes_back_as_messages(business: Business) -> None:
    for customer_id in ("ann", "bob"):
        business.customer(customer_id, f"{customer_id}@example.com")
        business.say(customer_id, "granted")
    business.sync()
    campaign(business.platform)
    report = business.receive()
    assert (report.events, report.campaigns, report.messages, report.updated, report.bounced) == (6, 1, 3, 3, 1)
    messages = {each.address: each for each in business.store.every(Message)}
    ann, bob = messages["ann@example.com"], messages["bob@example.com"]
    assert (ann.customer_id, ann.category, ann.sent_at) == ("ann", "clicked", START)
    assert (ann.opened_at, ann.clicked_at) == (START + timedelta(hours=1), START + timedelta(hours=1))
    assert bob.category == "bounced"
    assert messages["stranger@example.com"].customer_id is None
    (made,) = business.store.every(Campaign)
    assert (made.name, made.id, made.category) == ("Spring offer", ann.campaign_id, "complete")
    point = business.store.get(Customer, "bob").contact_points[0]
    assert (point.is_invalid, point.invalid_reason, point.invalid_at) == (True, "bounced", START + timedelta(minutes=1))
    steps = [each for each in business.store.every(Transition) if each.subject_id == ann.id]
    assert {each.after for each in steps} >= {"sent", "clicked"}
    assert not business.receive()
    assert business.sync().deleted_there == 1  # nobody writes to an address that bounced


def test_what_has_not_bounced_in_three_days_was_delivered(business: Business) -> None:
    campaign(business.platform)
    business.receive()
    assert not any(each.delivered_at for each in business.store.every(Message))
    business.platform.now = START + timedelta(days=3)
    assert business.receive().updated == 2
    messages = [*business.store.every(Message)]
    assert {each.address for each in messages if each.delivered_at == START} == {
        "ann@example.com",
        "stranger@example.com",
    }
    opened = metrics.open_rate(messages, as_of=business.platform.now)
    assert (opened.only.numerator, opened.only.denominator) == (1, 2)
    bounced = metrics.bounce_rate(messages, as_of=business.platform.now)
    assert (bounced.only.numerator, bounced.only.denominator) == (1, 3)


def test_an_unsubscription_of_a_mailing_withdraws_the_consent_once(business: Business) -> None:
    for customer_id in ("ann", "bob"):
        business.customer(customer_id, f"{customer_id}@example.com")
        business.say(customer_id, "granted")
    campaign(business.platform)
    left_at, complained_at = START + timedelta(hours=3), START + timedelta(hours=4)
    business.platform.reports["unsubscribes"] = [
        {"campaign_id": "cam1", "email_address": "ann@example.com", "timestamp": left_at.isoformat()}
    ]
    business.platform.reports["abuse_reports"] = [
        {"campaign_id": "cam1", "email_address": "bob@example.com", "date": complained_at.isoformat()}
    ]
    assert business.receive().opted_out == 2
    withdrawn = {each.customer_id: each.at for each in business.store.every(Consent) if each.state == "withdrawn"}
    assert withdrawn == {"ann": left_at, "bob": complained_at}
    business.say("ann", "granted")
    assert business.receive().opted_out == 0
    assert business.said("ann") == "granted"


def test_a_mailing_to_a_shared_address_belongs_to_the_one_who_is_linked(business: Business) -> None:
    for customer_id in ("ann", "eva"):
        business.customer(customer_id, "ann@example.com")
    business.say("ann", "granted")
    business.sync()
    campaign(business.platform)
    business.receive()
    found = {each.address: each.customer_id for each in business.store.every(Message)}
    assert (found["ann@example.com"], found["bob@example.com"]) == ("ann", None)


def test_a_lost_connection_while_messages_come_leaves_nothing_out(business: Business) -> None:
    campaign(business.platform)
    business.platform.troubles = [None, None, *["lost before"] * 6]
    with pytest.raises(RemoteUnavailable):
        business.receive()
    business.receive()
    assert sorted(each.category for each in business.store.every(Message)) == ["bounced", "clicked", "sent"]


def test_neither_the_key_nor_anything_personal_is_in_a_log_or_a_repr(
    business: Business, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    business.customer("c1", "ann@example.com", family_name="Kowalska")
    business.customer("c2", "fake@example.com")
    for customer_id in ("c1", "c2"):
        business.say(customer_id, "granted")
    report = business.sync()
    said = f"{caplog.text}{report}{report!r}{business.remote!r}{business.plan!r}{business.remote.changed(None)!r}"
    assert "127.0.0.1" in said
    assert not any(each in said for each in ("5ecre7", "@example", "Kowalska"))
    notes = str([*business.store.notes()])
    assert "contact1" in notes
    assert not any(each in notes for each in ("@example", "Kowalska"))


@pytest.mark.parametrize(
    ("key", "audience", "says"), [("secret", "a", "the key names no server"), (KEY, " ", "audience= is blank")]
)
def test_a_key_or_an_audience_that_cannot_be_is_refused(key: str, audience: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        Mailchimp(key, audience, sleep=print, jitter=float, clock=lambda: START)
    assert "secret" not in str(caught.value)


TROUBLES = st.lists(
    st.sampled_from([None, None, "lost before", "lost after", (429, {"Retry-After": "1"}), (503, {})]), max_size=12
)


@rare
@given(first=TROUBLES, second=TROUBLES, changed=st.lists(st.integers(0, 2), max_size=3))
def test_the_audience_is_complete_and_has_nobody_twice_after_any_troubles(
    first: list[Any], second: list[Any], changed: list[int]
) -> None:
    with serving(Platform()) as platform, Business(platform, retries=1) as business:
        for number in range(3):
            business.customer(f"c{number}", f"c{number}@example.com")
            business.say(f"c{number}", "granted")
        for troubles in (first, second):
            platform.troubles = [*troubles]
            with suppress(RemoteUnavailable):
                business.sync()
            for number in changed:
                known = business.store.get(Customer, f"c{number}")
                business.store.put(known.replace(given_name=f"{known.given_name or ''}x"))
        platform.troubles = []
        business.sync()
        assert not business.sync()
        there = {each["email_address"]: each["merge_fields"]["FNAME"] for each in platform.members.values()}
        assert len(platform.members) == 3
        assert there == {f"c{n}@example.com": business.store.get(Customer, f"c{n}").given_name or "" for n in range(3)}
