"""Owners of any record."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model.deal import Deal
from crmkit.model.lead import Lead
from crmkit.model.owner import reassign
from crmkit.model.product import Product
from crmkit.model.records import family, record
from crmkit.testing.strategies import records

START = datetime(2025, 3, 1, 12, tzinfo=UTC)


@record
class Locker(Product):
    """A vertical's record with an owner."""

    owner_id: str | None = None


@given(st.one_of(records(Deal), records(Lead), records(Locker)), st.sampled_from(["ann", "bob"]))
def test_a_new_owner_is_the_only_change_and_the_ledger_knows_the_old_one(
    owned: Deal | Lead | Locker, owner_id: str
) -> None:
    """Behaviour 32: access follows the owner, who stands in one place."""
    reassigned, transition = reassign(owned, owner_id, at=START, by="eve", reason="leave")

    assert reassigned.owner_id == owner_id
    assert reassigned.replace(owner_id=owned.owner_id) == owned
    assert (transition.subject, transition.subject_id) == (family(type(owned)).__name__, owned.id)
    assert (transition.field, transition.before, transition.after) == ("owner_id", owned.owner_id, owner_id)
    assert (transition.category_before, transition.category_after) == (None, None)
    assert (transition.at, transition.by, transition.reason) == (START, "eve", "leave")


def test_the_present_owner_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Lead 'l1' belongs to 'ann' already; give another owner"):
        reassign(Lead(id="l1", owner_id="ann"), "ann", at=START)
