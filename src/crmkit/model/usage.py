"""Usage: what customers use of what they paid for, visit by visit."""

from datetime import datetime

from crmkit.errors import InvalidRecord
from crmkit.model.records import Record, field, record


@record
class Usage(Record):
    """So many units used at one instant, under a package or a subscription; or, with `reversal_of_id`, given back.

    A reversal has positive units too: those of the usage that it takes back, or fewer. `kind` is the business's own
    word.

    >>> visit = Usage(customer_id="ann", at=datetime(2025, 5, 2, tzinfo=UTC), package_id="p1", kind="visit")
    >>> Usage(customer_id="ann", at=visit.at, package_id="p1", reversal_of_id=visit.id).units
    1
    """

    customer_id: str = field(links="Customer")
    at: datetime
    units: int = field(default=1, category="quantitative")
    package_id: str | None = field(default=None, links="Package")
    subscription_id: str | None = field(default=None, links="Subscription")
    product_id: str | None = field(default=None, links="Product")
    kind: str | None = None
    reversal_of_id: str | None = field(default=None, links="Usage")

    def __attrs_post_init__(self) -> None:
        """Check that something is used; a negative usage would be a reversal that nobody can trace."""
        if self.units < 1:
            raise InvalidRecord(
                f"Usage.units: {self.units} is no use; give at least 1, and reversal_of_id to take it back"
            )
