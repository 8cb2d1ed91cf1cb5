"""A vertical's own records, declared where annotations are text (PEP 563)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - the annotations of a record are read
from collections.abc import Set as AbstractSet  # noqa: TC003
from datetime import date, datetime  # noqa: TC003
from decimal import Decimal  # noqa: TC003
from typing import Literal

from crmkit.model import Customer, Money, Record, Value, field, record, value
from crmkit.model.shape import Scalar  # noqa: TC001


@value
class Locker(Value):
    """A locker of a club."""

    number: int
    room: Literal["east", "west"] = "east"


@record
class Member(Customer):
    """A customer of a fitness club."""

    card: str = field(category="identity", title="Card number")
    joined_on: date | None = None
    allergies: AbstractSet[str] = field(default=frozenset(), personal=True)


@record
class Visit(Record):
    """One visit of a member, with a field of every kind."""

    member_id: str = field(links="Customer")
    at: datetime
    left_at: datetime | None = None
    paid: Money | None = None
    guests: int = 0
    rating: float | None = None
    weight: Decimal | None = None
    is_trial: bool = False
    goals: AbstractSet[str] | None = None
    classes: Sequence[str] = ()
    locker: Locker | None = None
    lockers: Sequence[Locker] = ()
    measured: Mapping[str, Scalar] | None = field(default=None, category="quantitative", personal=True)
