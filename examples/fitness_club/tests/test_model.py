"""The club's records and the moves of bookings."""

from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidRecord, InvalidTransition
from crmkit.model import Record, fields
from crmkit.testing import strategies
from fitness_club.booking import attend, cancel, miss
from fitness_club.club import Club
from fitness_club.model import RECORDS, ClassBooking, ClassSession, EmergencyContact, Member, about

NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)
BOOKED = ClassBooking(id="b", customer_id="ann", session_id="yoga", starts_at=NOON)


FEW = st.integers(1, 50)
FITTING: dict[type[Record], dict[str, st.SearchStrategy[int]]] = {ClassSession: {"capacity": FEW, "minutes": FEW}}
"""What the fields of a class are drawn from where its own check asks for more than their shape."""


class _UndoError(Exception):
    """Ends a unit of work so that nothing of it is kept."""


@pytest.mark.parametrize("cls", RECORDS)
def test_any_record_comes_back_from_a_store_as_it_was(cls: type[Record]) -> None:
    with closing(Club.at("sqlite://")) as club:

        @settings(max_examples=10)
        @given(strategies.records(cls, **FITTING.get(cls, {})))
        def comes_back(record: Record) -> None:
            with suppress(_UndoError), club.transaction():
                club.load([record])
                assert club[cls].get(record.id) == record
                raise _UndoError

        comes_back()


def test_a_place_is_given_back_for_nothing_until_twelve_hours_before_the_class() -> None:
    last = NOON - timedelta(hours=12)

    assert cancel(BOOKED, at=last)[0].category == "cancelled"
    assert cancel(BOOKED, at=last + timedelta(microseconds=1))[0].category == "cancelled_late"


def test_a_move_says_it_in_the_words_of_the_club_and_leaves_a_transition() -> None:
    missed, move = miss(BOOKED, at=NOON, by="eva")

    assert (missed.status, missed.category) == ("Did not come", "no_show")
    assert (move.subject, move.subject_id, move.before, move.after) == (
        "ClassBooking",
        "b",
        "Has a place",
        "Did not come",
    )
    assert (move.category_before, move.category_after, move.by, move.at) == ("booked", "no_show", "eva", NOON)


@pytest.mark.parametrize("move", [attend, miss, cancel])
def test_what_became_of_a_booking_stays(move: object) -> None:
    there, _ = attend(BOOKED, at=NOON)

    with pytest.raises(InvalidTransition, match="booking 'b' is attended already; possible from here: nothing"):
        move(there, at=NOON)  # type: ignore[operator]


def test_a_class_without_places_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="0 places for 60 minutes are no class; give at least 1 of each"):
        ClassSession(name="Yoga", starts_at=NOON, capacity=0)


def test_the_front_desk_sees_nothing_sensitive_and_logs_nothing_personal() -> None:
    contact = EmergencyContact("Jan", "+48 502 345 678")
    ann = Member(kind="person", name="Ann", birth_on=date(1990, 5, 3), health_notes="asthma", emergency_contact=contact)

    assert about(ann, today=date(2025, 5, 2))["age"] == 34
    assert about(ann.replace(birth_on=None), today=date(2025, 5, 2))["age"] is None
    assert "asthma" not in str(about(ann, today=date(2025, 5, 2)))
    assert all(word not in repr(ann) for word in ("Ann", "asthma", "Jan", "502"))
    assert [info.name for info in fields(Member) if info.sensitive] == ["health_notes"]
