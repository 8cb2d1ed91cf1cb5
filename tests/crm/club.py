"""A fitness club for the tests of the facade: a clock that the test moves, a pipeline, and records of a vertical."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from crmkit import CRM
from crmkit.model import Customer, Deal, Pipeline, Record, Stage, Value, field, record, value

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
GYM = Pipeline(
    id="gym",
    stages=[Stage("Trial", "open", 0.3), Stage("Offer", "open", 0.6), Stage("Won", "won"), Stage("Lost", "lost")],
)


class SettableClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def wait(self, **how_long: float) -> datetime:
        """Let time pass, and return what time it is then."""
        self.at += timedelta(**how_long)
        return self.at


@record
class Member(Customer):
    """A customer of the club, whose card nobody else has."""

    card: str | None = field(default=None, unique=True)
    referred_by_id: str | None = field(default=None, links="Customer")


@value
class Locker(Value):
    """A locker that a member uses."""

    number: int
    holder_id: str = field(links="Member")


@record
class Visit(Record):
    """A visit of a member, maybe with others and with lockers."""

    member_id: str = field(links="Member")
    at: datetime
    companion_ids: Sequence[str] = field(default=(), links="Customer")
    lockers: Sequence[Locker] = ()


@record
class TrialVisit(Visit):
    """A visit that somebody gave away."""

    given_by_id: str | None = field(default=None, links="Customer")


@record
class Membership(Deal):
    """A deal about a membership."""

    months: int = 12


OWN: tuple[type[Record], ...] = (Member, Visit, TrialVisit, Membership)


def people(*ids: str) -> list[Customer]:
    """Customers with these ids."""
    return [Customer(id=each, kind="person", name=each.capitalize()) for each in ids]


def everything(crm: CRM) -> dict[type[Record], list[Record]]:
    """All that is stored, by class."""
    return {cls: [*crm[cls]] for cls in crm.store.classes}


def ids(records: Iterable[Record]) -> list[str]:
    """The ids of records."""
    return [each.id for each in records]
