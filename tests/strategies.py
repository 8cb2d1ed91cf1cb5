"""Hypothesis strategies for records of every class, built from the shapes of their fields.

`records(Deal)` draws deals of every kind that the constructor accepts; `records(Deal, stage=st.just("Won"))` says what a
field is drawn from. `simplest(Deal)` is one deal with nothing but what is required.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from crmkit.model import Deal, Money, Pipeline, Stage, SurveyResponse, Value, fields
from crmkit.model.shape import DECIMAL_PLACES, Kind, Shape

V = TypeVar("V", bound=Value)

few = settings(max_examples=settings().max_examples // 6)
"""A sixth of the examples of the profile, for a law that is tried on many classes or by many methods."""

CURRENCIES = ("PLN", "THB", "USD", "JPY", "KWD", "CLF")
"""Their smallest units have two, two, two, no, three and four decimals."""

ZONES = (
    "UTC",
    "Asia/Bangkok",
    "Asia/Kathmandu",
    "Europe/Warsaw",
    "America/New_York",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Australia/Lord_Howe",
)
"""Ahead of and behind UTC, by odd minutes, with a missing day, with changes at midnight and by half an hour."""

_LARGEST = 2**63 - 1
_DIGITS, _PLACES = 28, st.integers(0, DECIMAL_PLACES)
_LONG_AGO, _FAR_AHEAD = datetime(1, 1, 2), datetime(9999, 12, 30)
_WORDS = (
    "Anna Kowalska",
    "Łódź",
    "Zoe\u0308",  # not in NFC
    "กรุงเทพฯ",
    "東京",
    "שלום",
    "क्षि",
    "👩‍👩‍👧",
    "a,b;\t'c' \"d\"\r\n e",
    " padded ",
    "null",
    "0012",
    "2025-01-31",
    "=1+1",
    "%_\\",
)


def texts() -> st.SearchStrategy[str]:
    """Text that is not blank, in any script and normal form."""
    anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
    return st.sampled_from(_WORDS) | anything.filter(lambda text: not text.isspace())


def instants(
    earliest: datetime = _LONG_AGO, latest: datetime = _FAR_AHEAD, zones: tuple[str, ...] = ZONES
) -> st.SearchStrategy[datetime]:
    """Aware datetimes between two naive ones, also the skipped and the repeated ones of zones whose clocks change."""
    known: list[tzinfo] = [UTC, timezone(timedelta(hours=5, minutes=45)), *map(ZoneInfo, zones)]
    moments = st.datetimes(earliest, latest, timezones=st.sampled_from(known))
    return st.builds(lambda moment, fold: moment.replace(fold=fold), moments, st.sampled_from([0, 1]))


def money(largest: int = _LARGEST, currencies: tuple[str, ...] = CURRENCIES) -> st.SearchStrategy[Money]:
    """Money of at most so many smallest units, also negative."""
    return st.builds(Money.from_minor_units, st.integers(-largest, largest), st.sampled_from(currencies))


def decimals() -> st.SearchStrategy[Decimal]:
    """Decimal numbers as large and as fine as a field holds."""
    digits = 10**_DIGITS - 1
    return st.builds(lambda units, places: Decimal(f"{units}E-{places}"), st.integers(-digits, digits), _PLACES)


def scalars() -> st.SearchStrategy[str | float | bool | None]:
    """Values of a field that is declared at run time."""
    return st.none() | st.booleans() | _integers() | _numbers() | texts()


def records(cls: type[V], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[V]:
    """Records, or value objects, of a class; `given` says what some fields are drawn from.

    Ids are always drawn, because `new_id` would make a failure impossible to repeat.
    """
    drawn = {field.name: _values(field.shape) for field in fields(cls)}
    always = {
        name: drawn.pop(name) for name in [field.name for field in fields(cls) if field.required or field.name == "id"]
    }
    parts = st.tuples(st.fixed_dictionaries(always, optional=drawn), _fitting(cls), st.fixed_dictionaries(given))
    return parts.map(lambda part: cls(**part[0] | part[1] | part[2]))


def simplest(cls: type[V], **given: Any) -> V:
    """One record of a class: what is required, and what is given."""
    scale = {"scale_low": 0, "scale_high": 10} if issubclass(cls, SurveyResponse) else {}
    required = {field.name: _simplest(field.shape) for field in fields(cls) if field.required}
    return cls(**required | scale | given)


def _simplest(shape: Shape) -> Any:
    if shape.kind == "choice":
        return shape.choices[0]
    return simplest(_item(shape)) if shape.kind == "value" else _SIMPLEST[shape.kind]


_SIMPLEST: dict[Kind, Any] = {
    "text": "x",
    "integer": 1,
    "number": 1.0,
    "decimal": Decimal(1),
    "flag": False,
    "instant": datetime(2025, 1, 31, 12, tzinfo=UTC),
    "day": date(2025, 1, 31),
    "money": Money(1, "PLN"),
    "texts": (),
    "values": (Stage("New", "open"),),
    "mapping": {},
}


def _integers() -> st.SearchStrategy[int]:
    return st.integers(-_LARGEST - 1, _LARGEST)


def _numbers() -> st.SearchStrategy[float]:
    return st.floats(allow_nan=False, allow_infinity=False)


def _values(shape: Shape) -> st.SearchStrategy[Any]:
    drawn = _OF_KIND[shape.kind](shape)
    return st.none() | drawn if shape.optional else drawn


def _text_collections(shape: Shape) -> st.SearchStrategy[Any]:
    return st.frozensets(texts(), max_size=3) if shape.is_set else st.lists(texts(), max_size=3)


def _item(shape: Shape) -> type[Any]:
    assert shape.item is not None
    return shape.item


_OF_KIND: dict[Kind, Callable[[Shape], st.SearchStrategy[Any]]] = {
    "text": lambda _: texts(),
    "choice": lambda shape: st.sampled_from(shape.choices),
    "integer": lambda _: _integers(),
    "number": lambda _: _numbers(),
    "decimal": lambda _: decimals(),
    "flag": lambda _: st.booleans(),
    "instant": lambda _: instants(),
    "day": lambda _: st.dates(),
    "money": lambda _: money(),
    "texts": _text_collections,
    "value": lambda shape: records(_item(shape)),
    "values": lambda shape: st.lists(records(_item(shape)), max_size=3),
    "mapping": lambda _: st.dictionaries(texts(), scalars(), max_size=3),
}


def _fitting(cls: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Fields that must fit together, or hold less than their shape says."""
    if issubclass(cls, Stage | Deal):
        return st.fixed_dictionaries({"probability": st.none() | st.floats(0, 1)})
    if issubclass(cls, Pipeline):
        stages = st.lists(records(Stage), min_size=1, max_size=5, unique_by=lambda stage: stage.label)
        return st.fixed_dictionaries({"stages": stages})
    if issubclass(cls, SurveyResponse):
        scale = st.lists(_integers(), min_size=3, max_size=3, unique=True).map(sorted)
        return st.builds(_scored, scale, answered=st.booleans())
    return st.just({})


def _scored(scale: list[int], *, answered: bool) -> dict[str, Any]:
    low, score, high = scale
    return {"scale_low": low, "scale_high": high, "score": score if answered else None}
