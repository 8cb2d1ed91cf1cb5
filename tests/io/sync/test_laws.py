"""After a synchronisation both sides agree, whatever happened before and meanwhile."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import RemoteUnavailable
from crmkit.io.stores import MemoryStore
from crmkit.io.stores.port import Stamp
from crmkit.io.sync import SyncConsent, SyncField, SyncPlan, SyncReport, synchronise
from crmkit.io.sync.plan import ConflictRule
from crmkit.model import Consent, Customer
from crmkit.model.consent import consent_on
from tests.examples import few
from tests.io.sync.flaky import Event, FlakyRemote

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = st.sampled_from(["Ann", "Bob", "Łucja", "ไพลิน"])
CITIES = st.sampled_from([None, "Łódź", "Kraków", "กรุงเทพฯ"])
DEEDS = st.tuples(
    st.sampled_from(["add", "change", "change", "delete", "opt out"]),
    st.sampled_from(["here", "there"]),
    st.integers(0, 5),
    NAMES,
    CITIES,
)
Deed = tuple[str, str, int, str, str | None]


class World:
    """Two sides and what people do on them; every deed happens a minute after the last one."""

    def __init__(self, conflict: ConflictRule = "latest", rest: Literal["in", "out", "both"] = "both") -> None:
        self.store, self.remote, self.now = MemoryStore(), FlakyRemote(), START
        self.opted_out: set[str] = set()
        self.plan = SyncPlan(
            name="mailer",
            cls=Customer,
            fields=[SyncField("name"), SyncField("city", "CITY", rest)],
            deletions="both",
            conflict=conflict,
            defaults={"kind": "person"},
        )

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def do(self, deed: Deed) -> None:
        what, side, place, name, city = deed
        at = self.tick()
        getattr(self, f"_{what.replace(' ', '_')}_{side}")(at, place, name, city)

    def sync(self) -> SyncReport:
        return synchronise(self.store, self.remote, self.plan, at=self.tick())

    def customers(self) -> list[Customer]:
        return [*self.store.every(Customer)]

    def _customer(self, place: int) -> Customer | None:
        known = self.customers()
        return known[place % len(known)] if known else None

    def _remote_id(self, place: int) -> str | None:
        known = self.remote.records
        return known[place % len(known)].id if known else None

    def _add_here(self, at: datetime, place: int, name: str, city: str | None) -> None:
        with self.store.transaction(Stamp("ann", at, at)):
            self.store.add([Customer(id=f"c{at:%d%H%M}", kind="person", name=name, city=city)])

    def _change_here(self, at: datetime, place: int, name: str, city: str | None) -> None:
        if (known := self._customer(place)) is not None:
            with self.store.transaction(Stamp("ann", at, at)):
                self.store.put(known.replace(name=name, city=city))

    def _delete_here(self, at: datetime, place: int, name: str, city: str | None) -> None:
        if (known := self._customer(place)) is not None:
            self.store.delete(Customer, known.id)
            if place % 2:
                self.store.purge(Customer, known.id)

    def _opt_out_here(self, at: datetime, place: int, name: str, city: str | None) -> None:
        if (known := self._customer(place)) is not None:
            entry = {"customer_id": known.id, "channel": "email", "purpose": "news", "at": at}
            self.store.add([Consent(**entry, state="withdrawn")])  # type: ignore[arg-type]
            self.opted_out.add(f"here {known.id}")

    def _add_there(self, at: datetime, place: int, name: str, city: str | None) -> None:
        self.remote.add(at=at, name=name, CITY=city)

    def _change_there(self, at: datetime, place: int, name: str, city: str | None) -> None:
        if (known := self._remote_id(place)) is not None:
            self.remote.change(known, at=at, name=name, CITY=city)

    def _delete_there(self, at: datetime, place: int, name: str, city: str | None) -> None:
        if (known := self._remote_id(place)) is not None:
            super(FlakyRemote, self.remote).delete(known)

    def _opt_out_there(self, at: datetime, place: int, name: str, city: str | None) -> None:
        if (known := self._remote_id(place)) is not None:
            self.remote.change(known, at=at, consent="withdrawn")
            self.opted_out.add(f"there {known}")


def assert_in_step(world: World) -> None:
    """Every record is on both sides once, with the same in its fields, and a further run has nothing to do."""
    there = {each.id: each for each in world.remote.records}
    here = {str(each.external_ids["mailer"]): each for each in world.customers()}
    assert len(here) == len(world.customers())
    assert here.keys() == there.keys()
    for remote_id, each in here.items():
        assert world.plan.values(each) == {name: there[remote_id].values.get(name) for name in ("name", "CITY")}
    before = len(world.remote.calls)
    assert str(world.sync()) == "nothing to do"
    assert set(world.remote.calls[before:]) == {"changed"}


@given(
    before=st.lists(DEEDS, max_size=6),
    after=st.lists(DEEDS, max_size=6),
    rule=st.sampled_from(["latest", "ours", "theirs"]),
)
def test_both_sides_agree_after_a_run_and_a_second_run_does_nothing(
    before: list[Deed], after: list[Deed], rule: ConflictRule
) -> None:
    world = World(rule)
    for deeds in (before, after):
        for deed in deeds:
            world.do(deed)
        assert not world.sync().faults
        world.sync()  # what was made here by the first run is not told again
        assert_in_step(world)


def events_of(world: World, drawn: list[str | Deed | None]) -> list[Event]:
    return [partial(world.do, each) if isinstance(each, tuple) else each for each in drawn]


MEETINGS = st.lists(st.one_of(st.sampled_from([None, None, "before", "after"]), DEEDS), max_size=12)


@given(deeds=st.lists(DEEDS, min_size=1, max_size=6), first=MEETINGS, second=MEETINGS)
def test_losses_of_connection_and_changes_during_a_run_do_no_harm(
    deeds: list[Deed], first: list[str | Deed | None], second: list[str | Deed | None]
) -> None:
    world = World()
    for deed in deeds:
        world.do(deed)
    for drawn in (first, second):
        world.remote.let(events_of(world, drawn))
        with suppress(RemoteUnavailable):
            world.sync()
    world.remote.let([])
    world.sync()
    assert not world.sync().faults
    assert_in_step(world)


@few
@given(deeds=st.lists(DEEDS, min_size=1, max_size=8), meanwhile=MEETINGS)
def test_an_opt_out_reaches_both_sides_whatever_happens(deeds: list[Deed], meanwhile: list[str | Deed | None]) -> None:
    world = World()
    world.plan = SyncPlan(
        name="mailer",
        cls=Customer,
        fields=[SyncField("name")],
        deletions=None,
        consent=SyncConsent("email", "news"),
        defaults={"kind": "person"},
    )
    for name in ("Ann", "Bob"):
        made = world.remote.add(at=START, consent="granted", name=name)
        assert made
    world.sync()
    for deed in deeds:
        world.do(deed)
    world.remote.let(events_of(world, meanwhile))
    with suppress(RemoteUnavailable):
        world.sync()
    world.remote.let([])
    world.sync()
    world.sync()
    there = {each.id: each for each in world.remote.records}
    for each in world.customers():
        remote = there.get(str(each.external_ids.get("mailer")))
        if remote is not None and {f"here {each.id}", f"there {remote.id}"} & world.opted_out:
            found = consent_on(world.store.every(Consent), each.id, "email", "news", as_of=world.now)
            assert (found and found.state, remote.consent) == ("withdrawn", "withdrawn")


@pytest.mark.parametrize(("direction", "kept"), [("out", "Łódź"), ("in", "Kraków")])
def test_a_field_of_one_direction_is_what_that_side_says(direction: Literal["in", "out"], kept: str) -> None:
    world = World(rest=direction)
    world.store.add([Customer(id="ann", kind="person", name="Ann", city="Łódź")])
    world.sync()
    remote_id = world.remote.records[0].id
    world.remote.change(remote_id, CITY="Kraków")
    world.sync()
    assert (world.store.get(Customer, "ann").city, world.remote.records[0].values["CITY"]) == (kept, kept)


def test_a_record_of_a_lost_answer_is_not_made_twice() -> None:
    world = World()
    world.store.add([Customer(id="ann", kind="person", name="Ann")])
    world.remote.let([None, "after"])
    with pytest.raises(RemoteUnavailable):
        world.sync()
    assert world.sync().created_there == 0
    assert len(world.remote.records) == 1
    assert_in_step(world)
