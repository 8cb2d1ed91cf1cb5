"""Keeping a store and another system in step."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Generic

import attrs

from crmkit.errors import Conflict, InvalidInput, InvalidRecord, InvalidTransition, NotFound
from crmkit.io.mapping.links import imported_id
from crmkit.io.privacy.suppression import is_suppressed
from crmkit.io.stores.port import Changes, Store, unknown_class
from crmkit.io.sync.agreement import Side, agree, base_of, digest
from crmkit.io.sync.here import Here, Ours
from crmkit.io.sync.opt_outs import Consents
from crmkit.io.sync.plan import R, SyncPlan
from crmkit.io.sync.remote import Remote, RemoteRecord
from crmkit.io.sync.report import SyncFault, SyncReport, Tally
from crmkit.io.sync.state import Ended, Memory, Pair, Progress, Subject
from crmkit.model import Consent
from crmkit.rules import EVERYTHING, field
from crmkit.stats.periods import instant

_ATTEMPTS = 3
_CHANGES = 1000
_OF_ONE_RECORD = (InvalidInput, InvalidRecord, InvalidTransition, NotFound)


def synchronise(store: Store, remote: Remote, plan: SyncPlan[R], *, at: datetime, by: str | None = None) -> SyncReport:
    """Bring a store and another system in step, from where the last run came to; return what was done.

    First what changed there is read, then what changed here is sent. Field by field each side's change since the two last agreed
    goes to the other; where both changed a field, `plan.conflict` says who counts. A deletion wins over a change, and an opt-out over
    everything but an opt-in that came after both sides knew of it (`crmkit.io.sync.agreement.agree_on_consent`).

    Each record is one unit of work, written together with what both sides had then, so a run that ends early is simply started
    again: nothing is made twice, and nothing that this function wrote comes back as a change. What one record is at fault for is in the
    report, the others go on, and it is tried again in the next run. Nobody comes back by it who was erased. Let it run outside
    of a transaction, as what it sends is not taken back.

    Args:
        store: where the records are; how far a run came is in its notes, as ids and digests.
        remote: the other system.
        plan: what is kept in step.
        at: the instant of the run; what it writes is stamped with it, and later consents are not looked at.
        by: who does it, for the ledger.

    Returns:
        What was written on each side; false where there was nothing to do.

    Raises:
        RemoteUnavailable: where the other system cannot be reached; what was done until then stays.
        Conflict: where another run of the same plan came further meanwhile.
        InvalidInput: for an `at` without a time zone, and for a class or a rule that does not fit the store.

    >>> from crmkit.io.stores import MemoryStore
    >>> from crmkit.io.sync import MemoryRemote, SyncField, SyncPlan, synchronise
    >>> store, remote, day = MemoryStore(), MemoryRemote(), datetime(2025, 3, 1, tzinfo=UTC)
    >>> plan = SyncPlan(name="mailer", cls=Customer, fields=[SyncField("name"), SyncField("city")], defaults={"kind": "person"})
    >>> store.add([Customer(id="ann", kind="person", name="Ann", city="Łódź")])
    1
    >>> print(synchronise(store, remote, plan, at=day))
    1 created there
    >>> remote.change("1", city="Kraków")
    >>> print(synchronise(store, remote, plan, at=day), "-", store.get(Customer, "ann").city)
    1 updated here - Kraków
    >>> print(synchronise(store, remote, plan, at=day))
    nothing to do
    """
    moment = instant(at, "UTC", "at")
    if plan.cls not in store.classes:
        raise unknown_class(plan.cls, store.classes)
    now = attrs.evolve(plan, where=plan.where.at(moment, "UTC"))
    # A rule that does not fit the class is the plan's fault, and not that of every record.
    store.count(plan.cls, now.where & (field("id") == "-"))
    memory = Memory(store, f"{plan.name}:{plan.cls.__name__}")
    here = Here(store, now, moment, by, memory, Consents(store, plan.name, plan.consent, moment))
    return _Run(remote, here, now, memory.progress()).run()


@attrs.define
class _Run(Generic[R]):
    """One run of a plan: the records to try again, now or in the next run, and what was done."""

    remote: Remote
    here: Here[R]
    plan: SyncPlan[R]
    progress: Progress
    tally: Tally = attrs.field(factory=Tally, init=False)
    again: dict[Subject, None] = attrs.field(init=False)
    later: dict[Subject, None] = attrs.field(factory=dict, init=False)

    @again.default
    def _left_over(self) -> dict[Subject, None]:
        return dict.fromkeys(self.progress.again)

    def run(self) -> SyncReport:
        self.here.prepare(each for side, each in self.progress.again if side == "ours")
        for subject in self.progress.again:
            self._attempt(subject, partial(self._again, subject))
        self._pull()
        self._push()
        return self.tally.report()

    def _again(self, subject: Subject) -> None:
        """Settle a record of either side as it is by now."""
        side, each = subject
        if side == "ours":
            self._from_here(each)
        else:
            self._from_there(self._read(each), self.here.linked([each]).get(each, ()))

    def _pull(self) -> None:
        has_more = True
        while has_more:
            page = self.remote.changed(self.progress.read_to)
            if page.has_more and page.cursor == self.progress.read_to:
                raise InvalidInput(
                    "the remote says that there is more after a cursor and gives the same cursor; let it advance"
                )
            linked = self.here.linked([each.id for each in page.records])
            noted = (self.here.memory.record_id(each.id) for each in page.records)
            self.here.prepare([*(each for ids in linked.values() for each in ids), *filter(None, noted)])
            for theirs in page.records:
                self._attempt(("theirs", theirs.id), partial(self._from_there, theirs, linked.get(theirs.id, ())))
            self._reached(read_to=page.cursor)
            has_more = page.has_more

    def _push(self) -> None:
        has_more = True
        while has_more:
            changes = self.here.store.changes(self.progress.sent_to, limit=_CHANGES)
            record_ids = dict.fromkeys(self._changed(changes))
            self.here.prepare(record_ids)
            for record_id in record_ids:
                self._attempt(("ours", record_id), partial(self._from_here, record_id))
            self._reached(sent_to=changes.cursor)
            has_more = bool(changes)

    def _reached(self, **places: str) -> None:
        progress = attrs.evolve(self.progress, again=tuple(sorted({**self.again, **self.later})), **places)
        self.here.memory.keep_progress(progress, self.progress)
        self.progress = progress

    def _attempt(self, subject: Subject, work: Callable[[], None]) -> None:
        """Do the work of one record; look again where somebody wrote meanwhile, and note what cannot be done."""
        fault: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                work()
            except Conflict as error:
                fault, work = error, partial(self._again, subject)
            except _OF_ONE_RECORD as error:
                fault = error
                break
            else:
                self.again.pop(subject, None)
                return
        self._note(subject, str(fault))

    def _note(self, subject: Subject, message: str) -> None:
        """Note why a record is not in step, and try it again in the next run."""
        self.again[subject] = None
        side, record_id = subject
        self.tally.fault(SyncFault(side=side, id=record_id, message=message))

    def _changed(self, changes: Changes) -> Iterator[str]:
        """The ids of the records that changes are about, or whose consent they are."""
        names = {each.__name__ for each in self.here.store.classes if issubclass(each, self.plan.cls)}
        for change in changes:
            if change.subject in names:
                yield change.subject_id
            elif self.plan.consent is not None and change.subject == Consent.__name__:
                try:
                    consent = self.here.store.read(Consent, change.subject_id).record
                except NotFound:  # purged since
                    continue
                if consent.at > self.here.at:  # said while this run goes on, so it is looked at in the next one
                    self.later["ours", consent.customer_id] = None
                else:
                    yield consent.customer_id

    def _read(self, remote_id: str) -> RemoteRecord:
        return self.remote.read(remote_id) or RemoteRecord(id=remote_id, is_deleted=True)

    def _from_there(self, theirs: RemoteRecord, linked: Iterable[str]) -> None:
        """Settle what changed there."""
        record_id = self._located(theirs, list(linked))
        if record_id is not None:
            self._settle(attrs.evolve(self.here.ours(record_id), link=theirs.id), theirs)
        elif theirs.is_deleted or self.plan.new not in ("in", "both"):
            self.tally.count("skipped")
        else:
            self._make_here(theirs)

    def _from_here(self, record_id: str) -> None:
        """Settle what changed here."""
        ours = self.here.ours(record_id)
        if ours.link is None or ours.ended == "here":
            if self._is_sent(ours):
                self._make_there(ours)
            else:
                self.tally.count("skipped")
        elif ours.ended is None and not self._is_agreed(ours):
            self._settle(ours, self._read(ours.link))

    def _located(self, theirs: RemoteRecord, linked: list[str]) -> str | None:
        """The id here of a record of the other system: by its external id, by what was noted, by its key, by its address."""
        if len(linked) > 1:
            raise InvalidInput(
                f"{len(linked)} records here are linked to it; leave external_ids[{self.plan.name!r}] with one"
            )
        if linked:
            return linked[0]
        noted = self.here.memory.record_id(theirs.id)
        if noted is not None and self.here.link_of(noted) == theirs.id:
            return noted
        if theirs.key is not None and self.here.is_free(theirs.key):
            return theirs.key
        return None if theirs.is_deleted else self.here.met(theirs)

    def _is_sent(self, ours: Ours) -> bool:
        """Whether a record that is not there is to be made there."""
        plan = self.plan
        if not ours.is_live or plan.new not in ("out", "both") or plan.lacks(plan.values(ours.record)):
            return False
        if plan.consent is not None and ours.said.state != "granted":
            return False
        return plan.where is EVERYTHING or ours.id in self.here.wanted

    def _is_agreed(self, ours: Ours) -> bool:
        """Whether a record here is what it was when both sides last agreed, so that nobody need be asked."""
        if (
            not ours.is_live
            or ours.pair is None
            or str(ours.record.external_ids.get(self.plan.name)) != ours.pair.remote_id
        ):
            return False
        values = self.plan.values(ours.record)
        is_same = all(name in ours.pair.base and ours.pair.base[name][0] == digest(values[name]) for name in values)
        return is_same and ours.said.state == ours.pair.consent[0]

    def _settle(self, ours: Ours, theirs: RemoteRecord) -> None:
        if theirs.is_deleted:
            self._end_here(ours, theirs)
        elif not ours.is_live:
            self._end_there(ours, theirs.id)
        else:
            self._merge(ours, theirs, self._winner(ours.record, theirs))

    def _merge(self, ours: Ours, theirs: RemoteRecord, winner: Callable[[str], Side]) -> None:
        """Write on both sides what a record is to be; first there, so that a crash between the two leaves a change to be seen."""
        plan, agreed = self.plan, ours.agreed
        values = plan.values(ours.record)
        found = agree(plan.directions, agreed.base, values, theirs.values, winner)
        record = plan.written(ours.record, found.taken)
        if plan.lacks(plan.values(record)):
            self._end_there(ours, theirs.id)
            return
        told = self.here.consents.told(ours.id, agreed.consent, ours.said, theirs)
        saved = theirs
        if found.sent or told.theirs is not None:
            saved = self.remote.update(theirs.id, found.sent, told.theirs, theirs.version)
        # What was not sent is remembered as it was seen: what changed there since then is still to be read.
        seen = {**theirs.values, **{name: saved.values.get(name) for name in found.sent}}
        linked = record.replace(external_ids={**record.external_ids, plan.name: theirs.id})
        base = base_of(plan.directions, plan.values(linked), seen)
        consent = (told.state_here, saved.consent if told.theirs is not None else theirs.consent)
        self.here.keep(ours, linked, told.ours, Pair(theirs.id, base, consent))
        self.tally.count("created_here", ours.version is None)
        self.tally.count("updated_here", bool(found.taken))
        self.tally.count("updated_there", bool(found.sent))
        self.tally.count("conflicts", len(found.conflicts))
        for deed in told.deeds:
            self.tally.count(deed)

    def _make_here(self, theirs: RemoteRecord) -> None:
        record_id = imported_id(self.plan.name, self.plan.cls, theirs.id)
        record = self.plan.made(
            record_id, theirs.values, external_ids={self.plan.name: theirs.id}, created_at=self.here.at
        )
        if is_suppressed(self.here.store, record):
            self.tally.count("skipped")
            return
        self._merge(Ours(record_id, record, None, is_live=True, link=theirs.id, pair=None), theirs, lambda _: "theirs")

    def _make_there(self, ours: Ours) -> None:
        values = self.plan.values(ours.record)
        sent = {
            name: values[name] for name, way in self.plan.directions.items() if way != "in" and values[name] is not None
        }
        made = self.remote.create(ours.id, sent, ours.said.state)
        if made.is_deleted:
            raise InvalidInput(
                "the other system has it as deleted and does not make it again; let it be restored there"
            )
        other = self.here.memory.record_id(made.id)
        if other not in (None, ours.id) and self.here.is_linked(str(other), made.id):
            raise InvalidInput(
                f"there it is the same as {other!r}, which is linked already; merge the two, or tell them apart"
            )
        self.tally.count("created_there")
        self._merge(attrs.evolve(ours, link=made.id), made, lambda _: "ours")

    def _end_here(self, ours: Ours, theirs: RemoteRecord) -> None:
        """A record was deleted there."""
        if ours.ended is not None:
            return
        # What both sides never had in common was not deleted there; its external id is out of date.
        is_taken = ours.is_live and ours.pair is not None and self.plan.deletions in ("in", "both")
        with self.here.unit():
            if is_taken:
                self.here.store.delete(self.plan.cls, ours.id, version=ours.version)
            ended: Ended = "there" if ours.is_live and not is_taken else "here"
            self.here.memory.keep_pair(ours.id, Pair(theirs.id, ended=ended), ours.pair)
        self.tally.count("deleted_here", is_taken)

    def _end_there(self, ours: Ours, remote_id: str) -> None:
        """A record was deleted here, or is no longer to be there. Where a merge gave its link to another one, that one keeps it."""
        if self.plan.deletions not in ("out", "both"):
            self.tally.count("skipped")
            return
        is_others = any(each != ours.id for each in self.here.linked([remote_id]).get(remote_id, ()))
        if not is_others:
            self.remote.delete(remote_id)
        with self.here.unit():
            self.here.memory.keep_pair(ours.id, Pair(remote_id, ended="here"), ours.pair)
        self.tally.count("deleted_there", not is_others)

    def _winner(self, record: R, theirs: RemoteRecord) -> Callable[[str], Side]:
        """Who counts where both sides changed a field; of two at the same or an unknown instant, the store."""
        if self.plan.conflict != "latest":
            side: Side = self.plan.conflict
            return lambda _: side

        def latest(name: str) -> Side:
            changed_at = self.here.changed_at(record.id, name)
            is_later = changed_at is not None and theirs.changed_at is not None and theirs.changed_at > changed_at
            return "theirs" if is_later else "ours"

        return latest
