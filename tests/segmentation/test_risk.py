"""Who is about to leave: each reason at its limit, all of them against plain Python, and what is at stake."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.model import (
    Customer,
    Interaction,
    Money,
    Order,
    Subscription,
    SurveyResponse,
    Usage,
)
from crmkit.rules import field
from crmkit.segmentation import RISKS, Risk, at_risk
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.leaving import (
    ALIVE,
    ANN,
    BEN,
    LATE,
    NOON,
    NOW,
    TABLES,
    contact,
    contract,
    days_ago,
    order,
    payment,
    said,
    ticket,
    use,
)
from tests.segmentation.lifetime.cdnow import in_polars
from tests.segmentation.lifetime.cdnow import orders as bought_at_cdnow


def only(**tables: Any) -> dict[str, Any]:
    """The row of the one customer; empty where there is no reason."""
    rows = at_risk([ANN], **{"as_of": NOW} | tables).rows(named=True)
    return rows[0] if rows else {}


def holds(reason: str, **tables: Any) -> bool:
    points: int = only(**tables).get(reason, 0)
    return points > 0


def test_a_purchase_is_late_beyond_twice_the_own_rhythm() -> None:
    found = only(orders=[order(day) for day in (41, 31, 21)])

    assert (found["overdue_purchase"], found["overdue_purchase_value"], found["overdue_purchase_limit"]) == (
        20,
        21.0,
        20.0,
    )
    assert found["reasons"] == "no purchase for 21 days, usually every 10"
    assert not holds("overdue_purchase", orders=[order(day) for day in (40, 30, 20)])


def test_purchases_of_a_real_business_are_late_as_in_plain_words(published: Path) -> None:
    bought: dict[str, set[date]] = {}
    rows = bought_at_cdnow(published)
    for who, at in rows.select("customer_id", "at").rows():
        bought.setdefault(who, set()).add(at.date())
    late = {
        who
        for who, each in bought.items()
        if len(each) >= 3
        and (date(1998, 6, 30) - max(each)).days > 2 * median((b - a).days for a, b in pairwise(sorted(each)))
    }
    found = at_risk(pl.DataFrame({"id": list(bought)}), as_of=date(1998, 6, 30), orders=rows)

    assert len(bought) == 2357
    assert len(late) == 364
    assert set(found["customer_id"]) == late
    assert found["at_stake"].drop_nulls().to_list() == sorted(found["at_stake"].drop_nulls(), reverse=True)


def test_a_rhythm_needs_two_gaps_and_refunds_are_no_purchases() -> None:
    assert not holds("overdue_purchase", orders=[order(100), order(95)])
    assert not holds("overdue_purchase", orders=[order(100), order(95), order(90, "-20")])
    assert not holds("overdue_purchase", orders=[order(100), order(95), order(90, category="cancelled")])


def test_usage_falls_where_half_of_it_or_less_is_left() -> None:
    found = only(usages=[use(30, 8), use(2, 4)])

    assert (found["falling_usage_value"], found["falling_usage_limit"]) == (4.0, 4.0)
    assert found["reasons"] == "used 4 in the last 28 days, 8 in the 28 before"
    assert not holds("falling_usage", usages=[use(30, 8), use(2, 5)])
    assert not holds("falling_usage", usages=[use(30, 3)])


def test_the_weeks_that_are_compared_end_with_as_of() -> None:
    assert only(usages=[use(28, 8), use(27, 4)])["falling_usage_limit"] == 4.0
    assert only(usages=[use(55, 4)])["falling_usage_value"] == 0.0
    assert not holds("falling_usage", usages=[use(56, 4)])


def test_usage_that_was_given_back_is_none_whenever_that_was() -> None:
    visit = use(2, 6, id="visit")
    rows = [use(30, 8), visit, use(1, 4, reversal_of_id="visit")]

    assert only(usages=rows)["falling_usage_value"] == 2.0
    assert not holds("falling_usage", usages=rows[:2])


@pytest.mark.parametrize(
    ("reason", "kind", "scale", "bad", "good"),
    [
        ("detractor", "nps", (0, 10), 6, 7),
        ("dissatisfied", "csat", (1, 5), 3, 4),
        ("dissatisfied", "csat", (1, 2), 1, 2),
        ("high_effort", "ces", (1, 7), 3, 4),
        ("high_effort", "ces", (1, 5), 2, 3),
    ],
)
def test_an_opinion_is_bad_at_its_limit(reason: str, kind: str, scale: tuple[int, int], bad: int, good: int) -> None:
    assert holds(reason, survey_responses=[said(kind, bad, scale=scale)])
    assert only(survey_responses=[said(kind, good, scale=scale)]) == {}


def test_the_latest_opinion_counts_and_no_old_one() -> None:
    assert not holds("detractor", survey_responses=[said("nps", 2, 5), said("nps", 9, 1)])
    assert holds("detractor", survey_responses=[said("nps", 9, 5), said("nps", 2, 1)])
    assert holds("detractor", survey_responses=[said("nps", 9, 1), said("nps", 2, 1)])
    assert holds("detractor", survey_responses=[said("nps", 2, 89), said("nps", None)])
    assert not holds("detractor", survey_responses=[said("nps", 2, 90)])


def test_an_escalation_counts_until_it_is_resolved() -> None:
    found = only(tickets=[ticket(), ticket(category="paused"), ticket(priority="low", status="Escalated")])

    assert (found["open_escalation_value"], found["reasons"]) == (3.0, "3 open escalated tickets")
    assert holds("open_escalation", tickets=[ticket(category="resolved", resolved_at=days_ago(-1))])
    for over in (
        {"priority": "high"},
        {"category": "resolved", "resolved_at": days_ago(1)},
        {"created_at": days_ago(-1)},
        {"merged_into_id": "other"},
    ):
        assert not holds("open_escalation", tickets=[ticket(**over)])


def test_the_business_says_what_is_escalated() -> None:
    assert holds("open_escalation", tickets=[ticket(priority="low", topic="fire")], escalated=field("topic") == "fire")


def test_a_payment_that_failed_counts_from_the_day_on_which_it_was_due() -> None:
    assert only(payments=[payment(due_on=NOW), payment()])["reasons"] == "2 failed payments"
    assert not holds("failed_payment", payments=[payment(due_on=NOW + timedelta(1))])
    assert not holds("failed_payment", payments=[payment(category="due", due_on=NOW)])


def renews_alone(subscription: Subscription, *contacts: Interaction) -> bool:
    return holds("renewal_without_contact", subscriptions=[subscription], interactions=contacts)


def test_a_renewal_is_near_and_nobody_was_in_touch() -> None:
    found = only(subscriptions=[contract()], interactions=[])

    assert found["reasons"] == "renewal in 30 days, no contact in the 90 days before it"
    assert renews_alone(contract(), contact(61), contact(1, direction="internal"), contact(1, provenance="machine"))
    assert not renews_alone(contract(), contact(60))
    assert renews_alone(contract(), contact(-1))


def test_only_terms_that_run_and_end_soon_are_to_be_renewed() -> None:
    assert renews_alone(contract(term_ends_on=NOW + timedelta(90)))
    assert renews_alone(contract(category="lapsed", ended_at=days_ago(-1)))
    for other in (
        {"term_ends_on": NOW + timedelta(91)},
        {"term_ends_on": NOW - timedelta(1)},
        {"term_ends_on": None},
        {"category": "cancelling"},
        {"category": "trial"},
        {"category": "lapsed", "ended_at": days_ago(1)},
        {"started_at": days_ago(-1)},
    ):
        assert not renews_alone(contract(**other))


def test_a_model_says_who_is_probably_gone() -> None:
    alive = pl.DataFrame({"customer_id": ["ann"], "probability_alive": [0.499]})

    assert only(alive=alive)["reasons"] == "still a customer with a probability of 49%"
    assert only(alive=alive.with_columns(probability_alive=0.5)) == {}


def test_points_add_up_to_a_score_of_what_could_be_found() -> None:
    found = only(orders=[order(day) for day in (41, 31, 21)], survey_responses=[said("nps", 2)])

    assert found["points"] == 35
    assert found["score"] == pytest.approx(35 / (20 + 15 + 10 + 10))
    assert found["reasons"] == "no purchase for 21 days, usually every 10; would not recommend us: 2 of 10"


def test_reasons_without_their_tables_are_named() -> None:
    found = only(survey_responses=[said("nps", 2)], subscriptions=[])

    assert found["not_counted"] == (
        "overdue_purchase (no orders), falling_usage (no usages), open_escalation (no tickets), failed_payment (no payments), "
        "renewal_without_contact (no interactions), not_alive (no alive)"
    )
    assert "overdue_purchase" not in found


def test_the_business_weighs_reasons_its_own_way() -> None:
    answers = [said("nps", 7), said("csat", 1, scale=(1, 5))]
    found = only(survey_responses=answers, risks={"detractor": Risk(50, 7), "dissatisfied": Risk(0, 0)})

    assert (found["points"], found["detractor_limit"]) == (50, 7.0)
    assert "dissatisfied" not in found
    assert "dissatisfied" not in found["not_counted"]


def test_the_next_term_is_at_stake_or_else_the_last_year() -> None:
    yearly = only(orders=LATE, subscriptions=[contract(), contract(term_months=6, billing_months=3)])
    bought = only(orders=[*LATE, order(364, "100"), order(365, "1000"), order(2, "-5")])

    assert (yearly["value"], yearly["value_of"]) == (99 * 12 + 99 * 2, "next term")
    assert (bought["value"], bought["value_of"]) == (155.0, "last year")
    assert bought["at_stake"] == bought["score"] * 155.0 == 155.0


def test_without_money_nothing_is_known_to_be_at_stake() -> None:
    found = only(survey_responses=[said("nps", 2)])

    assert (found["value"], found["value_of"], found["at_stake"]) == (None, None, None)


def test_those_with_whom_most_is_at_stake_come_first() -> None:
    customers = [simplest(Customer, id=name) for name in "abcde"]
    rows = [
        *(order(day, amount, name) for name, amount in (("a", "10"), ("b", "30")) for day in (41, 31, 21)),
        *(order(day, "30", "c") for day in (41, 31, 21)),
    ]
    answers = [said("nps", 2).replace(id=name, customer_id=name) for name in "de"]
    found = at_risk(customers, as_of=NOW, orders=rows, survey_responses=answers)

    assert found["customer_id"].to_list() == ["b", "c", "a", "d", "e"]


def test_only_the_customers_that_were_asked_about_are_there() -> None:
    rows = [*LATE, *(each.replace(id=f"{each.id}-2", customer_id="ben") for each in LATE)]

    assert at_risk([ANN], as_of=NOW, orders=rows)["customer_id"].to_list() == ["ann"]
    assert at_risk([ANN, BEN], as_of=NOW, orders=rows, where=field("name") == "ben")["customer_id"].to_list() == ["ben"]
    assert at_risk([], as_of=NOW, orders=rows).is_empty()


def test_what_happens_after_as_of_has_not_happened() -> None:
    before = {"orders": LATE, "usages": [use(30, 8)], "survey_responses": [said("nps", 2)]}
    after = {"orders": [order(-1)], "usages": [use(-1, 9)], "survey_responses": [said("nps", 10, -1)]}

    assert only(**before) == only(**{name: [*rows, *after[name]] for name, rows in before.items()})  # type: ignore[misc]


def test_days_are_those_of_the_zone() -> None:
    late = order(0).replace(at=datetime(2025, 6, 9, 17, 30, tzinfo=UTC))
    rows = [late.replace(id=str(days), at=late.at - timedelta(days)) for days in (0, 10, 20)]

    assert holds("overdue_purchase", orders=rows)
    assert not holds("overdue_purchase", orders=rows, tz="Asia/Bangkok")


days = st.integers(-5, 120)
names = st.sampled_from(["ann", "ben"])


def plainly(
    orders: Sequence[Order], usages: Sequence[Usage], answers: Sequence[SurveyResponse], who: str
) -> dict[str, tuple[float, float]]:
    """The reasons of one customer, with value and limit."""
    found: dict[str, tuple[float, float]] = {}
    bought = sorted({each.at.date() for each in orders if each.customer_id == who and each.at <= NOON})
    gaps = [(later - earlier).days for earlier, later in pairwise(bought)]
    if len(gaps) >= 2 and (NOW - bought[-1]).days > 2 * median(gaps):
        found["overdue_purchase"] = (NOW - bought[-1]).days, 2 * median(gaps)
    used = [((NOW - each.at.date()).days, each.units) for each in usages if each.customer_id == who]
    lately = sum(units for ago, units in used if 0 <= ago < 28)
    earlier_ = sum(units for ago, units in used if 28 <= ago < 56)
    if earlier_ >= 4 and lately * 2 <= earlier_:
        found["falling_usage"] = lately, earlier_ / 2
    own = [each for each in answers if each.customer_id == who and each.responded_at and each.score is not None]
    recent = [each for each in own if each.responded_at and 0 <= (NOON - each.responded_at).days < 90]
    recent = [each for each in recent if each.responded_at and each.responded_at <= NOON]
    if recent:
        last = max(each.responded_at for each in recent if each.responded_at)
        score = min(each.score for each in recent if each.responded_at == last and each.score is not None)
        if score <= 6:
            found["detractor"] = score, 6
    return found


@few
@given(
    st.lists(st.builds(lambda day, who: order(day, customer=who), days, names), max_size=12),
    st.lists(
        st.builds(lambda day, who, units: use(day, units).replace(customer_id=who), days, names, st.integers(1, 9)),
        max_size=8,
    ),
    st.lists(
        st.builds(
            lambda day, who, score: said("nps", score, day).replace(customer_id=who),
            days,
            names,
            st.none() | st.integers(0, 10),
        ),
        max_size=6,
    ),
)
def test_reasons_are_what_they_are_in_plain_words(
    orders: list[Order], usages: list[Usage], answers: list[SurveyResponse]
) -> None:
    tables: dict[str, Any] = {"orders": orders, "usages": usages, "survey_responses": answers}
    found = {row["customer_id"]: row for row in at_risk([ANN, BEN], as_of=NOW, **tables).rows(named=True)}

    for who in ("ann", "ben"):
        expected = plainly(orders, usages, answers, who)
        assert (who in found) == bool(expected)
        for reason in ("overdue_purchase", "falling_usage", "detractor") if expected else ():
            evidence = found[who][f"{reason}_value"], found[who][f"{reason}_limit"]
            assert evidence == expected.get(reason, (None, None))
            assert found[who][reason] == (RISKS[reason].points if reason in expected else 0)
        assert not expected or found[who]["points"] == sum(RISKS[reason].points for reason in expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gives_the_same_in_its_own_kind(kind: str) -> None:
    import duckdb  # noqa: PLC0415 - one kind alone

    tables: dict[str, Any] = {name: KINDS[kind](rows, cls) for name, (cls, rows) in TABLES.items()}
    alive = duckdb.from_arrow(ALIVE.to_arrow()) if kind == "duckdb" else ALIVE
    customers = KINDS[kind]([ANN, BEN], Customer)
    found = at_risk(customers, as_of=NOW, alive=alive, **tables)
    backwards: dict[str, Any] = {name: rows[::-1] for name, (_, rows) in TABLES.items()}
    expected = at_risk([BEN, ANN], as_of=NOW, alive=ALIVE, **backwards)

    assert type(found) is (pl.DataFrame if kind in {"records", "generator"} else type(customers))
    assert in_polars(found).rows() == expected.rows()
    assert (expected["score"].item(), expected["not_counted"].item()) == (1.0, None)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"orders": None}, "at_risk has nothing to look at; give a table of orders, usages"),
        (
            {"risks": {"overdue_purchases": Risk(1, 1)}},
            "'overdue_purchases', which is no reason; .* did you mean 'overdue_purchase'",
        ),
        ({"risks": {"overdue_purchase": 5}}, r"risks\['overdue_purchase'\] is 5; give its points and limit"),
        ({"opinion_days": 0}, "opinion_days=0 is out of range"),
        ({"usage_days": 2.5}, "usage_days=2.5 is out of range"),
        ({"as_of": datetime(2025, 5, 29)}, "as_of"),
        ({"orders": from_records(LATE, Order).drop("at")}, "no column 'at'"),
        (
            {"payments": pl.DataFrame({"customer_id": ["ann"], "category": ["Failed"]})},
            "Payment column 'category' holds 'Failed'; there are 'due', .* did you mean 'failed'",
        ),
        ({"subscriptions": [contract(price=Money("9", "EUR"))]}, "at stake is in EUR, PLN, which cannot be compared"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        at_risk([ANN], **{"as_of": NOW, "orders": LATE, **options})


@pytest.mark.parametrize(("points", "limit"), [(-1, 1), (1.5, 1), (1, -1), (1, float("nan"))])
def test_a_risk_has_a_weight_and_a_limit(points: Any, limit: Any) -> None:
    with pytest.raises(InvalidInput, match="Risk"):
        Risk(points, limit)


def test_only_the_columns_that_a_reason_needs_are_required() -> None:
    needed: dict[str, tuple[str, ...]] = {
        "orders": ("customer_id", "at"),
        "usages": ("customer_id", "at"),
        "tickets": ("customer_id", "category", "priority", "status"),
        "payments": ("customer_id", "category"),
        "subscriptions": ("customer_id", "category", "term_ends_on"),
        "interactions": ("customer_id", "at", "direction"),
    }
    more = {"usages": [use(day) for day in range(28, 32)]}
    tables = {
        name: from_records(more.get(name, TABLES[name][1]), TABLES[name][0], columns)
        for name, columns in needed.items()
    }
    found = only(**tables)

    assert found["points"] == sum(RISKS[name].points for name in RISKS if f"{name}_value" in found)
    assert (found["falling_usage_limit"], found["value"], found["at_stake"]) == (2.0, None, None)


def test_tables_in_several_engines_are_refused() -> None:
    with pytest.raises(
        InvalidInput, match="Customer and Order are in polars and duckdb, and no engine reads another's"
    ):
        at_risk([ANN], as_of=NOW, orders=KINDS["duckdb"](LATE, Order))
