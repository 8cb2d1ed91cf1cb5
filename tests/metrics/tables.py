"""Small tables of everything that KPIs read: from a seed, so that they are made fast, and with every edge in them."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import polars as pl
from hypothesis import strategies as st

from crmkit.frames import schema
from crmkit.metrics import DuplicatePair
from crmkit.model import (
    Cost,
    Customer,
    Deal,
    Employee,
    Interaction,
    Lead,
    Message,
    Money,
    Order,
    Package,
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

Tables = dict[str, list[Any]]

CLASSES: dict[str, type[Record]] = {
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
    "quotes": Quote,
    "subscriptions": Subscription,
    "survey_responses": SurveyResponse,
    "targets": Target,
    "tasks": Task,
    "tickets": Ticket,
    "transitions": Transition,
    "usages": Usage,
}

EDGES = [
    datetime(2025, month, day, hour, tzinfo=UTC) + timedelta(microseconds=shift)
    for month, day in ((1, 1), (2, 1), (4, 1))
    for hour in (0, 4, 5)
    for shift in (-1, 0)
]
"""Instants on both sides of the ends of months and days, and of the last day reported on, in several zones."""

STAFF = ("anna", "bo")
CUSTOMERS = ("ann", "ben", "cid", "dan")
STAGES = ("Trial", "Offer")
SIZE = 12
_FIRST, _MINUTES = datetime(2024, 12, 20, tzinfo=UTC), 105 * 24 * 60


class _Dice(random.Random):
    """What fields are drawn from."""

    def one(self, *options: Any) -> Any:
        return self.choice(options)

    def at(self) -> datetime:
        return self.choice(EDGES) if self.random() < 0.3 else _FIRST + timedelta(minutes=self.randrange(_MINUTES))

    def maybe_at(self, share: float = 0.85) -> datetime | None:
        return self.at() if self.random() < share else None

    def day(self) -> date:
        return date(2024, 12, 25) + timedelta(self.randrange(105))

    def money(self, lowest: int = 0) -> Money:
        return Money(Decimal(self.randrange(lowest, 100_000)) / 100, "PLN")

    def id(self, prefix: str) -> str:
        return f"{prefix}{self.randrange(SIZE)}"


def _lead(dice: _Dice, number: int) -> Lead:
    return Lead(
        id=f"l{number}",
        created_at=dice.maybe_at(),
        category=dice.one("open", "converted", "converted", "disqualified"),
        converted_at=dice.maybe_at(),
        qualified_at=dice.maybe_at(0.5),
        source=dice.one(None, "web", "fair"),
        customer_id=dice.one(None, *CUSTOMERS),
        deal_id=dice.one(None, dice.id("d")),
        owner_id=dice.one(None, *STAFF),
        campaign_id=dice.one(None, "spring", "summer"),
    )


def _deal(dice: _Dice, number: int) -> Deal:
    return Deal(
        id=f"d{number}",
        created_at=dice.maybe_at(),
        pipeline_id="gym",
        stage=dice.one(*STAGES),
        category=dice.one("open", "won", "won", "lost"),
        closed_at=dice.maybe_at(),
        expected_close_on=dice.one(None, dice.day(), date(2025, 5, 1)),
        probability=dice.one(None, 0.0, 0.1, 1 / 3, 1.0),
        amount=dice.one(None, dice.money(-5000), dice.money()),
        customer_id=dice.one(None, *CUSTOMERS),
        owner_id=dice.one(None, *STAFF),
        source=dice.one(None, "web", "fair"),
    )


def _target(dice: _Dice, number: int) -> Target:
    month, whose = divmod(number, 4)
    is_count = dice.one(False, False, True)
    return Target(
        id=f"g{number}",
        metric="won_deals" if is_count else "won_amount",
        starts_on=date(2025, month + 1, 1),
        ends_on=date(2025, month + 2, 1),
        owner_id={0: "anna", 1: "bo"}.get(whose),
        team={2: "north"}.get(whose),
        amount=None if is_count else dice.money(),
        count=dice.randrange(4) if is_count else None,
    )


def _order(dice: _Dice, number: int) -> Order:
    amount = dice.one(None, dice.money(-5000), dice.money(), dice.money())
    is_back = amount is not None and amount.amount < 0
    return Order(
        id=f"o{number}",
        at=dice.at(),
        amount=amount,
        category=dice.one("open", "completed", "completed", "cancelled"),
        customer_id=dice.one(None, *CUSTOMERS),
        refund_of_id=dice.one(None, dice.id("o")) if is_back else None,
        source=dice.one(None, "web", "fair"),
        owner_id=dice.one(None, *STAFF),
    )


def _subscription(dice: _Dice, number: int) -> Subscription:
    return Subscription(
        id=f"s{number}",
        customer_id=dice.one(*CUSTOMERS),
        plan=dice.one("Gym", "Pool"),
        price=dice.money(),
        billing_months=dice.one(1, 5, 12),
        category=dice.one("active", "active", "frozen", "lapsed", "trial"),
        started_at=dice.maybe_at(),
        ended_at=dice.maybe_at(0.5),
        term_ends_on=dice.one(None, dice.day()),
        frozen_on=dice.one(None, dice.day()),
        frozen_days_used=dice.one(0, 3),
        won_back_from_id=dice.one(None, None, dice.id("s")),
        owner_id=dice.one(None, *STAFF),
    )


def _transition(dice: _Dice, number: int) -> Transition:
    subject, prefix, field, values = dice.one(
        ("Ticket", "t", "status", ("New", "Waiting on customer", "Done")),
        ("Ticket", "t", "priority", ("low", "normal", "high", "urgent")),
        ("Ticket", "t", "assignee_id", STAFF),
        ("Deal", "d", "stage", STAGES),
        ("Subscription", "s", "term_ends_on", (str(dice.day()), str(dice.day()))),
        ("Subscription", "s", "plan", ("Gym", "Pool")),
    )
    states = ("open", "paused", "resolved") if field == "status" else (None,)
    return Transition(
        id=f"m{number}",
        subject=subject,
        subject_id=dice.id(prefix),
        field=field,
        before=dice.one(None, *values),
        after=dice.one(*values),
        category_before=dice.one(*states),
        category_after=dice.one(*states),
        at=dice.at(),
    )


def _cost(dice: _Dice, number: int) -> Cost:
    starts_on = dice.one(None, dice.day())
    return Cost(
        id=f"c{number}",
        category=dice.one("staff", "production", "overhead", "campaigns", "loyalty"),
        amount=dice.money(),
        incurred_on=dice.day(),
        starts_on=starts_on,
        ends_on=starts_on and starts_on + timedelta(dice.randrange(1, 60)),
        allocation_share=dice.one(Decimal(1), Decimal("0.25")),
        campaign_id=dice.one(None, "spring", "summer"),
    )


def _interaction(dice: _Dice, number: int) -> Interaction:
    return Interaction(
        id=f"i{number}",
        at=dice.at(),
        channel=dice.one("email", "phone"),
        direction=dice.one("inbound", "outbound", "outbound", "internal"),
        provenance=dice.one("human", "human", "machine", "unknown"),
        customer_id=dice.one(None, *CUSTOMERS),
        employee_id=dice.one(None, *STAFF),
        deal_id=dice.one(None, dice.id("d")),
        ticket_id=dice.one(None, dice.id("t")),
        campaign_id=dice.one(None, "spring", "summer"),
    )


def _ticket(dice: _Dice, number: int) -> Ticket:
    return Ticket(
        id=f"t{number}",
        created_at=dice.maybe_at(),
        category=dice.one("open", "paused", "resolved", "resolved"),
        status=dice.one("New", "Escalated"),
        priority=dice.one("low", "normal", "high", "urgent"),
        topic=dice.one("fees", "access"),
        customer_id=dice.one(None, *CUSTOMERS),
        assignee_id=dice.one(None, *STAFF),
        first_responded_at=dice.maybe_at(0.6),
        resolved_at=dice.maybe_at(),
        reopen_count=dice.one(0, 0, 1),
        merged_into_id=dice.one(None, None, None, dice.id("t")),
    )


def _survey_response(dice: _Dice, number: int) -> SurveyResponse:
    kind, lowest, highest = dice.one(("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7))
    return SurveyResponse(
        id=f"r{number}",
        kind=kind,
        scale_low=lowest,
        scale_high=highest,
        score=dice.one(None, *range(lowest, highest + 1)),
        customer_id=dice.one(None, *CUSTOMERS),
        ticket_id=dice.one(None, dice.id("t")),
        survey_id=dice.one(None, "spring", "summer"),
        sent_at=dice.maybe_at(),
        responded_at=dice.maybe_at(),
    )


def _message(dice: _Dice, number: int) -> Message:
    return Message(
        id=f"e{number}",
        channel=dice.one("email", "sms"),
        campaign_id=dice.one(None, "spring", "summer"),
        customer_id=dice.one(None, *CUSTOMERS),
        sent_at=dice.maybe_at(),
        delivered_at=dice.maybe_at(),
        bounced_at=dice.maybe_at(0.2),
        opened_at=dice.maybe_at(0.4),
        clicked_at=dice.maybe_at(0.4),
        replied_at=dice.maybe_at(0.2),
        unsubscribed_at=dice.maybe_at(0.2),
        opened_by_machine_at=dice.maybe_at(0.2),
        skipped_at=dice.maybe_at(0.3),
        skip_reason=dice.one(None, "holdout", "holdout", "opted out"),
    )


def _task(dice: _Dice, number: int) -> Task:
    return Task(
        id=f"a{number}",
        kind=dice.one("task", "call"),
        category=dice.one("open", "done", "done", "cancelled"),
        created_at=dice.maybe_at(),
        due_at=dice.maybe_at(),
        completed_at=dice.maybe_at(),
        is_all_day=dice.one(False, True),
        assignee_id=dice.one(None, *STAFF),
    )


def _customer(dice: _Dice, number: int) -> Customer:
    return Customer(
        id=CUSTOMERS[number] if number < len(CUSTOMERS) else f"p{number}",
        kind=dice.one("person", "organization"),
        name="Ann",
        created_at=dice.maybe_at(),
        city=dice.one(None, "Gdynia"),
        birth_on=dice.one(None, date(1990, 1, 1)),
        owner_id=dice.one(None, *STAFF),
        source=dice.one(None, "web", "fair"),
    )


def _package(dice: _Dice, number: int) -> Package:
    return Package(
        id=f"k{number}",
        customer_id=dice.one(*CUSTOMERS),
        units=dice.randrange(5),
        bonus_units=dice.randrange(2),
        created_at=dice.maybe_at(),
        valid_from_on=dice.one(None, dice.day()),
        expires_on=dice.one(None, dice.day()),
    )


def _usage(dice: _Dice, number: int) -> Usage:
    return Usage(
        id=f"u{number}",
        customer_id=dice.one(*CUSTOMERS),
        at=dice.at(),
        units=dice.randrange(1, 4),
        package_id=dice.one(None, dice.id("k"), dice.id("k")),
        reversal_of_id=dice.one(None, None, None, dice.id("u")),
    )


def _quote(dice: _Dice, number: int) -> Quote:
    return Quote(
        id=f"q{number}",
        category=dice.one("draft", "sent", "accepted", "declined", "expired", "withdrawn"),
        sent_at=dice.maybe_at(),
        decided_at=dice.maybe_at(),
        valid_until_on=dice.one(None, dice.day()),
        customer_id=dice.one(None, *CUSTOMERS),
    )


def _pair(dice: _Dice, number: int) -> DuplicatePair:
    one, other = dice.sample(range(SIZE + 2), 2)
    ids = [CUSTOMERS[each] if each < len(CUSTOMERS) else f"p{each}" for each in (one, other)]
    return DuplicatePair(id=f"x{number}", first_id=ids[0], second_id=ids[1], score=dice.one(None, 0.4, 0.9))


def _employee(dice: _Dice, number: int) -> Employee:
    return Employee(
        id=[*STAFF, *(f"w{each}" for each in range(SIZE))][number], name="Anna", team=dice.one(None, "north")
    )


_MAKE: dict[str, Callable[[_Dice, int], Record]] = {
    "costs": _cost,
    "customers": _customer,
    "deals": _deal,
    "employees": _employee,
    "interactions": _interaction,
    "leads": _lead,
    "messages": _message,
    "orders": _order,
    "packages": _package,
    "pairs": _pair,
    "quotes": _quote,
    "subscriptions": _subscription,
    "survey_responses": _survey_response,
    "targets": _target,
    "tasks": _task,
    "tickets": _ticket,
    "transitions": _transition,
    "usages": _usage,
}
# A tenth of the moves of twelve records would meet one of them.
_TIMES = {"transitions": 4, "interactions": 2}


@attrs.frozen
class Facts:
    """Tables that follow from a seed; `size` is the number of rows of most of them."""

    seed: int
    size: int = SIZE

    def tables(self, *names: str) -> Tables:
        """Return some of the tables; each is the same whatever the others are."""
        return {name: self._rows(name) for name in names}

    def _rows(self, name: str) -> list[Record]:
        dice = _Dice(f"{self.seed} {name}")
        return [_MAKE[name](dice, number) for number in range(self.size * _TIMES.get(name, 1))]


facts = st.builds(Facts, st.integers(0, 2**32), st.sampled_from([SIZE, 3, 1]))

KEPT = frozenset(
    {"owner_id", "employee_id", "assignee_id", "campaign_id", "survey_id", "service_level_id", "pipeline_id"}
)
"""References to what is no key of a KPI: employees, campaigns and the like are the same everywhere."""


def elsewhere(tables: Tables) -> Tables:
    """Return the same facts about other customers, deals, tickets and so on."""
    return {name: [_renamed(row) for row in rows] for name, rows in tables.items()}


def _renamed(row: Record) -> Record:
    if isinstance(row, Employee | Target):
        return row
    names = [each.name for each in fields(type(row)) if each.name == "id" or each.name.endswith("_id")]
    own = {name: getattr(row, name) for name in names if name not in KEPT}
    return row.replace(**{name: f"other {value}" for name, value in own.items() if value is not None})


def united(first: Tables, second: Tables) -> Tables:
    """Return all rows of both, and those that both have once."""
    return {name: list(dict.fromkeys([*first[name], *second[name]])) for name in first}


def shifted(tables: Tables, by: timedelta) -> Tables:
    """Return the same facts at another time."""
    return {name: [row.replace(**_moments(row, by)) for row in rows] for name, rows in tables.items()}


def _moments(row: Record, by: timedelta) -> dict[str, Any]:
    found = {each.name: getattr(row, each.name) for each in fields(type(row)) if each.name != "birth_on"}
    moved: dict[str, Any] = {name: value + by for name, value in found.items() if isinstance(value, date)}
    if isinstance(row, Transition) and row.field == "term_ends_on":
        days = {"before": row.before, "after": row.after}
        moved |= {name: str(date.fromisoformat(day) + by) for name, day in days.items() if day}
    return moved


def later(tables: Tables, by: timedelta) -> Tables:
    """Return other facts that are all later: what has no instant has one then, because nobody knows when the rest was."""
    moved = elsewhere(shifted(tables, by))
    return {name: [row.replace(**_dated(row, EDGES[-1] + by)) for row in rows] for name, rows in moved.items()}


def _dated(row: Record, at: datetime) -> dict[str, datetime]:
    instants = [name for name, dtype in schema(type(row)).items() if dtype == pl.Datetime]
    return {name: at for name in instants if getattr(row, name) is None}
