"""What became of mailings, from a source that tells it in any order and more than once."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, RemoteUnavailable
from crmkit.io.privacy import erase_person
from crmkit.io.stores import MemoryStore
from crmkit.io.sync import MessageReport, MessageSource, RemoteEvent, SyncConsent, receive_messages
from crmkit.model import Campaign, Consent, ContactPoint, Customer, Message, Transition
from crmkit.model.message import MessageEvent
from tests.examples import few

DAY = datetime(2025, 3, 1, tzinfo=UTC)
NOW = DAY + timedelta(days=2)
NEWS = SyncConsent("email", "newsletter")


class Mailer:
    """A source with some events, which it tells of from an instant on."""

    def __init__(self, events: Iterable[RemoteEvent]) -> None:
        self.told = [*events]
        self.asked: list[datetime | None] = []

    def events(self, since: datetime | None) -> Iterator[RemoteEvent]:
        self.asked.append(since)
        return (each for each in self.told if since is None or each.at >= since)


def event(kind: MessageEvent, hours: float = 0, address: str = "ann@example.com", **options: Any) -> RemoteEvent:
    at = DAY + timedelta(hours=hours)
    return RemoteEvent(campaign_id="7", campaign="Spring", address=address, event=kind, at=at, **options)


def receive(store: MemoryStore, *events: RemoteEvent, at: datetime = NOW) -> MessageReport:
    return receive_messages(store, Mailer(events), "mailer", at=at, consent=NEWS)


def customer(record_id: str, address: str = "ann@example.com", **fields: Any) -> Customer:
    point = ContactPoint("email", address)
    return Customer(id=record_id, kind="person", name=record_id, contact_points=[point], **fields)


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.add([customer("ann")])
    return made


def only(store: MemoryStore) -> Message:
    (message,) = store.every(Message)
    return message


EVENTS = st.builds(
    event,
    st.sampled_from(["sent", "delivered", "opened", "clicked", "unsubscribed"]),
    st.integers(0, 5),
    st.sampled_from(["ann@example.com", "Ann@example.com", "bob@example.com"]),
)


@few
@given(events=st.lists(EVENTS, max_size=8), order=st.randoms(use_true_random=False), cut=st.integers(0, 8))
def test_neither_the_order_nor_how_often_and_in_how_many_runs_it_is_told_matters(
    events: list[RemoteEvent], order: Any, cut: int
) -> None:
    known, other = MemoryStore(), MemoryStore()
    for each in (known, other):
        each.add([customer("ann"), customer("bob", "bob@example.com")])
    receive(known, *events)
    mixed = [*events, *events]
    order.shuffle(mixed)
    receive(other, *mixed[:cut])
    receive_messages(other, Mailer(mixed), "mailer", at=NOW, consent=NEWS)
    receive(other, *[each for each in mixed if each.at < DAY + timedelta(days=9)])

    def told(each: MemoryStore) -> list[tuple[Any, ...]]:
        return [
            (one.id, one.customer_id, one.category, one.sent_at, one.opened_at, one.clicked_at, one.unsubscribed_at)
            for one in each.every(Message)
        ]

    assert told(other) == told(known)
    assert not receive(other, *mixed)


def test_a_mailer_with_events_is_a_source() -> None:
    assert isinstance(Mailer([]), MessageSource)
    assert not receive(MemoryStore())


def test_a_later_run_asks_from_a_day_before_the_newest_event(store: MemoryStore) -> None:
    mailer = Mailer([event("sent"), event("opened", 3)])
    for _ in range(2):
        receive_messages(store, mailer, "mailer", at=NOW)
    assert mailer.asked == [None, DAY + timedelta(hours=3) - timedelta(days=1)]


def test_what_happens_after_the_run_has_not_happened(store: MemoryStore) -> None:
    mailer = Mailer([event("sent"), event("opened", 72)])
    assert receive_messages(store, mailer, "mailer", at=NOW).events == 1
    assert only(store).opened_at is None
    receive_messages(store, mailer, "mailer", at=DAY + timedelta(hours=72))
    assert only(store).opened_at == DAY + timedelta(hours=72)


def test_an_open_by_a_machine_is_kept_apart(store: MemoryStore) -> None:
    receive(store, event("sent"), event("opened", 1, provenance="machine"))
    message = only(store)
    assert (message.category, message.opened_at, message.opened_by_machine_at) == (
        "sent",
        None,
        DAY + timedelta(hours=1),
    )


def test_a_bounce_marks_the_address_only_where_it_lasts(store: MemoryStore) -> None:
    assert receive(store, event("bounced", 1)).bounced == 0
    store.add([customer("bob", "BOB@example.com")])
    report = receive(store, event("bounced", 1, "bob@example.com", is_lasting=True))
    assert report.bounced == 1
    (point,) = store.get(Customer, "bob").contact_points
    assert (point.value, point.invalid_at, point.invalid_reason) == (
        "BOB@example.com",
        DAY + timedelta(hours=1),
        "bounced",
    )
    assert store.get(Customer, "ann") == customer("ann")


def test_an_unsubscription_withdraws_even_where_an_opt_in_here_is_later(store: MemoryStore) -> None:
    later = DAY + timedelta(hours=5)
    store.add([Consent(customer_id="ann", channel="email", purpose="newsletter", state="granted", at=later)])
    assert receive(store, event("unsubscribed", 1)).opted_out == 1
    (entry,) = [each for each in store.every(Consent) if each.state == "withdrawn"]
    assert (entry.at, entry.source) == (NOW, "mailer")  # when it became known: the opt-in knew nothing of it


def test_without_a_consent_to_keep_nothing_is_withdrawn(store: MemoryStore) -> None:
    assert receive_messages(store, Mailer([event("complained")]), "mailer", at=NOW).opted_out == 0
    assert [*store.every(Consent)] == []


def test_steps_have_when_they_were_true_and_when_they_became_known(store: MemoryStore) -> None:
    receive(store, event("sent"), event("clicked", 2))
    steps = [(each.after, each.at, each.recorded_at) for each in store.every(Transition)]
    assert sorted(steps) == [("clicked", DAY + timedelta(hours=2), NOW), ("sent", DAY, NOW)]


def test_a_campaign_that_is_known_is_not_made_again(store: MemoryStore) -> None:
    store.add([Campaign(id="spring", name="Spring sale", external_ids={"mailer": "7"})])
    assert receive(store, event("sent")).campaigns == 0
    assert only(store).campaign_id == "spring"


def test_what_was_deleted_here_stays_deleted(store: MemoryStore) -> None:
    receive(store, event("sent"))
    (campaign,) = store.every(Campaign)
    store.delete(Campaign, campaign.id)
    store.delete(Message, only(store).id)
    store.delete(Customer, "ann")
    assert not receive(store, event("opened", 1))
    assert receive(store, event("sent", 0, "bob@example.com")).messages == 1


def test_a_mailing_to_somebody_who_was_erased_has_no_address(store: MemoryStore) -> None:
    erase_person(store, "ann", at=NOW, preview=False)
    receive(store, event("sent"))
    message = only(store)
    assert (message.address, message.customer_id, message.sent_at) == (None, None, DAY)
    assert "ann@" not in f"{[*store.notes()]}{message}"


def test_a_run_that_ends_early_is_started_again(store: MemoryStore) -> None:
    class Breaking(Mailer):
        def events(self, since: datetime | None) -> Iterator[RemoteEvent]:
            yield event("sent")
            raise RemoteUnavailable("the connection was lost")

    with pytest.raises(RemoteUnavailable):
        receive_messages(store, Breaking([]), "mailer", at=NOW)
    assert receive(store, event("sent"), event("opened", 1)).messages == 1


def test_an_instant_without_a_zone_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InvalidInput, match="has no time zone"):
        receive(store, at=datetime(2025, 3, 1))


def test_an_address_is_not_in_a_repr() -> None:
    assert "ann@" not in repr(event("sent"))
