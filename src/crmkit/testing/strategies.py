"""Hypothesis strategies for records of every class, built from the shapes of their fields. They need the extra `testing`.

`records(Deal)` draws deals of every kind that the constructor accepts; `records(Deal, stage=st.just("Won"))` says what a
field is drawn from. `simplest(Deal)` is one deal with nothing but what is required. `companies()` draws whole consistent
histories. A vertical's own classes are drawn in the same way.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from crmkit.errors import MissingExtra
from crmkit.model import (
    BusinessCalendar,
    Cost,
    Customer,
    CustomField,
    Deal,
    DealContact,
    Hours,
    Line,
    Money,
    Order,
    Package,
    Payment,
    Pipeline,
    PointsEntry,
    Preference,
    ServiceLevel,
    ServiceTarget,
    SpecialDay,
    Stage,
    Subscription,
    Survey,
    SurveyResponse,
    Target,
    TimeRange,
    Usage,
    Value,
    fields,
)
from crmkit.model.contact_point import ContactPoint
from crmkit.model.shape import DECIMAL_PLACES, Kind, Shape
from crmkit.sample import Company, company

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    raise MissingExtra("crmkit.testing.strategies needs Hypothesis: pip install 'crmkit[testing]'") from error

V = TypeVar("V", bound=Value)

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
# Naive, because Hypothesis draws the time zone apart.
_LONG_AGO, _FAR_AHEAD = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001
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


def shares() -> st.SearchStrategy[Decimal]:
    """Exact shares from 0 to 1."""
    return st.decimals(0, 1, places=4)


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


def companies(customers: int = 5) -> st.SearchStrategy[Company]:
    """Sample companies: a year of consistent history with every move of its deals and tickets, each from another seed."""
    return st.builds(company, seed=st.integers(0, 2**32), customers=st.integers(1, customers))


def simplest(cls: type[V], **given: Any) -> V:
    """One record of a class: what is required, and what is given."""
    required = {field.name: _simplest(field.shape) for field in fields(cls) if field.required}
    fitting = next((fixed for known, fixed in _FITTING_SIMPLY.items() if issubclass(cls, known)), {})
    return cls(**required | fitting | given)


def _simplest(shape: Shape) -> Any:
    if shape.kind == "choice":
        return shape.choices[0]
    return simplest(_item(shape)) if shape.kind == "value" else _SIMPLEST[shape.kind]


_SCALE = {"scale_low": 0, "scale_high": 10}
_FITTING_SIMPLY: dict[type[Any], dict[str, Any]] = {
    Survey: _SCALE,
    SurveyResponse: _SCALE,
    Target: {"starts_on": date(2025, 1, 1), "ends_on": date(2025, 4, 1), "count": 1},
}
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
    for known, make in _FITTING.items():
        if issubclass(cls, known):
            return make()
    return st.just({})


def _together(**drawn: st.SearchStrategy[Any]) -> Callable[[], st.SearchStrategy[dict[str, Any]]]:
    return lambda: st.fixed_dictionaries(drawn)


def _scored(scale: list[int], *, answered: bool) -> dict[str, Any]:
    low, score, high = scale
    return {"scale_low": low, "scale_high": high, "score": score if answered else None}


def _primary_first(drawn: list[Any]) -> list[Any]:
    """At most the first is primary."""
    return drawn[:1] + [each.replace(is_primary=False) for each in drawn[1:]]


def _contact_points() -> st.SearchStrategy[list[ContactPoint]]:
    """At most one of a kind is primary."""
    return st.lists(
        records(ContactPoint), max_size=3, unique_by=lambda point: (point.kind, point.is_primary or point.value)
    )


def _bounded(bounds: list[float | None]) -> dict[str, Any]:
    low, high = bounds if None in bounds else sorted(bounds)  # type: ignore[type-var]
    return {"low": low, "high": high}


def _refund(order_id: str, amount: Money) -> dict[str, Any]:
    return {"refund_of_id": order_id, "amount": -amount if amount.amount > 0 else amount}


def _aim(days: set[date], who: str | None, of: str, amount: Money, count: int) -> dict[str, Any]:
    starts_on, ends_on = sorted(days)
    aim = {"amount": amount, "count": None} if of == "amount" else {"amount": None, "count": count}
    owner = {"owner_id": None, "team": None} | ({who: "ann"} if who else {})
    return {"starts_on": starts_on, "ends_on": ends_on, **owner, **aim}


def _range(minutes: list[int]) -> dict[str, Any]:
    opens, closes = (f"{minute // 60:02}:{minute % 60:02}" for minute in sorted(minutes))
    return {"opens": opens, "closes": closes}


def _ranges() -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.integers(0, 24 * 60), min_size=2, max_size=2, unique=True).map(_range)


_COUNTS = st.integers(1, 1000)
_MINUTES = st.none() | _COUNTS
_PROBABILITY = st.none() | st.floats(0, 1)
_FITTING: dict[type[Any], Callable[[], st.SearchStrategy[dict[str, Any]]]] = {
    Stage: _together(probability=_PROBABILITY),
    Deal: lambda: st.fixed_dictionaries(
        {
            "probability": _PROBABILITY,
            "contacts": st.lists(records(DealContact), max_size=3).map(_primary_first),
        }
    ),
    Line: _together(discount_share=shares()),
    Order: lambda: _together(refund_of_id=st.none())() | st.builds(_refund, texts(), money()),
    Target: lambda: st.builds(
        _aim,
        st.sets(st.dates(), min_size=2, max_size=2),
        st.sampled_from([None, "owner_id", "team"]),
        st.sampled_from(["amount", "count"]),
        money(),
        _COUNTS,
    ),
    CustomField: _together(
        name=st.from_regex("[a-z][a-z0-9_]{0,47}", fullmatch=True),
        kind=st.sampled_from(["text", "number"]),
        choices=st.just(()),
    ),
    Customer: lambda: st.fixed_dictionaries({"contact_points": _contact_points()}),
    Preference: lambda: st.lists(st.none() | _numbers(), min_size=2, max_size=2).map(_bounded),
    Pipeline: lambda: st.fixed_dictionaries(
        {"stages": st.lists(records(Stage), min_size=1, max_size=5, unique_by=lambda stage: stage.label)}
    ),
    SurveyResponse: lambda: st.builds(
        _scored, st.lists(_integers(), min_size=3, max_size=3, unique=True).map(sorted), answered=st.booleans()
    ),
    Survey: _together(scale_low=st.just(0), scale_high=st.integers(1, 100)),
    Subscription: _together(billing_months=st.integers(1, 24), term_months=st.none() | st.integers(1, 24)),
    Package: _together(units=st.integers(0, 100), bonus_units=st.integers(0, 100)),
    Usage: _together(units=st.integers(1, 100)),
    Payment: _together(refunded=st.none()),
    PointsEntry: _together(kind=st.just("adjusted")),
    Cost: _together(allocation_share=shares(), starts_on=st.none(), ends_on=st.none()),
    TimeRange: _ranges,
    Hours: lambda: st.builds(lambda day, hours: {"weekday": day, **hours}, st.integers(0, 6), _ranges()),
    SpecialDay: lambda: st.fixed_dictionaries({"hours": st.lists(records(TimeRange), max_size=1)}),
    BusinessCalendar: lambda: st.fixed_dictionaries(
        {
            "hours": st.lists(records(Hours), max_size=5, unique_by=lambda hours: hours.weekday),
            "special_days": st.lists(records(SpecialDay), max_size=3, unique_by=lambda special: special.on),
        }
    ),
    ServiceTarget: _together(
        first_response_minutes=_MINUTES, next_response_minutes=_MINUTES, resolution_minutes=_MINUTES
    ),
    ServiceLevel: lambda: st.fixed_dictionaries(
        {"targets": st.lists(records(ServiceTarget), max_size=4, unique_by=lambda target: target.priority)}
    ),
}
