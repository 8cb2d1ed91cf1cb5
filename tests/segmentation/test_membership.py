"""Who entered and left segments: how many were in them over time, and whom they share."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Segment, Transition
from crmkit.model.segment import membership_changes
from crmkit.rules import field, last_days, predicate
from crmkit.segmentation import entered, left, segment_overlap, segment_sizes
from tests.examples import few
from tests.frames.kinds import KINDS

NOON = datetime(2025, 1, 20, 12, tzinfo=UTC)
AS_OF = date(2025, 5, 15)
SEGMENTS = [Segment(id=name, name=name.upper()) for name in ("gold", "new", "silver")]

Looks = Sequence[tuple[int, Mapping[str, frozenset[str]]]]
members = st.fixed_dictionaries({each.id: st.frozensets(st.sampled_from("abcde")) for each in SEGMENTS})
looks: st.SearchStrategy[Looks] = st.lists(st.tuples(st.integers(0, 130), members), unique_by=lambda look: look[0]).map(
    sorted
)


def told(looks: Looks) -> list[Transition]:
    """The transitions of those who were in segments some days after the beginning."""
    known: list[Transition] = []
    for day, inside in looks:
        for segment in SEGMENTS:
            known += membership_changes(segment, inside[segment.id], known, at=NOON + timedelta(days=day))
    return known


NOISE = [
    Transition(subject="Deal", subject_id="a", field="stage", after="entered", at=NOON),
    Transition(subject="Customer", subject_id="b", field="segmented", after="left", at=NOON),
]


def at(looks: Looks, day: int) -> Mapping[str, frozenset[str]]:
    """Who is in each segment some days after the beginning."""
    return next(
        (inside for seen, inside in reversed(looks) if seen <= day), {each.id: frozenset() for each in SEGMENTS}
    )


@few
@given(looks, st.randoms(use_true_random=False))
def test_sizes_are_those_at_the_end_of_each_month(looks: Looks, random: Any) -> None:
    transitions = told(looks) + NOISE
    random.shuffle(transitions)
    found: pl.DataFrame = segment_sizes(transitions, as_of=AS_OF)

    for row in found.rows(named=True):
        last = min(row["end"] - timedelta(days=1), AS_OF)
        assert row["size"] == len(at(looks, (last - NOON.date()).days)[row["segment_id"]])
        assert row["is_partial"] == (row["start"] == date(2025, 5, 1))
    for segment in SEGMENTS:
        own = found.filter(segment_id=segment.id)
        sizes = own["entered"].cum_sum() - own["left"].cum_sum()
        assert [*sizes] == [*own["size"]]
        since = [day for day, inside in looks if day <= (AS_OF - NOON.date()).days and inside[segment.id]]
        first = (NOON + timedelta(days=since[0])).date().replace(day=1) if since else None
        assert own["start"].min() == first


@few
@given(looks, st.integers(0, 130), st.randoms(use_true_random=False))
def test_overlap_is_that_of_the_sets(looks: Looks, day: int, random: Any) -> None:
    transitions = told(looks) + NOISE
    random.shuffle(transitions)
    inside = {name: group for name, group in at(looks, day).items() if group}
    expected = [
        (one, two, len(a), len(b), len(a & b), len(a & b) / len(a), len(a & b) / len(b), len(a & b) / len(a | b))
        for one, a in sorted(inside.items())
        for two, b in sorted(inside.items())
        if one < two
    ]

    assert segment_overlap(transitions, as_of=NOON + timedelta(days=day)).rows() == expected


LOOKS: Looks = [
    (0, {"gold": frozenset("ab"), "new": frozenset("abc"), "silver": frozenset()}),
    (11, {"gold": frozenset("a"), "new": frozenset("ac"), "silver": frozenset("e")}),
    (12, {"gold": frozenset("ad"), "new": frozenset("d"), "silver": frozenset("e")}),
]


def shown(table: Any, kind: str) -> list[tuple[Any, ...]]:
    frame = table.pl() if kind == "duckdb" else table.collect() if kind == "lazy" else table
    return (frame if isinstance(frame, pl.DataFrame) else pl.DataFrame(frame)).rows()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_has_the_same_sizes_and_overlap(kind: str) -> None:
    transitions = told(LOOKS) + NOISE

    sizes = shown(segment_sizes(KINDS[kind](transitions, Transition), as_of=date(2025, 1, 31)), kind)
    assert [row[0] for row in sizes] == ["gold", "new", "silver"]
    assert [row[3:] for row in sizes] == [(2, 1, 1, False), (3, 1, 2, False), (1, 0, 1, False)]
    assert {str(row[2])[:10] for row in sizes} == {"2025-02-01"}
    overlap = shown(segment_overlap(KINDS[kind](transitions, Transition), as_of=date(2025, 1, 31)), kind)
    assert [row[:5] for row in overlap] == [
        ("gold", "new", 1, 2, 1),
        ("gold", "silver", 1, 1, 0),
        ("new", "silver", 2, 1, 0),
    ]


def test_periods_begin_in_the_time_zone() -> None:
    (moved,) = membership_changes(SEGMENTS[0], "a", [], at=datetime(2025, 1, 31, 20, tzinfo=UTC))

    starts = {tz: segment_sizes([moved], as_of=AS_OF, tz=tz)["start"][0] for tz in ("UTC", "Asia/Bangkok")}
    assert starts == {"UTC": date(2025, 1, 1), "Asia/Bangkok": date(2025, 2, 1)}


def test_what_happened_after_as_of_has_not_happened() -> None:
    (moved,) = membership_changes(SEGMENTS[0], "a", [], at=NOON)

    assert segment_sizes([moved], as_of=NOON, every="day").select("size", "is_partial").rows() == [(1, True)]
    assert segment_sizes([moved], as_of=NOON - timedelta(microseconds=1)).rows() == []
    assert segment_overlap([moved], as_of=NOON - timedelta(microseconds=1)).rows() == []


def test_the_last_microsecond_of_a_period_makes_it_whole() -> None:
    (moved,) = membership_changes(SEGMENTS[0], "a", [], at=NOON)
    end = datetime(2025, 2, 1, tzinfo=UTC)

    found = [segment_sizes([moved], as_of=end - timedelta(microseconds=n))["is_partial"].to_list() for n in (0, 1, 2)]
    assert found == [[False, True], [False], [True]]


def test_rules_find_who_entered_and_left() -> None:
    transitions = told(LOOKS)
    since = field("at") == last_days(1)

    def who(rule: Any) -> list[str]:
        says = predicate(rule, Transition, as_of=NOON + timedelta(days=12))
        return [each.subject_id for each in transitions if says(each)]

    assert who(entered("gold") & since) == ["d"]
    assert who(left("gold")) == ["b"]
    assert who(left("new")) == ["b", "a", "c"]


def test_columns_of_other_names_are_mapped() -> None:
    table = pl.DataFrame({"who": ["a", "b"], "field": ["segment:x"] * 2, "after": ["entered"] * 2, "at": [NOON] * 2})

    assert segment_sizes(table, as_of=AS_OF, every="year", columns={"subject_id": "who"})["size"].to_list() == [2]


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidInput, match="every='fortnight' is not a kind of period"):
        segment_sizes([], as_of=AS_OF, every="fortnight")
    with pytest.raises(InvalidInput, match="every=None is no kind of period; give one such as 'month'"):
        segment_sizes([], as_of=AS_OF, every=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="the Transition data has no column 'subject_id'"):
        segment_overlap(pl.DataFrame({"id": ["1"]}), as_of=AS_OF)
