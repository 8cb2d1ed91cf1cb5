"""Packages: a number of visits, hours or other units that a customer buys at once and uses up."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, tzinfo

import attrs

from crmkit.errors import InvalidRecord
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record
from crmkit.model.usage import Usage


@record
class Package(Record):
    """So many units of a product, and `bonus_units` for nothing, to be used from one day until another.

    `unit` is the business's own word for what is counted in whole numbers: "visit", "minute". `valid_from_on` is the
    first day on which they can be used and `expires_on` the first on which they cannot; None is no limit.
    """

    customer_id: str = field(links="Customer")
    units: int = field(category="quantitative")
    bonus_units: int = field(default=0, category="quantitative")
    unit: str = "visit"
    product_id: str | None = field(default=None, links="Product")
    order_id: str | None = field(default=None, links="Order")
    price: Money | None = field(default=None, category="quantitative")
    valid_from_on: date | None = None
    expires_on: date | None = None

    def __attrs_post_init__(self) -> None:
        """Check that neither number of units is negative."""
        for name, units in (("units", self.units), ("bonus_units", self.bonus_units)):
            if units < 0:
                raise InvalidRecord(f"Package.{name}: {units} is less than nothing; give 0 or more")


@attrs.frozen
class Balance:
    """What became of the units of a package: `used + left + expired - overdrawn` are its units and bonus units.

    `overdrawn` units were used beyond what there was. `unapplied` usages name the package, but were not in its days or
    take back what is not known; they count nowhere.
    """

    used: int
    left: int
    expired: int
    overdrawn: int
    unapplied: tuple[Usage, ...]


def balance(package: Package, usages: Iterable[Usage], as_of: datetime, tz: tzinfo) -> Balance:
    """Return what was used of a package up to an instant and what is left; `tz` says which day an instant lies in.

    Usages of other packages are passed over, in any order. Reversals never give back more than was used.

    >>> visit = Usage(customer_id="ann", at=datetime(2025, 5, 2, tzinfo=UTC), package_id="ten")
    >>> balance(Package(id="ten", customer_id="ann", units=10), [visit], datetime(2025, 5, 31, tzinfo=UTC), UTC).left
    9
    """
    known = sorted(_known(package, usages, as_of), key=lambda usage: (usage.at, usage.id))
    net = _net_units(known)
    applied = {usage.id for usage in known if usage.id in net and _is_valid(package, usage.at, tz)}
    used = sum(net[usage_id] for usage_id in applied)
    rest = package.units + package.bonus_units - used
    has_expired = package.expires_on is not None and as_of.astimezone(tz).date() >= package.expires_on
    return Balance(
        used=used,
        left=0 if has_expired else max(rest, 0),
        expired=max(rest, 0) if has_expired else 0,
        overdrawn=max(-rest, 0),
        unapplied=tuple(usage for usage in known if _applies_to(usage) not in applied),
    )


def _known(package: Package, usages: Iterable[Usage], as_of: datetime) -> Iterable[Usage]:
    return (usage for usage in usages if usage.package_id == package.id and usage.at <= as_of)


def _applies_to(usage: Usage) -> str:
    return usage.reversal_of_id or usage.id


def _net_units(usages: Iterable[Usage]) -> dict[str, int]:
    """Return the units of each usage that no reversal gave back."""
    given_back: dict[str, int] = defaultdict(int)
    taken: dict[str, int] = {}
    for usage in usages:
        if usage.reversal_of_id is None:
            taken[usage.id] = usage.units
        else:
            given_back[usage.reversal_of_id] += usage.units
    return {usage_id: max(units - given_back[usage_id], 0) for usage_id, units in taken.items()}


def _is_valid(package: Package, at: datetime, tz: tzinfo) -> bool:
    day = at.astimezone(tz).date()
    return (package.valid_from_on or date.min) <= day < (package.expires_on or date.max)
