"""A remote that loses the connection, and whose users act while a run goes on."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from crmkit.errors import RemoteUnavailable
from crmkit.io.sync import MemoryRemote, RemotePage, RemoteRecord
from crmkit.io.sync.remote import Plain
from crmkit.model.consent import ConsentState

T = TypeVar("T")
Event = Callable[[], object] | str | None
"""What happens at one call: nothing, something that somebody does meanwhile, or a loss "before" or "after" the call has its effect."""


class FlakyRemote(MemoryRemote):
    """A memory remote to whose calls something happens, one after the other."""

    def __init__(self, *, page: int = 2) -> None:
        super().__init__(page=page)
        self.coming: list[Event] = []
        self.calls: list[str] = []

    def let(self, events: Iterable[Event]) -> None:
        self.coming = [*events]

    def changed(self, cursor: str | None) -> RemotePage:
        return self._met("changed", lambda: super(FlakyRemote, self).changed(cursor))

    def read(self, remote_id: str) -> RemoteRecord | None:
        return self._met("read", lambda: super(FlakyRemote, self).read(remote_id))

    def create(self, key: str, values: Mapping[str, Plain], consent: ConsentState | None) -> RemoteRecord:
        return self._met("create", lambda: super(FlakyRemote, self).create(key, values, consent))

    def update(
        self, remote_id: str, values: Mapping[str, Plain], consent: ConsentState | None, version: str | None
    ) -> RemoteRecord:
        return self._met("update", lambda: super(FlakyRemote, self).update(remote_id, values, consent, version))

    def delete(self, remote_id: str) -> None:
        return self._met("delete", lambda: super(FlakyRemote, self).delete(remote_id))

    def _met(self, name: str, call: Callable[[], T]) -> T:
        self.calls.append(name)
        event = self.coming.pop(0) if self.coming else None
        if event == "before":
            raise RemoteUnavailable("the connection was lost on the way there")
        if callable(event):
            event()
        done = call()
        if event == "after":
            raise RemoteUnavailable("the connection was lost on the way back")
        return done
