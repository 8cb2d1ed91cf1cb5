"""Every error that crmkit raises on purpose.

All share the root `CrmError`, and each is also the builtin that fits, so that a host may catch either.
A message is one sentence for the person who must act: what is wrong, where, and what would be accepted.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CrmError(Exception):
    """The root of all errors of crmkit."""


class InvalidRecord(CrmError, ValueError):
    """A value does not fit the field of a record."""


class InvalidTransition(CrmError, ValueError):
    """A move that the state of a record does not allow.

    `possible` lists the labels that the record could move to instead.
    """

    def __init__(self, message: str, possible: tuple[str, ...] = ()) -> None:
        """Keep the possible moves beside the message."""
        super().__init__(message, possible)
        self.possible = possible

    def __str__(self) -> str:
        """Say what is wrong and what is possible."""
        return f"{self.args[0]}; possible from here: {', '.join(self.possible) or 'nothing'}"


class InvalidInput(CrmError, ValueError):
    """Data or an argument given to a function cannot be used as it is."""


class NotFound(CrmError, LookupError):
    """No record has this id."""


class Conflict(CrmError, ValueError):
    """Somebody else wrote first: the record changed meanwhile, or its id or a unique value is taken.

    `expected` is the version that was to be replaced, 0 for none, and `actual` the one that is stored; None where no version is
    concerned. Doing the same again with what is stored now may succeed, as `CRM.run` does.
    """

    def __init__(self, message: str, expected: int | None = None, actual: int | None = None) -> None:
        """Keep both versions beside the message."""
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class StoreError(CrmError, OSError):
    """A store cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Others have kept the store locked for too long; nothing was written, and the same may succeed later."""


class CommitOutcomeUnknown(StoreError):
    """The connection was lost during a commit: the unit of work is kept as a whole or not at all, and nobody can tell which.

    Look whether it is there, or do it again under the key that `CRM.run` takes.
    """


class RemoteUnavailable(CrmError, OSError):
    """Another system cannot be reached, refuses the login or is busy for too long; the same may succeed later."""


class ImportFailed(CrmError, ValueError):
    """Files cannot be imported as their mapping says; nothing was written."""


class MissingExtra(CrmError, ImportError):
    """An optional package is not installed; the message has the command that installs it."""


def choices(word: str, known: Iterable[object]) -> str:
    """Return the end of a sentence about a word that is not known: the known ones, the nearest one named.

    >>> choices("Offr", ["Trial", "Offer"])
    "there are 'Trial', 'Offer'; did you mean 'Offer'?"
    """
    words = [str(each) for each in known]
    nearest = get_close_matches(word, words, n=1)
    listed = "there are " + ", ".join(map(repr, words)) if words else "there is none"
    return f"{listed}; did you mean {nearest[0]!r}?" if nearest else listed
