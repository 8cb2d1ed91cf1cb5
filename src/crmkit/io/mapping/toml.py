"""Tables of a TOML file that name the place of every mistake."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from crmkit.errors import ImportFailed, choices

_T = TypeVar("_T")


@attrs.frozen
class Table:
    """A table and where it stands. What it lacks or holds too much is an `ImportFailed` that says so."""

    values: Mapping[str, Any]
    place: str

    def error(self, fault: str) -> ImportFailed:
        """Return an error about this table, to be raised."""
        return ImportFailed(f"{self.place}: {fault}")

    def check_keys(self, *known: str) -> None:
        """Raise for a key that is not among these."""
        for key in self.values:
            if key not in known:
                raise self.error(f"{key!r} is no key here; {choices(key, known)}")

    def find(self, key: str, kind: type[_T], accepted: str) -> _T | None:
        """Return what a key holds, or None where it is missing; raise for another type."""
        found = self.values.get(key)
        # Not isinstance, for True is an int and a time is a date.
        if found is not None and type(found) is not kind:
            raise self.error(f"{key!r} is of the type {type(found).__name__}; give {accepted}")
        return found

    def find_text(self, key: str, accepted: str) -> str | None:
        """Return the text that a key holds, or None where it is missing; raise for blank text."""
        found = self.find(key, str, accepted)
        if found is not None and (not found.strip() or "\0" in found):
            raise self.error(f"{key!r} is blank or holds a NUL character; give {accepted}")
        return found

    def text(self, key: str, accepted: str) -> str:
        """Return the text that a key holds; raise where it is missing."""
        found = self.find_text(key, accepted)
        if found is None:
            raise self.error(f"{key!r} is missing; give {accepted}")
        return found

    def texts(self, key: str, accepted: str) -> tuple[str, ...]:
        """Return the list of texts that a key holds, empty where it is missing."""
        found = self.find(key, list, accepted) or []
        if not all(isinstance(each, str) for each in found):
            raise self.error(f"{key!r} holds something else than text; give {accepted}")
        return tuple(found)

    def table(self, key: str) -> "Table":
        """Return the table that a key holds, empty where it is missing."""
        return Table(self.find(key, dict, "a table") or {}, f"{self.place}, {key}")

    def tables(self, key: str) -> list["Table"]:
        """Return the tables that a key holds, none where it is missing."""
        found = self.find(key, list, "a list of tables") or []
        if not all(isinstance(each, dict) for each in found):
            raise self.error(f"{key!r} holds something else than tables; give a list of tables")
        return [Table(each, f"{self.place}, {key} {number}") for number, each in enumerate(found, start=1)]


def load(path: Path) -> Table:
    """Return the table that a whole file is; raise `ImportFailed` for one that cannot be read or is no TOML."""
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ImportFailed(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file") from None
    except UnicodeDecodeError:
        raise ImportFailed(f"{path}: is no text in UTF-8; give the path of a TOML file") from None
    except (ValueError, RecursionError) as error:
        raise ImportFailed(f"{path}: is no TOML: {error}") from None
    if not values:
        raise ImportFailed(
            f"{path}: is empty; write a mapping, or remove it so that files are recognised by their columns"
        )
    return Table(values, path.name)
