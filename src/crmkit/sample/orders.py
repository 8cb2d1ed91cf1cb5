"""Orders: what won deals bring, what is ordered again and again, and what is cancelled or sent back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter

from crmkit.model import Customer, Deal, Order
from crmkit.model.order import OrderCategory
from crmkit.sample.draw import Draw, Season
from crmkit.sample.offer import Offer, price
from crmkit.sample.records import begun, numbered

_MONTHS = (0.9, 0.95, 1.0, 0.95, 1.0, 0.9, 0.65, 0.7, 1.1, 1.2, 1.5, 1.7)
_WEEKDAYS = (1.5, 1.2, 1.0, 0.9, 0.8, 0.15, 0.1)
_ORDERS_A_YEAR = {"organization": 6.0, "person": 3.5}
_KILOGRAMS = {"organization": 9, "person": 2}
_FAMILIES = {"beans": 88, "supplies": 12}
_SOURCES = {"web shop": 70, "phone": 20, "email": 10}
_LEFT, _CANCELLED, _REFUNDED = 0.15, 0.02, 0.015
_HOURS_TO_ORDER, _HOURS_TO_DELIVER, _HOURS_TO_RETURN = 8, 30, 60


def orders(draw: Draw, buyers: Sequence[Customer], deals: Iterable[Deal], offer: Offer) -> list[Order]:
    """Return the orders of the year in order of time; a refund is an order of its own."""
    found: list[Order] = []
    for number, (at, wish) in enumerate(_wishes(draw, buyers, deals), 1):
        if isinstance(wish, Deal):
            order = _installation(draw, number, at, wish, offer)
        else:
            order = _supply(draw, number, at, wish, offer)
        found += [order, *_refund(draw, order)]
    return sorted(found, key=attrgetter("at"))


def _wishes(draw: Draw, buyers: Sequence[Customer], deals: Iterable[Deal]) -> list[tuple[datetime, Customer | Deal]]:
    """Who orders when, or which won deal is ordered when, in order."""
    season = draw.season(_MONTHS, _WEEKDAYS)
    wishes: list[tuple[datetime, Customer | Deal]] = []
    for customer in buyers:
        wishes += [(at, customer) for at in _habit(draw, season, customer)]
    for deal in deals:
        if deal.category == "won" and deal.closed_at is not None:
            wishes.append((draw.later(deal.closed_at, draw.skewed(_HOURS_TO_ORDER)), deal))
    return sorted((wish for wish in wishes if wish[0] <= draw.end), key=itemgetter(0))


def _habit(draw: Draw, season: Season, customer: Customer) -> list[datetime]:
    """The instants at which a customer orders beans; some leave within the year."""
    since = max(draw.start, begun(customer))
    until = since + draw.random.random() * (draw.end - since) if draw.chance(_LEFT) else draw.end
    expected = draw.skewed(_ORDERS_A_YEAR[customer.kind]) * draw.years(since, until)
    return draw.moments(season, draw.count(expected), since, until)


def _installation(draw: Draw, number: int, at: datetime, deal: Deal, offer: Offer) -> Order:
    products = [product for product in offer.products if product.id in deal.product_ids]
    status, category = _status(draw, at)
    return Order(
        id=numbered("order", number),
        created_at=at,
        at=at,
        amount=deal.amount or price(products),
        customer_id=deal.customer_id,
        product_ids=deal.product_ids,
        owner_id=deal.owner_id,
        deal_id=deal.id,
        source="sales",
        status=status,
        category=category,
    )


def _supply(draw: Draw, number: int, at: datetime, customer: Customer, offer: Offer) -> Order:
    products = draw.random.sample(offer.family(draw.weighed(_FAMILIES)), draw.pick((1, 1, 2)))
    quantity = 1 + draw.count(draw.skewed(_KILOGRAMS[customer.kind]))
    status, category = _status(draw, at)
    return Order(
        id=numbered("order", number),
        created_at=at,
        at=at,
        amount=price(products, quantity=quantity),
        customer_id=customer.id,
        product_ids=[product.id for product in products],
        owner_id=customer.owner_id,
        source=draw.weighed(_SOURCES),
        status=status,
        category=category,
    )


def _status(draw: Draw, at: datetime) -> tuple[str, OrderCategory]:
    if draw.chance(_CANCELLED):
        return "Cancelled", "cancelled"
    if draw.later(at, draw.skewed(_HOURS_TO_DELIVER)) > draw.end:
        return "Processing", "open"
    return "Delivered", "completed"


def _refund(draw: Draw, order: Order) -> list[Order]:
    """The refund of a delivered order, where it was sent back within the year."""
    at = draw.later(order.at, draw.skewed(_HOURS_TO_RETURN))
    if not draw.chance(_REFUNDED) or order.category != "completed" or order.amount is None or at > draw.end:
        return []
    return [order.replace(id=f"{order.id}-refund", created_at=at, at=at, amount=-order.amount, status="Refunded")]
