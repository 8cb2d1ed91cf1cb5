"""The parts of what a store keeps, in the form in which it gets into another one; see `crmkit.io.stores.port.Copying`."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

import attrs

from crmkit.errors import InvalidInput, choices
from crmkit.io.stores.port import ChangeKind, Stamp
from crmkit.model.records import Record


@attrs.frozen
class UnitPart:
    """A unit of work that a store has kept: its number, counted from 1, and its stamp."""

    number: int
    stamp: Stamp


@attrs.frozen
class EntryPart:
    """An entry of the ledger, as in `crmkit.io.stores.port.Change`, and the number of its unit of work."""

    unit: int
    kind: ChangeKind
    subject: str
    subject_id: str
    version: int
    before: Record | None = None


@attrs.frozen
class RecordPart:
    """A record with its version, and the numbers of the units of work that added and deleted it."""

    record: Record
    version: int
    added_in: int
    deleted_in: int | None = None


@attrs.frozen
class NotePart:
    """A note. One whose text is a cursor of the feed has no text, but the number of entries that the cursor comes after."""

    key: str = attrs.field(repr=False)
    text: str | None = attrs.field(default=None, repr=False)
    after: int | None = None


Part = UnitPart | EntryPart | RecordPart | NotePart
_ORDER: tuple[type[Part], ...] = (UnitPart, EntryPart, RecordPart, NotePart)


class Numbers:
    """Numbers that grow, in little memory, and their places counted from 1."""

    def __init__(self) -> None:
        """Begin without any."""
        self._numbers = array("q")

    def append(self, number: int) -> None:
        """Take a number; raises `InvalidInput` where it does not grow."""
        if number <= (self._numbers[-1] if self._numbers else 0):
            raise InvalidInput(f"the units of work are not in order: {number} comes too late; write the copy again")
        self._numbers.append(number)

    def place(self, number: int) -> int:
        """Return the place of a number; raises `InvalidInput` for one that is not there."""
        place = bisect_left(self._numbers, number)
        if place == len(self._numbers) or self._numbers[place] != number:
            raise InvalidInput(f"a part belongs to the unit of work {number}, which is missing; write the copy again")
        return place + 1

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._numbers)


def checked(parts: Iterable[Part], classes: Iterable[type[Record]]) -> Iterator[Part]:
    """Go through parts as they are, and raise `InvalidInput` where they do not fit together or the classes of a store."""
    known, units, entries, stage = {each.__name__: each for each in classes}, Numbers(), 0, 0
    for part in parts:
        place = _ORDER.index(type(part))
        if place < stage:
            raise InvalidInput(
                "the parts are out of order: units, the ledger, records, then notes; write the copy again"
            )
        stage = place
        if isinstance(part, UnitPart):
            units.append(part.number)
        elif isinstance(part, EntryPart):
            _check_class(part.subject, known)
            units.place(part.unit)
            entries += 1
        elif isinstance(part, RecordPart):
            _check_class(type(part.record).__name__, known)
            units.place(part.added_in)
            if part.deleted_in is not None:
                units.place(part.deleted_in)
        elif part.after is not None and not 0 <= part.after <= entries:
            raise InvalidInput(f"a note comes after {part.after} entries of {entries}; write the copy again")
        yield part


def _check_class(name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise InvalidInput(
            f"{name} is no record class of this store; {choices(name, known)}; give others as records= on opening"
        )
