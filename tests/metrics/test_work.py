"""People's work: activity, tasks done and done in time, and cards."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.result import Measure
from crmkit.metrics.work import activity, card_completeness, task_completion, task_punctuality
from crmkit.model import Customer, Interaction, Task, record
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe, moments, owners
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
DUE = datetime(2025, 5, 10, 9, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)

interactions = st.lists(
    st.builds(
        Interaction,
        at=moments,
        channel=st.sampled_from(["phone", "email"]),
        direction=st.sampled_from(["inbound", "outbound", "internal"]),
        employee_id=owners,
        provenance=st.sampled_from(["human", "machine", "unknown"]),
    ),
    max_size=10,
)
tasks = st.lists(
    st.builds(
        Task,
        kind=st.sampled_from(["task", "call"]),
        category=st.sampled_from(["open", "done", "done", "cancelled"]),
        created_at=maybe,
        due_at=maybe,
        starts_at=maybe,
        ends_at=maybe,
        is_all_day=st.booleans(),
        completed_at=maybe,
        assignee_id=owners,
    ),
    max_size=10,
)
cards = st.lists(
    st.builds(
        Customer,
        kind=st.sampled_from(["person", "organization"]),
        name=st.just("Ann"),
        city=st.sampled_from([None, "Gdynia"]),
        birth_on=st.sampled_from([None, date(1990, 1, 1)]),
        tags=st.sampled_from([frozenset(), frozenset({"vip"})]),
        owner_id=owners,
        created_at=maybe,
    ),
    max_size=10,
)

COUNTED = {"contacts": ("inbound", "outbound"), "outbound": ("outbound",), "all": ("inbound", "outbound", "internal")}


def contacts(given_: list[Interaction], asked_: Asked, method: str) -> Iterator[Fact]:
    for each in given_:
        outcome = "counted" if each.employee_id else "no employee"
        if each.direction not in COUNTED[method]:
            outcome = each.direction
        elif each.provenance == "machine":
            outcome = "automatic"
        yield Fact(each.at, outcome, asked_.group(each), each.employee_id)


def per_employee(inside: list[Fact]) -> dict[str, Any]:
    each = Counter(fact.worth for fact in inside)
    return {"value": len(inside) / len(each) if each else None, "numerator": len(inside), "denominator": len(each)}


@few
@given(interactions, asked(by="channel"), st.sampled_from(list(COUNTED)))
def test_activity_is_interactions_by_employee_who_had_any(
    given_: list[Interaction], asked_: Asked, method: str
) -> None:
    result = activity(given_, method=method, **asked_.options)

    check(result, contacts(given_, asked_, method), ["counted"], asked_, per_employee)


def contact(employee: str | None = "bo", **given_: Any) -> Interaction:
    return simplest(Interaction, **{"employee_id": employee, "at": DUE, "direction": "outbound"} | given_)


def test_activity_by_employee_is_what_each_did() -> None:
    rows = [contact(), contact(), contact("cy"), contact(None)]

    each = {measure.group["employee_id"]: measure.value for measure in activity(rows, as_of=MAY, by="employee_id")}
    assert each == {"bo": 2, "cy": 1, None: None}
    assert activity(rows, as_of=MAY).only.details == {"most": 2, "least": 1}
    assert activity([], as_of=MAY).only.reason == "no employee had an interaction"


def test_an_employee_in_two_parts_of_the_data_is_one() -> None:
    first, second = [contact(), contact()], [contact()]

    assert activity(first, as_of=MAY) + activity(second, as_of=MAY) == activity([*first, *second], as_of=MAY)


def test_an_unknown_direction_is_refused() -> None:
    frame = from_records([contact()], Interaction).with_columns(direction=pl.lit("out"))

    with pytest.raises(InvalidInput, match="column 'direction' holds 'out' .1 rows.; accepted are 'inbound'"):
        activity(frame, as_of=MAY)


def outcomes(given_: list[Task], asked_: Asked) -> Iterator[Fact]:
    for each in given_:
        deadline, done = each.due_at or each.ends_at or each.starts_at, each.completed_at
        if each.created_at is not None and not asked_.is_known(each.created_at):
            continue
        yield Fact(deadline, outcome(each, deadline, done, asked_), asked_.group(each))


def outcome(task: Task, deadline: datetime | None, done: datetime | None, asked_: Asked) -> str:
    if deadline is None:
        return "never due"
    if task.is_all_day and isinstance(asked_.as_of, datetime) and asked_.day(deadline) >= asked_.day(asked_.as_of):
        return "day not over"
    if task.category != "done" or (done is not None and not asked_.is_known(done)):
        return "cancelled" if task.category == "cancelled" else "open"
    if done is None:
        return "done without a date"
    in_time = asked_.day(done) <= asked_.day(deadline) if task.is_all_day else done <= deadline
    return "done in time" if in_time else "done late"


@few
@given(tasks, asked(by="assignee_id"), st.booleans())
def test_completion_is_done_of_due(given_: list[Task], asked_: Asked, is_strict: bool) -> None:
    counted = ["done in time", "done late", "open", *(["cancelled"] if is_strict else [])]
    result = task_completion(given_, method="with_cancelled" if is_strict else "due", **asked_.options)

    def finish(inside: list[Fact]) -> dict[str, Any]:
        done = sum(fact.outcome.startswith("done") for fact in inside)
        return {"value": done / len(inside) if inside else None, "numerator": done, "denominator": len(inside)}

    check(result, outcomes(given_, asked_), counted, asked_, finish)


@few
@given(tasks, asked(by="assignee_id"), st.booleans())
def test_punctuality_is_done_in_time_of_due(given_: list[Task], asked_: Asked, is_done: bool) -> None:
    counted = ["done in time", "done late", *([] if is_done else ["open"])]
    result = task_punctuality(given_, method="done" if is_done else "due", **asked_.options)

    check(result, outcomes(given_, asked_), counted, asked_, lambda inside: share(inside, "done in time"))


def task(**given_: Any) -> Task:
    return simplest(Task, **{"due_at": DUE, "category": "done", "completed_at": DUE} | given_)


def both(*rows: Task, **options: Any) -> tuple[Measure, Measure]:
    asked_: dict[str, Any] = {"as_of": MAY} | options
    return task_completion(rows, **asked_).only, task_punctuality(rows, **asked_).only


@pytest.mark.parametrize(("late", "value"), [(timedelta(0), 1), (MICROSECOND, 0), (-DAY, 1)])
def test_a_task_is_in_time_up_to_the_instant_at_which_it_is_due(late: timedelta, value: float) -> None:
    completion, punctuality = both(task(completed_at=DUE + late))

    assert (completion.value, punctuality.value) == (1, value)


@pytest.mark.parametrize(("tz", "value"), [("UTC", 1), ("Asia/Bangkok", 0)])
def test_an_all_day_task_is_in_time_on_its_day_in_the_zone(tz: str, value: float) -> None:
    evening = task(is_all_day=True, completed_at=datetime(2025, 5, 10, 18, tzinfo=UTC))

    assert both(evening, tz=tz)[1].value == value


def test_open_tasks_are_late_unless_done_ones_alone_are_asked_for() -> None:
    rows = [task(), task(category="open", completed_at=None)]

    assert task_punctuality(rows, as_of=MAY).value == 0.5
    assert task_punctuality(rows, as_of=MAY, method="done").value == 1
    assert task_punctuality(rows[1:], as_of=MAY, method="done").only.reason == "no task that was due was done"


def test_what_is_completed_after_as_of_is_open() -> None:
    completion, punctuality = both(task(completed_at=DUE + 5 * DAY), as_of=date(2025, 5, 12))

    assert (completion.value, punctuality.value, completion.n) == (0, 0, 1)


def test_nothing_due_has_no_value_but_a_reason() -> None:
    assert {measure.reason for measure in both(task(due_at=None))} == {"no task was due"}
    assert both(task(due_at=None))[0].excluded == {"never due": 1}
    assert both(task(due_at=datetime(2025, 6, 1, tzinfo=UTC)))[0].excluded == {}


def test_an_unknown_category_is_refused() -> None:
    frame = from_records([task()], Task).with_columns(category=pl.lit("finished"))

    for kpi in (task_completion, task_punctuality):
        with pytest.raises(InvalidInput, match="column 'category' holds 'finished' .1 rows.; accepted are 'open'"):
            kpi(frame, as_of=MAY)


def test_a_table_may_lack_what_is_only_used() -> None:
    frame = from_records([task()], Task, ["category", "due_at", "completed_at"])

    assert (task_completion(frame, as_of=MAY).value, task_punctuality(frame, as_of=MAY).value) == (1, 1)


@few
@given(cards, st.sampled_from(["fields", "records"]))
def test_cards_are_judged_by_their_owner(given_: list[Customer], method: str) -> None:
    result = card_completeness(given_, as_of=AS_OF, method=method, of=["city", "birth_on", "tags"], by="owner_id")
    known = [each for each in given_ if each.created_at is None or each.created_at < datetime(2025, 4, 1, tzinfo=UTC)]

    for measure in result:
        mine = [each for each in known if each.owner_id == measure.group["owner_id"]]
        filled = [sum(bool(part) for part in (each.city, each.birth_on, each.tags)) for each in mine]
        if measure.group["owner_id"] is None:
            assert (measure.n, measure.excluded) == (0, {"no owner": len(mine)})
        elif method == "fields":
            assert (measure.n, measure.numerator, measure.denominator) == (len(mine), sum(filled), 3 * len(mine))
        else:
            assert (measure.n, measure.numerator) == (len(mine), filled.count(3))
    assert sum(each.n + sum(each.excluded.values()) for each in result) == len(known)


def test_the_owner_is_no_part_of_the_card() -> None:
    card = Customer(kind="person", name="Ann", owner_id="bo")

    assert card_completeness([card], as_of=MAY, of=["name"]).value == 1
    with pytest.raises(InvalidInput, match="Customer has no field 'owner_id' to be filled"):
        card_completeness([card], as_of=MAY, of=["owner_id"])
    assert card_completeness([], as_of=MAY).only.reason == "there is no record"


@few
@given(st.data(), interactions, tasks, cards)
def test_neither_order_nor_kind_nor_a_rule_changes_anything(
    data: st.DataObject, contacts_: list[Interaction], tasks_: list[Task], cards_: list[Customer]
) -> None:
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "tz": "Asia/Bangkok"}
    for kpi, rows, cls, by in (
        (activity, contacts_, Interaction, "employee_id"),
        (task_completion, tasks_, Task, "assignee_id"),
        (task_punctuality, tasks_, Task, "assignee_id"),
        (card_completeness, cards_, Customer, "owner_id"),
    ):
        shuffled: list[Any] = data.draw(st.permutations(rows))
        bos = [each for each in rows if getattr(each, by) == "bo"]

        assert kpi(kind(shuffled, cls), by=by, **options) == kpi(rows, by=by, **options)
        assert kpi(rows, where=field(by) == "bo", **options) == kpi(bos, **options)
        assert kpi(rows[:4], **options, start=date(2025, 1, 1)) + kpi(
            rows[4:], **options, start=date(2025, 1, 1)
        ) == kpi(rows, **options, start=date(2025, 1, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_no_data_of_any_kind_is_nothing(kind: str) -> None:
    for kpi, cls in (
        (activity, Interaction),
        (task_completion, Task),
        (task_punctuality, Task),
        (card_completeness, Customer),
    ):
        measure = kpi(KINDS[kind]([], cls), as_of=MAY).only
        assert (measure.value, measure.n, measure.excluded) == (None, 0, {})
        assert measure.reason


@record
class ClubMember(Customer):
    """A customer of a vertical, with a field of its own."""

    goal: str | None = None


def test_a_vertical_judges_cards_by_its_own_fields() -> None:
    cards = [ClubMember(kind="person", name="Ann", goal=goal, owner_id="bo") for goal in ("run", None)]

    assert card_completeness(cards, cls=ClubMember, as_of=MAY, of=["goal"], by="owner_id").value == 0.5
    with pytest.raises(InvalidInput, match="Customer has no field 'goal' to be filled"):
        card_completeness(cards, as_of=MAY, of=["goal"])
