"""A small world of customers and what links to them, with gaps, and rules about it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, get_args

from hypothesis import strategies as st

from crmkit.model import Customer, Interaction, Message, Money, Order, Record, Ticket
from crmkit.model.order import OrderCategory
from crmkit.model.ticket import TicketCategory
from crmkit.rules import AllOf, AnyOf, Comparison, Not, Rule
from tests.model.vertical import Member, Visit
from tests.rules.drawn import DAY_ZONES, days, relative_times

AS_OF = datetime(2025, 3, 1, 2, 30, tzinfo=UTC)
"""In New York it is still February."""

_CLASSES: tuple[type[Record], ...] = (Customer, Member, Order, Ticket, Interaction, Message, Visit)
_IDS = ("0", "1", "2", "3", "4", "5", "6", "7", None, "nobody")
_MONEY = (None, Money(0, "PLN"), Money("10.50", "PLN"), Money("-3", "PLN"), Money("10.50", "EUR"), Money(7, "JPY"))
_CHANNELS = (None, "web", "shop")
_BIRTHDAYS = (None, date(1988, 2, 29), date(1990, 2, 28), date(1990, 3, 1), date(2001, 12, 31), date(2025, 3, 2))


def world(seed: int = 7) -> dict[type[Record], list[Any]]:
    """Records by their classes; of some nobody knows when, by whom or how much."""
    draw = Random(seed)

    def at() -> datetime:
        minutes = draw.choice((0, -150, -151, 1, draw.randrange(-60_000, 3_000)))
        return AS_OF + timedelta(minutes=minutes, microseconds=draw.choice((0, 0, 1, -1)))

    def maybe_at() -> datetime | None:
        return draw.choice((None, at()))

    def one(cls: type[Record], number: int) -> Any:
        own: Mapping[type[Record], Any] = {
            Customer: lambda: {
                "kind": "person",
                "name": draw.choice(("Ann", "Łucja")),
                "country": draw.choice((None, "TH", "PL")),
                "birth_on": draw.choice(_BIRTHDAYS),
                "tags": draw.sample(("vip", "staff"), draw.randrange(3)),
            },
            Order: lambda: {
                "at": at(),
                "customer_id": draw.choice(_IDS),
                "amount": draw.choice(_MONEY),
                "channel": draw.choice(_CHANNELS),
                "category": draw.choice(get_args(OrderCategory)),
            },
            Ticket: lambda: {
                "customer_id": draw.choice(_IDS),
                "category": draw.choice(get_args(TicketCategory)),
                "created_at": maybe_at(),
            },
            Interaction: lambda: {
                "at": at(),
                "channel": draw.choice(("visit", "phone")),
                "direction": "inbound",
                "customer_id": draw.choice(_IDS),
                "interests": draw.sample(("yoga", "spa"), draw.randrange(3)),
            },
            Message: lambda: {"channel": "email", "customer_id": draw.choice(_IDS), "sent_at": maybe_at()},
            Visit: lambda: {"at": at(), "member_id": draw.choice(_IDS[:8]), "guests": draw.randrange(3)},
        }
        if cls is Member:
            return Member(id=str(number), card="7", joined_on=draw.choice(_BIRTHDAYS), **own[Customer]())
        return cls(id=str(number), **own[cls]())

    sizes = {Customer: range(8), Member: range(8, 10)}
    return {cls: [one(cls, number) for number in sizes.get(cls, range(40))] for cls in _CLASSES}


_COUNTS = st.integers(0, 5)
_INSTANTS = st.integers(-60_000, 3_000).map(lambda minutes: AS_OF + timedelta(minutes=minutes)) | st.just(AS_OF)
_DAYS = days([AS_OF]) | relative_times()
_AMOUNTS = st.builds(Money, st.integers(-5, 40), st.sampled_from(["PLN", "EUR", "JPY"]))
_PARTS: Mapping[str, Sequence[str]] = {
    "orders": ("any", "count", "first_at", "last_at", "total", "open", "completed", "cancelled"),
    "tickets": ("any", "count", "first_at", "last_at", "open", "paused", "resolved"),
    "interactions": ("any", "count", "first_at", "last_at"),
    "messages": ("count", "last_at"),
    "visits": ("any", "count", "last_at"),
}
_ORDERED = ("is", "below", "at_most", "above", "at_least")
_INNER: Mapping[str, Sequence[tuple[str, Sequence[str], st.SearchStrategy[Any]]]] = {
    "orders": (
        ("channel", ("is", "like"), st.sampled_from(["web", "shop", "w%"])),
        ("amount", _ORDERED, _AMOUNTS),
        ("at", _ORDERED, _DAYS),
    ),
    "tickets": (("category", ("in",), st.lists(st.sampled_from(["open", "paused"]))),),
    "interactions": (("channel", ("is",), st.just("visit")), ("interests", ("has",), st.just("yoga"))),
    "messages": (("channel", ("is",), st.just("email")),),
    "visits": (("guests", _ORDERED, st.integers(0, 2)),),
}
_OWN: Sequence[tuple[str, Sequence[str], st.SearchStrategy[Any]]] = (
    ("country", ("is", "like"), st.sampled_from(["TH", "_L"])),
    (
        "birth_on",
        ("anniversary",),
        days([AS_OF, date(2024, 12, 30)], longest=60)
        | relative_times().filter(lambda time: time.last - time.first < 1),
    ),
    ("birth_on", _ORDERED, _DAYS),
    ("tags", ("has",), st.just("vip")),
)


def rules_about_customers() -> st.SearchStrategy[Rule]:
    """Rules about customers and the records that link to them, with relative time."""
    related = st.sampled_from([(name, part) for name, parts in _PARTS.items() for part in parts])
    compared = _among(_OWN) | related.flatmap(lambda asked: _about(*asked))
    return st.recursive(
        compared,
        lambda parts: st.lists(parts, max_size=3).map(AllOf) | parts.map(Not) | st.lists(parts, max_size=2).map(AnyOf),
        max_leaves=4,
    )


def moments() -> st.SearchStrategy[tuple[datetime | date, str]]:
    """When a rule is asked, and in which zone."""
    return st.tuples(st.sampled_from([AS_OF, date(2025, 2, 28), date(2025, 1, 31)]), st.sampled_from(DAY_ZONES))


def _among(asked: Sequence[tuple[str, Sequence[str], st.SearchStrategy[Any]]]) -> st.SearchStrategy[Rule]:
    return st.sampled_from(asked).flatmap(
        lambda each: st.builds(Comparison, st.just(each[0]), st.sampled_from(each[1]), each[2])
    )


def _about(name: str, part: str) -> st.SearchStrategy[Rule]:
    happened = st.builds(Comparison, st.just("happened_at"), st.sampled_from(_ORDERED), _DAYS | _INSTANTS)
    inner = _among(_INNER[name]) | happened
    where = st.none() | inner | inner.map(Not) | st.tuples(inner, inner).map(AllOf)
    return st.builds(lambda asked, where: Comparison(f"{name}.{part}", asked[0], asked[1], where), _asked(part), where)


def _asked(part: str) -> st.SearchStrategy[tuple[Any, Any]]:
    ordered = st.sampled_from(_ORDERED)
    if part == "any":
        return st.tuples(st.just("is"), st.booleans())
    if part == "total":
        return st.tuples(ordered, _AMOUNTS)
    if part in {"first_at", "last_at"}:
        return (
            st.tuples(ordered, _DAYS | _INSTANTS)
            | st.just(("empty", None))
            | st.tuples(st.just("in"), st.lists(_INSTANTS))
        )
    return st.tuples(ordered, _COUNTS) | st.tuples(st.just("in"), st.lists(_COUNTS))
