"""The facade: a store, a clock, and the use cases of a host."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from threading import local
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from crmkit.crm import merging, running
from crmkit.crm.collection import Collection
from crmkit.crm.commands import Deals, Tickets, collection
from crmkit.crm.following import follow
from crmkit.crm.grouping import Segmentation
from crmkit.crm.happening import Timeline, timeline
from crmkit.crm.importing import Imports
from crmkit.crm.likeness import Likeness
from crmkit.crm.measuring import Metrics
from crmkit.crm.past import Past, Told
from crmkit.crm.privacy import Privacy
from crmkit.crm.segmenting import Segments
from crmkit.crm.synchronising import Synchronisation
from crmkit.io.stores import Store, open_store
from crmkit.io.stores.port import Change, Changes, Stamp, unknown_class
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
    Segment,
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
from crmkit.model.merge import Merged
from crmkit.stats.periods import instant, zone

R = TypeVar("R", bound=Record)
T = TypeVar("T")
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present instant. This is the one place where crmkit, as a library, asks for it."""
    return datetime.now(UTC)  # noqa: TID251 - the facade is where time comes in


@attrs.frozen
class _Actor:
    """Who acts, when what they do is true (None for now), and when the unit of work around began, None outside of one."""

    by: str | None
    at: datetime | None = None
    began_at: datetime | None = None


class CRM(Likeness, Privacy, Synchronisation):
    """A CRM on one store.

    Every call is a unit of work of its own; calls inside `transaction` make one together. The ledger keeps of each who did
    it (`by`), when it was true (`at`) and when it became known: the present of the clock at its beginning. Time stands
    still inside a unit of work.

    One CRM may be used by many threads; each has units of work of its own.

    >>> crm = CRM.open("memory://", by="anna")
    >>> ann = crm.customers.add(Customer(id="ann", kind="person", name="Ann Kowalska"))
    >>> crm.customers.get("ann") == ann
    True
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock = system_clock,
        by: str | None = None,
        tz: str = "UTC",
        pause: running.Pause = running.pause,
    ) -> None:
        """Use a store; `by` is who acts where nobody else is named, `tz` the zone in which days are counted.

        `pause` waits before `run` does work for the first, second, ... time again.
        """
        self.store = store
        self.clock = clock
        self.tz = zone(tz).key
        self._pause = pause
        self._usual_actor = _Actor(by)
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
        self.segments = Segments(self, Segment)
        self.transitions = Collection(self, Transition)
        self.metrics = Metrics(self)
        self.imports = Imports(self)
        self.segmentation = Segmentation(self)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        records: Iterable[type[Record]] = (),
        tenant: str = "",
        prefix: str = "crm_",
        schema: str | None = None,
        clock: Clock = system_clock,
        by: str | None = None,
        tz: str = "UTC",
        create: bool = True,
    ) -> Self:
        """Open the store that a URL names: "memory://", "sqlite:///club.db" or "postgresql://...".

        `records` are a vertical's own classes, which are kept beside the built-in ones. `tenant`, `prefix` and `schema` say
        which part of the store is used and how its tables are called; see `crmkit.io.stores.open_store`. Raises
        `InvalidInput` for another URL and `StoreError` for a store that cannot be used; with `create=False` also for one that
        is not there.
        """
        zone(tz)
        store = open_store(url, create=create, records=records, tenant=tenant, prefix=prefix, schema=schema)
        return cls(store, clock=clock, by=by, tz=tz)

    def __getitem__(self, cls: type[R]) -> Collection[R]:
        """Return the stored records of a class, also of a vertical's own; raise `InvalidInput` for one that is not stored.

        >>> @record
        ... class Visit(Record):
        ...     member_id: str = field(links="Customer")
        ...     at: datetime
        >>> crm = CRM.open("memory://", records=[Visit])
        >>> visit = crm[Visit].add(Visit(member_id="ann", at=datetime(2025, 3, 1, tzinfo=UTC)))
        >>> crm[Visit].get(visit.id) == visit
        True
        """
        if cls not in self.store.classes:
            raise unknown_class(cls, self.store.classes)
        return collection(self, cls)

    @contextmanager
    def transaction(
        self, *, by: str | None = None, at: datetime | None = None, connection: Any = None, lock: bool = False
    ) -> Iterator[None]:
        """Make everything inside one unit of work, done `by` somebody and true `at` an instant.

        It is kept as a whole, or undone as a whole where an error leaves it. Inside another one it joins that: an error
        undoes the inner one alone, moves inside have its own `by` and `at`, and the ledger has those of the outermost.

        Args:
            by, at: who does it, and when it is true; without them the outer ones, or the CRM's own and the present.
            connection: a connection of the host with a transaction of its own, which alone keeps or undoes what is done here.
            lock: what is read inside is locked against other writers until the end, so that no `Conflict` can come of it.

        Raises:
            InvalidInput: for an `at` without a time zone, and a connection that the store cannot join.
            CommitOutcomeUnknown: where the connection was lost while the unit of work was kept.
        """
        outer = self._actor()
        inner = _Actor(
            by or outer.by,
            outer.at if at is None else instant(at, self.tz, "at"),
            outer.began_at or self.now(),
        )
        self._thread.actor = inner
        try:
            stamp = Stamp(inner.by, inner.at or inner.began_at, inner.began_at)
            with self.store.transaction(stamp, connection=connection, lock=lock):
                yield
        finally:
            self._thread.actor = outer

    def run(
        self,
        work: Callable[[Self], T],
        *,
        retries: int = running.RETRIES,
        key: str | None = None,
        by: str | None = None,
        at: datetime | None = None,
    ) -> T:
        """Do work in a unit of work, and do it again where others wrote meanwhile or kept the store busy; return what it returns.

        Between two attempts it waits for a random, growing time, and from the second one on it locks what it reads. Let work
        have no effects outside of the store, because it may be called several times. Inside a `transaction` it is called
        once and joins that, which alone can be done again.

        With a `key` the work has its effect once, however often it is run: later runs under the key, also those of other
        processes, return the record that the first one returned, as it is now, and do nothing else. Then work must return a
        stored record, or None; None is also what later runs return where the record was deleted.

        Args:
            work: a function of this CRM.
            retries: how often it is called again at most.
            key: what tells this command from all others, such as the id of a request.
            by, at: as in `transaction`.

        Raises:
            Conflict, StoreBusy: where it met others at every attempt.
            CommitOutcomeUnknown: where the connection was lost during a commit; under a key it is then done again.
            InvalidInput: where work under a key returns something else, and for a blank key.

        >>> crm = CRM.open("memory://")
        >>> def register(crm):
        ...     return crm.customers.add(Customer(kind="person", name="Ann"))
        >>> crm.run(register, key="form-17") == crm.run(register, key="form-17"), len(crm.customers)
        (True, 1)
        """

        def attempt(*, lock: bool) -> T:
            with self.transaction(by=by, at=at, lock=lock):
                done: T = work(self) if key is None else running.once(self, work, key)
                return done

        is_inner = self._actor().began_at is not None
        return running.run(attempt, retries=0 if is_inner else retries, is_safe=key is not None, wait=self._pause)

    def keep(self, record: R, *transitions: Transition) -> R:
        """Keep what a move of the model returned: the changed record in place of the stored one, and its transitions.

        Raises `NotFound` where the record is not stored, and then keeps nothing.

        >>> crm = CRM.open("memory://")
        >>> lead = crm.leads.add(Lead(id="l1", name="Ann Kowalska"))
        >>> crm.keep(*qualify(lead, at=datetime(2025, 5, 1, tzinfo=UTC))).qualified_at
        datetime.datetime(2025, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
        """
        with self.transaction():
            recorded_at = self._actor().began_at
            self.store.put(record)
            self.store.add(each.replace(recorded_at=recorded_at) for each in transitions)
        return record

    def load(self, records: Iterable[Record]) -> int:
        """Keep many records exactly as they are, as an import does, and return how many; all of them or none."""
        with self.transaction():
            return self.store.add(records)

    def merge(
        self,
        survivor_id: str,
        loser_ids: Iterable[str],
        *,
        choices: Mapping[str, str] | None = None,
        distinct: Iterable[str] = (),
    ) -> Merged[Customer]:
        """Merge customers who turned out to be one: see `crmkit.model.merge.merge` for which value wins.

        Every stored link to a loser is turned to the survivor, the losers are deleted, and their ids lead to the survivor
        from now on. Returns the survivor, the aliases, and the log, whose id `unmerge` takes. Raises `NotFound` for an
        unknown customer, and `InvalidInput` for what is no merge.

        >>> crm = CRM.open("memory://")
        >>> crm.load([Customer(id="ann", kind="person", name="Ann"), Customer(id="anna", kind="person", name="Anna")])
        2
        >>> log = crm.merge("ann", ["anna"]).log
        >>> crm.customers.get("anna").id
        'ann'
        >>> [each.id for each in crm.unmerge(log.id)], crm.customers.get("anna").id
        (['ann', 'anna'], 'anna')
        """
        with self.transaction():
            return merging.merge(self, survivor_id, loser_ids, choices, distinct)

    def unmerge(self, merge_id: str) -> tuple[Customer, ...]:
        """Take a merge back and return the customers as they are again, the survivor first.

        What happened to the survivor or to a link since the merge stays. The aliases and the log are deleted. Raises
        `NotFound` for an unknown merge, for one that was taken back, and where a loser was purged; and `InvalidInput` where
        another merge of the survivor came later, and where a loser was restored by hand.
        """
        with self.transaction():
            return merging.unmerge(self, merge_id)

    def timeline(self, customer_id: str, *, limit: int = 100, after: str | None = None) -> Timeline:
        """Return what happened with a customer, the newest first: every record that links to the customer.

        A record happens `at` its instant, a message when it is sent, an answer to a survey when it is given, and any other when
        it is created; one that has no such instant is not told. `after` is the `next` of the timeline before. Raises
        `NotFound` for an unknown customer, and `InvalidInput` for another cursor.

        >>> crm = CRM.open("memory://")
        >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
        >>> _ = crm.orders.add(Order(at=datetime(2025, 3, 2, tzinfo=UTC), customer_id="ann"))
        >>> [(event.at.day, type(event.record).__name__) for event in crm.timeline("ann")]
        [(2, 'Order')]
        """
        return timeline(self.store, self.customers.get(customer_id).id, limit, after)

    def as_of(self, moment: date | datetime, by: Told = "recorded_at") -> Self:
        """Return this CRM as it was at an instant, or at the end of a day: for reading only, with its KPIs as of then.

        By "recorded_at" it shows what was known then. By "at" it shows what was true then, as far as is known today, which
        is what an import of old history is for. What was purged is in no past. Raises `InvalidInput` for another `by` and
        for an instant without a time zone; whatever would write to the past raises it too.

        >>> crm = CRM.open("memory://", clock=lambda: datetime(2025, 3, 1, tzinfo=UTC))
        >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
        >>> len(crm.as_of(date(2025, 3, 1)).customers), len(crm.as_of(date(2025, 2, 1)).customers)
        (1, 0)
        """
        then = instant(moment, self.tz, "as_of", end_of_day=True)
        return type(self)(Past(self.store, then, by), clock=lambda: then, tz=self.tz)

    def changes(self, after: str | None = None, limit: int = 1000) -> Changes:
        """Return what was changed after a cursor, from the beginning for None: the feed for other systems.

        Going on with the `cursor` of what was returned misses nothing. See `follow` for effects that must happen once.
        """
        return self.store.changes(after, limit=limit)

    def follow(self, name: str, effect: Callable[[Change], object], *, limit: int = 1000) -> int:
        """Call `effect` with every change that the follower of this name has not had yet, and return how many there were.

        The effects, what they write and the follower's new position are one unit of work: where an effect raises an error,
        all of them are undone and come again. So what an effect does in this store it does exactly once, even if several
        followers of one name run at a time. It may be called again for a change that has an effect elsewhere; there the
        change's subject, subject_id and version tell it from all others.

        >>> crm = CRM.open("memory://")
        >>> _ = crm.teams.add(Team(name="Front desk"))
        >>> crm.follow("audit", lambda change: print(change.kind, change.subject))
        added Team
        1
        >>> crm.follow("audit", print)
        0
        """
        return self.run(lambda crm: follow(crm, name, effect, limit))

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

    def now(self) -> datetime:
        """Return the present instant of the clock, in UTC."""
        return instant(self.clock(), self.tz, "clock")

    def acting(self) -> tuple[str | None, datetime]:
        """Return who acts now and the instant at which what they do is true."""
        actor = self._actor()
        return actor.by, actor.at or actor.began_at or self.now()

    def _actor(self) -> _Actor:
        actor: _Actor = getattr(self._thread, "actor", self._usual_actor)
        return actor
