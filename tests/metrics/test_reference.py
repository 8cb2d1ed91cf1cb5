"""Figures of published data by every column that they are known for, and the worked examples of vendors."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmkit.metrics import (
    Measure,
    MetricResult,
    average_order_value,
    churn_rate,
    customer_satisfaction,
    first_response_time,
    lead_conversion,
    resolution_time,
    service_level_attainment,
    win_rate,
)
from crmkit.model import ServiceLevel, ServiceTarget
from tests.metrics.selling import DAY, FIRST, MAY, maven_deals

JANUARY, FEBRUARY = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)

Figures = dict[str, Any]


def read(published: Path, name: str) -> Figures:
    found: Figures = json.loads((published / "expected" / name).read_text())
    return found


def near(figure: Any) -> Any:
    return pytest.approx(figure, rel=1e-9, abs=1e-9)


def in_histogram(figure: float) -> Any:
    """A median of long durations lies in a bin of a histogram."""
    return pytest.approx(figure, rel=0.004)


def by_group(result: MetricResult) -> dict[str, Measure]:
    """The measures by the one column that they are grouped by, as the files of figures call the values."""
    return {str("nan" if each.group[result.by[0]] is None else each.group[result.by[0]]): each for each in result}


MAVEN = {"by_agent": "owner_id", "by_manager": "manager", "by_region": "regional_office", "by_product": "product"}


def maven(published: Path) -> pl.DataFrame:
    """The deals with the manager and office of their agent and the sector of their customer."""
    teams = pl.read_csv(published / "maven_crm" / "sales_teams.csv")
    accounts = pl.read_csv(published / "maven_crm" / "accounts.csv").select("account", "sector")
    deals = maven_deals(published).join(teams, left_on="owner_id", right_on="sales_agent", how="left")
    return deals.join(accounts, on="account", how="left")


@pytest.mark.parametrize("name", MAVEN)
def test_deals_are_won_and_worth_what_is_published(published: Path, name: str) -> None:
    expected, frame = read(published, "maven_crm.json")[name], maven(published)
    rates = by_group(win_rate(frame, as_of=date(2017, 12, 31), by=MAVEN[name]))
    values = by_group(average_order_value(frame, as_of=date(2017, 12, 31), by=MAVEN[name], method="won_deal"))

    assert rates.keys() == expected.keys()
    for group, figures in expected.items():
        assert (rates[group].n, rates[group].numerator) == (figures["closed"], figures["won"])
        assert rates[group].value == near(figures["win_rate"])
        assert values[group].numerator == figures["revenue_won"]
        assert values[group].value == near(figures["avg_deal_won"])


def test_deals_are_won_by_sector_and_quarter_as_published(published: Path) -> None:
    expected, frame = read(published, "maven_crm.json"), maven(published)
    sectors = by_group(win_rate(frame, as_of=date(2017, 12, 31), by="sector"))
    quarters = win_rate(frame, as_of=date(2017, 12, 31), every="quarter")
    of_all = win_rate(frame.with_columns(created_at=pl.lit(FIRST)), as_of=MAY, method="created")

    found = {name: measure.value for name, measure in sectors.items() if name != "nan"}
    assert found == near(expected["win_rate_by_sector"])
    found = {each.period.label.replace("-", ""): each.value for each in quarters if each.period}
    assert found == near(expected["win_rate_by_close_quarter"])
    assert of_all.value == near(expected["won_over_all_opps"])


LEADS = {
    "by_lead_source_raw_google": "Lead Source",
    "by_last_activity": "Last Activity",
    "by_do_not_email": "Do Not Email",
    "by_occupation": "What is your current occupation",
}


@pytest.mark.parametrize("name", LEADS)
def test_leads_convert_as_published(published: Path, name: str) -> None:
    parts = ("Lead_Scoring.csv", "eval_leads_heldout49.csv")
    files = [pl.read_csv(published / "xeducation_leads" / part, infer_schema=False) for part in parts]
    is_converted = pl.col("Converted") == "1"
    frame = pl.concat(files, how="diagonal").with_columns(
        created_at=pl.lit(FIRST),
        converted_at=pl.lit(FIRST),
        category=pl.when(is_converted).then(pl.lit("converted")).otherwise(pl.lit("open")),
    )
    groups = by_group(lead_conversion(frame, as_of=MAY, by=LEADS[name]))

    for group, figure in read(published, "xeducation.json")[name].items():
        assert (groups[group].numerator, groups[group].n) == (figure["converted"], figure["n"])
        assert groups[group].value == near(figure["rate"])


BANDS = ("0", "1-12", "13-24", "25-36", "37-48", "49-60", "61-72")


@pytest.mark.parametrize(
    ("name", "by"), [("by_tenure_band", "band"), ("by_senior", "SeniorCitizen"), ("by_gender", "gender")]
)
def test_customers_churn_as_published(published: Path, name: str, by: str) -> None:
    band = pl.col("tenure").add(11).floordiv(12).replace_strict(dict(enumerate(BANDS)), return_dtype=pl.String)
    frame = pl.read_csv(published / "telco_churn" / "Telco-Customer-Churn.csv").with_columns(
        band=band,
        customer_id="customerID",
        started_at=pl.lit(JANUARY),
        ended_at=pl.when(pl.col("Churn") == "Yes").then(pl.lit(FEBRUARY + DAY)),
    )
    groups = by_group(churn_rate(frame, start=FEBRUARY, as_of=date(2025, 2, 28), by=by))
    expected = read(published, "telco.json")[name]

    assert groups.keys() == expected.keys()
    for group, figure in expected.items():
        assert (groups[group].numerator, groups[group].denominator) == (figure["churned"], figure["n"])
        assert groups[group].value == near(figure["rate"])


TICKETS = {"by_priority": "urgency", "by_channel": "channel", "by_team": "team", "by_category": "about"}


@pytest.fixture
def tickets(published: Path) -> pl.DataFrame:
    """The simulated tickets; the published figures count the length of unresolved ones, too."""
    path = published / "support_tickets_simulated" / "customer_support_tickets.csv"
    created = pl.col("created_date").str.to_datetime(time_unit="us", time_zone="UTC")
    response = pl.duration(microseconds=(pl.col("first_response_minutes") * 60e6).round().cast(pl.Int64))
    resolution = pl.duration(microseconds=(pl.col("resolution_hours") * 3600e6).round().cast(pl.Int64))
    return pl.read_csv(path).select(
        "channel",
        "team",
        about="category",
        urgency="priority",
        priority=pl.lit("normal"),
        category=pl.lit("resolved"),
        created_at=created,
        first_responded_at=created + response,
        resolved_at=created + resolution,
        responded_at=created + resolution,
        score=pl.col("csat_score").cast(pl.Int64),
    )


@pytest.mark.parametrize("name", TICKETS)
def test_tickets_take_as_long_and_please_as_much_as_published(
    published: Path, tickets: pl.DataFrame, name: str
) -> None:
    asked: Figures = {"as_of": date(2025, 6, 1), "by": TICKETS[name]}
    answered, resolved = first_response_time(tickets, **asked), resolution_time(tickets, **asked)
    scores = by_group(customer_satisfaction(tickets, method="mean", **asked))
    target = ServiceTarget("normal", first_response_minutes=30, resolution_minutes=24 * 60)
    promised: Figures = {"policy": ServiceLevel(name="All", targets=[target])} | asked
    kept = {
        "frt_sla": by_group(service_level_attainment(tickets, **promised)),
        "res_sla": by_group(service_level_attainment(tickets, method="resolution", **promised)),
    }
    expected = read(published, "support_tickets.json")[name]

    assert scores.keys() == expected.keys()
    for group, figures in expected.items():
        assert by_group(answered)[group].n == figures["n"]
        assert by_group(answered)[group].value == in_histogram(figures["frt_med"])
        assert by_group(resolved)[group].value == in_histogram(figures["res_med"] * 60)
        assert scores[group].n == figures["csat_n"]
        assert scores[group].value == near(figures["csat"])
        for figure, groups in kept.items():
            assert groups[group].value == near(figures[figure])


@pytest.mark.parametrize(("highest", "good"), [(2, {2}), (3, {3}), (5, {4, 5})])
def test_good_answers_on_each_scale_are_those_of_zendesk(highest: int, good: set[int]) -> None:
    for score in range(1, highest + 1):
        frame = pl.DataFrame({"score": [score]}).with_columns(responded_at=pl.lit(FIRST))
        found = customer_satisfaction(frame, method="all", scale=(1, highest), as_of=MAY)
        assert found.value == (score in good)
