"""Opt-outs and opt-ins on their way between a store and another system."""

from collections.abc import Iterable
from datetime import datetime

import attrs

from crmkit.io.mapping.links import imported_id
from crmkit.io.stores.port import Store
from crmkit.io.sync.agreement import NOTHING_SAID, Said, agree_on_consent
from crmkit.io.sync.plan import SyncConsent
from crmkit.io.sync.remote import RemoteRecord
from crmkit.io.sync.report import Deed
from crmkit.model import Consent
from crmkit.model.consent import ConsentState, consent_on
from crmkit.rules import field

_DEEDS: dict[ConsentState, tuple[Deed, Deed]] = {
    "withdrawn": ("opted_out_here", "opted_out_there"),
    "granted": ("opted_in_here", "opted_in_there"),
}


@attrs.frozen
class Told:
    """What each side is told of a consent, and what the store has then."""

    state_here: ConsentState | None = None
    ours: Consent | None = None
    theirs: ConsentState | None = None

    @property
    def deeds(self) -> tuple[Deed, ...]:
        """What that is called in a report."""
        here = (_DEEDS[self.ours.state][0],) if self.ours is not None else ()
        there = (_DEEDS[self.theirs][1],) if self.theirs is not None else ()
        return here + there


@attrs.frozen
class Consents:
    """The consents of a store that a plan keeps in step, as of an instant; none where the plan has none."""

    store: Store
    name: str
    about: SyncConsent | None
    at: datetime
    _prepared: dict[str, list[Consent]] = attrs.field(factory=dict, init=False, repr=False)

    def prepare(self, customer_ids: Iterable[str]) -> None:
        """Read at once what many customers said, for the first time that each is asked for."""
        self._prepared.clear()
        if self.about is not None:
            self._prepared.update((each, []) for each in customer_ids)
            for entry in self.store.every(Consent, field("customer_id").is_in([*self._prepared])):
                self._prepared[entry.customer_id].append(entry)

    def said(self, customer_id: str) -> Said:
        """Return what a customer said here."""
        if self.about is None:
            return NOTHING_SAID
        entries: Iterable[Consent] | None = self._prepared.pop(customer_id, None)
        if entries is None:
            entries = self.store.every(Consent, field("customer_id") == customer_id)
        found = consent_on(entries, customer_id, self.about.channel, self.about.purpose, as_of=self.at)
        return NOTHING_SAID if found is None else Said(found.state, found.at)

    def told(
        self,
        customer_id: str,
        before: tuple[ConsentState | None, ConsentState | None],
        ours: Said,
        remote: RemoteRecord,
    ) -> Told:
        """Return what each side is told so that both have the same."""
        if self.about is None:
            return Told()
        theirs = Said(remote.consent, remote.consent_at)
        agreed = agree_on_consent(before, ours, theirs)
        if agreed is None:
            return Told(ours.state)
        entry = None if ours.state == agreed else self.entry(customer_id, agreed, ours, theirs.at)
        return Told(agreed, entry, None if theirs.state == agreed else agreed)

    def entry(self, customer_id: str, state: ConsentState, ours: Said, said_at: datetime | None) -> Consent:
        """Return what is written here of something said there: dated by when it was said, or else by when it became known.

        An opt-out that is older than an opt-in here, which knew nothing of it, holds from when it became known.
        """
        assert self.about is not None
        at = min(said_at or self.at, self.at)
        if ours.at is not None and at <= ours.at:
            at = self.at
        key = f"{customer_id}\0{self.about.channel}\0{self.about.purpose}\0{state}\0{at.isoformat()}"
        return Consent(
            id=imported_id(self.name, Consent, key),
            created_at=self.at,
            customer_id=customer_id,
            channel=self.about.channel,
            purpose=self.about.purpose,
            state=state,
            at=at,
            source=self.name,
        )
