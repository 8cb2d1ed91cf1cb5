"""Links between rows of different files: the cell of one row holds the key of another."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from difflib import get_close_matches
from hashlib import sha1
from uuid import UUID

import attrs

from crmkit.io.mapping.cells import tidy
from crmkit.io.mapping.fields import FieldMapping
from crmkit.io.mapping.problems import Lines, Problem
from crmkit.model import RECORDS, Pipeline, Record, fields
from crmkit.model.records import family

# What uuid5 does, in a third of its time.
_SPACE = UUID("5e1fbd2c-6f0e-4c3a-9d53-0f2a7c1d8b46").bytes
_TEXTS_SHOWN = 5
_KEYS_COMPARED = 1000
_LONGEST_SHOWN = 60
_SHARED = {field.name for field in fields(Record)}
_PERSONAL = {
    cls.__name__ for cls in RECORDS if any(field.personal for field in fields(cls) if field.name not in _SHARED)
}


def imported_id(source: str, cls: type[Record], key: str) -> str:
    """Return the id of a record that is imported: always the same for the same system, class and key.

    It is a UUID of version 5, so it has one length, is unique among systems, and shows no name or e-mail address that serves
    as a key.

    >>> imported_id("maven", Customer, "Acme Corporation")
    '047fa25e-3dae-55ca-9f5d-e85c7681d8cf'
    """
    name = f"{cls.__name__}\0{source}\0{key}"
    digits = sha1(_SPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _name(cls: type[Record]) -> str:
    """The name of the classes that share the ids of a class."""
    return family(cls).__name__


@attrs.define
class _Unknown:
    """The cells of a field that were to be keys and are none."""

    field: FieldMapping
    linked: str
    lines: Lines = attrs.field(factory=Lines)
    texts: Counter[str] = attrs.field(factory=Counter)


class Links:
    """The ids of all rows by class and key, and the cells that name no row.

    A class that extends another shares its ids. The usual id of a row is not kept but made when it is asked for, so that many rows
    need little memory.
    """

    def __init__(
        self, source: str, pipelines: Iterable[Pipeline], *, stored: Callable[[str, str], str | None] | None = None
    ) -> None:
        """Know the pipelines, whose keys are their own ids; `stored` tells the id of what is stored under a class and key."""
        self._source = source
        self._stored = stored
        self._roots: dict[str, type[Record]] = {cls.__name__: cls for cls in RECORDS}
        self._ids: dict[str, dict[str, str | None]] = {
            Pipeline.__name__: {tidy(each.id): each.id for each in pipelines}
        }
        self._repeated: dict[str, set[str]] = {}
        self._unknown: dict[tuple[str, str], _Unknown] = {}

    def add(self, cls: type[Record], key: str) -> bool:
        """Give an id to the row with this key; return False, and change nothing, if another row has the key."""
        self._roots.setdefault(cls.__name__, family(cls))
        ids = self._ids.setdefault(_name(cls), {})
        if key in ids:
            self._repeated.setdefault(_name(cls), set()).add(key)
            return False
        ids[key] = None
        return True

    def has(self, cls: type[Record], key: str) -> bool:
        """Return whether a row has this key."""
        return key in self._ids.get(_name(cls), ())

    def has_once(self, cls: type[Record], key: str) -> bool:
        """Return whether just one row has this key."""
        name = _name(cls)
        return key in self._ids.get(name, ()) and key not in self._repeated.get(name, ())

    def set_id(self, cls: type[Record], key: str, record_id: str) -> None:
        """Give a row that was added the id of the stored record that it is about."""
        self._ids[_name(cls)][key] = None if record_id == self.usual_id(cls, key) else record_id

    def usual_id(self, cls: type[Record], key: str) -> str:
        """Return the id that a row has unless it is about a record that is stored under another."""
        return imported_id(self._source, family(cls), key)

    def find(self, cls: str, key: str) -> str | None:
        """Return the id of the record of this class that has this key, or None."""
        of_class = self._roots.get(cls)
        name = _name(of_class) if of_class else cls
        try:
            found = self._ids[name][key]
        except KeyError:
            return self._stored(name, key) if self._stored else None
        return imported_id(self._source, family(of_class), key) if found is None and of_class else found

    def note_unknown(self, where: str, field: FieldMapping, linked: str, text: str, line: int) -> None:
        """Note that a cell names no record of the class `linked`."""
        unknown = self._unknown.setdefault((where, field.label), _Unknown(field, linked))
        unknown.lines.add(line)
        unknown.texts[text] += 1

    def problems(self) -> Iterator[Problem]:
        """Yield a warning for every field with such cells; it shows their texts unless the linked class is personal."""
        for (where, _), unknown in self._unknown.items():
            kept = f"its text is kept in custom[{unknown.field.kept_as!r}]"
            message = f"{unknown.field.label} names no {unknown.linked}, so {kept}{self._shown(unknown)}"
            lines = unknown.lines
            yield Problem(kind="warning", where=where, message=message, count=lines.count, lines=lines.first)

    def _shown(self, unknown: _Unknown) -> str:
        known = self._ids.get(unknown.linked, {})
        if not known:
            return f"; the mapping has no file of {unknown.linked} records"
        if unknown.linked in _PERSONAL:
            return ""
        shown = [
            f"{_quoted(text)} ({count:,}){_nearest(text, known)}"
            for text, count in unknown.texts.most_common(_TEXTS_SHOWN)
        ]
        more = len(unknown.texts) - len(shown)
        return ": " + "; ".join(shown) + (f"; and {more:,} other texts" if more else "")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


def _nearest(text: str, known: Collection[str]) -> str:
    """Name the key that was probably meant; among very many keys looking for it would take too long."""
    nearest = get_close_matches(text, known, n=1) if len(known) <= _KEYS_COMPARED else []
    return f", did you mean {_quoted(nearest[0])}?" if nearest else ""
