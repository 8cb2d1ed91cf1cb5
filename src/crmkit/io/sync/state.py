"""What a store remembers of a synchronisation: how far it came, and what both sides had when they last agreed."""

import json
from typing import Any, Literal

import attrs

from crmkit.io.stores.port import Store
from crmkit.io.sync.agreement import Base, Side
from crmkit.model.consent import ConsentState

Ended = Literal["here", "there"]
"""Where the end of a pair began: a record deleted here may come back, one deleted there is not sent again."""


Subject = tuple[Side, str]
"""A record by the side whose id it is, and the id."""


@attrs.frozen
class Pair:
    """A record that both sides have or had: the other system's id, and what both had when they last agreed."""

    remote_id: str
    base: Base = attrs.field(factory=dict)
    consent: tuple[ConsentState | None, ConsentState | None] = (None, None)
    ended: Ended | None = None


@attrs.frozen
class Progress:
    """How far a synchronisation came in both directions, and the records that are to be tried again, by side and id."""

    read_to: str | None = None
    sent_to: str | None = None
    again: tuple[Subject, ...] = ()


class Memory:
    """The notes of a store in which a synchronisation remembers. They hold ids and digests, and nothing personal."""

    def __init__(self, store: Store, name: str) -> None:
        """Remember under a name that no other plan has."""
        self._store = store
        self._name = f"sync:{name}"

    def progress(self) -> Progress:
        """Return how far it came; the beginning where it never ran."""
        plain = _loaded(self._store.note(self._name))
        again = tuple((side, each) for side, each in plain.pop("again", ()))
        return Progress(**plain, again=again)

    def keep_progress(self, progress: Progress, was: Progress) -> None:
        """Remember how far it came; raise `Conflict` where another run of the same plan came further meanwhile."""
        if progress != was:
            before = None if was == Progress() else _text(was)
            self._store.set_note(self._name, _text(progress), was=before)

    def pair(self, record_id: str) -> Pair | None:
        """Return what is known of a record here; None where it was never kept in step."""
        plain = _loaded(self._store.note(self._ours(record_id)))
        if not plain:
            return None
        base = {name: (ours, theirs) for name, (ours, theirs) in plain.pop("base").items()}
        return Pair(**{**plain, "base": base, "consent": tuple(plain["consent"])})

    def keep_pair(self, record_id: str, pair: Pair, was: Pair | None) -> None:
        """Remember a pair in the unit of work around; raise `Conflict` where it is no longer what it was."""
        if pair == was:
            return
        self._store.set_note(self._ours(record_id), _text(pair), was=None if was is None else _text(was))
        before = self.record_id(pair.remote_id)
        if before is None or (before != record_id and pair.ended is None):
            self._store.set_note(self._theirs(pair.remote_id), record_id, was=before)

    def record_id(self, remote_id: str) -> str | None:
        """Return the id that a record of the other system has or had here; None for an unknown one."""
        return self._store.note(self._theirs(remote_id))

    def _ours(self, record_id: str) -> str:
        return f"{self._name}:ours:{record_id}"

    def _theirs(self, remote_id: str) -> str:
        return f"{self._name}:theirs:{remote_id}"


def _text(held: Any) -> str:
    return json.dumps(attrs.asdict(held), sort_keys=True)


def _loaded(text: str | None) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(text) if text else {}
    return plain
