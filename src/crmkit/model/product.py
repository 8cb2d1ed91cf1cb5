"""Products: what the business sells."""

from crmkit.model.money import Money
from crmkit.model.records import Record, field, record


@record
class Product(Record):
    """Something that is sold, with its list price; one that is no longer sold is not active.

    Its article numbers (SKU) are external ids, one for each system that has one.
    """

    name: str = field(category="identity")
    family: str | None = None
    price: Money | None = field(default=None, category="quantitative")
    is_active: bool = True
