"""Records as short texts in the staging file, and back without the checks that they have passed."""

import json
from collections.abc import Iterable
from hashlib import sha256

from crmkit.errors import ImportFailed
from crmkit.io.stores.sql.tables import Codec, Place, family_tables
from crmkit.model import Record, Transition, fields


class Payloads:
    """Writes and reads the records of some classes, in the cells that SQLite keeps of them."""

    def __init__(self, classes: Iterable[type[Record]]) -> None:
        """Know the classes of a store."""
        classes = tuple(classes)
        tables = family_tables(classes, Place("sqlite", "crm_", None))
        self._codecs: dict[str, Codec] = {cls.__name__: tables[cls].codec(cls.__name__) for cls in classes}

    def dump(self, record: Record) -> str:
        """Return a record as text."""
        return json.dumps(self._codecs[type(record).__name__].encode(record), ensure_ascii=False, separators=(",", ":"))

    def load(self, name: str, text: str) -> Record:
        """Return the record of a class of this name that a text holds."""
        return self._codec(name).decode(json.loads(text))

    def signature(self, names: Iterable[str]) -> str:
        """Return what tells whether the classes of these names have the same fields as in another program."""
        used = sorted({*names, *({Transition.__name__} & self._codecs.keys())})
        shapes = [(name, [(each.name, str(each.shape)) for each in fields(self._codec(name).cls)]) for name in used]
        return sha256(repr(shapes).encode()).hexdigest()

    def _codec(self, name: str) -> Codec:
        if name not in self._codecs:
            raise ImportFailed(
                f"the store keeps no {name}; open it with the records that it was opened with for the plan"
            )
        return self._codecs[name]
