"""Costs: money that the business spends, and the days that it is spent for."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record


@record
class Cost(Record):
    """Money spent on customers, for the days from `starts_on` up to, not including, `ends_on`.

    Without them it is for the day `incurred_on` alone. `category` is the business's own word, such as "advertising".
    `allocation_share` is the part of the amount, from 0 to 1, that belongs to the department and campaign named.
    """

    category: str
    amount: Money = field(category="quantitative")
    incurred_on: date
    starts_on: date | None = None
    ends_on: date | None = None
    allocation_share: Decimal = field(default=Decimal(1), category="quantitative")
    department: str | None = None
    campaign_id: str | None = field(default=None, links="Campaign")

    def __attrs_post_init__(self) -> None:
        """Check that the share is one and that there are days to share the amount among."""
        if not 0 <= self.allocation_share <= 1:
            raise InvalidRecord(
                f"Cost.allocation_share: {self.allocation_share} is not a share; give a number from 0 to 1"
            )
        starts_on, days = _service(self)
        if days < 1:
            raise InvalidRecord(f"Cost.ends_on: {self.ends_on} is not after {starts_on}, when the service starts")


def accrued(cost: Cost, start: date, end: date) -> Money:
    """Return the part of a cost's allocated amount that falls into the days from `start` up to, not including, `end`.

    The allocated amount is rounded to the smallest unit, halves up. Its days share it equally: by the end of each the
    rounded-down part up to there is spent, so the parts of any division of time into periods add up to it exactly. Days
    outside the service cost nothing. Raises `InvalidInput` for an `end` before `start`.

    >>> year = Cost(
    ...     category="rent", amount=Money("1000", "PLN"), incurred_on=date(2025, 1, 2),
    ...     starts_on=date(2025, 1, 1), ends_on=date(2026, 1, 1),
    ... )
    >>> accrued(year, date(2025, 1, 1), date(2025, 2, 1))
    Money(amount=Decimal('84.93'), currency='PLN')
    """
    if end < start:
        raise InvalidInput(f"end={end} is before start={start}; give the first day after the period")
    units = _spent_by(cost, end) - _spent_by(cost, start)
    return Money.from_minor_units(units, cost.amount.currency)


def _service(cost: Cost) -> tuple[date, int]:
    """Return the first day of the service and the number of its days."""
    starts_on = cost.starts_on or cost.incurred_on
    return starts_on, 1 if cost.ends_on is None else (cost.ends_on - starts_on).days


def _spent_by(cost: Cost, day: date) -> int:
    """Return the smallest units that are spent before a day."""
    starts_on, days = _service(cost)
    allocated = (cost.amount.minor_units * Fraction(cost.allocation_share) + Fraction(1, 2)) // 1
    return allocated * min(max((day - starts_on).days, 0), days) // days
