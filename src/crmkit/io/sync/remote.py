"""What a synchronisation asks of another system."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

import attrs

from crmkit.model.consent import ConsentState

Plain = str | int | float | bool | None
"""What a field holds on its way between two systems. Instants, days and decimals are text, as `crmkit.codec` writes them."""


@attrs.frozen(kw_only=True)
class RemoteRecord:
    """A record as another system has it.

    Args:
        id: the other system's id of it, which stays the same whatever changes.
        values: its fields by the names that the other system gives them; one that is not there is empty.
        changed_at: when it was last changed there, where that is known.
        version: what the other system needs to tell whether it changed since; None where it cannot tell.
        is_deleted: whether it was deleted there; then only the id matters.
        key: the id that it has here, where the other system keeps it.
        consent: what the person said there about being contacted; None for nothing.
        consent_at: when they said it, where that is known.
    """

    id: str
    values: Mapping[str, Plain] = attrs.field(factory=dict, repr=lambda held: f"<{len(held)} values>")
    changed_at: datetime | None = None
    version: str | None = None
    is_deleted: bool = False
    key: str | None = None
    consent: ConsentState | None = None
    consent_at: datetime | None = None


@attrs.frozen
class RemotePage:
    """Some records that changed in another system, and the cursor after which the next ones come."""

    records: tuple[RemoteRecord, ...]
    cursor: str
    has_more: bool = False


@runtime_checkable
class Remote(Protocol):
    """Another system with which records are kept in step.

    Every method may be called again with the same arguments, after a loss of connection or a crash, and then does the same only
    once. Each raises `RemoteUnavailable` where the other system cannot be reached, refuses the login or is busy for too long, which ends a
    run; and `InvalidInput` for what it refuses of one record, which is noted for that record. Neither says anything personal.
    """

    def changed(self, cursor: str | None) -> RemotePage:
        """Return records that changed after a cursor, from the beginning for None: new, changed and deleted ones.

        Following the cursors until `has_more` is False misses none that changed before the first call. A record may be told of
        more than once, also where nothing changed.
        """

    def read(self, remote_id: str) -> RemoteRecord | None:
        """Return a record as it is now; None, or one that is deleted, where it is gone."""

    def create(self, key: str, values: Mapping[str, Plain], consent: ConsentState | None) -> RemoteRecord:
        """Make a new record and return it; `key` is the id that it has here.

        Where one was made under this key before, or there is one already with what the other system keeps only once, such as an
        address, return that as it is and change nothing.
        """

    def update(
        self, remote_id: str, values: Mapping[str, Plain], consent: ConsentState | None, version: str | None
    ) -> RemoteRecord:
        """Change some fields of a record, and its consent where one is given; return the record as it is then.

        Raises `Conflict` where it is no longer at this version, if the other system can tell.
        """

    def delete(self, remote_id: str) -> None:
        """Delete a record; nothing happens where it is gone already."""
