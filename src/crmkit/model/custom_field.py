"""Fields declared at run time: the values in `Record.custom`, checked like those of built-in fields."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeVar

from crmkit.errors import InvalidInput, InvalidRecord, choices
from crmkit.model.fault import Fault, in_order
from crmkit.model.records import Category, Record, record
from crmkit.model.shape import Scalar, Shape, converter

CustomKind = Literal["text", "choice", "integer", "number", "decimal", "flag", "instant", "day"]
"""What a field declared at run time can hold, as in `crmkit.model.shape.Kind`."""

R = TypeVar("R", bound=Record)

_NAME = re.compile("[a-z][a-z0-9_]{0,47}")


@record
class CustomField(Record):
    """A field that all records of the class `subject`, and of the classes that extend it, have in `custom`.

    `name` is lower case letters, digits and "_", at most 48 of them and a letter first. A choice has its `choices`, and
    no other kind has any. Anything else raises `InvalidRecord`.

    >>> CustomField(subject="Customer", name="shoe_size", kind="integer", title="Shoe size").is_required
    False
    """

    subject: str
    name: str
    kind: CustomKind
    choices: Sequence[str] = ()
    title: str | None = None
    category: Category = "descriptive"
    is_personal: bool = False
    is_required: bool = False

    def __attrs_post_init__(self) -> None:
        """Check the name and that a choice has something to choose from."""
        if not _NAME.fullmatch(self.name):
            raise InvalidRecord(
                f"CustomField.name: {self.name!r} is no name of a field; give lower case letters, digits and '_', a letter "
                "first, and at most 48 of them"
            )
        if (self.kind == "choice") != bool(self.choices) or len(set(self.choices)) < len(self.choices):
            raise InvalidRecord(
                f"CustomField.choices: {self.choices!r} does not fit the kind {self.kind!r}; give a choice its different "
                "words, and another kind none"
            )

    @property
    def where(self) -> str:
        """How errors and faults call the field, such as "Customer.custom.shoe_size"."""
        return f"{self.subject}.custom.{self.name}"


def with_custom(record: R, declared: Iterable[CustomField], /, **values: Any) -> R:
    """Return a record with values of fields that are declared for its class; None takes a value away.

    Values are checked as those of built-in fields are. `custom` then holds an instant as text in UTC that sorts as time
    does, a day as ISO text and a decimal as its digits; `custom_value` returns what was given. Raises `InvalidRecord`
    for a value that its field does not accept, for a name that is not declared, and where a required value is taken
    away; and `InvalidInput` for a name that is declared twice.

    >>> size = CustomField(subject="Customer", name="shoe_size", kind="decimal")
    >>> ann = with_custom(Customer(kind="person", name="Ann"), [size], shoe_size=Decimal("38.5"))
    >>> ann.custom["shoe_size"], custom_value(ann, size)
    ('38.5', Decimal('38.5'))
    """
    by_name = _declared_for(type(record), declared)
    custom = dict(record.custom)
    for name, value in values.items():
        if name not in by_name:
            raise InvalidRecord(f"{type(record).__name__}.custom.{name} is not declared; {choices(name, by_name)}")
        accepted = _accept(by_name[name], value)
        custom.pop(name, None)
        if accepted is not None:
            custom[name] = _coded(accepted)
    return record.replace(custom=custom)


def custom_value(record: Record, declared: CustomField) -> Any:
    """Return the value of a field that is declared at run time, such as a datetime; None where there is none.

    Raises `InvalidRecord` where `custom`, which an import may have filled, holds something that the field does not
    accept.

    >>> since = CustomField(subject="Customer", name="since", kind="day")
    >>> custom_value(Customer(kind="person", name="Ann", custom={"since": "2025-05-01"}), since)
    datetime.date(2025, 5, 1)
    """
    held = record.custom.get(declared.name)
    return None if held is None else _accept(declared, _decoded(declared, held))


def check_custom(records: Iterable[Record], declared: Iterable[CustomField]) -> tuple[Fault, ...]:
    """Return a fault for every value in `custom` that is not declared or not accepted, and for missing required ones.

    Faults come by class, id and field. Raises `InvalidInput` for a name that is declared twice.

    >>> size = CustomField(subject="Customer", name="shoe_size", kind="integer", is_required=True)
    >>> [fault.what for fault in check_custom([Customer(kind="person", name="Ann")], [size])]
    ['a value is required']
    """
    records, declared = list(records), list(declared)
    declared_for = {cls: _declared_for(cls, declared) for cls in set(map(type, records))}
    return in_order(
        Fault(type(each).__name__, each.id, f"custom.{name}", what)
        for each in records
        for name, what in _problems(each, declared_for[type(each)])
    )


def masked_custom(record: Record, declared: Iterable[CustomField]) -> dict[str, Scalar]:
    """Return what `custom` holds, with "<personal>" for personal values and for those that nobody declared.

    >>> size = CustomField(subject="Customer", name="shoe_size", kind="integer")
    >>> masked_custom(Customer(kind="person", name="Ann", custom={"shoe_size": 38, "allergy": "nuts"}), [size])
    {'shoe_size': 38, 'allergy': '<personal>'}
    """
    shown = {name for name, each in _declared_for(type(record), declared).items() if not each.is_personal}
    return {name: held if name in shown else "<personal>" for name, held in record.custom.items()}


def _declared_for(cls: type[Record], declared: Iterable[CustomField]) -> dict[str, CustomField]:
    subjects = {extended.__name__ for extended in cls.__mro__}
    by_name: dict[str, CustomField] = {}
    for each in declared:
        if each.subject in subjects and by_name.setdefault(each.name, each) is not each:
            raise InvalidInput(f"{each.where} is declared twice for {cls.__name__}; keep one declaration")
    return by_name


def _accept(declared: CustomField, value: Any) -> Any:
    shape = Shape(declared.kind, optional=not declared.is_required, choices=tuple(declared.choices))
    return converter(shape, declared.where, personal=declared.is_personal)(value)


def _coded(value: Any) -> Scalar:
    """What JSON holds of an accepted value."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "instant": datetime.fromisoformat,
    "day": date.fromisoformat,
    "decimal": Decimal,
}


def _decoded(declared: CustomField, held: Scalar) -> Any:
    """The value that was coded, or what is held itself, which is then refused by the name of its field."""
    parse = _PARSERS.get(declared.kind)
    if parse is None or not isinstance(held, str):
        return held
    try:
        return parse(held)
    except (ValueError, InvalidOperation):
        return held


def _problems(record: Record, by_name: Mapping[str, CustomField]) -> Iterator[tuple[str, str]]:
    """The names of what is wrong in `custom`, and how."""
    for name in record.custom.keys() - by_name.keys():
        yield name, f"it is not declared; {choices(name, by_name)}"
    for name, declared in by_name.items():
        try:
            value = custom_value(record, declared)
        except InvalidRecord as error:
            yield name, str(error).removeprefix(f"{declared.where}: ")
        else:
            if value is None and declared.is_required:
                yield name, "a value is required"
