"""Records to plain data and back: what JSON can hold, without loss.

Instants are ISO 8601 text in UTC with microseconds, days are ISO text, money is its amount as text and its currency,
sets are sorted lists. Verticals' own records are coded in the same way, because their fields have the same shapes.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from crmkit.errors import InvalidRecord, choices
from crmkit.model.money import Money
from crmkit.model.records import Value, fields

_V = TypeVar("_V", bound=Value)


def to_plain(record: Value) -> dict[str, Any]:
    """Return a record as dicts, lists, text, numbers, True, False and None.

    >>> to_plain(Stage("Trial", "open", 0.3))
    {'label': 'Trial', 'category': 'open', 'probability': 0.3, 'rotting_days': None, 'forecast_category': None}
    """
    plain: dict[str, Any] = _CONVERTER.unstructure(record)
    return plain


def from_plain(cls: type[_V], data: Mapping[str, Any]) -> _V:
    """Return the record that `to_plain` made `data` of; fields that are not there take their defaults.

    Raises `InvalidRecord`, which names the field, for one that is unknown, missing or does not fit.

    >>> from_plain(Stage, {"label": "Trial", "category": "open", "propability": 0.3})
    Traceback (most recent call last):
    crmkit.errors.InvalidRecord: Stage has no field 'propability'; there are 'label', 'category', 'probability', \
'rotting_days', 'forecast_category'; did you mean 'probability'?
    """
    if not isinstance(data, Mapping):
        raise InvalidRecord(f"{cls.__name__}: {type(data).__name__} is no record; give a mapping from field to value")
    known = {field.name: field for field in fields(cls)}
    for name in data:
        if name not in known:
            raise InvalidRecord(f"{cls.__name__} has no field {name!r}; {choices(str(name), known)}")
    for name, field in known.items():
        if field.required and name not in data:
            raise InvalidRecord(f"{cls.__name__}.{name}: it is missing, and there is no default")
    made: _V = _structure(cls)(data, cls)  # type: ignore[arg-type]  # mypy takes the hash of a class for its instances'
    return made


def instant_to_text(moment: datetime) -> str:
    """Return an instant in UTC as text of a fixed width, which sorts as time does.

    >>> from datetime import UTC
    >>> instant_to_text(datetime(2025, 1, 31, 12, tzinfo=UTC))
    '2025-01-31T12:00:00.000000Z'
    """
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def _instant(text: Any, _: Any) -> Any:
    return _parsed(datetime.fromisoformat, text)


def _day(text: Any, _: Any) -> Any:
    return _parsed(date.fromisoformat, text)


def _parsed(parse: Any, text: Any) -> Any:
    """The parsed text, or the text itself, which the record then refuses by the name of its field."""
    try:
        return parse(text)
    except (TypeError, ValueError, InvalidOperation):
        return text


def _decimal(text: Any, _: Any) -> Any:
    return _parsed(Decimal, text) if isinstance(text, str) else text


def _digits(number: Decimal) -> str:
    """A decimal as text, the same for equal ones: databases add zeros at the end, and some know -0."""
    text = format(number, "f")
    shortest = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if shortest == "-0" else shortest


def _money(plain: Any, _: Any) -> Any:
    return Money(**plain) if isinstance(plain, Mapping) and plain.keys() == {"amount", "currency"} else plain


def _value(plain: Any, kind: Any) -> Any:
    return from_plain(kind, plain) if isinstance(plain, Mapping) else plain


def _values(plain: Any, kind: Any) -> Any:
    (item,) = get_args(kind)
    return [from_plain(item, each) for each in plain] if item is not str and isinstance(plain, list | tuple) else plain


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _as_it_is(plain: Any, _: Any) -> Any:
    return plain


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False, unstruct_collection_overrides={AbstractSet: sorted})
    converter.register_structure_hook(datetime, _instant)
    converter.register_structure_hook(date, _day)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_structure_hook(Money, _money)
    converter.register_structure_hook_func(lambda kind: _origin(kind) is Sequence, _values)
    converter.register_structure_hook_func(lambda kind: isinstance(kind, type) and issubclass(kind, Value), _value)
    # Everything else is plain already, and the constructor of the record checks it.
    for kind in (str, int, float, bool):
        converter.register_structure_hook(kind, _as_it_is)
    converter.register_structure_hook_func(lambda kind: _origin(kind) in (Literal, Mapping, AbstractSet), _as_it_is)
    converter.register_unstructure_hook(datetime, instant_to_text)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_unstructure_hook(Decimal, _digits)
    converter.register_unstructure_hook(Money, lambda money: {"amount": str(money.amount), "currency": money.currency})
    return converter


_CONVERTER = _make_converter()


@cache
def _structure(cls: Any) -> Callable[[Mapping[str, Any], Any], Any]:
    """How a record of this class is made from fields that `from_plain` has checked to be there."""
    return make_dict_structure_fn(cls, _CONVERTER, _cattrs_detailed_validation=False)
