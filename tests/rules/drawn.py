"""What the laws about rules are tried on: records with odd values, and rules that come close to them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

from hypothesis import strategies as st

from crmkit.model import Customer, CustomField, Record
from crmkit.model.custom_field import CustomKind, with_custom
from crmkit.model.shape import Shape
from crmkit.rules import AllOf, AnyOf, Comparison, Days, Not, Operator, Relative, Rule, columns
from crmkit.rules.check import OPERATORS
from crmkit.rules.columns import Column
from crmkit.rules.relative import Unit
from crmkit.testing import strategies
from crmkit.testing.strategies import records, scalars, texts
from tests.model.vertical import Visit

SYSTEMS = ("shop", 'the "old" one\'s \\ $.a', "Łódź", "a.b", "a", "[0]", "%")
"""Names of other systems, some of which need care in a database."""

NEARLY_WRITTEN = (
    "2025-02-29",
    "2024-02-29",
    "1900-02-29",
    "2000-02-29",
    "2025-04-31",
    "2025-13-01",
    "0000-01-01",
    "0001-01-01",
    "20250131",
    "2025-W05-5",
    "2025-01-31 ",
    "2025-01-31T12:00:00.000000Z",
    "2025-01-31T24:00:00.000000Z",
    "2025-02-30T12:00:00.000000Z",
    "2025-01-31T12:00:60.000000Z",
    "2025-01-31T12:00:00Z",
    "2025-01-31T12:00:00.000000+00:00",
    "2025-01-31T12:00:00.000000Z\n",
    "0000-01-31T12:00:00.000000Z",
    "38.5",
    "38.50",
    "38.",
    ".5",
    "-0",
    "-0.5",
    "+1",
    "1e3",
    "0038",
    "--1",
    "3-8",
    "1.2.3",
    "1_000",
    " 1",
    "NaN",
    "Infinity",
    "٣٨",
    "9" * 28 + "." + "9" * 10,
    "9" * 29,
    "0." + "9" * 11,
    "a",
    "b",
    "true",
)
"""Texts that are nearly those that `with_custom` writes, and some that are."""

DAY_ZONES = ("UTC", "Asia/Bangkok", "America/New_York", "America/Sao_Paulo", "Pacific/Apia")
_FIRST, _LAST = date(2, 1, 3), date(9996, 12, 30)

_PIECES = ("%", "_", "\\", "\\%", "\\_", "\\\\", "*", "?", "[", "]", "[a]", "^", "%%", "a", "ł", "👩")
_TEXT_OPERATORS = ("contains", "starts_with", "ends_with", "like")


def declared_for(cls: type[Record]) -> tuple[CustomField, ...]:
    """A field of each kind that can be declared at run time."""
    return tuple(
        CustomField(subject=cls.__name__, name=f"a_{kind}", kind=kind, choices=("a", "b") if kind == "choice" else ())
        for kind in get_args(CustomKind)
    )


def odd_records(cls: type[Record], declared: Sequence[CustomField]) -> st.SearchStrategy[Any]:
    """Records whose `custom` and `external_ids` hold what was declared, and what was not."""
    held = {each.name: _held(each) for each in declared}
    ids = st.dictionaries(st.sampled_from(SYSTEMS), texts() | scalars(), max_size=3)
    return records(cls, custom=st.fixed_dictionaries({}, optional=held), external_ids=ids)


def _held(declared: CustomField) -> st.SearchStrategy[Any]:
    ann = Customer(id="ann", kind="person", name="Ann")
    kept = declared.replace(subject="Customer")
    written = strategies._values(Shape(declared.kind, choices=tuple(declared.choices)))
    as_written = written.map(lambda value: with_custom(ann, [kept], **{kept.name: value}).custom[kept.name])
    return as_written | st.sampled_from(NEARLY_WRITTEN) | scalars()


def rules_about(
    cls: type[Record], declared: Sequence[CustomField] = (), held: Sequence[Record] = ()
) -> st.SearchStrategy[Rule]:
    """Rules that fit a class, many of which hold for some of these records and not for others."""
    known = columns(cls, declared)
    paths = [*known.named, *(f"external_ids.{system}" for system in SYSTEMS)]
    compared = st.sampled_from(paths).flatmap(lambda path: _comparisons(known[path], held))
    return st.recursive(compared, _joined, max_leaves=5)


def _joined(parts: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    several = st.lists(parts, max_size=3)
    return several.map(AllOf) | several.map(AnyOf) | parts.map(Not)


def _comparisons(column: Column, held: Sequence[Record]) -> st.SearchStrategy[Rule]:
    operators = st.sampled_from(OPERATORS[column.shape.kind])
    return operators.flatmap(lambda operator: _comparison(column, operator, held))


def _comparison(column: Column, operator: Operator, held: Sequence[Record]) -> st.SearchStrategy[Rule]:
    return _operands(column, operator, held).map(lambda operand: Comparison(column.path, operator, operand))


def _operands(column: Column, operator: Operator, held: Sequence[Record]) -> st.SearchStrategy[Any]:
    found = [value for record in held if (value := column.get(record)) is not None]
    if operator == "empty":
        return st.none()
    if operator == "has":
        return texts() | _one_of([text for value in found for text in value])
    if operator in _TEXT_OPERATORS:
        return st.lists(_one_of(_PIECES) | _one_of(found).flatmap(_piece), min_size=1, max_size=3).map("".join)
    if operator == "anniversary":
        return days(found, longest=366)
    values = _one_of(found) | strategies._values(column.shape).filter(lambda value: value is not None)
    if operator == "in":
        return st.lists(values, max_size=3)
    return values | days(found) if column.shape.kind in ("instant", "day") else values


def days(near: Sequence[Any] = (), longest: int = 40) -> st.SearchStrategy[Days]:
    """Some days, often around a day or an instant, in a zone."""
    near = [max(_FIRST, min(_LAST, each.date() if isinstance(each, datetime) else each)) for each in near]
    starts = _one_of(near).map(lambda day: day - timedelta(days=1)) | _one_of(near) | st.dates(_FIRST, _LAST)
    return st.builds(
        lambda start, n, tz: Days(start, start + timedelta(days=n), tz),
        starts,
        st.integers(1, 3) | st.integers(1, longest),
        st.sampled_from(DAY_ZONES),
    )


def relative_times() -> st.SearchStrategy[Relative]:
    """Periods near the present one."""
    units = st.sampled_from(get_args(Unit))
    return st.builds(
        lambda unit, first, n: Relative(unit, first, first + n), units, st.integers(-90, 50), st.integers(0, 3)
    )


def _one_of(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values) if values else st.nothing()


def _piece(text: str) -> st.SearchStrategy[str]:
    places = st.integers(0, len(text))
    return st.builds(lambda low, high: text[min(low, high) : max(low, high)] or "%", places, places)


OF_VISITS = declared_for(Visit)
AT = datetime(2025, 1, 31, 12, tzinfo=UTC)
