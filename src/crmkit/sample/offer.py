"""What the sample company sells, and the pipelines in which it sells it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from crmkit.model import Money, Pipeline, Product, Stage
from crmkit.sample.records import numbered

CURRENCY = "PLN"
_PRODUCTS = (
    ("Home Brew Mini", "home machines", 1290),
    ("Home Brew Duo", "home machines", 2490),
    ("Barista One", "machines", 4900),
    ("Barista Four", "machines", 11900),
    ("Office Brew 40", "machines", 8400),
    ("Office Brew 120", "machines", 16800),
    ("Care Basic", "contracts", 1900),
    ("Care Plus", "contracts", 3900),
    ("Morning Roast 1 kg", "beans", 79),
    ("Dark Harbour 1 kg", "beans", 89),
    ("Decaf Meadow 1 kg", "beans", 95),
    ("Single Farm Reserve 1 kg", "beans", 149),
    ("Cleaning Set", "supplies", 120),
    ("Filter Box", "supplies", 65),
)
_MACHINES = (
    Stage("Enquiry", "open", 0.15, rotting_days=10),
    Stage("Tasting", "open", 0.3, rotting_days=21),
    Stage("Offer", "open", 0.45, rotting_days=21),
    Stage("Negotiation", "open", 0.65, rotting_days=28),
    Stage("Ordered", "won", 1.0),
    Stage("Installed", "won", 1.0),
    Stage("Lost", "lost", 0.0),
)
_CONTRACTS = (
    Stage("Check-up", "open", 0.3, rotting_days=14),
    Stage("Offer", "open", 0.5, rotting_days=21),
    Stage("Signed", "won", 1.0),
    Stage("Declined", "lost", 0.0),
)


@attrs.frozen
class Offer:
    """The products, and the pipelines in which machines and service contracts are sold."""

    products: Sequence[Product]
    machines: Pipeline
    contracts: Pipeline

    @property
    def pipelines(self) -> dict[str, Pipeline]:
        """The pipelines by id."""
        return {pipeline.id: pipeline for pipeline in (self.machines, self.contracts)}

    def family(self, name: str) -> list[Product]:
        """Return the products of a family."""
        return [product for product in self.products if product.family == name]


def offer(at: datetime) -> Offer:
    """Return what is sold since an instant."""
    return Offer(
        products=_products(at),
        machines=Pipeline(id="pipeline-machines", created_at=at, name="Coffee machines", stages=_MACHINES),
        contracts=Pipeline(id="pipeline-contracts", created_at=at, name="Service contracts", stages=_CONTRACTS),
    )


def price(products: Sequence[Product], *, quantity: int = 1, discount: int = 0) -> Money:
    """Return what so many of each product cost with a discount in percent, in whole units of the currency."""
    listed = sum(int(product.price.amount) for product in products if product.price)
    return Money(Decimal(listed * quantity * (100 - discount) // 100), CURRENCY)


def _products(at: datetime) -> list[Product]:
    return [
        Product(
            id=numbered("product", number),
            created_at=at,
            name=name,
            family=family,
            price=Money(Decimal(cost), CURRENCY),
        )
        for number, (name, family, cost) in enumerate(_PRODUCTS, 1)
    ]
