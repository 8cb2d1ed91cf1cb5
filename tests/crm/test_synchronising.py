"""Synchronising through the facade: now, and by who acts."""

from collections.abc import Iterator
from datetime import UTC, datetime

from crmkit import CRM
from crmkit.io.sync import MemoryRemote, RemoteEvent, SyncConsent, SyncField, SyncPlan
from crmkit.model import ContactPoint, Customer

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


class Mailer:
    """A source with one event."""

    def events(self, since: datetime | None) -> Iterator[RemoteEvent]:
        yield RemoteEvent(campaign_id="7", campaign="Spring", address="ann@example.com", event="unsubscribed", at=NOW)


def test_what_comes_in_is_stamped_with_the_clock_and_who_acts() -> None:
    crm = CRM.open("memory://", by="anna", clock=lambda: NOW)
    remote = MemoryRemote()
    remote.add(name="Ann", city="Łódź")
    plan = SyncPlan(
        name="mailer", cls=Customer, fields=[SyncField("name"), SyncField("city")], defaults={"kind": "person"}
    )
    assert crm.synchronise(remote, plan).created_here == 1
    (customer,) = crm.customers
    stamp = crm.customers.history(customer.id)[0].stamp
    assert (customer.created_at, stamp.by, stamp.at, stamp.recorded_at) == (NOW, "anna", NOW, NOW)
    assert not crm.synchronise(remote, plan)


def test_messages_come_to_the_timeline_of_their_customer() -> None:
    crm = CRM.open("memory://", by="anna", clock=lambda: NOW)
    mail = ContactPoint("email", "ann@example.com")
    crm.customers.add(Customer(id="ann", kind="person", name="Ann", contact_points=[mail]))
    report = crm.receive_messages(Mailer(), "mailer", consent=SyncConsent("email", "news"))
    assert (report.messages, report.opted_out) == (1, 1)
    assert [each.record.state for each in crm.timeline("ann") if hasattr(each.record, "state")] == ["withdrawn"]
