"""What two sides agree on, field by field and about a consent."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.sync.agreement import Said, Side, agree, agree_on_consent, base_of, digest
from crmkit.io.sync.remote import Plain

VALUES = st.sampled_from([None, "a", "b", 1, True, 0.5])
DAY = datetime(2025, 3, 1, tzinfo=UTC)
LATER = DAY + timedelta(days=1)


def expected(before: Plain, ours: Plain, theirs: Plain, direction: str, side: Side) -> Plain:
    """What a field becomes of which both sides had the same before."""
    if direction != "both":
        return ours if direction == "out" else theirs
    if digest(theirs) == digest(before):
        return ours
    if digest(ours) == digest(before):
        return theirs
    return ours if side == "ours" else theirs


@given(
    before=VALUES,
    ours=VALUES,
    theirs=VALUES,
    direction=st.sampled_from(["in", "out", "both"]),
    side=st.sampled_from(["ours", "theirs"]),
)
def test_a_field_becomes_what_the_side_says_that_changed_it(
    before: Plain, ours: Plain, theirs: Plain, direction: Literal["in", "out", "both"], side: Side
) -> None:
    base = base_of(["x"], {"x": before}, {"x": before})
    found = agree({"x": direction}, base, {"x": ours}, {"x": theirs}, lambda _: side)
    wanted = expected(before, ours, theirs, direction, side)
    if ours == theirs:
        wanted = ours
    assert found.taken.get("x", ours) == wanted
    assert found.sent.get("x", theirs) == wanted


@given(ours=VALUES, theirs=VALUES, direction=st.sampled_from(["in", "out", "both"]))
def test_at_the_first_meeting_nothing_is_lost_to_an_empty_field(
    ours: Plain, theirs: Plain, direction: Literal["in", "out", "both"]
) -> None:
    found = agree({"x": direction}, {}, {"x": ours}, {"x": theirs}, lambda _: "ours")
    assert None not in [*found.taken.values(), *found.sent.values()]
    assert bool(found.conflicts) == (direction == "both" and None not in (ours, theirs) and ours != theirs)


def test_a_value_that_the_other_system_writes_in_its_own_way_is_no_change() -> None:
    base = base_of(["x"], {"x": "Ann "}, {"x": "Ann"})
    found = agree({"x": "both"}, base, {"x": "Ann "}, {"x": "Ann"}, lambda _: pytest.fail("nobody changed it"))
    assert (found.taken, found.sent) == ({}, {})


def test_what_is_written_is_not_in_a_repr() -> None:
    assert "Ann" not in repr(agree({"x": "both"}, {}, {"x": "Ann"}, {}, lambda _: "ours"))


IN, IN_LATER = Said("granted", DAY), Said("granted", LATER)
OUT, OUT_LATER = Said("withdrawn", DAY), Said("withdrawn", LATER)
NOTHING, UNDATED_IN, UNDATED_OUT = Said(), Said("granted"), Said("withdrawn")


@pytest.mark.parametrize(
    ("before", "one", "other", "both"),
    [
        ((None, None), NOTHING, NOTHING, None),
        ((None, None), IN, NOTHING, "granted"),
        ((None, None), Said("pending", DAY), NOTHING, None),
        ((None, None), OUT, NOTHING, "withdrawn"),
        ((None, None), OUT, IN_LATER, "withdrawn"),  # the opt-in knew nothing of the opt-out
        (("granted", "granted"), OUT, IN_LATER, "withdrawn"),
        (("granted", "granted"), IN, IN_LATER, None),
        (("withdrawn", "withdrawn"), OUT, OUT_LATER, "withdrawn"),
        (("withdrawn", "withdrawn"), OUT, IN_LATER, "granted"),
        (("withdrawn", "withdrawn"), OUT_LATER, IN, "withdrawn"),
        (("withdrawn", "withdrawn"), OUT, IN, "withdrawn"),
        (("withdrawn", "withdrawn"), OUT, UNDATED_IN, "withdrawn"),
        (("withdrawn", "withdrawn"), UNDATED_OUT, IN, "granted"),
        (("withdrawn", "granted"), OUT, IN_LATER, "withdrawn"),  # the opt-in is no news
    ],
)
def test_an_opt_out_wins_until_both_sides_know_of_it(
    before: tuple[Literal["granted", "withdrawn", "pending"] | None, Literal["granted", "withdrawn", "pending"] | None],
    one: Said,
    other: Said,
    both: str | None,
) -> None:
    assert agree_on_consent(before, one, other) == both
    assert agree_on_consent((before[1], before[0]), other, one) == both
