"""What an annotation means, what a field refuses, and the one form in which it keeps what it accepts."""

import pickle
import typing
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy, deepcopy
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Optional
from unicodedata import normalize
from zoneinfo import ZoneInfo

import attrs
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmkit.errors import InvalidRecord
from crmkit.model import RECORDS, Customer, Deal, FieldInfo, Money, Stage, Target, Value, fields
from crmkit.model.shape import FrozenDict, Kind, Scalar, Shape, shape_of
from crmkit.testing.strategies import decimals, instants, scalars, simplest, texts
from tests.model.vertical import Locker, Member, Visit

FIELDS = [(cls, field) for cls in (*RECORDS, Stage, Member, Visit) for field in fields(cls)]
NAMES = [f"{cls.__name__}.{field.name}" for cls, field in FIELDS]
WARSAW = ZoneInfo("Europe/Warsaw")


@attrs.define
class Loose:
    """A class that nobody declared as a value: it can be changed, so no record may hold it."""

    note: str = ""


WRONG: dict[Kind, list[object]] = {
    "text": ["", " \t\n", "\u3000", "a\0b", "\ud800", b"text", 7, ["text"], date(2025, 1, 31)],
    "choice": ["", "no such word", 7, ["open"], b"open"],
    "integer": ["7", 7.0, True, Decimal(7), 2**63, -(2**63) - 1],
    "number": ["7", True, Decimal(7), float("nan"), float("inf"), -float("inf"), 7j],
    "decimal": [
        "7",
        7.0,
        True,
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("0.00000000001"),
        Decimal("1E+28"),
        10**28,
    ],
    "flag": [0, 1, "True", "yes"],
    "instant": [datetime(2025, 1, 31, 12), date(2025, 1, 31), "2025-01-31T12:00Z", 1738324800, 1738324800.0],
    "day": ["2025-01-31", datetime(2025, 1, 31, tzinfo=UTC), datetime(2025, 1, 31), 20250131],
    "money": [490, 490.0, Decimal(490), "490 PLN", ("490", "PLN")],
    "texts": ["text", b"text", {"text": 1}, [7], [""], [None], 7, iter(["text"])],
    "value": [7, {"number": 7}, [Locker(7)], Stage("New", "open")],
    "values": [[7], [None], 7, {"label": "New"}, iter([])],
    "mapping": ["text", 7, [("key", 1)], {7: 1}, {"": 1}, {"key": float("nan")}, {"key": []}, {"key": Decimal(1)}],
}


@pytest.mark.parametrize(("cls", "field"), FIELDS, ids=NAMES)
def test_a_field_refuses_what_it_cannot_hold_by_name(cls: type[Value], field: FieldInfo) -> None:
    for wrong in [*WRONG[field.shape.kind], *([] if field.shape.optional else [None]), object()]:
        with pytest.raises(InvalidRecord, match=rf"^{cls.__name__}\.{field.name}: .* is not accepted; give "):
            simplest(cls, **{field.name: wrong})


class Canary:
    """What must never be seen outside."""

    def __repr__(self) -> str:
        return "C4N4RY"


@pytest.mark.parametrize(("cls", "field"), FIELDS, ids=NAMES)
def test_what_is_refused_is_shown_unless_it_is_personal(cls: type[Value], field: FieldInfo) -> None:
    for wrong in (Canary(), [Canary()], {"C4N4RY": Canary()}):
        with pytest.raises(InvalidRecord) as refused:
            simplest(cls, **{field.name: wrong})

        assert ("C4N4RY" in str(refused.value)) is not field.personal


@pytest.mark.parametrize(
    ("cls", "field"), [pair for pair in FIELDS if pair[1].shape.optional and pair[0] is not Target]
)
def test_an_optional_field_may_be_empty(cls: type[Value], field: FieldInfo) -> None:
    assert getattr(simplest(cls, **{field.name: None}), field.name) is None


def test_a_number_beyond_all_floats_is_refused() -> None:
    with pytest.raises(InvalidRecord, match=r"^Deal\.probability: "):
        simplest(Deal, probability=10**400)


def test_the_missing_instant_of_pandas_is_refused() -> None:
    with pytest.raises(InvalidRecord, match=r"^Deal\.closed_at: "):
        simplest(Deal, closed_at=pd.NaT)


def test_a_list_of_texts_is_not_taken_from_a_set_because_a_set_has_no_order() -> None:
    with pytest.raises(InvalidRecord, match=r"^Deal\.product_ids: "):
        simplest(Deal, product_ids={"tea", "milk"})


def test_a_list_of_values_is_not_taken_from_text() -> None:
    with pytest.raises(InvalidRecord, match=r"^Visit\.lockers: "):
        simplest(Visit, lockers="")


@given(decimals())
@example(Decimal("9" * 28 + ".9999999999"))
@example(Decimal("-1E-10"))
def test_a_decimal_is_kept_exactly(number: Decimal) -> None:
    assert simplest(Visit, weight=number).weight == number


@given(texts())
def test_text_is_kept_in_nfc(text: str) -> None:
    assert simplest(Customer, name=text).name == normalize("NFC", text)


@given(texts(), texts())
@example("Zoe\u0308", "Zoe\u0308")
def test_text_inside_a_mapping_is_kept_in_nfc(key: str, text: str) -> None:
    assert simplest(Customer, custom={key: text}).custom == {normalize("NFC", key): normalize("NFC", text)}


@pytest.mark.parametrize("value", ["\ud800", 2**63, -(2**63) - 1])
def test_a_mapping_refuses_what_a_field_of_its_own_would_refuse(value: object) -> None:
    with pytest.raises(InvalidRecord, match=r"^Customer\.custom: "):
        simplest(Customer, custom={"key": value})


def test_texts_are_kept_in_nfc() -> None:
    assert simplest(Customer, tags=["Zoe\u0308"]).tags == {"Zoë"}


class _Color(StrEnum):
    RED = "red"


def test_a_subclass_of_text_is_kept_as_plain_text() -> None:
    assert type(simplest(Customer, name=_Color.RED).name) is str


def test_a_subclass_of_text_is_a_plain_choice() -> None:
    kind = StrEnum("kind", {"PERSON": "person"})

    assert type(simplest(Customer, kind=kind("person")).kind) is str


@given(instants())
def test_an_instant_is_kept_in_utc_and_is_the_one_given(moment: datetime) -> None:
    kept = simplest(Deal, closed_at=moment).closed_at

    assert kept is not None
    assert kept.tzinfo is UTC
    assert type(kept) is datetime
    assert kept == moment.astimezone(UTC)
    assert kept.fold == 0 or moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        (datetime(2025, 3, 30, 2, 30, tzinfo=WARSAW), datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),
        (datetime(2025, 3, 30, 2, 30, fold=1, tzinfo=WARSAW), datetime(2025, 3, 30, 0, 30, tzinfo=UTC)),
        (datetime(2025, 10, 26, 2, 30, tzinfo=WARSAW), datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        (datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=WARSAW), datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        (datetime(2025, 1, 31, 12, tzinfo=timezone(timedelta(hours=-3))), datetime(2025, 1, 31, 15, tzinfo=UTC)),
        (pd.Timestamp("2025-01-31 12:00", tz="Asia/Bangkok"), datetime(2025, 1, 31, 5, tzinfo=UTC)),
    ],
    ids=["skipped", "skipped, fold", "repeated, first", "repeated, second", "fixed offset", "pandas"],
)
def test_an_instant_of_a_skipped_or_repeated_hour_means_one_moment(moment: datetime, utc: datetime) -> None:
    assert simplest(Deal, closed_at=moment).closed_at == utc


@pytest.mark.parametrize("end", [datetime.min, datetime.max])
def test_an_instant_outside_the_calendar_in_utc_is_refused(end: datetime) -> None:
    ahead = timedelta(hours=14 if end == datetime.min else -14)

    with pytest.raises(InvalidRecord, match=r"^Deal\.closed_at: .* between the years 1 and 9999"):
        simplest(Deal, closed_at=end.replace(tzinfo=timezone(ahead)))


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        (str, Shape("text")),
        (int, Shape("integer")),
        (float, Shape("number")),
        (Decimal, Shape("decimal")),
        (bool, Shape("flag")),
        (datetime, Shape("instant")),
        (date, Shape("day")),
        (Money, Shape("money")),
        (Literal["a", "b"], Shape("choice", choices=("a", "b"))),
        (AbstractSet[str], Shape("texts", item=str, is_set=True)),
        (Sequence[str], Shape("texts", item=str)),
        (Locker, Shape("value", item=Locker)),
        (Locker | None, Shape("value", optional=True, item=Locker)),
        (Sequence[Locker], Shape("values", item=Locker)),
        (Mapping[str, Scalar], Shape("mapping")),
        (date | None, Shape("day", optional=True)),
        (Optional[date], Shape("day", optional=True)),  # noqa: UP045 - as older code has it
        (Sequence[str] | None, Shape("texts", optional=True, item=str)),
        (Literal["a"] | None, Shape("choice", optional=True, choices=("a",))),
    ],
    ids=str,
)
def test_an_annotation_has_a_shape(annotation: object, shape: Shape) -> None:
    assert shape_of(annotation, "Visit.note") == shape


@pytest.mark.parametrize(
    "annotation",
    [
        bytes,
        object,
        None,
        Any,
        str | int,
        str | int | None,
        list[str],
        set[str],
        dict[str, str],
        Sequence,
        Sequence[int],
        Sequence[datetime],
        AbstractSet[int],
        Customer,
        Sequence[Customer],
        Loose,
        Sequence[Loose],
        timedelta,
        Literal[1, 2],
        Literal["a", None],  # noqa: PYI061 - as older code has it
        Mapping[int, date],
        typing.Sequence,
    ],
    ids=str,
)
def test_an_annotation_without_a_shape_is_refused_by_name(annotation: object) -> None:
    with pytest.raises(TypeError, match=r"^Visit\.note: a field cannot be .*; give str, int, "):
        shape_of(annotation, "Visit.note")


FROZEN = FrozenDict({"a": 1, "b": None})
MUTATIONS: list[Callable[[Any], object]] = [
    lambda mapping: mapping.__setitem__("a", 2),
    lambda mapping: mapping.__delitem__("a"),
    lambda mapping: mapping.__ior__({"a": 2}),
    lambda mapping: mapping.update(a=2),
    lambda mapping: mapping.update({"a": 2}),
    lambda mapping: mapping.setdefault("c", 2),
    lambda mapping: mapping.pop("a"),
    lambda mapping: mapping.pop("missing", None),
    lambda mapping: mapping.popitem(),
    lambda mapping: mapping.clear(),
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_mapping_of_a_record_cannot_be_changed(mutate: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="cannot be changed; use record.replace"):
        mutate(FROZEN)

    assert FROZEN == {"a": 1, "b": None}


def test_every_way_in_which_a_dict_changes_is_tried_above() -> None:
    reading = {"copy", "fromkeys", "get", "items", "keys", "values"}
    changing = {name for name in vars(dict) if not name.startswith("_")} - reading

    assert all(getattr(FrozenDict, name) is not getattr(dict, name) for name in changing)


def test_a_record_keeps_a_copy_of_a_mapping() -> None:
    given_ = {"level": "gold"}
    customer = simplest(Customer, custom=given_)
    given_["level"] = "lead"

    assert customer.custom == {"level": "gold"}


@given(st.dictionaries(texts(), scalars()))
def test_frozen_mappings_equal_dicts_and_hash_alike_in_any_order(mapping: dict[str, Any]) -> None:
    frozen, backwards = FrozenDict(mapping), FrozenDict(dict(reversed(mapping.items())))

    assert frozen == mapping == backwards
    assert hash(frozen) == hash(backwards)


@pytest.mark.parametrize("duplicate", [copy, deepcopy, lambda mapping: pickle.loads(pickle.dumps(mapping))])
def test_a_copy_of_a_frozen_mapping_is_frozen(duplicate: Callable[[FrozenDict], FrozenDict]) -> None:
    assert duplicate(FROZEN) == FROZEN
    assert type(duplicate(FROZEN)) is FrozenDict


def test_a_frozen_mapping_joined_with_another_is_an_ordinary_one() -> None:
    assert FROZEN | {"a": 2} == {"a": 2, "b": None}
    assert FROZEN == {"a": 1, "b": None}
