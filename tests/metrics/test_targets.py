"""Targets: what was won in proportion to them."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from crmkit.errors import InvalidInput
from crmkit.metrics.result import MetricResult
from crmkit.metrics.targets import target_attainment
from crmkit.model import Deal, Employee, Money, Target
from tests.metrics.selling import MAY, deal, maven_deals, target


def attained(deals_: list[Deal], targets: list[Target], **options: Any) -> MetricResult:
    asked_: dict[str, Any] = {"as_of": MAY, "every": "month"} | options
    return target_attainment(deals=deals_, targets=targets, **asked_)


def sold(owner: str | None, amount: int, month: int = 5, **given_: Any) -> Deal:
    closed = datetime(2025, month, 10, tzinfo=UTC)
    return deal("won", owner_id=owner, amount=Money(amount, "PLN"), created_at=None, closed_at=closed, **given_)


def test_employees_are_measured_by_their_own_targets() -> None:
    rows = [sold("ann", 800), sold("ben", 50), sold("ben", 100), sold(None, 5), deal(owner_id="ann")]
    goals = [target(1000, owner_id="ann"), target(100, owner_id="ben"), target(70, owner_id="eve"), target(7, team="x")]
    found = {each.group["owner_id"]: each for each in attained(rows, goals, by="owner_id")}

    assert {name: each.value for name, each in found.items()} == {"ann": 0.8, "ben": 1.5, "eve": 0.0, None: None}
    assert (found["ben"].numerator, found["ben"].denominator, found["ben"].n) == (150, 100, 2)
    assert (found[None].reason, found[None].numerator, found[None].denominator) == ("no target", 5, 0)
    assert found["ann"].details == {"variance": -200.0, "elapsed": 1.0, "pace": 0.8}


def test_the_whole_is_no_mean_of_ratios_and_leaves_out_who_has_no_target() -> None:
    rows = [sold("ann", 800), sold("ben", 150), sold("cid", 5000)]
    measure = attained(rows, [target(1000, owner_id="ann"), target(100, owner_id="ben")]).only

    assert (measure.value, measure.numerator, measure.denominator) == (950 / 1100, 950, 1100)
    assert measure.excluded == {"owner without a target": 1}


def test_the_business_is_measured_by_its_own_target_where_it_has_one() -> None:
    rows = [sold("ann", 800), sold("cid", 1000)]

    assert attained(rows, [target(1000, owner_id="ann"), target(3600)]).value == 0.5


def test_teams_are_measured_by_their_own_targets() -> None:
    staff = [Employee(id="ann", name="A", team="north"), Employee(id="ben", name="B", team="north")]
    staff += [Employee(id="cid", name="C", team="south")]
    rows = [sold("ann", 10, id="d1"), sold("ben", 20, id="d2"), sold("cid", 30), sold("who", 40)]
    found = attained(rows, [target(60, team="north")], by="team", employees=staff)

    assert [(each.group["team"], each.value) for each in found] == [("north", 0.5), ("south", None), (None, None)]
    assert found.explain(found[0])["numerator"] == ["d1", "d2"]
    with pytest.raises(InvalidInput, match="by='team' needs the teams of employees"):
        attained(rows, [], by="team")


def test_a_quarter_is_the_sum_of_its_months_if_all_are_there() -> None:
    rows = [sold("ann", 60, month) for month in (4, 5)]
    months = [target(100, month) for month in (4, 5, 6)]

    assert attained(rows, months, every="quarter").value == 0.4
    assert attained(rows, months[:2], every="quarter").only.reason == "no target"
    assert attained(rows, [*months, target(240, 4, 3)], every="quarter").value == 0.5
    assert [each.value for each in attained(rows, [target(240, 4, 3)])] == [None, None]
    window: dict[str, Any] = {"every": None, "start": date(2025, 4, 1), "end": date(2025, 7, 1)}
    assert attained(rows, months, **window).value == 0.4


def test_pace_is_attainment_over_the_days_that_have_passed() -> None:
    measure = attained([sold("ann", 50)], [target(100)], as_of=date(2025, 5, 10)).only

    assert measure.partial
    assert measure.details == {"variance": -50.0, "elapsed": 10 / 31, "pace": pytest.approx(0.5 * 31 / 10)}


def test_deals_may_be_counted_instead() -> None:
    goals = [target(None, count=4, metric="won_deals"), target(1000)]

    measure = attained([sold("ann", 5), sold("ben", 5), deal("lost")], goals, method="count").only
    assert (measure.value, measure.unit, measure.numerator, measure.denominator) == (0.5, "share", 2, 4)


def test_nothing_to_reach_is_no_value() -> None:
    assert attained([sold("ann", 5)], [target(0)]).only.reason == "the target is 0"
    assert attained([sold("ann", 5)], []).only.reason == "no target"
    assert list(attained([], [])) == []
    assert attained([], [target(5)], start=date(2025, 5, 1)).value == 0


def test_targets_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(InvalidInput, match="the business has 2 targets from 2025-05-01 until 2025-06-01; give one"):
        attained([], [target(5), target(6)])
    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        attained([sold("ann", 5).replace(amount=Money(5, "THB"))], [target(5)])
    with pytest.raises(InvalidInput, match="a target is for a period; give start= and end="):
        attained([], [], every=None)
    with pytest.raises(InvalidInput, match="by='source' has no targets; there are 'owner_id', 'team'"):
        attained([], [], by="source")


def test_quarters_of_the_maven_deals_have_their_published_revenue(published: Path) -> None:
    expected = json.loads((published / "expected" / "maven_crm.json").read_text())
    quarters = target_attainment(
        deals=maven_deals(published),
        targets=[
            Target(metric="won_amount", starts_on=date(2017, month, 1), ends_on=ends, amount=Money(3_000_000, "USD"))
            for month, ends in (
                (1, date(2017, 4, 1)),
                (4, date(2017, 7, 1)),
                (7, date(2017, 10, 1)),
                (10, date(2018, 1, 1)),
            )
        ],
        every="quarter",
        end=date(2018, 1, 1),
        as_of=date(2018, 1, 1),
    )
    revenue = expected["revenue_by_close_quarter"]
    assert [(each.numerator, each.n) for each in quarters] == [
        (one["revenue"], one["deals"]) for one in revenue.values()
    ]
    assert quarters[0].value == pytest.approx(revenue["2017Q1"]["revenue"] / 3e6, abs=1e-9)


def test_a_target_of_another_year_does_not_decide_how_the_business_is_measured() -> None:
    rows = [sold("ann", 60, 5)]
    of_ann = [target(100, 5, owner_id="ann")]
    later = Target(metric="won_amount", starts_on=date(2027, 1, 1), ends_on=date(2028, 1, 1), amount=Money(1000, "PLN"))

    assert attained(rows, [*of_ann, later]).value == attained(rows, of_ann).value == 0.6
