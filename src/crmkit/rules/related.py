"""What rules may ask of the records that link to a record: how many there are, what they sum to, when they happened."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import attrs

from crmkit.model import Message, SurveyResponse
from crmkit.model.records import FieldInfo, Record, fields
from crmkit.model.shape import Shape

HAPPENED_AT = "happened_at"
"""How a rule about related records calls the instant at which they happened, whatever their field is called."""

TOTAL = "amount"
"""The money that a total is of."""

_INSTANTS: Mapping[type[Record], str] = {Message: "sent_at", SurveyResponse: "responded_at"}

Part = str
"""What is asked of related records: "any", "count", "first_at", "last_at", "total", or how many are of one of their categories."""


_QUESTIONS: Mapping[Part, Shape] = {
    "any": Shape("flag"),
    "count": Shape("integer"),
    "first_at": Shape("instant", optional=True),
    "last_at": Shape("instant", optional=True),
}


@attrs.frozen
class Relation:
    """The records of a class that link to a record by one of their fields."""

    name: str
    cls: type[Record]
    link: str

    @property
    def happened_at(self) -> str:
        """The field that says when these records happened."""
        return happened_at(self.cls)

    @property
    def questions(self) -> Mapping[Part, Shape]:
        """What may be asked of them, but for how many are of a category, and the shapes of the answers."""
        shapes = {info.name: info.shape for info in fields(self.cls)}
        total = {"total": Shape("money")} if TOTAL in shapes and shapes[TOTAL].kind == "money" else {}
        return {**_QUESTIONS, **total}

    def parts(self) -> Mapping[Part, Shape]:
        """Return all that may be asked, and the shapes of the answers.

        >>> list(relations(Customer, [Ticket])["tickets"].parts())
        ['open', 'paused', 'resolved', 'any', 'count', 'first_at', 'last_at']
        """
        words = next((info.shape.choices for info in fields(self.cls) if info.name == "category"), ())
        return {**dict.fromkeys(words, Shape("integer")), **self.questions}


def happened_at(cls: type[Record]) -> str:
    """Return the field that says when a record happened: `at`, `sent_at` of a message, `responded_at` of an answer to a survey.

    A record without such a field happened when it was created.

    >>> happened_at(Order), happened_at(Message), happened_at(Ticket)
    ('at', 'sent_at', 'created_at')
    """
    if any(info.name == "at" and info.shape.kind == "instant" for info in fields(cls)):
        return "at"
    return next((name for known, name in _INSTANTS.items() if issubclass(cls, known)), "created_at")


def relations(cls: type[Record], classes: Iterable[type[Record]]) -> Mapping[str, Relation]:
    """Return the relations of a class by their names: which records of some classes link to it.

    They are called as the linking class, in the plural. Where a class links by several fields, the plain name is that of the
    field which is called after the class that it links to, and the others say by what they link.

    >>> list(relations(Customer, [Order, Lead, Contact]))
    ['orders', 'leads', 'leads_by_organization', 'contacts_by_person', 'contacts_by_organization']
    """
    return _relations(cls, tuple(dict.fromkeys(classes)))  # type: ignore[arg-type]  # mypy takes the hash of a class for its instances'


@cache
def _relations(cls: Any, classes: tuple[type[Record], ...]) -> Mapping[str, Relation]:
    targets = [extended.__name__ for extended in cls.__mro__]
    return {each.name: each for linking in classes for each in _of_class(targets, linking)}


def _of_class(targets: list[str], linking: type[Record]) -> list[Relation]:
    links = [info for info in fields(linking) if info.links in targets and info.shape.kind == "text"]
    return [Relation(_name(linking, info, is_only=len(links) == 1), linking, info.name) for info in links]


def _name(linking: type[Record], info: FieldInfo, *, is_only: bool) -> str:
    plural = _plural(_snake(linking.__name__))
    is_plain = is_only or info.name == f"{_snake(str(info.links))}_id"
    return plural if is_plain else f"{plural}_by_{info.name.removesuffix('_id')}"


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"
