"""The groups of a CRM."""

from datetime import UTC, datetime

import pytest
from polars.testing import assert_frame_equal

from crmkit import CRM, segmentation
from crmkit.model import Customer, Money, Order, Product, Segment, SurveyResponse

NOW = datetime(2025, 5, 31, 12, tzinfo=UTC)


@pytest.fixture(params=["memory://", "sqlite:///{}"])
def crm(request: pytest.FixtureRequest, tmp_path: object) -> CRM:
    """A CRM with three customers, of whom two buy and one of those is unhappy."""
    made = CRM.open(request.param.format(f"{tmp_path}/club.db"), clock=lambda: NOW, tz="Europe/Warsaw")
    ann, ben, cid = (made.customers.add(Customer(kind="person", name=name)) for name in ("Ann", "Ben", "Cid"))
    shake = made.products.add(Product(name="Shake"))
    for month in (1, 2, 3, 4, 5):
        at = datetime(2025, month, 20, tzinfo=UTC)
        for who in (ann, ben) if month < 5 else (ann,):  # Ben stays away in May
            made.orders.add(Order(customer_id=who.id, at=at, amount=Money("20", "PLN"), product_ids=(shake.id,)))
    may = datetime(2025, 5, 2, tzinfo=UTC)
    answer = SurveyResponse(
        customer_id=ben.id, kind="nps", score=2, scale_low=0, scale_high=10, sent_at=may, responded_at=may
    )
    made.survey_responses.add(answer)
    made.segments.add(Segment(name="Quiet", added_ids={cid.id, ben.id}))
    return made


def test_functions_read_the_tables_the_clock_and_the_zone_of_the_crm(crm: CRM) -> None:
    expected = segmentation.rfm(crm.orders, as_of=NOW, tz="Europe/Warsaw")
    assert expected.height == 2
    assert_frame_equal(crm.segmentation.rfm(), expected)
    assert crm.segmentation.purchase_gap() == segmentation.purchase_gap(crm.orders, as_of=NOW, tz="Europe/Warsaw")


def test_every_table_that_a_function_can_use_is_given_to_it(crm: CRM) -> None:
    (found,) = crm.segmentation.at_risk().filter(detractor=15).rows(named=True)
    assert crm.customers.get(found["customer_id"]).name == "Ben"
    assert "would not recommend us" in found["reasons"]
    stages = crm.segmentation.lifecycle()
    assert stages.height == 3, "who never bought is there, because the CRM knows them"
    assert crm.segmentation.next_products(min_support=1)["product_id"].unique().to_list() == [crm.products.find()[0].id]


def test_what_the_caller_gives_counts(crm: CRM) -> None:
    earlier = datetime(2025, 3, 31, tzinfo=UTC)
    assert crm.segmentation.rfm(as_of=earlier)["frequency"].to_list() == [3, 3]
    assert crm.segmentation.rfm([]).height == 0


def test_a_rule_may_name_a_saved_segment(crm: CRM) -> None:
    everybody = crm.segmentation.at_risk()
    quiet = crm.segmentation.at_risk(where=segmentation.in_segment("Quiet"))
    assert set(quiet["customer_id"]) <= set(everybody["customer_id"])
    assert {crm.customers.get(each).name for each in quiet["customer_id"]} == {"Ben"}


def test_an_unknown_function_is_named_with_what_was_meant(crm: CRM) -> None:
    with pytest.raises(AttributeError, match="did you mean 'rfm'"):
        _ = crm.segmentation.rfn
    assert "at_risk" in dir(crm.segmentation)
