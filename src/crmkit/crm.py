"""The facade: a store, a clock, and what a host does with them every day."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from threading import local
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import attrs

from crmkit import metrics
from crmkit.errors import InvalidInput, InvalidTransition, choices
from crmkit.io.stores import Store, open_store
from crmkit.model import (
    Alias,
    BusinessCalendar,
    Campaign,
    Consent,
    Contact,
    Cost,
    Customer,
    CustomField,
    Deal,
    Employee,
    Interaction,
    Lead,
    Merge,
    Message,
    Order,
    Package,
    Payment,
    Pipeline,
    PointsEntry,
    Product,
    Quote,
    Record,
    ServiceLevel,
    Subscription,
    Survey,
    SurveyResponse,
    Target,
    Task,
    Team,
    Ticket,
    Transition,
    Usage,
)
from crmkit.model import deal as deals
from crmkit.model import ticket as tickets
from crmkit.stats.periods import zone

R = TypeVar("R", bound=Record)
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present instant. This is the one place where crmkit, as a library, asks for it."""
    return datetime.now(UTC)  # noqa: TID251 - the facade is where time comes in


@attrs.frozen
class _Actor:
    """Who acts, and when what they do is true; None for the clock."""

    by: str | None
    at: datetime | None


class CRM:
    """A CRM on one store.

    Every call is a unit of work of its own; calls inside `transaction` make one together.

    >>> crm = CRM.open("memory://", by="anna")
    >>> ann = crm.customers.add(Customer(id="ann", kind="person", name="Ann Kowalska"))
    >>> crm.customers.get("ann") == ann
    True
    """

    def __init__(self, store: Store, *, clock: Clock = system_clock, by: str | None = None, tz: str = "UTC") -> None:
        """Use a store; `by` is who acts where nobody else is named, `tz` the zone in which days are counted."""
        self.store = store
        self.clock = clock
        self.tz = zone(tz).key
        self._usual_actor = _Actor(by, None)
        self._thread = local()
        self.teams = Collection(self, Team)
        self.employees = Collection(self, Employee)
        self.custom_fields = Collection(self, CustomField)
        self.targets = Collection(self, Target)
        self.products = Collection(self, Product)
        self.pipelines = Collection(self, Pipeline)
        self.customers = Collection(self, Customer)
        self.contacts = Collection(self, Contact)
        self.merges = Collection(self, Merge)
        self.aliases = Collection(self, Alias)
        self.consents = Collection(self, Consent)
        self.campaigns = Collection(self, Campaign)
        self.deals = Deals(self, Deal)
        self.quotes = Collection(self, Quote)
        self.leads = Collection(self, Lead)
        self.orders = Collection(self, Order)
        self.subscriptions = Collection(self, Subscription)
        self.packages = Collection(self, Package)
        self.usages = Collection(self, Usage)
        self.payments = Collection(self, Payment)
        self.points_entries = Collection(self, PointsEntry)
        self.business_calendars = Collection(self, BusinessCalendar)
        self.service_levels = Collection(self, ServiceLevel)
        self.tickets = Tickets(self, Ticket)
        self.interactions = Collection(self, Interaction)
        self.messages = Collection(self, Message)
        self.surveys = Collection(self, Survey)
        self.survey_responses = Collection(self, SurveyResponse)
        self.tasks = Collection(self, Task)
        self.costs = Collection(self, Cost)
        self.transitions = Collection(self, Transition)
        self.metrics = Metrics(self)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock = system_clock,
        by: str | None = None,
        tz: str = "UTC",
        create: bool = True,
    ) -> Self:
        """Open the store that a URL names: "memory://" or "sqlite:///club.db".

        Raises `InvalidInput` for another URL and `StoreError` for a file that cannot be used; with `create=False` also for one
        that is not there.
        """
        zone(tz)
        return cls(open_store(url, create=create), clock=clock, by=by, tz=tz)

    @contextmanager
    def transaction(self, *, by: str | None = None, at: datetime | None = None) -> Iterator[None]:
        """Make everything inside one unit of work, done `by` somebody and true `at` an instant.

        It is kept as a whole, or undone as a whole where an error leaves it.
        """
        outer = self._actor()
        self._thread.actor = _Actor(by or outer.by, at or outer.at)
        try:
            with self.store.transaction():
                yield
        finally:
            self._thread.actor = outer

    def keep(self, record: R, *transitions: Transition) -> R:
        """Keep what a move of the model returned: the changed record in place of the stored one, and its transitions.

        Raises `NotFound` where the record is not stored, and then keeps nothing.

        >>> crm = CRM.open("memory://")
        >>> lead = crm.leads.add(Lead(id="l1", name="Ann Kowalska"))
        >>> crm.keep(*qualify(lead, at=datetime(2025, 5, 1, tzinfo=UTC))).qualified_at
        datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
        """
        with self.store.transaction():
            self.store.put(record)
            self.store.add(transition.replace(recorded_at=self.clock()) for transition in transitions)
        return record

    def load(self, records: Iterable[Record]) -> int:
        """Keep many records exactly as they are, as an import does, and return how many; all of them or none."""
        return self.store.add(records)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> Self:
        """Return the CRM itself, for `with CRM.open(...) as crm`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def acting(self) -> tuple[str | None, datetime]:
        """Return who acts now and the instant at which what they do is true."""
        actor = self._actor()
        return actor.by, actor.at or self.clock()

    def _actor(self) -> _Actor:
        actor: _Actor = getattr(self._thread, "actor", self._usual_actor)
        return actor


class Collection(Generic[R]):
    """The stored records of one class."""

    _moves: tuple[str, ...] = ("crm.keep of a move of the model",)

    def __init__(self, crm: CRM, cls: type[R]) -> None:
        """Show the records of a class in the store of a CRM."""
        self._crm = crm
        self._store = crm.store
        self.cls = cls

    def add(self, record: R) -> R:
        """Keep a new record and return it; `created_at` becomes now where it is empty.

        Raises `Conflict` where its id is stored already, and `InvalidInput` for a record of another class.
        """
        if not isinstance(record, self.cls):
            raise InvalidInput(
                f"a {type(record).__name__} is no {self.cls.__name__}; add it to the collection of its class"
            )
        _, at = self._crm.acting()
        added = record if record.created_at is not None else record.replace(created_at=at)
        self._store.add([added])
        return added

    def update(self, record: R) -> R:
        """Keep a changed record in place of the stored one and return it.

        Raises `NotFound` where its id is not stored, and `InvalidTransition` where its state is another one: states change by
        the moves of the model alone.
        """
        with self._store.transaction():
            stored = self.get(record.id)
            if _state(stored) != _state(record):
                raise InvalidTransition(f"{self.cls.__name__} {record.id!r} changes its state in update", self._moves)
            self._store.put(record)
        return record

    def get(self, record_id: str) -> R:
        """Return the record with this id; raise `NotFound` where there is none."""
        return self._store.get(self.cls, record_id)

    def __iter__(self) -> Iterator[R]:
        """Go through all records by id."""
        return self._store.every(self.cls)

    def __len__(self) -> int:
        """Return how many records there are."""
        return self._store.count(self.cls)


def _state(record: Record) -> tuple[object, ...]:
    """The label and the category of a record that has a state."""
    label = next((name for name in ("stage", "status") if hasattr(record, name)), "category")
    return (getattr(record, label, None), getattr(record, "category", None)) if hasattr(record, "category") else ()


class Deals(Collection[Deal]):
    """The stored deals. Their stage changes by `advance`, `win`, `lose` and `reopen`, which keep the transition too."""

    _moves = ("advance", "win", "lose", "reopen")

    def add(self, record: Deal) -> Deal:
        """Keep a new deal with the category of its stage; raises `NotFound` or `InvalidInput` for its pipeline or stage."""
        return super().add(deals.placed(record, self._crm.pipelines.get(record.pipeline_id)))

    def advance(self, deal_id: str, stage: str, *, reason: str | None = None) -> Deal:
        """Move an open deal to another open stage; see `crmkit.model.deal.advance`."""
        return self._move(deal_id, partial(deals.advance, stage=stage, reason=reason))

    def win(self, deal_id: str, *, stage: str | None = None, reason: str | None = None) -> Deal:
        """Close a deal as won; see `crmkit.model.deal.win`."""
        return self._move(deal_id, partial(deals.win, stage=stage, reason=reason))

    def lose(self, deal_id: str, *, reason: str, stage: str | None = None) -> Deal:
        """Close a deal as lost for a reason; see `crmkit.model.deal.lose`."""
        return self._move(deal_id, partial(deals.lose, stage=stage, reason=reason))

    def reopen(self, deal_id: str, stage: str, *, reason: str | None = None) -> Deal:
        """Open a closed deal again; see `crmkit.model.deal.reopen`."""
        return self._move(deal_id, partial(deals.reopen, stage=stage, reason=reason))

    def _move(self, deal_id: str, move: Callable[..., deals.Moved]) -> Deal:
        by, at = self._crm.acting()
        with self._store.transaction():
            deal = self.get(deal_id)
            return self._crm.keep(*move(deal, self._crm.pipelines.get(deal.pipeline_id), at=at, by=by))


class Tickets(Collection[Ticket]):
    """The stored tickets. Their status changes by `resolve` and `reopen`, which keep the transition too."""

    _moves = ("resolve", "reopen", "crm.keep of another move of the model")

    def resolve(self, ticket_id: str, *, status: str = "Resolved", reason: str | None = None) -> Ticket:
        """Resolve a ticket; see `crmkit.model.ticket.resolve`."""
        return self._move(ticket_id, partial(tickets.resolve, status=status, reason=reason))

    def reopen(self, ticket_id: str, *, status: str = "Open", reason: str | None = None) -> Ticket:
        """Open a resolved ticket again; see `crmkit.model.ticket.reopen`."""
        return self._move(ticket_id, partial(tickets.reopen, status=status, reason=reason))

    def _move(self, ticket_id: str, move: Callable[..., tickets.Moved]) -> Ticket:
        by, at = self._crm.acting()
        with self._store.transaction():
            return self._crm.keep(*move(self.get(ticket_id), at=at, by=by))


class Metrics:
    """The functions of `crmkit.metrics` with the tables of a CRM, its clock as `as_of` and its zone as `tz`.

    >>> crm = CRM.open("memory://")
    >>> crm.metrics.win_rate().only.reason
    'no deal was closed'
    """

    def __init__(self, crm: CRM) -> None:
        """Read from the store of a CRM."""
        self._crm = crm

    def __getattr__(self, name: str) -> Callable[..., metrics.MetricResult]:
        """Return the KPI of this name; raise `AttributeError`, which lists them, for another."""
        known = {definition.name: definition for definition in metrics.catalogue()}
        if name not in known:
            raise AttributeError(f"there is no KPI {name!r}; {choices(name, known)}")
        return partial(self._measured, known[name])

    def __dir__(self) -> list[str]:
        """List the KPIs."""
        return [definition.name for definition in metrics.catalogue()]

    def _measured(self, definition: metrics.Definition, **options: Any) -> metrics.MetricResult:
        function: Callable[..., metrics.MetricResult] = getattr(metrics, definition.name)
        tables = {name: getattr(self._crm, name) for name in definition.tables(options.get("method"))}
        options = {"as_of": self._crm.clock(), "tz": self._crm.tz, **options}
        if len(tables) == 1:
            return function(next(iter(tables.values())), **options)
        return function(**tables, **options)
