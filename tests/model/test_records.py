"""What every record has in common, built-in or declared by a vertical."""

import pickle
from collections.abc import Iterable, Iterator
from copy import copy, deepcopy
from datetime import UTC, date, datetime
from typing import Any
from unicodedata import is_normalized

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from crmkit.errors import InvalidRecord
from crmkit.model import RECORDS, Customer, Deal, Employee, FieldInfo, Record, Stage, Value, field, fields, record
from crmkit.model.shape import Shape
from crmkit.testing.strategies import records, simplest, texts
from tests.examples import few
from tests.model.vertical import Locker, Member, Visit

CLASSES: list[type[Value]] = [*RECORDS, Stage, Member, Visit, Locker]
RECORDS_OF = {cls: records(cls) for cls in CLASSES}
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)

PERSONAL: dict[str, Any] = {
    "text": "C4N4RY",
    "day": date(1987, 6, 5),
    "mapping": {"C4N4RY": "C4N4RY"},
    "texts": {"C4N4RY"},
}


def parts(value: object) -> Iterator[object]:
    """A value and everything inside it."""
    yield value
    inside: Iterable[object] = ()
    if isinstance(value, Value):
        inside = [getattr(value, field.name) for field in fields(type(value))]
    elif isinstance(value, dict):
        inside = [*value.keys(), *value.values()]
    elif isinstance(value, tuple | frozenset):
        inside = value
    for part in inside:
        yield from parts(part)


@every_class
@few
@given(data=st.data())
def test_a_record_is_equal_to_its_copies_and_hashes_like_them(cls: type[Value], data: st.DataObject) -> None:
    original = data.draw(RECORDS_OF[cls])

    for twin in (copy(original), deepcopy(original), pickle.loads(pickle.dumps(original)), original.replace()):
        assert twin == original
        assert type(twin) is cls
        assert hash(twin) == hash(original)


@every_class
@few
@given(data=st.data())
def test_what_a_record_holds_is_accepted_again_unchanged(cls: type[Value], data: st.DataObject) -> None:
    original = data.draw(RECORDS_OF[cls])

    assert cls(**{field.name: getattr(original, field.name) for field in fields(cls)}) == original


@every_class
@few
@given(data=st.data())
def test_everything_in_a_record_is_normalized_and_cannot_change(cls: type[Value], data: st.DataObject) -> None:
    for part in parts(data.draw(RECORDS_OF[cls])):
        hash(part)
        assert not isinstance(part, str) or is_normalized("NFC", part)
        assert not isinstance(part, datetime) or part.tzinfo is UTC


@every_class
@few
@given(data=st.data())
def test_replace_changes_the_named_field_alone(cls: type[Value], data: st.DataObject) -> None:
    original, other = data.draw(RECORDS_OF[cls]), data.draw(RECORDS_OF[cls])
    name = data.draw(st.sampled_from([field.name for field in fields(cls)]))

    try:
        changed = original.replace(**{name: getattr(other, name)})
    except InvalidRecord:
        reject()  # the value fits its field but not the others, as the score of another scale

    assert {field.name: getattr(changed, field.name) for field in fields(cls)} == {
        field.name: getattr(other if field.name == name else original, field.name) for field in fields(cls)
    }


def test_replace_checks_what_it_is_given() -> None:
    with pytest.raises(InvalidRecord, match=r"^Deal\.stage: "):
        simplest(Deal).replace(stage="")
    with pytest.raises(TypeError, match="stag"):
        simplest(Deal).replace(stag="Won")


@every_class
def test_a_record_cannot_be_changed(cls: type[Value]) -> None:
    some = simplest(cls)

    with pytest.raises(AttributeError):
        setattr(some, fields(cls)[0].name, "changed")
    with pytest.raises(AttributeError):
        some.unknown = "added"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        delattr(some, fields(cls)[0].name)


def _personal(known: FieldInfo) -> Any:
    if known.shape.kind == "values":
        assert known.shape.item is not None
        return (simplest(known.shape.item),)
    return PERSONAL[known.shape.kind]


@every_class
def test_personal_values_do_not_occur_in_repr(cls: type[Value]) -> None:
    given_ = {field.name: _personal(field) for field in fields(cls) if field.personal}
    some = simplest(cls, **given_)

    for text in (repr(some), str(some), f"{some}", repr([some])):
        assert "C4N4RY" not in text
        assert "1987" not in text
        assert text.count("<personal>") == len(given_)


def test_empty_personal_fields_are_shown_as_empty() -> None:
    assert "city=None" in repr(simplest(Customer))
    assert "custom={}" in repr(simplest(Customer))


def test_records_of_different_classes_are_never_equal() -> None:
    ann: object = simplest(Employee, id="ann", name="Ann")

    assert ann != simplest(Customer, id="ann", name="Ann")


def test_a_record_takes_its_fields_by_keyword_only() -> None:
    build: Any = Customer

    with pytest.raises(TypeError):
        build("ann", "person", "Ann")


def test_a_value_object_takes_its_fields_by_position_too() -> None:
    assert Stage("Trial", "open", 0.3) == Stage(label="Trial", category="open", probability=0.3)


def test_a_new_record_has_an_id_of_its_own_and_no_date_of_creation() -> None:
    first, second = simplest(Deal), simplest(Deal)

    assert first.id != second.id
    assert first.created_at is None


@given(texts())
def test_a_host_keeps_its_own_ids(id_: str) -> None:
    assert Employee(id=id_, name="Ann").id == Customer(id=id_, kind="person", name="Ann").id


def test_a_record_of_a_vertical_inherits_fields_metadata_and_checks() -> None:
    known = {field.name: field for field in fields(Member)}

    assert list(known)[:5] == ["id", "created_at", "external_ids", "tags", "custom"]
    assert known["birth_on"].title == "Date of birth"
    assert known["card"].title == "Card number"
    assert known["card"].category == "identity"
    assert known["card"].required
    assert known["name"].personal
    assert known["allergies"].shape == Shape("texts", item=str, is_set=True)
    assert {field.name: field for field in fields(Visit)}["member_id"].links == "Customer"


def test_a_record_of_a_vertical_is_a_record_of_its_base() -> None:
    member = Member(kind="person", name="Ann", card="0012")

    assert isinstance(member, Customer)
    assert "Ann" not in repr(member)
    assert member.replace(city="Łódź").card == "0012"


def test_a_vertical_names_its_own_class_in_errors() -> None:
    with pytest.raises(InvalidRecord, match=r"^Member\.kind: 'robot' is not accepted; give one of 'person', "):
        simplest(Member, kind="robot")
    with pytest.raises(InvalidRecord, match=r"^Locker\.room: "):
        simplest(Visit, lockers=[Locker(1, "north")])  # type: ignore[arg-type]


def test_a_vertical_may_narrow_a_field() -> None:
    @record
    class Order(Deal):
        name: str = field(personal=True)

    with pytest.raises(InvalidRecord, match=r"^Order\.name: "):
        simplest(Order, name=None)
    assert "C4N4RY" not in repr(simplest(Order, name="C4N4RY"))


def test_a_class_whose_annotation_has_no_shape_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"^Upload\.content: a field cannot be <class 'bytes'>"):

        @record
        class Upload(Record):
            content: bytes


def test_a_class_whose_field_has_no_annotation_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"Upload\.note"):

        @record
        class Upload(Record):
            note = field(default=None)


@every_class
def test_a_title_is_for_people(cls: type[Value]) -> None:
    for known in fields(cls):
        assert known.title[0].isupper()
        assert "_" not in known.title
        assert not known.title.endswith(" id")


def test_a_field_that_links_names_a_record_class() -> None:
    names = {cls.__name__ for cls in RECORDS}

    for cls in RECORDS:
        for known in fields(cls):
            assert known.links is None or known.links in names
            assert (known.links is not None) == (known.name.endswith(("_id", "_ids")) or known.name == "by") or (
                known.name in {"external_ids", "former_id", "loser_ids", "subject_id", "survivor_id", "visitor_id"}
            )


def test_a_record_class_comes_after_those_that_it_links_to() -> None:
    seen: set[str] = set()

    for cls in RECORDS:
        seen.add(cls.__name__)
        assert {known.links for known in fields(cls)} - {None} <= seen


def test_what_is_sensitive_is_personal_too() -> None:
    @record
    class Patient(Record):
        diagnosis: str | None = field(default=None, sensitive=True)
        ward: str | None = None

    told = {info.name: (info.sensitive, info.personal) for info in fields(Patient)}

    assert (told["diagnosis"], told["ward"]) == ((True, True), (False, False))
    assert "asthma" not in repr(Patient(diagnosis="asthma"))
