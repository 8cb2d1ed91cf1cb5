"""The columns of a file, found under any of their names."""

from collections.abc import Iterable

_ALTERNATIVES = " | "


class Columns:
    """The columns of a file. Capitals, spaces and punctuation of their names make no difference.

    >>> Columns(["Record ID", "Person - Name*"]).find("Contact Id | Record Id")
    'Record ID'
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Of two names that differ in such things alone the first counts."""
        self.names = tuple(names)
        self._found: dict[str, str] = {}
        for name in self.names:
            self._found.setdefault(plain(name), name)
        self._found.pop("", None)

    def find(self, known_as: str) -> str | None:
        """Return the column that has the first possible of several names, as in "First Name | FirstName"; None for none."""
        found = (self._found.get(plain(name)) for name in known_as.split(_ALTERNATIVES))
        return next(filter(None, found), None)

    def find_all(self, known_as: Iterable[str]) -> list[str]:
        """Return the columns that are there, each once."""
        return list(dict.fromkeys(filter(None, map(self.find, known_as))))


def plain(name: str) -> str:
    """Return the letters and digits of a name, in small letters.

    >>> plain("Decision Maker Bought-In")
    'decisionmakerboughtin'
    """
    return "".join(character for character in name.casefold() if character.isalnum())
