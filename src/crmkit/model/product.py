"""Products: what the business sells."""

from crmkit.model.money import Money
from crmkit.model.record import Record, field, record


@record
class Product(Record):
    """Something that is sold, with its list price."""

    name: str = field(category="identity")
    family: str | None = None
    price: Money | None = field(default=None, category="quantitative")
