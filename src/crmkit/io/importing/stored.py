"""What is stored already: which record a row is about."""

from collections.abc import Iterable, Mapping, Sequence

import attrs

from crmkit.io.importing.steps import Staging
from crmkit.io.mapping.rows import is_text
from crmkit.io.stores.port import Store
from crmkit.io.stores.reaching import SEPARATORS, keys_of
from crmkit.model import Alias, Record
from crmkit.model.alias import resolve
from crmkit.model.contact_point import ContactPoint
from crmkit.model.records import family
from crmkit.rules import field

_WITHOUT = str.maketrans("", "", SEPARATORS)
_NAMES = {"email": "e-mail address", "phone": "telephone number"}


@attrs.frozen
class Found:
    """The stored record that a row is about, if any, or why that is not certain. `is_merged` tells that it is part of another one."""

    record_id: str | None = None
    fault: str | None = None
    is_merged: bool = False


NOTHING = Found()


class Stored:
    """An index of what a store holds, by external ids, own ids, e-mail addresses and telephone numbers. It lies in the staging file."""

    def __init__(self, store: Store, staging: Staging, source: str) -> None:
        """Look into a store for the keys of one system."""
        self._store, self._staging, self._source = store, staging, source
        self._learned: dict[str, tuple[str, ...]] = {}
        self._held: set[str] = set()
        self._aliases: tuple[Alias, ...] | None = None

    def learn(self, cls: type[Record], match: Iterable[str] = ()) -> None:
        """Read the keys of a class, and of those that extend it; does nothing the second time."""
        name, kinds = family(cls).__name__, tuple(sorted(match))
        is_learned = name in self._learned and set(kinds) <= set(self._learned[name])
        if is_learned or family(cls) not in self._store.classes:
            return
        self._learned[name] = kinds
        live = self._store.every(family(cls))
        self._staging.remember(name, self._keys(live, kinds, ""))
        if "erasing" in self._store.capabilities:
            gone = self._store.deleted(family(cls))  # type: ignore[attr-defined]
            self._staging.remember(name, self._keys(gone, (), "gone "))

    def _keys(self, records: Iterable[Record], kinds: tuple[str, ...], mark: str) -> Iterable[tuple[str, str]]:
        for record in records:
            self._held.add(family(type(record)).__name__)
            yield f"{mark}id {record.id}", record.id
            external = record.external_ids.get(self._source)
            if external is not None:
                yield f"{mark}key {external}", record.id
            if kinds:
                points: Iterable[ContactPoint] = getattr(record, "contact_points", ())
                yield from ((key, record.id) for key in keys_of(each for each in points if each.kind in kinds))

    def holds(self, cls: type[Record]) -> bool:
        """Return whether any record of a class is stored, or was; where not, nothing need be looked for."""
        return family(cls).__name__ in self._held

    def find(self, cls: type[Record], key: str, usual_id: str) -> Found:
        """Return the stored record with this key of the other system, or that was made of it."""
        name = family(cls).__name__
        if name not in self._learned:
            return NOTHING
        ids = self._staging.known(name, f"key {key}")
        if len(ids) > 1:
            return Found(
                fault=f"{len(ids)} stored records of {name} have its key as their external id; merge them first"
            )
        if ids:
            return Found(ids[0])
        if self._staging.known(name, f"id {usual_id}"):
            return Found(usual_id)
        gone = self._staging.known(name, f"gone key {key}") or self._staging.known(name, f"gone id {usual_id}")
        return self._after_deletion(name, gone[0]) if gone else NOTHING

    def _after_deletion(self, name: str, record_id: str) -> Found:
        if self._aliases is None:
            self._aliases = tuple(self._store.every(Alias)) if Alias in self._store.classes else ()
        survivor = resolve(self._aliases, name, record_id)
        if survivor != record_id:
            return Found(survivor, is_merged=True)
        return Found(fault=f"the {name} was deleted here; restore it first, or take the row out")

    def match(self, cls: type[Record], kinds: Iterable[str], points: Iterable[ContactPoint]) -> Found:
        """Return the one stored record that shares a contact point of these kinds."""
        name, points = family(cls).__name__, tuple(points)
        for kind in kinds if name in self._learned else ():
            own = [point for point in points if point.kind == kind]
            ids = sorted({each for key in keys_of(own) for each in self._staging.known(name, key)})
            ids = [each for each in ids if kind == "email" or self._has_number(cls, each, own)]
            if len(ids) > 1:
                return Found(
                    fault=f"{len(ids)} stored records of {name} have its {_NAMES[kind]}; tell which by its key"
                )
            if ids:
                return Found(ids[0])
        return NOTHING

    def by_key(self, name: str, key: str) -> str | None:
        """Return the id of a record by its key of the other system, else by its own id, for links; None where there is none."""
        if not is_text(key):
            return None
        ids = self._staging.known(name, f"key {key}") or self._staging.known(name, f"id {key}")
        return ids[0] if len(ids) == 1 else None

    def records(self, cls: type[Record], ids: Sequence[str]) -> Mapping[str, Record]:
        """Return the records of some ids, none where the store does not look several up at a time."""
        if not ids or "queries" not in self._store.capabilities:
            return {}
        page = self._store.find(family(cls), field("id").is_in(ids), limit=len(ids))
        return {each.id: each for each in page.records}

    def has(self, cls: type[Record], record_id: str) -> bool:
        """Return whether a record of this id is stored."""
        return self.holds(cls) and bool(self._staging.known(family(cls).__name__, f"id {record_id}"))

    def _has_number(self, cls: type[Record], record_id: str, own: Iterable[ContactPoint]) -> bool:
        """Whether a record has one of some numbers; the key that found it is only the end of a number."""
        points = getattr(self._store.get(family(cls), record_id), "contact_points", ())
        theirs = [_digits(point.value) for point in points if point.kind == "phone"]
        return any(
            each.endswith(digits) or digits.endswith(each)
            for point in own
            if (digits := _digits(point.value))
            for each in theirs
            if each
        )


def _digits(number: str) -> str:
    return number.partition(";")[0].translate(_WITHOUT).removeprefix("00").lstrip("0")
