"""The store's side of a synchronisation: its records, and what it remembers of them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Generic

import attrs

from crmkit.errors import InvalidInput, NotFound
from crmkit.io.stores.port import Reaching, Stamp, Store
from crmkit.io.stores.reaching import email_key
from crmkit.io.sync.agreement import NOTHING_SAID, Said
from crmkit.io.sync.opt_outs import Consents
from crmkit.io.sync.plan import R, SyncPlan
from crmkit.io.sync.remote import Plain, RemoteRecord
from crmkit.io.sync.state import Ended, Memory, Pair
from crmkit.model import Consent
from crmkit.rules import EVERYTHING, field


@attrs.frozen
class Ours:
    """A record as the store has it: None once it was purged, or before it is made; and what was remembered of it."""

    id: str
    record: Any
    version: int | None
    is_live: bool
    link: str | None
    pair: Pair | None
    said: Said = NOTHING_SAID

    @property
    def ended(self) -> Ended | None:
        """Where the pair was ended; None while it lasts."""
        return self.pair.ended if self.pair is not None and self.pair.remote_id == self.link else None

    @property
    def agreed(self) -> Pair:
        """What both sides had; nothing where they meet for the first time, or again."""
        if self.pair is not None and self.pair.remote_id == self.link and self.pair.ended is None:
            return self.pair
        return Pair(self.link or "")


@attrs.define
class Here(Generic[R]):
    """What a run reads and writes in the store."""

    store: Store
    plan: SyncPlan[R]
    at: datetime
    by: str | None
    memory: Memory
    consents: Consents
    wanted: frozenset[str] = attrs.field(default=frozenset(), init=False)

    def prepare(self, record_ids: Iterable[str]) -> None:
        """Read at once what is asked of each of some records."""
        ids = [*record_ids]
        self.consents.prepare(ids)
        if self.plan.where is not EVERYTHING and ids:
            wanted = self.store.every(self.plan.cls, self.plan.where & field("id").is_in(ids))
            self.wanted = frozenset(each.id for each in wanted)

    def ours(self, record_id: str) -> Ours:
        """Return a record as it is here now."""
        pair, link = self.memory.pair(record_id), self.link_of(record_id)
        try:
            stored = self.store.read(self.plan.cls, record_id)
        except NotFound:
            return Ours(record_id, None, None, is_live=False, link=link, pair=pair)
        said = NOTHING_SAID if stored.is_deleted else self.consents.said(record_id)
        return Ours(record_id, stored.record, stored.version, not stored.is_deleted, link, pair, said)

    def link_of(self, record_id: str) -> str | None:
        """Return the other system's id of a record: the one that it names, or else the one that was noted.

        What was noted does not count where another record names it, as after a merge that was taken back.
        """
        pair = self.memory.pair(record_id)
        noted = pair.remote_id if pair is not None else None
        try:
            named = self.store.read(self.plan.cls, record_id).record.external_ids.get(self.plan.name)
        except NotFound:
            return noted
        if named is not None:
            return str(named)
        return None if noted is None or self.linked([noted]) else noted

    def linked(self, remote_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """Return the ids here of records that name one of the other system's."""
        if not remote_ids:
            return {}
        found: dict[str, list[str]] = {}
        for each in self.store.every(self.plan.cls, self._link.is_in(list(remote_ids))):
            found.setdefault(str(each.external_ids[self.plan.name]), []).append(each.id)
        return found

    @property
    def _link(self) -> Any:
        return field(f"external_ids.{self.plan.name}")

    def is_free(self, record_id: str) -> bool:
        """Return whether a record is known here and linked to nothing there."""
        try:
            self.store.read(self.plan.cls, record_id)
        except NotFound:
            return False
        return self.link_of(record_id) is None

    def met(self, theirs: RemoteRecord) -> str | None:
        """Return the one record here that is not linked and has the same e-mail address."""
        address = self.plan.address(theirs.values)
        if address is None or not isinstance(self.store, Reaching):
            return None
        known = self.store.reached_by(self.plan.cls, [email_key(address)])
        free = [each.id for each in known if self.is_free(each.id)]
        if len(free) > 1:
            raise InvalidInput(
                f"{len(free)} records here have its e-mail address; give one of them its id in external_ids[{self.plan.name!r}]"
            )
        return free[0] if free else None

    def is_linked(self, record_id: str, remote_id: str) -> bool:
        """Return whether a record that is here and was not deleted is linked to one of the other system."""
        ours = self.ours(record_id)
        return ours.is_live and ours.link == remote_id and ours.ended is None

    def changed_at(self, record_id: str, name: str) -> datetime | None:
        """Return when a field of a record here became what it is; None where nobody noted it."""
        changed_at, before = None, object()
        for version in self.store.history(self.plan.cls, record_id):
            value: Plain | object = None if version.record is None else self.plan.values(version.record)[name]
            if value != before:
                changed_at, before = version.stamp.at or version.stamp.recorded_at, value
        return changed_at

    def keep(self, ours: Ours, record: R, consent: Consent | None, pair: Pair) -> None:
        """Write what changes here and what both sides have now, in one unit of work."""
        if (record, consent, pair) == (ours.record, None, ours.pair) and ours.version is not None:
            return
        with self.unit():
            if ours.version is None:
                self.store.add([record])
            elif record != ours.record:
                self.store.put(record, version=ours.version)
            self.store.add([] if consent is None else [consent])
            self.memory.keep_pair(ours.id, pair, ours.pair)

    def unit(self) -> AbstractContextManager[None]:
        """Return a unit of work of this run."""
        return self.store.transaction(Stamp(self.by, self.at, self.at))
