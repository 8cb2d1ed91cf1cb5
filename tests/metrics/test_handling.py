"""Handling time: how long applications are with employees, and how long contacts last."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.handling import handling_time
from crmkit.metrics.result import MetricResult
from crmkit.model import Deal, Interaction, Lead, Record, Ticket, Transition
from crmkit.model.calendar import BusinessCalendar, Hours
from crmkit.rules import field
from crmkit.stats import intervals
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe, moments
from tests.metrics.oracle import Asked, Fact, asked, check
from tests.metrics.selling import help_desk

MAY = date(2025, 5, 31)
FIRST = datetime(2025, 5, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
METHODS = ["segment", "final_owner", "first_owner"]
every_method = pytest.mark.parametrize("method", METHODS)
staff = st.sampled_from(["ann", "bo", "cy"])
History = tuple[list[Deal], list[Transition]]


def deal(days: float | None = 10, **given_: Any) -> Deal:
    ended = {"category": "open"} if days is None else {"category": "won", "closed_at": FIRST + days * DAY}
    return simplest(Deal, **{"id": "d1", "created_at": FIRST, "owner_id": "bo"} | ended | given_)


def handed(before: str | None, after: str, days: float, **given_: Any) -> Transition:
    known = {"subject": "Deal", "subject_id": "d1", "field": "owner_id", "at": FIRST + days * DAY}
    return simplest(Transition, **{"before": before, "after": after} | known | given_)


def days_of(result: MetricResult) -> dict[Any, float | None]:
    return {each.group["employee_id"]: each.value and each.value / 1440 for each in result}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("segment", {"ann": 3 + 4, "bo": 2, "cy": 1}),
        ("final_owner", {"ann": 10}),
        ("first_owner", {"ann": 10}),
    ],
)
def test_a_handover_splits_the_time_unless_one_employee_has_all_of_it(method: str, expected: dict[str, float]) -> None:
    moves = [handed("ann", "bo", 3), handed("bo", "cy", 5), handed("cy", "ann", 6), handed("ann", "cy", 11)]
    options: dict[str, Any] = {"transitions": moves, "as_of": MAY, "method": method}

    assert days_of(handling_time([deal()], by="employee_id", **options)) == expected
    whole = handling_time([deal()], **options).only
    assert (whole.value, whole.n) == (14400, 1)


def test_what_is_still_theirs_is_left_out_and_counted() -> None:
    moves = [handed("ann", "bo", 3)]
    result = handling_time([deal(None)], transitions=moves, by="employee_id", as_of=MAY)

    assert [(each.group["employee_id"], each.value, each.excluded) for each in result] == [
        ("ann", 4320, {}),
        ("bo", None, {"open": 1}),
    ]
    assert result[1].reason == "no application was handled"
    assert handling_time([deal(20)], transitions=moves, as_of=FIRST + 5 * DAY).only.excluded == {"open": 1}


def test_nobody_has_what_was_never_assigned_or_only_when_it_was_over() -> None:
    alone = handling_time([deal(owner_id=None)], transitions=[], as_of=MAY).only
    late = handling_time([deal()], transitions=[handed(None, "bo", 10)], as_of=MAY).only

    assert alone.excluded == late.excluded == {"no employee": 1}
    assert handling_time([deal()], transitions=[handed(None, "bo", 4)], as_of=MAY).value == 6 * 1440


def test_working_time_alone_may_count() -> None:
    office = BusinessCalendar(tz="UTC", hours=[Hours(day, "09:00", "17:00") for day in range(5)])
    options: dict[str, Any] = {"transitions": [handed("ann", "bo", 1)], "by": "employee_id", "as_of": MAY}

    # Thursday, and Friday with the weekend: a day of eight hours each.
    assert days_of(handling_time([deal(3)], calendar=office, **options)) == {"ann": 8 / 24, "bo": 8 / 24}
    unusable = handling_time([deal(3), deal(id="d2", created_at=None)], calendar=office, **options)
    assert unusable[-1].excluded == {"no creation date": 1}


def test_leads_and_tickets_are_handled_too() -> None:
    end = {"created_at": FIRST, "owner_id": "bo"}
    leads = [
        simplest(Lead, id="l1", category="converted", converted_at=FIRST + DAY, **end),
        simplest(Lead, id="l2", category="disqualified", **end),
        simplest(Lead, id="l3", category="disqualified", **end),
    ]
    given_up = simplest(
        Transition,
        subject="Lead",
        subject_id="l2",
        field="status",
        before="New",
        after="Junk",
        category_after="disqualified",
        at=FIRST + 3 * DAY,
    )
    measure = handling_time(leads=leads, transitions=[given_up], as_of=MAY).only
    assert (measure.value, measure.n, measure.excluded) == (2880, 2, {"ended without a date": 1})

    # Deals that a table of all of them is given for are not read then.
    assert handling_time([deal()], leads=leads, transitions=[given_up], as_of=MAY).only == measure
    resolved = simplest(
        Ticket, id="t1", category="resolved", created_at=FIRST, resolved_at=FIRST + 4 * DAY, assignee_id="bo"
    )
    handover = handed("ann", "bo", 1, subject="Ticket", subject_id="t1", field="assignee_id")
    assert days_of(handling_time(tickets=[resolved], transitions=[handover], by="employee_id", as_of=MAY)) == {
        "ann": 1,
        "bo": 3,
    }


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Deals, and handovers that follow one another, now and then at one instant or outside the life of the deal."""
    deals, ledger = [], []
    for number in range(draw(st.integers(0, 4))):
        path = draw(st.lists(staff, max_size=4))
        at = sorted(draw(moments) for _ in path)
        before = draw(st.none() | staff)
        deals.append(
            deal(
                id=f"d{number}",
                category=draw(st.sampled_from(["open", "won", "won", "lost"])),
                created_at=draw(maybe),
                closed_at=draw(maybe),
                owner_id=path[-1] if path else before,
                source=draw(st.sampled_from(["web", "fair"])),
            )
        )
        for step, (owner, then) in enumerate(zip(path, at, strict=True)):
            told = {"id": f"{number}-{step}", "subject_id": f"d{number}", "at": then}
            ledger += [handed(before, owner, 0, **told), handed("x", "y", 0, **told, field="stage")]
            before = owner
    return deals, draw(st.permutations(ledger))


Segment = tuple[str, datetime, datetime | None]


def segments(each: Deal, ledger: list[Transition], until: datetime | None, asked_: Asked) -> list[Segment]:
    """Who had a deal from when until when, None for still, between its creation and its end."""
    moves = [move for move in ledger if move.subject_id == each.id and move.field == "owner_id"]
    moves.sort(key=lambda move: (move.at, move.id))
    assert each.created_at is not None
    starts = [(moves[0].before if moves else each.owner_id, each.created_at)]
    starts += [(move.after, max(move.at, each.created_at)) for move in moves]
    ends = [max(move.at, each.created_at) for move in moves]
    found: list[Segment] = []
    for (owner, began), left in zip(starts, [*ends, None], strict=True):
        is_start = (owner, began) == starts[0] and not found
        has_begun = is_start or (began < until if until else asked_.is_known(began))
        is_last = left is None or not asked_.is_known(left) or (until is not None and left >= until)
        if owner is not None and has_begun:
            found.append((owner, began, until if is_last else left))
    return found


def facts(history: History, asked_: Asked, method: str) -> Iterator[Fact]:
    deals, ledger = history
    for each in deals:
        if each.created_at is not None and not asked_.is_known(each.created_at):
            continue
        is_over = each.category != "open" and each.closed_at is not None and asked_.is_known(each.closed_at)
        until = each.closed_at if is_over else None
        if each.category != "open" and each.closed_at is None:
            yield Fact(None, "ended without a date")
        elif each.created_at is None:
            yield Fact(None, "no creation date")
        elif until is not None and until < each.created_at:
            yield Fact(None, "ended before it was created")
        else:
            yield from theirs(segments(each, ledger, until, asked_), asked_, method)


def theirs(found: list[Segment], asked_: Asked, method: str) -> Iterator[Fact]:
    if not found:
        yield Fact(None, "no employee")
        return
    if asked_.by is None or method != "segment":
        owner = None if asked_.by is None else found[0 if method == "first_owner" else -1][0]
        found = [(owner, began, left) for _, began, left in found]  # type: ignore[misc]
    for owner in {name: None for name, _, _ in found}:
        mine = [(began, left) for name, began, left in found if name == owner]
        ends = [left for _, left in mine if left is not None]
        if len(ends) < len(mine):
            yield Fact(None, "open", owner)
        else:
            spent = sum((left - began for began, left in mine if left), start=timedelta())
            yield Fact(max(ends), "handled", owner, spent / timedelta(minutes=1))


def mean(inside: list[Fact]) -> dict[str, Any]:
    each = [fact.worth for fact in inside]
    return {"value": fmean(each) if each else None, "numerator": sum(each), "denominator": len(each)}


@every_method
@few
@given(histories(), asked(by="employee_id"))
def test_it_is_the_mean_of_the_time_that_the_history_tells(method: str, history: History, asked_: Asked) -> None:
    deals, ledger = history
    result = handling_time(deals, transitions=ledger, method=method, **asked_.options)

    check(result, facts(history, asked_, method), ["handled"], asked_, mean)


def computed(deals: Any, ledger: Any, method: str) -> MetricResult:
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "by": ["source", "employee_id"], "tz": "Asia/Bangkok"}
    return handling_time(deals, transitions=ledger, method=method, **options)


@every_method
@given(st.data())
@settings(few, max_examples=few.max_examples // 2)
def test_neither_order_nor_kind_nor_parts_nor_a_rule_change_anything(method: str, data: st.DataObject) -> None:
    deals, ledger = data.draw(histories())
    kind, cut = KINDS[data.draw(st.sampled_from(sorted(KINDS)))], data.draw(st.integers(0, 4))
    whole = computed(deals, ledger, method)
    options: dict[str, Any] = {"transitions": ledger, "as_of": AS_OF, "method": method}
    fairs = [each for each in deals if each.source == "fair"]

    assert computed(kind(deals[::-1], Deal), kind(ledger[::-1], Transition), method) == whole
    assert computed(deals[:cut], ledger, method) + computed(deals[cut:], ledger, method) == whole
    assert handling_time(deals, where=field("source") == "fair", **options) == handling_time(fairs, **options)


@pytest.mark.parametrize(("tz", "month"), [("UTC", "2025-05"), ("Asia/Bangkok", "2025-06")])
def test_it_counts_in_the_period_of_the_end(tz: str, month: str) -> None:
    late = deal(closed_at=datetime(2025, 5, 31, 20, tzinfo=UTC))
    result = handling_time([late], transitions=[], as_of=date(2025, 6, 30), every="month", tz=tz)

    assert [each.period.label for each in result if each.period and each.n] == [month]
    assert result.explain(next(each for each in result if each.n))["numerator"] == ["d1"]


def contact(seconds: float | None, **given_: Any) -> Interaction:
    known = {"at": FIRST, "employee_id": "bo", "direction": "inbound", "duration_seconds": seconds}
    return simplest(Interaction, **known | given_)


def test_contact_centres_have_their_published_figure() -> None:
    # Seconds of talking, holding and wrapping up in 4311 contacts.
    talk, hold, wrap, contacts = 668_205, 99_153, 198_306, 4_311
    rest = [float(100 + number % 200) for number in range(contacts - 1)]
    rows = [contact(each) for each in [*rest, talk + hold + wrap - sum(rest)]]
    measure = handling_time(rows, method="contacts", as_of=MAY).only

    assert measure.n == contacts
    assert measure.value is not None
    assert round(measure.value * 60, 1) == 224.0


def test_contacts_that_nobody_handled_are_left_out() -> None:
    rows = [
        contact(60),
        contact(180, employee_id="cy"),
        contact(None),
        contact(-1),
        contact(7, employee_id=None),
        contact(7, provenance="machine"),
        contact(7, direction="internal"),
    ]
    measure = handling_time(rows, method="contacts", as_of=MAY).only

    assert (measure.value, measure.n, measure.details["median"]) == (2, 2, 2)
    assert measure.excluded == Counter(["no duration", "negative duration", "no employee", "automatic", "internal"])
    assert {
        each.group["employee_id"]: each.value
        for each in handling_time(rows, method="contacts", as_of=MAY, by="employee_id")
    } == {
        "bo": 1,
        "cy": 3,
        None: None,
    }
    assert handling_time([], method="contacts", as_of=MAY).only.reason == "no contact was handled"


def test_the_interval_is_that_of_the_mean() -> None:
    measure = handling_time([contact(60.0 * minutes) for minutes in (1, 2, 6)], method="contacts", as_of=MAY).only

    assert (measure.low, measure.high) == pytest.approx(intervals.mean(9, 41, 3, 0.95))
    assert handling_time([contact(60)], method="contacts", as_of=MAY, ci=None).only.low is None


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_has_no_value_but_a_reason(kind: str) -> None:
    def empty(cls: type[Record]) -> Any:
        return KINDS[kind]([], cls)

    for measure in (
        handling_time(empty(Deal), transitions=empty(Transition), as_of=MAY).only,
        handling_time(leads=empty(Lead), transitions=empty(Transition), as_of=MAY).only,
        handling_time(tickets=empty(Ticket), transitions=empty(Transition), as_of=MAY).only,
    ):
        assert (measure.value, measure.n, measure.reason) == (None, 0, "no application was handled")


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInput, match="no applications are given; give deals=, leads= or tickets="):
        handling_time(transitions=[], as_of=MAY)
    with pytest.raises(InvalidInput, match="both leads= and tickets= are given"):
        handling_time([], leads=[], tickets=[], transitions=[], as_of=MAY)
    with pytest.raises(InvalidInput, match="method='segment' reads transitions; give transitions="):
        handling_time([], as_of=MAY)
    with pytest.raises(InvalidInput, match="the Transition data has no column 'before'"):
        handling_time([], transitions=from_records([], Transition).drop("before"), as_of=MAY)
    strange = from_records([deal()], Deal).rename({"category": "status"}).rename({"stage": "category"})
    with pytest.raises(InvalidInput, match="column 'category' holds .* accepted are 'open', 'won', 'lost'"):
        handling_time(strange, transitions=[], as_of=MAY)


def test_the_cases_of_the_help_desk_take_the_published_time(published: Path) -> None:
    expected = json.loads((published / "expected" / "helpdesk_log.json").read_text())["helpdesk"]
    _, deals, moves = help_desk(published)
    desk = deals.with_columns(owner_id=deals["stage"])
    measure = handling_time(desk, transitions=moves, as_of=date(2013, 1, 1)).only
    days = expected["case_duration_days"]

    assert measure.n == expected["cases"]
    assert measure.value == pytest.approx(days["mean"] * 1440, rel=1e-9)
    assert measure.details["median"] == pytest.approx(days["median"] * 1440, rel=0.004)
    assert measure.details["p90"] == pytest.approx(days["p90"] * 1440, rel=0.004)
    assert sum(each.n for each in handling_time(desk, transitions=moves, as_of=date(2013, 1, 1), by="id")) == measure.n
