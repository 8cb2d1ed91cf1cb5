"""The columns of a file, found under any of their names."""

from collections.abc import Callable, Iterable

_ALTERNATIVES = " | "


class Columns:
    """The columns of a file, by what of their names makes a difference: `plain` or `spelled`.

    >>> Columns(["Record ID", "Person - Name*"]).find("Contact Id | Record Id")
    'Record ID'
    """

    def __init__(self, names: Iterable[str], by: Callable[[str], str] | None = None) -> None:
        """Of two names that do not differ the first counts."""
        self.names = tuple(names)
        self._by = by or plain
        self._found: dict[str, str] = {}
        for name in self.names:
            self._found.setdefault(self._by(name), name)
        self._found.pop("", None)

    def find(self, known_as: str) -> str | None:
        """Return the column that has the first possible of several names, as in "First Name | FirstName"; None for none."""
        found = (self._found.get(self._by(name)) for name in known_as.split(_ALTERNATIVES))
        return next(filter(None, found), None)

    def has(self, known_as: str | None) -> bool:
        """Return whether there is such a column; nothing is always there."""
        return known_as is None or self.find(known_as) is not None

    def find_all(self, known_as: Iterable[str]) -> list[str]:
        """Return the columns that are there, each once."""
        return list(dict.fromkeys(filter(None, map(self.find, known_as))))


def plain(name: str) -> str:
    """Return the letters and digits of a name, in small letters.

    >>> plain("Decision Maker Bought-In")
    'decisionmakerboughtin'
    """
    return "".join(character for character in name.casefold() if character.isalnum())


def spelled(name: str) -> str:
    """Return a name in small letters, without the spaces around it and the star of required columns.

    >>> spelled(" Person -  Name* ")
    'person - name'
    """
    return " ".join(name.casefold().rstrip(" *").split())
