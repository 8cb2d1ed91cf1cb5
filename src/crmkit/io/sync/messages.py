"""What became of mailings that another system sent: messages, opt-outs, addresses that bounce."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol, runtime_checkable

import attrs

from crmkit.codec import instant_to_text
from crmkit.errors import NotFound
from crmkit.io.mapping.links import imported_id
from crmkit.io.privacy.suppression import is_suppressed
from crmkit.io.stores.port import Reaching, Stamp, Store
from crmkit.io.stores.reaching import email_key
from crmkit.io.sync.agreement import Said
from crmkit.io.sync.opt_outs import Consents
from crmkit.io.sync.plan import SyncConsent
from crmkit.model import Campaign, ContactPoint, Customer, Message, Transition
from crmkit.model.message import MessageEvent, MessageProvenance, record_event
from crmkit.rules import field
from crmkit.stats.periods import instant

_LATE = timedelta(days=1)
_EVENTS = 500


@attrs.frozen(kw_only=True)
class RemoteEvent:
    """Something that happened to one recipient's copy of a mailing.

    Args:
        campaign_id, campaign: the mailing, by the other system's id and by its name.
        address: the e-mail address that it went to.
        event: what happened, in the words of `crmkit.model.message.record_event`.
        at: when.
        provenance: "machine" for an open or a click by a machine, where the other system can tell.
        is_lasting: whether a bounce means that the address does not work, and not only that a mailbox was full.
    """

    campaign_id: str
    campaign: str
    address: str = attrs.field(repr=False)
    event: MessageEvent
    at: datetime
    provenance: MessageProvenance = "human"
    is_lasting: bool = False


@runtime_checkable
class MessageSource(Protocol):
    """Another system that sends mailings and tells what became of them."""

    def events(self, since: datetime | None) -> Iterator[RemoteEvent]:
        """Go through what happened since an instant, from the beginning for None, in any order; what is told twice counts once.

        Raises `RemoteUnavailable` where the other system cannot be reached.
        """


@attrs.frozen(kw_only=True)
class MessageReport:
    """What one run brought: how many events it read, what was new of them, and what followed."""

    events: int = 0
    campaigns: int = 0
    messages: int = 0
    updated: int = 0
    opted_out: int = 0
    bounced: int = 0

    def __bool__(self) -> bool:
        """Whether anything was new."""
        return any((self.campaigns, self.messages, self.updated, self.opted_out, self.bounced))


def receive_messages(
    store: Store,
    source: MessageSource,
    name: str,
    *,
    at: datetime,
    consent: SyncConsent | None = None,
    by: str | None = None,
) -> MessageReport:
    """Keep what became of mailings as messages and campaigns; return what was new.

    Each recipient of a mailing is one `Message`, whose events come in any order and any number of times. It belongs to the
    customer with that address, to the one that is linked to the system where a family shares it, and to nobody where that is not
    clear. An unsubscription or a complaint withdraws the customer's consent, a lasting bounce marks the contact point as invalid. A
    run that ended early is simply started again.

    Args:
        store: where they are kept; how far a run came is in its notes.
        source: the other system.
        name: what the system is called in `external_ids`, as in the `SyncPlan`.
        at: the instant of the run; what happened later has not happened.
        consent: which consent an unsubscription withdraws; without it none.
        by: who does it, for the ledger.

    Raises:
        RemoteUnavailable: where the other system cannot be reached; what was kept until then stays.
        InvalidInput: for an `at` without a time zone.

    >>> from crmkit.io.stores import MemoryStore
    >>> from crmkit.io.sync import RemoteEvent, receive_messages
    >>> class Mailer:
    ...     def events(self, since):
    ...         yield RemoteEvent(campaign_id="7", campaign="Spring", address="ann@example.com", event="clicked", at=day)
    >>> store, day = MemoryStore(), datetime(2025, 3, 1, tzinfo=UTC)
    >>> receive_messages(store, Mailer(), "mailer", at=day).messages, receive_messages(store, Mailer(), "mailer", at=day).updated
    (1, 0)
    """
    moment = instant(at, "UTC", "at")
    note = f"sync:{name}:messages"
    was = store.note(note)
    newest = since = None if was is None else datetime.fromisoformat(was)
    receiver = _Receiver(store, name, moment, by, Consents(store, name, consent, moment))
    events = iter(source.events(None if since is None else since - _LATE))
    while chunk := [*islice(events, _EVENTS)]:
        receiver.receive(each for each in chunk if each.at <= moment)
        newest = max([each.at for each in chunk if each.at <= moment] + ([newest] if newest else []), default=None)
    if newest is not None and newest != since:
        store.set_note(note, instant_to_text(instant(newest, "UTC", "at")), was=was)
    return receiver.report


@attrs.define
class _Receiver:
    """Keeps events, some in each unit of work."""

    store: Store
    name: str
    at: datetime
    by: str | None
    consents: Consents
    report: MessageReport = attrs.field(factory=MessageReport, init=False)
    campaigns: dict[str, str] = attrs.field(factory=dict, init=False)

    def receive(self, events: Iterable[RemoteEvent]) -> None:
        # Locked, so that nobody writes between what is read and what is written.
        with self.store.transaction(Stamp(self.by, self.at, self.at), lock=True):
            for event in events:
                self._count("events")
                self._receive(event)

    def _receive(self, event: RemoteEvent) -> None:
        campaign_id = self._campaign(event)
        message_id = imported_id(self.name, Message, f"{event.campaign_id}\0{email_key(event.address)}")
        try:
            stored = self.store.read(Message, message_id)
        except NotFound:
            stored = None
        if stored is not None and stored.is_deleted:
            return
        known = stored and stored.record
        message = known or self._made(message_id, campaign_id, event.address)
        became, transition = record_event(message, event.event, at=event.at, provenance=event.provenance, by=self.by)
        if became == known:
            return
        self._keep(became, transition, is_new=known is None)
        if became.customer_id is not None:
            self._follow(event, became.customer_id)

    def _made(self, message_id: str, campaign_id: str, address: str) -> Message:
        """A new message, without the address of somebody who was erased."""
        is_erased = is_suppressed(self.store, ContactPoint("email", address))
        return Message(
            id=message_id,
            created_at=self.at,
            channel="email",
            campaign_id=campaign_id,
            customer_id=None if is_erased else self._customer_id(address),
            address=None if is_erased else address,
        )

    def _keep(self, message: Message, transition: Transition | None, *, is_new: bool) -> None:
        if is_new:
            self.store.add([message])
        else:
            self.store.put(message)
        if transition is not None:
            self.store.add([transition.replace(recorded_at=self.at)])
        self._count("messages" if is_new else "updated")

    def _campaign(self, event: RemoteEvent) -> str:
        """The id of the campaign here, which is made where there is none."""
        if event.campaign_id not in self.campaigns:
            linked = field(f"external_ids.{self.name}") == event.campaign_id
            known = next(iter(self.store.every(Campaign, linked)), None)
            self.campaigns[event.campaign_id] = self._new_campaign(event) if known is None else known.id
        return self.campaigns[event.campaign_id]

    def _new_campaign(self, event: RemoteEvent) -> str:
        made = Campaign(
            id=imported_id(self.name, Campaign, event.campaign_id),
            created_at=self.at,
            external_ids={self.name: event.campaign_id},
            name=event.campaign,
            channel="email",
            status="Complete",
            category="complete",
        )
        try:
            self.store.read(Campaign, made.id)  # deleted here, and stays so
        except NotFound:
            self.store.add([made])
            self._count("campaigns")
        return made.id

    def _customer_id(self, address: str) -> str | None:
        """The one customer with an address, or the one of several that is linked to the system."""
        if not isinstance(self.store, Reaching):
            return None
        reached = self.store.reached_by(Customer, [email_key(address)])
        linked = [each for each in reached if self.name in each.external_ids]
        found = linked or reached
        return found[0].id if len(found) == 1 else None

    def _follow(self, event: RemoteEvent, customer_id: str) -> None:
        """What an event that is new means for the customer."""
        if event.event in ("unsubscribed", "complained"):
            self._opt_out(event, customer_id)
        elif event.event == "bounced" and event.is_lasting:
            self._mark_bounced(event, customer_id)

    def _opt_out(self, event: RemoteEvent, customer_id: str) -> None:
        if self.consents.about is None:
            return
        said = self.consents.said(customer_id)
        if said.state != "withdrawn":
            entry = self.consents.entry(customer_id, "withdrawn", said if said.state == "granted" else Said(), event.at)
            self.store.add([entry])
            self._count("opted_out")

    def _mark_bounced(self, event: RemoteEvent, customer_id: str) -> None:
        try:
            customer = self.store.get(Customer, customer_id)
        except NotFound:  # deleted since
            return
        key = email_key(event.address)
        points = [
            each.replace(is_invalid=True, invalid_at=event.at, invalid_reason="bounced")
            if each.kind == "email" and email_key(each.value) == key and not each.is_invalid
            else each
            for each in customer.contact_points
        ]
        if points != [*customer.contact_points]:
            self.store.put(customer.replace(contact_points=points))
            self._count("bounced")

    def _count(self, name: str) -> None:
        self.report = attrs.evolve(self.report, **{name: getattr(self.report, name) + 1})
