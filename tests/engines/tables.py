"""One business with every table that a KPI reads: its records are drawn by the shapes of their fields, with gaps and odd ones."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from crmkit.metrics import DuplicatePair
from crmkit.model import (
    Campaign,
    Cost,
    Customer,
    Deal,
    Employee,
    FieldInfo,
    Interaction,
    Lead,
    Message,
    Money,
    Order,
    Package,
    Payment,
    Quote,
    Record,
    Subscription,
    SurveyResponse,
    Target,
    Task,
    Ticket,
    Transition,
    Usage,
    fields,
)
from crmkit.model.shape import Kind
from crmkit.sample import company

CLASSES: dict[str, type[Record]] = {
    "campaigns": Campaign,
    "costs": Cost,
    "customers": Customer,
    "deals": Deal,
    "employees": Employee,
    "interactions": Interaction,
    "leads": Lead,
    "messages": Message,
    "orders": Order,
    "packages": Package,
    "pairs": DuplicatePair,
    "payments": Payment,
    "quotes": Quote,
    "subscriptions": Subscription,
    "survey_responses": SurveyResponse,
    "targets": Target,
    "tasks": Task,
    "tickets": Ticket,
    "transitions": Transition,
    "usages": Usage,
}
_ROWS = 80
_START = datetime(2024, 11, 1, tzinfo=UTC)
_DAYS = 430
_PEOPLE = 12
_WORDS = ("red", "Łódź", "0012", "a,b 'c' \"d\"")

Tables = dict[str, list[Any]]


def business(seed: int = 7) -> Tables:
    """Return every table: those of the sample company, and further rows of every class that no process has made."""
    sample = company(seed=seed, customers=_PEOPLE)
    random = Random(seed)
    tables: Tables = {}
    for name, cls in CLASSES.items():
        drawn = _targets() if cls is Target else [_drawn(cls, number, random) for number in range(_ROWS)]
        tables[name] = [*getattr(sample, name, ()), *drawn]
    return tables


def _drawn(cls: type[Record], number: int, random: Random) -> Record:
    values = {
        info.name: _value(info, random)
        for info in fields(cls)
        if info.shape.kind in _VALUES and (info.required or random.random() < 0.8)
    }
    fitting = _FITTING[cls](random) if cls in _FITTING else {}
    return cls(**values | {"id": _id(cls, number)} | fitting)


def _id(cls: type[Record], number: int) -> str:
    return f"{cls.__name__.lower()}-x{number:03}"


def _link(name: str, random: Random) -> str:
    """The id of a record of the sample company, or of one that was drawn, or of none."""
    number = random.randrange(1, _PEOPLE)
    return f"{name.lower()}-" + random.choice([f"{number:04}", f"x{number:03}"])


def _value(info: FieldInfo, random: Random) -> Any:
    if info.links and info.shape.kind == "text":
        return _link(info.links, random)
    if info.shape.choices:
        return random.choice(info.shape.choices)
    return _VALUES[info.shape.kind](random)


def _instant(random: Random) -> datetime:
    # Often the last or the first microsecond of a day somewhere.
    day = _START + timedelta(days=random.randrange(_DAYS), hours=random.choice([0, 5, 17, 22, 23]))
    return day + timedelta(microseconds=random.choice([-1, 0, 0, random.randrange(10**10)]))


def _day(random: Random) -> date:
    return _START.date() + timedelta(days=random.randrange(_DAYS))


def _money(random: Random) -> Money:
    return Money(Decimal(random.randrange(10**6)) / 100, "PLN")


_VALUES: Mapping[Kind, Callable[[Random], Any]] = {
    "text": lambda random: random.choice(_WORDS),
    "choice": lambda random: None,
    "integer": lambda random: random.randrange(1, 4),
    "number": lambda random: round(random.random(), 3),
    "decimal": lambda random: Decimal(random.randrange(101)) / 100,
    "flag": lambda random: random.random() < 0.5,
    "instant": _instant,
    "day": _day,
    "money": _money,
    "texts": lambda random: random.sample(_WORDS, random.randrange(3)),
}


def _cost(random: Random) -> dict[str, Any]:
    starts_on = _day(random)
    days = random.choice([1, 30, 365])
    served = {"starts_on": starts_on, "ends_on": starts_on + timedelta(days=days)}
    category = random.choice(["staff", "overhead", "advertising", "agency"])
    return {"category": category} | (served if random.random() < 0.7 else {"starts_on": None, "ends_on": None})


def _transition(random: Random) -> dict[str, Any]:
    subject, field, words = random.choice(_MOVES)
    before, after = random.choice(words), random.choice(words)
    return {
        "subject": subject,
        "subject_id": _link(subject, random),
        "field": field,
        "before": before,
        "after": after,
        "category_before": before,
        "category_after": after,
    }


_MOVES = (
    ("Deal", "stage", ("Trial", "Offer", "Won")),
    ("Deal", "owner_id", ("employee-0001", "employee-0002")),
    ("Ticket", "status", ("open", "paused", "resolved")),
    ("Ticket", "priority", ("low", "normal", "high", "urgent")),
    ("Ticket", "assignee_id", ("employee-0001", "employee-0002")),
    ("Subscription", "term_ends_on", ("2025-02-01", "2025-06-30", "2026-01-15")),
)


def _targets() -> list[Record]:
    """One of each kind for every month, because several for one period are refused."""
    aims: list[tuple[str, dict[str, Any]]] = [
        ("won_amount", {"amount": Money(5000, "PLN")}),
        ("won_deals", {"count": 3}),
    ]
    return [
        Target(
            id=f"{metric}-{month}",
            metric=metric,
            starts_on=date(2025, month, 1),
            ends_on=date(2025, month + 1, 1),
            **aim,
        )
        for metric, aim in aims
        for month in range(1, 12)
    ]


def _response(random: Random) -> dict[str, Any]:
    kind, low, high = random.choice([("nps", 0, 10), ("ces", 1, 7), ("csat", 1, 5)])
    score = random.choice([None, *range(low, high + 1)])
    return {"kind": kind, "scale_low": low, "scale_high": high, "score": score}


_FITTING: Mapping[type[Record], Callable[[Random], dict[str, Any]]] = {
    Cost: _cost,
    Transition: _transition,
    SurveyResponse: _response,
    Order: lambda _: {"refund_of_id": None},
    Payment: lambda _: {"refunded": None},
    Package: lambda _: {"unit": "visit"},
}
