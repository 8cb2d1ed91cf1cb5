"""What a record was like at an instant, as it was known then and as it truly was."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError
from crmkit.io.stores import MemoryStore
from crmkit.io.stores.port import Stamp, Version
from crmkit.io.stores.timeline import known_at, true_at
from crmkit.model import Customer, Deal, Employee, Money, Pipeline, Stage, Target, Transition
from crmkit.model.deal import advance, lose, reopen, win
from crmkit.testing.contract.examples import Member

START = datetime(2025, 5, 1, tzinfo=UTC)
GYM = Pipeline(
    id="gym", stages=[Stage("Trial", "open"), Stage("Offer", "open"), Stage("Won", "won"), Stage("Lost", "lost")]
)
ANN = Employee(id="ann", name="Ann")
DEAL = Deal(id="d1", pipeline_id="gym", stage="Trial")


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def said(at: int | None = None, recorded_at: int | None = None) -> Stamp:
    return Stamp(None, None if at is None else day(at), None if recorded_at is None else day(recorded_at))


def history(*forms: tuple[Employee | None, Stamp]) -> tuple[Version[Employee], ...]:
    """The history of a record that had these forms; None where it was deleted."""
    kinds = ["added" if not place else "changed" if form else "deleted" for place, (form, _) in enumerate(forms)]
    return tuple(
        Version(form, kind, place + 1, stamp)  # type: ignore[arg-type]  # a kind is one of the literal words
        for place, ((form, stamp), kind) in enumerate(zip(forms, kinds, strict=True))
    )


@attrs.frozen
class Lived:
    """A history that a store kept, and what the record was after each step."""

    versions: tuple[Version[Employee], ...]
    snapshots: tuple[tuple[datetime, Employee | None], ...]


STEPS = st.lists(st.tuples(st.sampled_from(["put", "delete", "restore"]), st.integers(0, 3)), max_size=8)


def lived(steps: Sequence[tuple[str, int]]) -> Lived:
    store = MemoryStore()
    now = 0
    snapshots: list[tuple[datetime, Employee | None]] = []
    for kind, pause in [("add", 0), *steps]:
        now += pause
        try:
            with store.transaction(said(now, now)):
                _do(store, kind, now)
        except CrmError:
            continue
        snapshots.append((day(now), None if store.read(Employee, "ann").is_deleted else store.get(Employee, "ann")))
    return Lived(store.history(Employee, "ann"), tuple(snapshots))


def _do(store: MemoryStore, kind: str, now: int) -> None:
    if kind == "add":
        store.add([ANN])
    elif kind == "put":
        store.put(ANN.replace(team=f"team {now % 3}"))
    else:
        getattr(store, kind)(Employee, "ann")


@given(STEPS)
def test_what_was_known_is_what_the_store_held_then(steps: list[tuple[str, int]]) -> None:
    told = lived(steps)
    for instant, _ in told.snapshots:
        held = [snapshot for at, snapshot in told.snapshots if at <= instant]
        assert known_at(told.versions, instant) == held[-1]


@given(STEPS, st.integers(-1, 30))
def test_where_everything_is_recorded_when_it_happens_the_truth_is_what_was_known(
    steps: list[tuple[str, int]], number: int
) -> None:
    versions = lived(steps).versions

    assert true_at(versions, [], day(number)) == known_at(versions, day(number))


@given(STEPS)
def test_before_the_first_change_nothing_was_there(steps: list[tuple[str, int]]) -> None:
    versions = lived(steps).versions

    assert known_at(versions, day(-1)) is None
    assert true_at(versions, [], day(-1)) is None


@given(st.lists(st.text("ab", min_size=1), min_size=1))
def test_what_nobody_dated_was_always_known_and_true(teams: list[str]) -> None:
    versions = history(*((ANN.replace(team=team), Stamp()) for team in teams))

    assert known_at(versions, day(0)) == true_at(versions, [], day(0)) == ANN.replace(team=teams[-1])


def test_there_is_nothing_without_a_history() -> None:
    assert known_at((), day(0)) is None
    assert true_at((), [], day(0)) is None


def test_an_instant_is_inclusive() -> None:
    versions = history((ANN, said(1, 2)))

    assert known_at(versions, day(2)) == true_at(versions, [], day(1)) == ANN
    assert known_at(versions, day(2) - timedelta(microseconds=1)) is None
    assert true_at(versions, [], day(1) - timedelta(microseconds=1)) is None


def test_a_change_that_was_learned_late_was_true_before_it_was_known() -> None:
    moved = ANN.replace(team="North")
    versions = history((ANN, said(0, 0)), (moved, said(2, 9)))

    assert (known_at(versions, day(5)), true_at(versions, [], day(5))) == (ANN, moved)
    assert true_at(versions, [], day(1)) == ANN


def test_a_change_with_an_earlier_date_brings_only_what_it_changed() -> None:
    north = ANN.replace(team="North")
    both = north.replace(department="Sales")
    versions = history((ANN, said(0)), (north, said(6)), (both, said(3)))

    assert true_at(versions, [], day(2)) == ANN
    assert true_at(versions, [], day(4)) == ANN.replace(department="Sales")
    assert true_at(versions, [], day(6)) == both


def test_a_record_is_there_from_its_creation_on_however_late_it_was_stored() -> None:
    old = ANN.replace(created_at=day(-100))

    assert true_at(history((old, said(5, 5))), [], day(-100)) == old
    assert true_at(history((old, said(5, 5))), [], day(-101)) is None


def test_a_deletion_counts_from_when_it_was_true() -> None:
    versions = history((ANN, said(0, 0)), (None, said(3, 8)))

    assert (true_at(versions, [], day(2)), true_at(versions, [], day(3))) == (ANN, None)
    assert (known_at(versions, day(7)), known_at(versions, day(8))) == (ANN, None)


def test_changes_that_fit_no_whole_together_are_told_as_they_were_kept() -> None:
    year = Target(id="t1", metric="won", starts_on=date(2025, 1, 1), ends_on=date(2026, 1, 1), count=1)
    earlier = year.replace(starts_on=date(2024, 1, 1), ends_on=date(2024, 6, 1))
    shorter = earlier.replace(ends_on=date(2024, 3, 1))
    versions = [
        Version(year, "added", 1, said(0)),
        Version(earlier, "changed", 2, said(9)),
        Version(shorter, "changed", 3, said(3)),
    ]

    assert true_at(versions, [], day(3)) == shorter


def test_a_customer_who_became_a_member_was_a_customer_before() -> None:
    cid = Customer(id="cid", kind="person", name="Cid")
    member = Member(id="cid", kind="person", name="Cid", card="7")
    married = member.replace(name="Cid Kowalski")
    versions: list[Version[Customer]] = [
        Version(cid, "added", 1, said(0)),
        Version(member, "changed", 2, said(6)),
        Version(married, "changed", 3, said(3)),
    ]

    assert true_at(versions, [], day(1)) == cid
    assert true_at(versions, [], day(3)) == cid.replace(name="Cid Kowalski")
    assert true_at(versions, [], day(6)) == married


@pytest.mark.parametrize("subject", ["Customer", "Member"])
def test_transitions_concern_a_record_by_any_of_its_classes(subject: str) -> None:
    member = Member(id="cid", kind="person", name="Cid", owner_id="ann")
    given_on = Transition(subject=subject, subject_id="cid", field="owner_id", before="bob", after="ann", at=day(9))

    assert true_at([Version(member, "added", 1, said(0))], [given_on], day(1)) == member.replace(owner_id="bob")


MOVES = st.lists(st.tuples(st.sampled_from(["advance", "win", "lose", "reopen"]), st.integers(1, 3)), max_size=8)


def moved(moves: Sequence[tuple[str, int]]) -> tuple[list[Deal], list[Transition]]:
    """A deal after each of its moves, and their transitions; impossible moves are left out."""
    deals, transitions, now = [DEAL], list[Transition](), 0
    for kind, pause in moves:
        now += pause
        try:
            after, transition = _move(deals[-1], kind, day(now))
        except CrmError:
            continue
        deals.append(after)
        transitions.append(transition)
    return deals, transitions


def _move(deal: Deal, kind: str, at: datetime) -> tuple[Deal, Transition]:
    if kind == "advance":
        return advance(deal, GYM, "Offer" if deal.stage == "Trial" else "Trial", at=at)
    if kind == "win":
        return win(deal, GYM, at=at)
    return lose(deal, GYM, reason="price", at=at) if kind == "lose" else reopen(deal, GYM, "Trial", at=at)


@given(MOVES, st.integers(0, 30))
def test_the_past_of_an_imported_deal_is_told_by_its_transitions(moves: list[tuple[str, int]], number: int) -> None:
    deals, transitions = moved(moves)
    imported = [Version(deals[-1], "added", 1, said(None, 99))]

    found = true_at(imported, reversed(transitions), day(number))

    then = deals[sum(each.at <= day(number) for each in transitions)]
    assert found is not None
    assert (found.stage, found.category) == (then.stage, then.category)
    assert found.closed_at is None or found.closed_at <= day(number)


@given(MOVES, st.integers(0, 30))
def test_the_past_of_a_deal_that_moved_in_the_store_is_what_it_was(moves: list[tuple[str, int]], number: int) -> None:
    deals, transitions = moved(moves)
    stamps = [said(0), *(Stamp(at=each.at) for each in transitions)]
    versions = [
        Version(deal, "changed" if place else "added", place + 1, stamp)
        for place, (deal, stamp) in enumerate(zip(deals, stamps, strict=True))
    ]

    then = deals[sum(each.at <= day(number) for each in transitions)]
    assert true_at(versions, transitions, day(number)) == then


def test_transitions_of_others_and_of_unknown_fields_change_nothing() -> None:
    versions = [Version(DEAL.replace(amount=Money(1, "PLN")), "added", 1, said(0))]
    later = Transition(subject="Deal", subject_id="d1", field="stage", before="Offer", after="Trial", at=day(9))
    others = [
        later.replace(subject_id="d2"),
        later.replace(subject="Ticket"),
        later.replace(field="mood"),
        later.replace(before=None),
    ]

    assert true_at(versions, others, day(1)) == versions[0].record
    assert true_at(versions, [later], day(1)) == DEAL.replace(amount=Money(1, "PLN"), stage="Offer")


@pytest.mark.parametrize("number", [0, 5])
def test_a_category_that_the_class_does_not_have_is_left_out(number: int) -> None:
    strange = Transition(
        subject="Deal", subject_id="d1", field="stage", before="x", after="y", category_before="mood", at=day(9)
    )

    assert true_at([Version(DEAL, "added", 1, said(0))], [strange], day(number)) == DEAL
