"""Fields that nobody knows before the outcome are refused, and what was known may be vouched for."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.model import RECORDS, Customer, Deal, Lead, record
from crmkit.model.records import Record, fields
from crmkit.rules import field
from crmkit.segmentation import IdealCustomer, Scorecard
from crmkit.segmentation.scoring import known_afterwards

WON = field("category") == "won"
DEALS = [
    Deal(
        id=f"d{at}",
        pipeline_id="gym",
        stage="Won" if at % 2 else "Lost",
        category="won" if at % 2 else "lost",
        source="fair" if at % 3 else "web",
        created_at=datetime(2025, 1, 1 + at % 28, tzinfo=UTC),
        closed_at=datetime(2025, 3, 1, tzinfo=UTC),
    )
    for at in range(80)
]


@record
class Rental(Deal):
    """A deal of a vertical."""

    flat_id: str | None = None


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Lead, "converted_at"),
        (Lead, "category"),
        (Lead, "deal_id"),
        (Deal, "closed_at"),
        (Deal, "lost_reason"),
        (Deal, "stage"),
        (Rental, "category"),
    ],
)
def test_what_is_filled_on_the_way_to_the_outcome_is_known_afterwards(cls: type[Record], name: str) -> None:
    assert name in known_afterwards(cls)


def test_what_is_known_from_the_beginning_is_not() -> None:
    for cls in RECORDS:
        assert not {"id", "created_at", "source", "campaign_id", "owner_id", "amount"} & {*known_afterwards(cls)}
    assert known_afterwards(Customer) == ()


def test_every_name_is_a_field_of_its_class() -> None:
    for cls in RECORDS:
        assert {*known_afterwards(cls)} <= {each.name for each in fields(cls)}


@pytest.mark.parametrize("name", ["stage", "lost_reason", "closed_at"])
@pytest.mark.parametrize(
    "fit",
    [
        lambda data, **options: Scorecard.fit(data, outcome=WON, **options),
        lambda data, **options: IdealCustomer.fit(data, best=WON, **options),
    ],
)
def test_a_field_that_tells_the_outcome_is_refused(name: str, fit: Any) -> None:
    with pytest.raises(
        InvalidInput, match=f"Deal.{name} is known only on the way to the outcome.*known=\\['{name}'\\]"
    ):
        fit(DEALS, fields=["source", name])
    with pytest.raises(InvalidInput, match=f"Deal.{name} is known only"):
        fit(from_records(DEALS, Deal), fields=[name], record_class=Deal)


def test_what_the_outcome_is_read_from_is_refused_even_if_it_was_known() -> None:
    with pytest.raises(InvalidInput, match="'category' is what the outcome is read from; leave it out of fields="):
        Scorecard.fit(DEALS, outcome=WON, fields=["category"], known=["category"])


def test_the_caller_may_vouch_for_a_field() -> None:
    card = Scorecard.fit(DEALS, outcome=WON, fields=["stage"], known=["stage"])

    assert len(card.warnings) == 1
    assert "'stage' tells the outcome almost perfectly by itself (AUC 1.000)" in card.warnings[0]


def test_an_instant_after_as_of_was_not_known_then() -> None:
    asked: dict[str, Any] = {"outcome": WON, "fields": ["created_at"]}

    assert Scorecard.fit(DEALS, as_of=date(2025, 1, 28), **asked).n == 80
    with pytest.raises(InvalidInput, match="'created_at' has instants after as_of, so it was not known then"):
        Scorecard.fit(DEALS, as_of=date(2025, 1, 27), **asked)
    with pytest.raises(InvalidInput, match="'created_at' has instants after as_of"):
        Scorecard.fit(DEALS, as_of=datetime(2025, 1, 27, 23, 59, 59, 999999, tzinfo=UTC), **asked)


def test_a_table_of_unknown_records_is_guarded_by_its_outcome_alone() -> None:
    frame = from_records(DEALS, Deal).select("stage", "category")

    card = Scorecard.fit(frame.with_columns(won=frame["category"] == "won"), outcome="won", fields=["stage"])
    assert len(card.warnings) == 1
