"""Keeping what is stored in step with another system: `crmkit.io.sync` by the clock of a CRM."""

from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

from crmkit.io import sync
from crmkit.io.stores import Store
from crmkit.model import Record

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM
    from crmkit.io.sync import MessageReport, MessageSource, Remote, SyncConsent, SyncPlan, SyncReport

R = TypeVar("R", bound=Record)


class Synchronisation:
    """What `CRM` exchanges with other systems."""

    store: Store

    def synchronise(self, remote: "Remote", plan: "SyncPlan[R]") -> "SyncReport":
        """Bring what is stored and another system in step, now and by who acts; see `crmkit.io.sync.synchronise`.

        Call it outside of a transaction, because no transaction takes back what was sent.

        >>> from crmkit.io.sync import MemoryRemote, SyncField, SyncPlan
        >>> crm, remote = CRM.open("memory://"), MemoryRemote()
        >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
        >>> print(crm.synchronise(remote, SyncPlan(name="mailer", cls=Customer, fields=[SyncField("name")])))
        1 created there
        """
        by, at = self._acting()
        return sync.synchronise(self.store, remote, plan, at=at, by=by)

    def receive_messages(
        self, source: "MessageSource", name: str, *, consent: "SyncConsent | None" = None
    ) -> "MessageReport":
        """Keep what became of the mailings of another system; see `crmkit.io.sync.receive_messages`.

        >>> from crmkit.io.sync import RemoteEvent
        >>> class Mailer:
        ...     def events(self, since):
        ...         yield RemoteEvent(campaign_id="7", campaign="Spring", address="ann@example.com", event="sent", at=day)
        >>> crm, day = CRM.open("memory://"), datetime(2025, 3, 1, tzinfo=UTC)
        >>> crm.receive_messages(Mailer(), "mailer").messages, len(crm.campaigns)
        (1, 1)
        """
        by, at = self._acting()
        return sync.receive_messages(self.store, source, name, at=at, consent=consent, by=by)

    def _acting(self) -> tuple[str | None, datetime]:
        return cast("CRM", self).acting()
