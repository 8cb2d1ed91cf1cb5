"""The CRM as it was: what was known at an instant, and what was true at it."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.errors import CrmError, InvalidInput, NotFound
from crmkit.model import Customer, CustomField, Deal, Money, Order, Record, Transition
from crmkit.rules import EVERYTHING, field
from tests.crm.club import GYM, NOON, OWN, Member, SettableClock, everything, ids, people
from tests.examples import few, rare

HOUR = timedelta(hours=1)


def test_it_shows_what_was_known_then(crm: CRM, clock: SettableClock) -> None:
    ann = crm.customers.add(people("ann")[0])
    later = clock.wait(days=1)
    crm.customers.update(ann.replace(city="Łódź"))
    crm.load(people("bob"))
    clock.wait(days=1)
    crm.customers.delete("ann")

    assert [*crm.as_of(NOON).customers] == [ann]
    assert [*crm.as_of(later - HOUR).customers] == [ann]
    assert [each.city for each in crm.as_of(later).customers] == ["Łódź", None]
    assert ids(crm.as_of(clock()).customers) == ["bob"]
    assert len(crm.as_of(NOON - HOUR).customers) == 0


def test_a_day_means_its_end_in_the_zone_of_the_crm(crm: CRM, clock: SettableClock) -> None:
    clock.at = datetime(2025, 5, 31, 22, 30, tzinfo=UTC)  # the first of June in Warsaw
    crm.load(people("ann"))

    assert [len(crm.as_of(day).customers) for day in (date(2025, 5, 31), date(2025, 6, 1))] == [0, 1]


def test_an_instant_without_a_zone_and_another_time_are_refused(crm: CRM) -> None:
    with pytest.raises(InvalidInput, match="as_of=2025-05-01 00:00:00 has no time zone"):
        crm.as_of(datetime(2025, 5, 1))
    with pytest.raises(InvalidInput, match="by='known_at' is no time of a change; there are 'recorded_at', 'at'"):
        crm.as_of(NOON, by="known_at")  # type: ignore[arg-type]


def test_a_record_has_the_version_and_the_history_of_then(crm: CRM, clock: SettableClock) -> None:
    ann = crm.customers.add(people("ann")[0])
    then = clock.wait(days=1)
    crm.customers.update(ann.replace(city="Łódź"))
    clock.wait(days=1)
    crm.customers.update(ann.replace(city="Kraków"))
    past = crm.as_of(then).customers

    assert (past.read("ann").record, past.read("ann").version) == (ann.replace(city="Łódź"), 2)
    assert past.history("ann") == crm.customers.history("ann")[:2]
    for read in (past.get, past.read, past.history):
        with pytest.raises(NotFound, match="no Customer"):
            read("bob")
    with pytest.raises(NotFound, match="no Customer had the id 'ann' at 2025-05-01 11:00"):
        crm.as_of(NOON - HOUR).customers.get("ann")


def test_a_member_was_a_customer_before(crm: CRM, clock: SettableClock) -> None:
    ann = crm.customers.add(people("ann")[0])
    joined_at = clock.wait(days=1)
    crm.customers.update(Member(id="ann", kind="person", name="Ann", created_at=ann.created_at, card="7"))

    assert [*crm.as_of(NOON).customers] == [ann]
    assert (len(crm.as_of(NOON)[Member]), len(crm.as_of(joined_at)[Member])) == (0, 1)
    with pytest.raises(NotFound):
        crm.as_of(NOON)[Member].get("ann")


def test_an_id_leads_to_who_was_its_customer_then(crm: CRM, clock: SettableClock) -> None:
    crm.load(people("ann", "anna"))
    merged_at = clock.wait(days=1)
    crm.merge("ann", ["anna"])

    assert crm.as_of(merged_at).customers.get("anna").id == "ann"
    assert crm.as_of(merged_at - HOUR).customers.get("anna").id == "anna"


def test_rules_orders_and_pages_are_those_of_the_present(crm: CRM, clock: SettableClock) -> None:
    crm.load(each.replace(country="PL") for each in people(*"abcd"))
    crm.customers.update(crm.customers.get("b").replace(country="DE"))
    now = clock()
    clock.wait(days=1)
    crm.load(people("e"))
    crm.customers.delete("a")
    past, poles = crm.as_of(now).customers, field("country") == "PL"

    first = past.find(poles, sort="-name", limit=2)
    assert (ids(first), ids(past.find(poles, sort="-name", after=first.next))) == (["d", "c"], ["a"])
    assert (ids(past.every(poles)), past.count(poles)) == (["a", "c", "d"], 3)
    with pytest.raises(InvalidInput, match="no field 'contry'"):
        past.every(field("contry") == "PL")
    with pytest.raises(InvalidInput, match="no field 'contry'"):
        past.find(sort="contry")
    with pytest.raises(InvalidInput, match="0 is no number of records"):
        past.find(limit=0)


def test_fields_declared_at_run_time_are_those_of_then(crm: CRM, clock: SettableClock) -> None:
    small = field("custom.size") < 40
    crm.load([each.replace(custom={"size": 38}) for each in people("ann")])
    undeclared = clock()
    declared = clock.wait(days=1)
    crm.custom_fields.add(CustomField(subject="Customer", name="size", kind="integer"))

    assert ids(crm.as_of(declared).customers.find(small, sort="custom.size")) == ["ann"]
    with pytest.raises(InvalidInput, match=r"custom\.size"):
        crm.as_of(undeclared).customers.find(small)


@pytest.mark.parametrize(
    "write",
    [
        lambda past: past.customers.add(people("bob")[0]),
        lambda past: past.customers.update(past.customers.get("ann")),
        lambda past: past.customers.delete("ann"),
        lambda past: past.load([]),
        lambda past: past.run(lambda crm: len(crm.customers)),
        lambda past: past.merge("ann", ["bob"]),
        lambda past: past.changes(),
        lambda past: past.follow("mail", print),
        lambda past: past.transaction().__enter__(),
    ],
)
def test_the_past_is_for_reading_only(crm: CRM, write: Callable[[CRM], object]) -> None:
    crm.load(people("ann"))

    with pytest.raises(InvalidInput, match="the past of 2025-05-01 12:00:00.* is for reading its records only"):
        write(crm.as_of(NOON))
    assert crm.acting() == ("host", NOON)
    assert [each.kind for each in crm.customers.history("ann")] == ["added"]


def test_closing_the_past_leaves_the_present_open(crm: CRM) -> None:
    with crm.as_of(NOON) as past:
        assert len(past.customers) == 0

    assert len(crm.customers) == 0


def test_kpis_are_those_of_what_was_known_then(crm: CRM, clock: SettableClock) -> None:
    for number in range(3):
        crm.deals.add(Deal(id=f"d{number}", pipeline_id="gym", stage="Trial", amount=Money(number + 1, "PLN")))
    won_at = clock.wait(days=1)
    crm.deals.win("d0")
    clock.wait(days=1)
    crm.deals.lose("d1", reason="price")
    rate = crm.as_of(won_at).metrics.win_rate()

    assert (rate.only.value, rate.only.n, rate.as_of) == (1.0, 1, won_at)
    assert crm.metrics.win_rate().value == 0.5
    assert crm.as_of(won_at).metrics.win_rate(by="currency").only.value == 1.0


def test_the_past_has_frames_and_timelines(crm: CRM, clock: SettableClock) -> None:
    crm.load([*people("ann"), Order(id="o1", at=NOON, customer_id="ann")])
    then = clock()
    clock.wait(days=1)
    crm.load([Order(id="o2", at=NOON, customer_id="ann")])
    past = crm.as_of(then)

    assert [each.record.id for each in past.timeline("ann")] == ["o1"]
    assert past.store.frame(Order, columns=["id"]).rows() == [("o1",)]
    assert [each.rows() for each in crm.as_of(clock()).store.batches(Order, columns=["id"], rows=1)] == [
        [("o1",)],
        [("o2",)],
    ]
    assert [each.rows() for each in past.store.batches(Customer, field("id") == "x", columns=["id"])] == [[]]


def _imported() -> list[Record]:
    """A deal that was won two years ago, imported today with its history."""
    created, offered, won = (NOON - timedelta(days=days) for days in (800, 760, 730))
    deal = Deal(id="d1", pipeline_id="gym", stage="Won", category="won", created_at=created, closed_at=won)
    moves = [("Trial", "open", "Offer", "open", offered), ("Offer", "open", "Won", "won", won)]
    return [
        deal,
        *(
            Transition(
                subject="Deal",
                subject_id="d1",
                field="stage",
                before=before,
                category_before=category_before,
                after=after,
                category_after=category,
                at=at,
                created_at=at,
            )
            for before, category_before, after, category, at in moves
        ),
    ]


def test_by_when_it_was_true_imported_history_has_a_past(crm: CRM) -> None:
    crm.load(_imported())

    def stages(by: Any) -> list[tuple[int, str | None, bool]]:
        days = (801, 800, 759, 730)
        pasts = [crm.as_of(NOON - timedelta(days=each), by=by) for each in days]
        deals = [next(iter(past.deals), None) for past in pasts]
        return [
            (len(past.transitions), deal.stage if deal else None, bool(deal and deal.closed_at))
            for past, deal in zip(pasts, deals, strict=True)
        ]

    assert stages("at") == [(0, None, False), (0, "Trial", False), (1, "Offer", False), (2, "Won", True)]
    assert stages("recorded_at") == [(0, None, False)] * 4
    assert crm.as_of(NOON - timedelta(days=759), by="at").deals.get("d1").category == "open"


def test_by_when_it_was_true_a_correction_counts_from_when_it_holds(crm: CRM, clock: SettableClock) -> None:
    ann = crm.customers.add(people("ann")[0].replace(created_at=NOON - timedelta(days=30)))
    moved_at = NOON - timedelta(days=9)
    clock.wait(days=1)
    with crm.transaction(at=moved_at):
        crm.customers.update(ann.replace(city="Łódź"))

    assert crm.as_of(moved_at, by="at").customers.get("ann").city == "Łódź"
    assert crm.as_of(moved_at - HOUR, by="at").customers.get("ann").city is None
    assert crm.as_of(NOON).customers.get("ann").city is None
    assert crm.as_of(NOON).as_of(moved_at, by="at").customers.get("ann").city is None


Step = tuple[str, str, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "update", "delete", "restore", "merge", "unmerge", "deal", "advance", "win", "reopen", "both"]
        ),
        st.sampled_from("abc"),
        st.sampled_from("abc"),
    ),
    max_size=14,
)


def _do(crm: CRM, step: Step) -> None:
    """Do something that may be impossible, and is then undone."""
    what, one, other = step
    acts: dict[str, Callable[[], object]] = {
        "add": lambda: crm[Member].add(Member(id=one, kind="person", name=one, card=one)),
        "update": lambda: crm.customers.update(crm.customers.get(one).replace(city=other)),
        "delete": lambda: crm.customers.delete(one),
        "restore": lambda: crm.customers.restore(one),
        "merge": lambda: crm.merge(one, [other]),
        "unmerge": lambda: crm.unmerge(next(iter(crm.merges)).id),
        "deal": lambda: crm.deals.add(Deal(id=one, pipeline_id="gym", stage="Trial", customer_id=other)),
        "advance": lambda: crm.deals.advance(one, "Offer"),
        "win": lambda: crm.deals.win(one),
        "reopen": lambda: crm.deals.reopen(one, "Trial"),
        "both": lambda: _do_both(crm, one, other),
    }
    try:
        with crm.transaction():
            acts[what]()
    except (CrmError, StopIteration):
        pass


def _do_both(crm: CRM, one: str, other: str) -> None:
    crm.orders.add(Order(at=crm.now(), customer_id=one))
    crm.customers.delete(other)


@rare
@given(steps=STEPS)
@pytest.mark.parametrize("url", ["memory://", "sqlite://"])
def test_at_every_instant_the_past_is_what_was_there_then(url: str, steps: list[Step]) -> None:
    clock = SettableClock()
    with closing(CRM.open(url, records=OWN, clock=clock)) as crm:
        crm.pipelines.add(GYM)
        snapshots = {}
        for step in steps:
            clock.wait(hours=1)
            _do(crm, step)
            snapshots[clock()] = everything(crm)
        for then, snapshot in snapshots.items():
            past = crm.as_of(then)
            assert everything(past) == everything(crm.as_of(then + HOUR / 2)) == snapshot
            assert {cls: past[cls].count() for cls in snapshot} == {cls: len(known) for cls, known in snapshot.items()}
            assert [past.customers.get(each.id) for each in snapshot[Customer]] == snapshot[Customer]
            assert [*past.deals.find(EVERYTHING, sort="-id")] == snapshot[Deal][::-1]


@few
@given(steps=STEPS)
def test_where_nothing_is_told_late_both_pasts_are_one(steps: list[Step]) -> None:
    clock = SettableClock()
    with closing(CRM.open("memory://", records=OWN, clock=clock)) as crm:
        crm.pipelines.add(GYM)
        for step in steps:
            clock.wait(hours=1)
            _do(crm, step)
        for hours in range(len(steps) + 1):
            then = NOON + hours * HOUR
            assert everything(crm.as_of(then, by="at")) == everything(crm.as_of(then))
