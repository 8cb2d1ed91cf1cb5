"""Personal data is kept no longer than a rule allows."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.errors import InvalidInput
from crmkit.io.privacy import LEGAL_HOLD, Retention, apply_retention
from crmkit.io.stores import MemoryStore
from crmkit.model import Customer, Employee, Interaction, Task, Ticket
from crmkit.rules import field
from tests.examples import few
from tests.io.privacy.people import DAY


def call(record_id: str, at: datetime, **more: object) -> Interaction:
    return Interaction(id=record_id, at=at, channel="phone", direction="inbound", body="text", subject="about", **more)  # type: ignore[arg-type]


CALLS = Retention(records=Interaction, days=365, since="at")


def test_a_record_is_due_at_exactly_its_age() -> None:
    store = MemoryStore()
    due = DAY - timedelta(days=365)
    store.add([call("old", due), call("new", due + timedelta(microseconds=1))])
    (done,) = apply_retention(store, [CALLS], as_of=DAY, by="eva", preview=False)

    assert (done.records, done.counts, done.held) == (1, {"body": 1, "subject": 1}, 0)
    assert [each.body for each in store.every(Interaction)] == ["text", None]
    assert store.history(Interaction, "old")[-1].stamp.by == "eva"


def test_a_preview_changes_nothing_and_doing_it_twice_does_it_once() -> None:
    store = MemoryStore()
    store.add([call("old", DAY - timedelta(days=800))])
    preview = apply_retention(store, [CALLS], as_of=DAY)

    assert store.get(Interaction, "old").body == "text"
    assert apply_retention(store, [CALLS], as_of=DAY, preview=False) == preview
    assert [each.records for each in apply_retention(store, [CALLS], as_of=DAY, preview=False)] == [0]


def test_what_a_record_was_before_counts_too() -> None:
    store = MemoryStore()
    store.add([call("old", DAY - timedelta(days=800))])
    store.put(store.get(Interaction, "old").replace(body=None, subject=None))

    assert apply_retention(store, [CALLS], as_of=DAY, preview=False)[0].counts == {"body": 1, "subject": 1}
    assert [each.record and each.record.body for each in store.history(Interaction, "old")] == [None, None, None]


def test_only_a_category_is_blanked_where_one_is_given() -> None:
    store = MemoryStore()
    store.add([Customer(id="ann", kind="person", name="Ann", city="Łódź", birth_on=date(1990, 1, 1))])
    rule = Retention(records=Customer, days=0, since="birth_on", category="descriptive")

    assert apply_retention(store, [rule], as_of=DAY, preview=False)[0].counts == {"birth_on": 1, "city": 1}
    assert store.get(Customer, "ann").name == "Ann"


def test_deleting_leaves_nothing_but_that_it_was_purged() -> None:
    store = MemoryStore()
    store.add([call("old", DAY - timedelta(days=800)), call("gone", DAY - timedelta(days=800)), call("new", DAY)])
    store.delete(Interaction, "gone")
    (done,) = apply_retention(
        store, [Retention(records=Interaction, days=365, since="at", action="delete")], as_of=DAY, preview=False
    )

    assert (done.records, done.counts) == (2, {})
    assert [each.id for each in store.every(Interaction)] == ["new"]
    assert [each.kind for each in store.changes() if each.subject_id != "new"] == ["purged", "purged"]


def test_a_deleted_record_is_blanked_where_it_is() -> None:
    store = MemoryStore()
    store.add([call("old", DAY - timedelta(days=800))])
    store.delete(Interaction, "old")

    assert apply_retention(store, [CALLS], as_of=DAY, preview=False)[0].records == 1
    assert store.read(Interaction, "old").record.body is None


def test_a_legal_hold_keeps_a_record() -> None:
    store = MemoryStore()
    store.add([call("old", DAY - timedelta(days=800), tags={LEGAL_HOLD})])
    for action in ("blank", "delete"):
        rule = Retention(records=Interaction, days=365, since="at", action=action)
        (done,) = apply_retention(store, [rule], as_of=DAY, preview=False)
        assert (done.records, done.held) == (0, 1)
    assert store.get(Interaction, "old").body == "text"


def test_a_rule_says_which_records_are_meant() -> None:
    store = MemoryStore()
    store.add([call("a", DAY, tags={"spam"}), call("b", DAY)])
    rule = Retention(records=Interaction, days=0, since="at", where=field("tags").has("spam"))

    apply_retention(store, [rule], as_of=DAY, preview=False)
    assert [each.body for each in store.every(Interaction)] == [None, "text"]


def test_without_an_instant_nothing_is_due() -> None:
    store = MemoryStore()
    store.add([Task(subject="call")])

    assert apply_retention(store, [Retention(records=Task, days=0)], as_of=DAY)[0].records == 0
    assert apply_retention(store, [Retention(records=Task, days=10**7)], as_of=DAY)[0].records == 0


def test_all_rules_are_one_unit_of_work() -> None:
    store = MemoryStore([Interaction])
    store.add([call("old", DAY - timedelta(days=800))])
    with pytest.raises(InvalidInput, match="Ticket is no record class of this store"):
        apply_retention(store, [CALLS, Retention(records=Ticket, days=1)], as_of=DAY, preview=False)

    assert store.get(Interaction, "old").body == "text"


@few
@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=8), st.integers(0, 3000))
def test_what_is_blanked_is_what_is_old_enough(calls: list[tuple[int, bool]], days: int) -> None:
    store = MemoryStore()
    store.add(
        call(f"{n}", DAY - timedelta(hours=hours), tags={LEGAL_HOLD} if held else ())
        for n, (hours, held) in enumerate(calls)
    )
    rule = Retention(records=Interaction, days=days // 24, since="at")
    (done,) = apply_retention(store, [rule], as_of=DAY, preview=False)

    due = [held for hours, held in calls if hours >= days // 24 * 24]
    assert (done.records, done.held) == (due.count(False), due.count(True))
    assert sum(each.body is None for each in store.every(Interaction)) == done.records


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"since": "att"}, "did you mean 'at'"),
        ({"since": "body"}, "since='body'"),
        ({"action": "burn"}, "there are 'blank', 'delete'"),
        ({"category": "secret"}, "category='secret'"),
        ({"days": -1}, "days=-1 is no age"),
        ({"days": 1.5}, "days=1.5 is no age; give a whole number"),
        ({"days": True}, "days=True is no age"),
        ({"records": str}, "is no class of records"),
        ({"action": "delete", "category": "identity"}, "leave category out"),
    ],
)
def test_what_is_no_rule_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Retention(**{"records": Interaction, "days": 1, "since": "at", **wrong})  # type: ignore[arg-type]


def test_a_rule_that_does_not_fit_and_a_naive_instant_are_refused() -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        apply_retention(MemoryStore(), [CALLS], as_of=datetime(2025, 1, 1))
    for rules in (CALLS, [Interaction], 7):
        with pytest.raises(InvalidInput, match="takes a list of Retention"):
            apply_retention(MemoryStore(), rules, as_of=DAY)  # type: ignore[arg-type]
    rule = Retention(records=Employee, days=1, where=field("nmae") == "x")
    with pytest.raises(InvalidInput, match="did you mean 'name'"):
        apply_retention(MemoryStore(), [rule], as_of=DAY)


def test_the_facade_applies_rules_by_its_clock() -> None:
    with CRM.open("memory://", clock=lambda: DAY, by="eva") as crm:
        crm.load([call("old", DAY - timedelta(days=400))])
        assert crm.apply_retention([CALLS])[0].records == 1
        assert crm.apply_retention([CALLS], preview=False)[0].records == 1
        assert crm.interactions.history("old")[-1].stamp.by == "eva"
