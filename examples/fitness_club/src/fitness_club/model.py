"""The club's own records. Each extends the record of crmkit that it is a kind of, so that every KPI and store knows it already.

The words on screens are the club's (`WORDS`); what they mean is said by the fixed categories of crmkit.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Literal

from crmkit.errors import InvalidRecord
from crmkit.model import Customer, Employee, Order, Package, Record, Subscription, Usage, Value, field, record, value

LifeStage = Literal[
    "prospect", "trial", "adaptation", "active", "fading", "renewal window", "renewed", "lapsed", "won back"
]
BookingCategory = Literal["booked", "attended", "no_show", "cancelled", "cancelled_late"]

WORDS: Mapping[str, str] = {
    "trial": "Trying out",
    "active": "Training",
    "frozen": "On a break",
    "past_due": "Owes us",
    "cancelling": "Leaving",
    "lapsed": "Left",
    "booked": "Has a place",
    "attended": "Was there",
    "no_show": "Did not come",
    "cancelled": "Gave the place back",
    "cancelled_late": "Gave the place back too late",
}
"""What the club calls the categories of memberships and bookings."""


@record
class Trainer(Employee):
    """An employee who leads classes and looks after members."""

    specialities: AbstractSet[str] = frozenset()


@value
class EmergencyContact(Value):
    """Whom to call when something happens to a member."""

    name: str = field(personal=True)
    phone: str = field(personal=True)


@record
class Member(Customer):
    """Somebody who trains here, did so, or may do so one day.

    `life_stage` is derived by `fitness_club.life` and changes with a `Transition`. The number of the member's card is an external id of
    the system "card". Health notes are sensitive, so `about` leaves them out.
    """

    goals: AbstractSet[str] = field(default=frozenset(), category="qualitative", personal=True)
    health_notes: str | None = field(default=None, category="qualitative", sensitive=True)
    emergency_contact: EmergencyContact | None = field(default=None, personal=True)
    trainer_id: str | None = field(default=None, links="Employee")
    life_stage: LifeStage = "prospect"


@record
class Membership(Subscription):
    """A contract for a term of months or for a month at a time; freezes make its term longer.

    `customer_id` is who pays. On a family contract `family_ids` are the others who train under it.
    """

    family_ids: Sequence[str] = field(default=(), links="Customer")
    trainer_id: str | None = field(default=None, links="Employee")

    @property
    def covered_ids(self) -> tuple[str, ...]:
        """Who trains under the contract: the payer first."""
        return tuple(dict.fromkeys((self.customer_id, *self.family_ids)))


@record
class VisitPackage(Package):
    """A number of visits that are used one by one until a day; `crmkit.model.package.balance` says how many are left."""

    trainer_id: str | None = field(default=None, links="Employee")


@record
class Visit(Usage):
    """One visit, as the turnstile saw it; a use of a membership or of a package."""

    gate: str | None = None


@record
class ClassSession(Record):
    """One class on the timetable, with so many places."""

    name: str
    starts_at: datetime
    minutes: int = field(default=60, category="quantitative")
    capacity: int = field(category="quantitative")
    trainer_id: str | None = field(default=None, links="Employee")

    def __attrs_post_init__(self) -> None:
        """Check that somebody can come, because occupancy divides by the places."""
        if self.capacity < 1 or self.minutes < 1:
            raise InvalidRecord(
                f"ClassSession: {self.capacity} places for {self.minutes} minutes are no class; give at least 1 of each"
            )


@record
class ClassBooking(Record):
    """A member's place in a class. Its state changes through the moves of `fitness_club.booking` alone."""

    customer_id: str = field(links="Customer")
    session_id: str = field(links="ClassSession")
    starts_at: datetime
    status: str = WORDS["booked"]
    category: BookingCategory = "booked"


@record
class BarSale(Order):
    """A receipt of the bar's cash register; who bought is known where the card was shown."""

    till: str | None = None


def about(member: Member, *, today: date) -> dict[str, object]:
    """Return what a front desk may see of a member: nothing that is sensitive.

    >>> ann = Member(kind="person", name="Ann Kowalska", birth_on=date(1990, 5, 17), health_notes="asthma")
    >>> about(ann, today=date(2025, 5, 17))
    {'name': 'Ann Kowalska', 'age': 35, 'life_stage': 'prospect', 'goals': [], 'emergency_contact': None}
    """
    born = member.birth_on
    return {
        "name": member.name,
        "age": born and today.year - born.year - ((today.month, today.day) < (born.month, born.day)),
        "life_stage": member.life_stage,
        "goals": sorted(member.goals),
        "emergency_contact": member.emergency_contact,
    }


RECORDS: tuple[type[Record], ...] = (
    Trainer,
    Member,
    Membership,
    VisitPackage,
    Visit,
    ClassSession,
    ClassBooking,
    BarSale,
)
"""The club's own classes, for `Club.open`, and for `crmkit schema --records fitness_club.model:RECORDS`."""
