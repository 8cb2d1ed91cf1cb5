"""Records without their personal data: what the fields themselves are declared to hold, and names in free text."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from crmkit.errors import CrmError, InvalidInput
from crmkit.model import CustomField, FieldInfo, Money, Record, Value, fields
from crmkit.model.records import Category
from crmkit.model.shape import FrozenDict, Kind

V = TypeVar("V", bound=Value)
R = TypeVar("R", bound=Record)

PLACEHOLDER = "[erased]"
"""What stands where a text was that must not be empty."""

_PLACEHOLDERS: Mapping[Kind, Any] = {
    "text": PLACEHOLDER,
    "integer": 0,
    "number": 0.0,
    "decimal": Decimal(0),
    "flag": False,
    "instant": datetime(1900, 1, 1, tzinfo=UTC),
    "day": date(1900, 1, 1),
    "texts": (),
    "values": (),
    "mapping": FrozenDict(),
}
_SHORTEST_NUMBER = 7


def blanked(record: R, declared: Iterable[CustomField] = (), category: Category | None = None) -> R:
    """Return a record without its personal data; the other fields, which statistics count, stay.

    A personal field becomes None where it may be empty, and else a placeholder: "[erased]" for text (with the id where
    it is unique), 0 for numbers, False, 1 January 1900 for days and instants, nothing for collections, the first word of a
    choice, no money of the same currency, and of a value object the same for each of its fields. Of `custom` the values stay
    that are declared and not personal.

    Args:
        record: of any class, also a vertical's own.
        declared: the fields that are declared at run time.
        category: the personal fields of this category only.

    Raises:
        InvalidInput: where a class does not accept its own fields without personal data.

    >>> ann = blanked(Customer(id="ann", kind="person", name="Ann", birth_on=date(1990, 5, 17), country="PL"))
    >>> ann.name, ann.birth_on, ann.country
    ('[erased]', None, 'PL')
    """
    changes: dict[str, Any] = {}
    for info in fields(type(record)):
        held = getattr(record, info.name)
        if info.name == "custom":
            changes["custom"] = _custom(record, declared, category)
        elif info.personal and category in (None, info.category):
            changes[info.name] = _nothing(info, held, record.id)
        else:
            changes[info.name] = _inside(info, held, category)
    try:
        return record.replace(**changes)
    except CrmError as error:
        name = type(record).__name__
        raise InvalidInput(
            f"a {name} cannot be without its personal data ({error}); let the check of {name} accept that"
        ) from None


def changed_fields(record: Record, other: Record) -> set[str]:
    """Return the names of the fields in which two records of one class differ."""
    return {info.name for info in fields(type(record)) if getattr(record, info.name) != getattr(other, info.name)}


class Mentions:
    """Names and addresses of a person, to be found in free text.

    Only what can hardly mean anything else counts: a name of several words, an address with an @, seven digits and more.

    >>> Mentions(["Ann Kowalska", "Ann"]).removed("Ann Kowalska called, and Ann will call back")
    '[erased] called, and Ann will call back'
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Look for these words."""
        telling = sorted({each.strip() for each in words if _is_telling(each.strip())}, key=len, reverse=True)
        alternatives = "|".join(re.escape(each) for each in telling)
        self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE) if telling else None

    def removed(self, text: str) -> str:
        """Return a text in which "[erased]" stands for every mention."""
        return text if self._pattern is None else self._pattern.sub(PLACEHOLDER, text)

    def removed_from(self, record: R) -> R:
        """Return a record without mentions in its free text; ids, links, choices and unique numbers stay."""
        texts = {
            info.name: getattr(record, info.name)
            for info in fields(type(record))
            if info.shape.kind == "text" and not (info.links or info.unique or f"_{info.name}".endswith("_id"))
        }
        cleaned = {name: self.removed(text) for name, text in texts.items() if text is not None}
        changes = {name: text for name, text in cleaned.items() if text != texts[name]}
        return record.replace(**changes) if changes else record


def _is_telling(word: str) -> bool:
    return len(word.split()) > 1 or "@" in word or sum(map(str.isdigit, word)) >= _SHORTEST_NUMBER


def _custom(record: Record, declared: Iterable[CustomField], category: Category | None) -> Mapping[str, Any]:
    subjects = {each.__name__ for each in type(record).__mro__}
    known = {each.name: each for each in declared if each.subject in subjects}

    def stays(name: str) -> bool:
        info = known.get(name)
        if info is not None and not info.is_personal:
            return True
        return category not in (None, "descriptive" if info is None else info.category)

    return {name: held for name, held in record.custom.items() if stays(name)}


def _nothing(info: FieldInfo, held: Any, record_id: str) -> Any:
    """What a personal field holds instead."""
    kind = info.shape.kind
    if info.shape.optional:
        return None
    if kind == "money":
        return Money(0, held.currency)
    if kind == "choice":
        return info.shape.choices[0]
    if kind == "value":
        return held.replace(**{each.name: _nothing(each, getattr(held, each.name), "") for each in fields(type(held))})
    return f"{PLACEHOLDER} {record_id}" if info.unique and kind == "text" else _PLACEHOLDERS[kind]


def _inside(info: FieldInfo, held: Any, category: Category | None) -> Any:
    """A field that is not personal itself, but whose value objects may have personal fields."""
    if held is None or info.shape.kind not in ("value", "values"):
        return held
    return _part(held, category) if info.shape.kind == "value" else [_part(each, category) for each in held]


def _part(part: V, category: Category | None) -> V:
    changes = {
        info.name: _nothing(info, getattr(part, info.name), "")
        if info.personal and category in (None, info.category)
        else _inside(info, getattr(part, info.name), category)
        for info in fields(type(part))
    }
    return part.replace(**changes)


def words_of(records: Sequence[Record]) -> set[str]:
    """Return the names and addresses in records of a person."""
    found = set[str]()
    for each in records:
        found |= {point.value for point in getattr(each, "contact_points", ())}
        found |= {text for text in (getattr(each, "name", None), _both_names(each)) if text}
    return found


def _both_names(record: Record) -> str:
    parts = (getattr(record, "given_name", None), getattr(record, "family_name", None))
    return " ".join(each for each in parts if each)
