"""An id that is gone leads to the record that took its place."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model.alias import Alias, resolve
from crmkit.model.customer import Customer
from crmkit.model.merge import merge

DAY = datetime(2025, 3, 1, tzinfo=UTC)


def test_old_ids_lead_to_the_survivor_also_after_further_merges() -> None:
    """Behaviour 24."""
    anna, ann, eva = (Customer(id=each, kind="person", name=each) for each in ("anna", "ann", "eva"))
    first = merge(ann, [anna], at=DAY)
    second = merge(eva, [first.survivor], at=DAY)
    aliases = [*first.aliases, *second.aliases]

    assert [resolve(aliases, "Customer", each) for each in ("anna", "ann", "eva", "bob")] == ["eva"] * 3 + ["bob"]
    assert resolve(aliases, "Employee", "anna") == "anna"
    assert resolve([each for each in aliases if each.merge_id != second.log.id], "Customer", "anna") == "ann"


@given(data=st.data(), links=st.dictionaries(st.integers(0, 8), st.integers(0, 8), max_size=9))
def test_resolving_ends_whatever_the_aliases_say(data: st.DataObject, links: dict[int, int]) -> None:
    """Behaviour 24: safe against rings."""
    aliases = [
        Alias(subject="Customer", former_id=str(old), survivor_id=str(new), at=DAY) for old, new in links.items()
    ]
    start = current = data.draw(st.integers(0, 8))
    for _ in links:
        current = links.get(current, current)

    if current in links:
        with pytest.raises(InvalidInput, match="lead in a ring"):
            resolve(aliases, "Customer", str(start))
    else:
        assert resolve(data.draw(st.permutations(aliases)), "Customer", str(start)) == str(current)


def test_the_latest_of_two_aliases_counts() -> None:
    """An unmerged customer may have been merged again, into another one."""
    old, new = (
        Alias(subject="Customer", former_id="anna", survivor_id=each, at=at)
        for each, at in [("ann", DAY), ("eva", DAY + timedelta(days=1))]
    )

    assert resolve([old, new], "Customer", "anna") == resolve([new, old], "Customer", "anna") == "eva"
