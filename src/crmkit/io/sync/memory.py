"""Another system in memory: the reference of what a remote does, for tests of a host's own plans."""

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from crmkit.errors import Conflict, InvalidInput
from crmkit.io.sync.remote import Plain, RemotePage, RemoteRecord
from crmkit.model.consent import ConsentState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MemoryRemote:
    """A `Remote` that lasts as long as the object. It keeps the key and a version of every record.

    >>> remote = MemoryRemote()
    >>> remote.create("ann", {"name": "Ann"}, None).id, remote.create("ann", {"name": "Anna"}, None).values
    ('1', {'name': 'Ann'})
    """

    def __init__(self, *, page: int = 100) -> None:
        """Start with nothing; `page` is how many records are told at once."""
        self._page = page
        self._records: dict[str, RemoteRecord] = {}
        self._changed: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        self._places = 0

    @property
    def records(self) -> tuple[RemoteRecord, ...]:
        """What is there and was not deleted."""
        return tuple(each for each in self._records.values() if not each.is_deleted)

    def changed(self, cursor: str | None) -> RemotePage:
        """See `Remote.changed`."""
        reached = int(cursor or 0)
        rest = sorted((place, each) for each, place in self._changed.items() if place > reached)
        shown = rest[: self._page]
        last = shown[-1][0] if shown else reached
        return RemotePage(tuple(self._records[each] for _, each in shown), str(last), has_more=len(rest) > len(shown))

    def read(self, remote_id: str) -> RemoteRecord | None:
        """See `Remote.read`."""
        return self._records.get(remote_id)

    def create(self, key: str, values: Mapping[str, Plain], consent: ConsentState | None) -> RemoteRecord:
        """See `Remote.create`."""
        known = self._records.get(self._ids.get(key, ""))
        if known is not None and not known.is_deleted:
            return known
        made = self._keep(RemoteRecord(id=str(len(self._records) + 1), values=values, key=key, consent=consent))
        self._ids[key] = made.id
        return made

    def update(
        self, remote_id: str, values: Mapping[str, Plain], consent: ConsentState | None, version: str | None
    ) -> RemoteRecord:
        """See `Remote.update`."""
        known = self._live(remote_id)
        if version != known.version:
            raise Conflict(f"the remote record {remote_id!r} changed meanwhile")
        return self._keep(attrs.evolve(known, values={**known.values, **values}, consent=consent or known.consent))

    def delete(self, remote_id: str) -> None:
        """See `Remote.delete`."""
        if remote_id in self._records and not self._records[remote_id].is_deleted:
            self._keep(RemoteRecord(id=remote_id, is_deleted=True))

    def add(self, *, consent: ConsentState | None = None, at: datetime = _EPOCH, **values: Plain) -> str:
        """Make a record as a user of the other system would, and return its id."""
        made = RemoteRecord(
            id=str(len(self._records) + 1), values=values, changed_at=at, consent=consent, consent_at=at
        )
        return self._keep(made).id

    def change(
        self, remote_id: str, *, consent: ConsentState | None = None, at: datetime = _EPOCH, **values: Plain
    ) -> None:
        """Change a record as a user of the other system would."""
        known = self._live(remote_id)
        said = {"consent": consent, "consent_at": at} if consent is not None else {}
        self._keep(attrs.evolve(known, values={**known.values, **values}, changed_at=at, **said))  # type: ignore[arg-type]

    def _live(self, remote_id: str) -> RemoteRecord:
        known = self._records.get(remote_id)
        if known is None or known.is_deleted:
            raise InvalidInput(f"there is no record {remote_id!r}; it was deleted, or never was")
        return known

    def _keep(self, record: RemoteRecord) -> RemoteRecord:
        self._places += 1
        kept = attrs.evolve(record, version=str(self._places))
        self._records[record.id] = kept
        self._changed[record.id] = self._places
        return kept
