"""Targets: what somebody is to reach in a period."""

from datetime import date

from crmkit.errors import InvalidRecord
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record


@record
class Target(Record):
    """The value that a metric is to reach from `starts_on` until before `ends_on`, as money or as a count.

    It is an employee's with `owner_id`, a team's with `team`, and the whole business's with neither. Raises
    `InvalidRecord` for a period without a day, for both an employee and a team, and unless exactly one of `amount` and
    `count` is given.

    >>> quarter = {"starts_on": date(2025, 4, 1), "ends_on": date(2025, 7, 1)}
    >>> Target(metric="won_amount", owner_id="ann", amount=Money("90000", "PLN"), **quarter).count is None
    True
    """

    metric: str
    starts_on: date
    ends_on: date
    owner_id: str | None = field(default=None, links="Employee")
    team: str | None = None
    amount: Money | None = field(default=None, category="quantitative")
    count: int | None = field(default=None, category="quantitative")

    def __attrs_post_init__(self) -> None:
        """Check the period, whose target it is, and that it has one value."""
        if self.starts_on >= self.ends_on:
            raise InvalidRecord(
                f"Target.ends_on: {self.ends_on} is not after starts_on; give the day after the last one"
            )
        if self.owner_id is not None and self.team is not None:
            raise InvalidRecord("Target.team: the target is an employee's already; give owner_id, team or neither")
        if (self.amount is None) == (self.count is None):
            raise InvalidRecord("Target.amount: a target has one value; give either amount or count")
