"""All that a memory store keeps, for another store, and from another one."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress

import attrs

from crmkit.errors import InvalidInput
from crmkit.io.stores import refusals
from crmkit.io.stores.families import family
from crmkit.io.stores.layers import Memory
from crmkit.io.stores.memory_ledger import MemoryLedger
from crmkit.io.stores.parts import EntryPart, NotePart, Part, RecordPart, UnitPart, checked
from crmkit.io.stores.port import Change, Stamp, Stored
from crmkit.model.records import Record


@attrs.frozen
class MemoryCopy:
    """What one tenant has in memory."""

    memory: Memory
    tenant: str
    classes: tuple[type[Record], ...]
    ledger: MemoryLedger

    def contents(self) -> Generator[Part, None, None]:
        """See `crmkit.io.stores.port.Copying.contents`."""
        if self.memory.is_in_unit:
            raise refusals.copying_inside()
        with self.memory.steady:
            entries = self.ledger.entries()
            families = sorted({family(each) for each in self.classes}, key=lambda each: each.__name__)
            stored = [(each, self.memory.items(("rows", self.tenant, each))) for each in families]
            notes = sorted(self.memory.items(("notes", self.tenant)).items())
            added = {(base, key): self.ledger.place(base, key, 1) for base, rows in stored for key in rows}
            deleted = {
                (base, key): self.ledger.place(base, key, row.version)
                for base, rows in stored
                for key, row in rows.items()
                if row.is_deleted
            }
        units = _units(entries)
        yield from _unit_parts(entries, units)
        for place, entry in entries.items():
            yield EntryPart(units[place], entry.kind, entry.subject, entry.subject_id, entry.version, entry.before)
        for base, rows in stored:
            for key in sorted(rows):
                gone = deleted.get((base, key))
                row = rows[key]
                yield RecordPart(
                    row.record, row.version, units[added[base, key]], None if gone is None else units[gone]
                )
        places = list(entries)
        for key, text in notes:
            yield self._note(key, text, places)

    def filled(self, parts: Iterable[Part]) -> Iterator[Part]:
        """Keep parts in the unit of work around, and go through them; see `crmkit.io.stores.port.Copying.fill`."""
        if self.ledger.entries() or self.memory.items(("notes", self.tenant)):
            raise refusals.not_empty("this memory store")
        stamps, known = dict[int, Stamp](), {each.__name__: each for each in self.classes}
        for part in checked(parts, self.classes):
            if isinstance(part, UnitPart):
                stamps[part.number] = attrs.evolve(part.stamp)  # one of its own, by which the units are told apart
            elif isinstance(part, EntryPart):
                told = (part.kind, part.subject, part.subject_id, part.version, stamps[part.unit], part.before)
                self.ledger.follow(family(known[part.subject]), Change(*told))
            elif isinstance(part, RecordPart):
                self._keep(part, stamps)
            else:
                text = part.text if part.after is None else self.ledger.cursor(part.after)
                self.memory.set(("notes", self.tenant), part.key, text)
            yield part

    def _keep(self, part: RecordPart, stamps: dict[int, Stamp]) -> None:
        base, record = family(type(part.record)), part.record
        if any(self.ledger.place(base, record.id, number + 1) is None for number in range(part.version)):
            raise InvalidInput(
                f"the ledger does not tell every version of a {type(record).__name__}; write the copy again"
            )
        rows = ("rows", self.tenant, base)
        if self.memory.get(rows, record.id) is not None:
            raise refusals.stored_already(record, part.version, is_deleted=part.deleted_in is not None)
        stamp = None if part.deleted_in is None else stamps[part.deleted_in]
        deleted_at = None if stamp is None else stamp.at or stamp.recorded_at
        self.memory.set(rows, record.id, Stored(record, part.version, deleted_at, stamp is not None))

    def _note(self, key: str, text: str, places: list[int]) -> NotePart:
        with suppress(InvalidInput):
            reached = self.ledger.reached(text)
            return NotePart(key, after=sum(place <= reached for place in places))
        return NotePart(key, text)


def _units(entries: dict[int, Change]) -> dict[int, int]:
    """The number of the unit of work of each entry: entries in a row with one and the same stamp are of one."""
    numbers, number, stamp = dict[int, int](), 0, None
    for place, entry in entries.items():
        if entry.stamp is not stamp:
            number, stamp = number + 1, entry.stamp
        numbers[place] = number
    return numbers


def _unit_parts(entries: dict[int, Change], units: dict[int, int]) -> Iterator[UnitPart]:
    stamps = {units[place]: entry.stamp for place, entry in entries.items()}
    return (UnitPart(number, stamp) for number, stamp in stamps.items())
