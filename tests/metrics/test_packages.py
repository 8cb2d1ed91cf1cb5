"""Packages: what customers have left on them, and what expired."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.metrics.packages import package_balance, package_expiry
from crmkit.model import Package, Usage
from crmkit.model.package import balance
from crmkit.rules import field
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import maybe, moments
from tests.metrics.oracle import Asked, Fact, asked, check
from tests.metrics.renewing import DAY, MAY, days

package_ids = ["p0", "p1", "p2"]
packages = st.lists(
    st.builds(
        Package,
        id=st.sampled_from(package_ids),
        customer_id=st.sampled_from(["ann", "ben"]),
        units=st.integers(0, 4),
        bonus_units=st.integers(0, 1),
        created_at=maybe,
        valid_from_on=st.none() | days,
        expires_on=st.none() | days,
    ),
    max_size=3,
    unique_by=lambda each: each.id,
)
usages = st.lists(
    st.builds(
        Usage,
        id=st.sampled_from("abcdefgh"),
        customer_id=st.just("ann"),
        at=moments,
        units=st.integers(1, 3),
        package_id=st.sampled_from([None, *package_ids]),
        reversal_of_id=st.sampled_from([None, None, *"abcd"]),
    ),
    max_size=8,
    unique_by=lambda each: each.id,
)


@few
@given(packages, usages, asked(by="customer_id"), st.data())
def test_packages_have_left_what_the_balance_of_each_says(
    packages_: list[Package], usages_: list[Usage], asked_: Asked, data: st.DataObject
) -> None:
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    shuffled = data.draw(st.permutations(usages_))
    tables = {"packages": kind(packages_, Package), "usages": kind(shuffled, Usage)}
    zone = ZoneInfo(asked_.tz)
    as_of = asked_.as_of
    if not isinstance(as_of, datetime):
        as_of = datetime.combine(as_of + DAY, time.min, zone).astimezone(UTC) - timedelta(microseconds=1)
    known = [each for each in packages_ if each.created_at is None or asked_.is_known(each.created_at)]
    found = {each.id: balance(each, usages_, as_of, zone) for each in known}

    left = package_balance(tz=asked_.tz, as_of=asked_.as_of, by="customer_id", **tables)
    for measure in left:
        mine = [each for each in known if each.customer_id == measure.group["customer_id"]]
        assert (measure.n, measure.value) == (len(mine), sum(found[each.id].left for each in mine))
        for name in ("used", "left", "expired", "overdrawn"):
            assert measure.details[name] == sum(getattr(found[each.id], name) for each in mine)
        assert measure.details["units"] == sum(each.units + each.bonus_units for each in mine)

    expiring = [
        Fact(
            None if each.expires_on is None else datetime.combine(each.expires_on, time.min, zone),
            "never expires" if each.expires_on is None else "expired",
            asked_.group(each),
            (found[each.id].expired, each.units + each.bonus_units),
        )
        for each in known
    ]

    def finish(inside: list[Fact]) -> dict[str, Any]:
        expired, units = (sum(fact.worth[part] for fact in inside) for part in (0, 1))
        return {"value": expired / units if units else None, "numerator": expired, "denominator": units}

    tables = {"packages": kind(packages_, Package), "usages": kind(shuffled, Usage)}  # a generator is read once
    check(package_expiry(**tables, **asked_.options), expiring, ["expired"], asked_, finish)


def test_units_of_several_kinds_are_refused_unless_kept_apart() -> None:
    rows = [Package(customer_id="ann", units=10), Package(customer_id="ann", units=60, unit="minute")]

    with pytest.raises(InvalidInput, match="units in minute, visit cannot be added; keep one with"):
        package_balance(packages=rows, usages=[], as_of=MAY)
    assert package_balance(packages=rows, usages=[], as_of=MAY, where=field("unit") == "visit").value == 10
    grouped = package_balance(packages=rows, usages=[], as_of=MAY, by="my_unit", columns={"my_unit": "unit"})
    assert [each.value for each in grouped] == [60, 10]


def test_no_package_has_nothing_left_and_nothing_that_expires() -> None:
    left, expired = (kpi(packages=[], usages=[], as_of=MAY).only for kpi in (package_balance, package_expiry))

    assert (left.value, left.n, expired.value, expired.reason) == (0, 0, None, "no unit expired")


@pytest.mark.parametrize("kind", KINDS)
def test_no_data_of_any_kind_is_nothing(kind: str) -> None:
    for kpi in (package_balance, package_expiry):
        packages_, usages_ = (KINDS[kind]([], cls) for cls in (Package, Usage))
        assert kpi(packages=packages_, usages=usages_, as_of=MAY).only.n == 0


def test_the_records_behind_a_balance_are_found() -> None:
    left = package_balance(packages=[Package(id="p1", customer_id="ann", units=10)], usages=[], as_of=MAY)

    assert left.explain(left.only) == {"numerator": ["p1"], "denominator": ["p1"]}


def test_packages_of_different_customers_add_up() -> None:
    ten = Package(id="p1", customer_id="ann", units=10)
    other = ten.replace(id="p2", customer_id="ben", units=5)
    visit = Usage(customer_id="ann", at=datetime(2025, 5, 10, tzinfo=UTC), package_id="p1")
    parts = [package_balance(packages=[each], usages=[visit], as_of=MAY) for each in (ten, other)]

    assert parts[0] + parts[1] == package_balance(packages=[ten, other], usages=[visit], as_of=MAY)
    assert (parts[0] + parts[1]).value == 14
