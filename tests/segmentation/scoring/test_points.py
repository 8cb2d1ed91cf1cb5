"""The score that people write: what counts, what limits take away, and that a table and a record get the same."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.model import Customer, Interaction, Lead
from crmkit.rules import EVERYTHING, field, last_days, predicate
from crmkit.segmentation import Points, PointScorecard
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.lifetime.cdnow import in_polars

NOW = date(2025, 5, 31)
SOURCES = ("web", "fair", None)
CARD = PointScorecard(
    [
        Points(field("source") == "fair", 10, "came to a fair", "source"),
        Points(field("source").is_in(["web", "fair"]), 5, "came to us", "source"),
        Points(field("job_title").is_empty(), -7, "nobody knows who it is"),
        Points(EVERYTHING, 2, "is there"),
    ],
    {"source": 12},
    start=1,
)
LEADS = [
    Lead(id=f"l{at}", source=SOURCES[at % 3], job_title=None if at % 2 else "director", recycle_count=at)
    for at in range(12)
]


def visit(day: int, customer: str = "ann") -> Interaction:
    at = datetime(2025, 5, 1, tzinfo=UTC) + timedelta(days=day)
    return Interaction(id=f"{customer} {day}", customer_id=customer, channel="visit", direction="inbound", at=at)


def oracle(card: PointScorecard, lead: Lead) -> int:
    """The score as one would count it by hand."""
    total, groups = card.start, dict[str, int]()
    for each in card.points:
        if predicate(each.rule, Lead)(lead):
            if each.group in card.limits:
                groups[each.group or ""] = groups.get(each.group or "", 0) + each.points
            else:
                total += each.points
    return total + sum(min(points, card.limits[group]) for group, points in groups.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_and_a_count_by_hand_agree_whatever_the_data_is(kind: str) -> None:
    found = CARD.score(KINDS[kind](LEADS, Lead), record_class=Lead)

    assert in_polars(found).rows() == sorted((each.id, oracle(CARD, each)) for each in LEADS)


_RULES = [
    field("source") == "web",
    field("recycle_count") > 3,
    field("job_title").is_empty(),
    ~(field("source") == "web"),
]
_points = st.lists(
    st.tuples(st.sampled_from(_RULES), st.integers(-50, 50), st.sampled_from(["a", "b", None])), max_size=6
)


@given(_points, st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 60)), st.permutations(LEADS))
@few
def test_contributions_add_up_and_neither_order_nor_way_matters(
    drawn: list[Any], limits: dict[str, int], order: list[Lead]
) -> None:
    made = [Points(rule, points, f"reason {at}", group) for at, (rule, points, group) in enumerate(drawn)]
    card = PointScorecard(made, {each: limits[each] for each in limits if each in {group for *_, group in drawn}})
    scored = dict(card.score(order).rows())

    for lead in LEADS[:3]:
        found = card.explain(lead)
        assert found.start + sum(each.points for each in found.contributions) == found.score
        assert found.score == oracle(card, lead) == scored[lead.id]
    assert PointScorecard.from_json(card.to_json()) == card


def test_reasons_are_those_that_hold_the_greatest_first() -> None:
    found = CARD.explain(LEADS[1])

    assert [(each.name, each.points) for each in found.contributions] == [
        ("came to a fair", 10),
        ("nobody knows who it is", -7),
        ("came to us", 5),
        ("limit of source", -3),
        ("is there", 2),
    ]
    assert (found.start, found.score, found.probability) == (1, 8, None)
    assert found.contributions[0].label == "source is 'fair'"


def test_points_for_a_time_go_when_it_is_over() -> None:
    card = PointScorecard([Points(field("interactions").any(channel="visit", within=last_days(30)), 10, "has visited")])
    people = [Customer(id=each, kind="person", name="?") for each in ("ann", "ben")]

    def score(as_of: date) -> list[Any]:
        found: pl.DataFrame = card.score(people, as_of=as_of, related={Interaction: [visit(0), visit(60, "ben")]})
        return found.rows()

    assert score(date(2025, 5, 2)) == [("ann", 10), ("ben", 0)]
    assert score(date(2025, 6, 15)) == [("ann", 0), ("ben", 0)]
    assert score(date(2025, 7, 5)) == [("ann", 0), ("ben", 10)]
    found = card.explain(people[0], as_of=date(2025, 5, 2), related={Interaction: [visit(0)]})
    assert found.score == 10


def test_a_rule_chooses_who_is_scored() -> None:
    found = CARD.score(LEADS, where=field("recycle_count") < 2)

    assert found["id"].to_list() == ["l0", "l1"]


def test_its_quality_is_that_of_its_order() -> None:
    card = PointScorecard([Points(field("recycle_count") >= 6, 1, "came again")])
    found = card.quality(LEADS, outcome=[f"l{at}" for at in (5, 6, 7, 8)], groups=2)

    # Of the pairs of 4 and 8, three of the four stand above 5 of the 8 and beside 3, and one beside 5.
    assert found.auc == (3 * 5 + 3 * 3 / 2 + 5 / 2) / 32
    assert found.expected is None
    assert [(each.lowest, each.n, each.hits, each.expected) for each in found.groups] == [
        (0, 6, 1, None),
        (1, 6, 3, None),
    ]


def test_nothing_to_score_is_no_row() -> None:
    assert CARD.score([]).rows() == CARD.score([], record_class=Lead).rows() == []
    assert CARD.quality([], outcome=field("source") == "web").n == 0
    assert CARD.score(from_records([], Lead), record_class=Lead).schema == {"id": pl.String, "score": pl.Int64}


def test_no_points_are_the_start() -> None:
    assert PointScorecard([], start=3).score(LEADS[:1]).rows() == [("l0", 3)]


def points(**parts: Any) -> Points:
    whole: dict[str, Any] = {"rule": field("source") == "web", "points": 1, "name": "x"}
    return Points(**whole | parts)


def card(**parts: Any) -> PointScorecard:
    whole: dict[str, Any] = {"points": CARD.points}
    return PointScorecard(**whole | parts)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: points(points=1.5), "x: points=1.5 is out of range; give a whole number"),
        (lambda: points(points=True), "x: points=True is out of range"),
        (lambda: points(rule="source"), "x: str is no rule; give one such as field"),
        (lambda: points(name=" "), "points have no name; give the reason in words"),
        (lambda: card(points=CARD.points[0]), "Points is no list of points; give"),
        (lambda: card(points=[("x", 1)]), "tuple stands among the points"),
        (lambda: PointScorecard([CARD.points[0]] * 2), "two points are called 'came to a fair'"),
        (lambda: PointScorecard(CARD.points, {"sauce": 1}), "names a group 'sauce'; there are 'source'; did you mean"),
        (lambda: card(limits={"source": None}), "the limit of 'source'=None is out of range"),
        (lambda: PointScorecard(CARD.points, {"source": -1}), "the limit of 'source'=-1 is out of range"),
        (lambda: card(start="0"), "start='0' is out of range"),
        (lambda: PointScorecard([Points(field("sauce") == "web", 1, "x")]).score(LEADS), "Lead has no field 'sauce'"),
        (lambda: CARD.score(from_records(LEADS, Lead)), "nothing here says which; give record_class="),
        (lambda: CARD.explain(from_records(LEADS, Lead), record_class=Lead), "one row is explained at a time"),
        (lambda: CARD.score(from_records(LEADS, Lead, ["id"]), record_class=Lead), "no column 'source'"),
    ],
)
def test_what_is_no_score_is_refused(make: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        make()
