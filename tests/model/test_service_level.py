"""The rules of service levels, each on its own; `test_service_clocks` has them all at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model import Interaction, Ticket, Transition
from crmkit.model.calendar import BusinessCalendar, Hours
from crmkit.model.interaction import Direction, Provenance
from crmkit.model.service_level import ServiceLevel, ServiceLevelStatus, ServiceTarget, service_level
from crmkit.model.ticket import (
    change_service_level,
    close,
    hold,
    merge,
    prioritise,
    receive,
    reopen,
    resolve,
    resume,
    split,
    wait,
)

HOUR = timedelta(hours=1)
MONDAY = datetime(2025, 5, 5, 7, tzinfo=UTC)  # nine o'clock in Warsaw
OFFICE = BusinessCalendar(tz="Europe/Warsaw", hours=[Hours(day, "09:00", "17:00") for day in range(5)])
POLICY = ServiceLevel(
    name="Standard",
    targets=[
        ServiceTarget("normal", first_response_minutes=120, next_response_minutes=60, resolution_minutes=480),
        ServiceTarget("urgent", first_response_minutes=15, resolution_minutes=120),
    ],
)
OPENED = Ticket(id="t1", created_at=MONDAY)


def said(
    at: datetime, direction: Direction = "outbound", provenance: Provenance = "human", ticket_id: str = "t1"
) -> Interaction:
    return Interaction(at=at, channel="email", direction=direction, provenance=provenance, ticket_id=ticket_id)


def lived(
    ticket: Ticket, *moves: tuple[Callable[..., tuple[Ticket, Transition]], float]
) -> tuple[Ticket, list[Transition]]:
    """The ticket after moves, each so many hours after Monday's opening, and the transitions."""
    made = []
    for move, hours in moves:
        ticket, transition = move(ticket, at=MONDAY + hours * HOUR)
        made.append(transition)
    return ticket, made


def at_hour(
    hours: float, ticket: Ticket = OPENED, made: list[Transition] | None = None, talk: list[Interaction] | None = None
) -> ServiceLevelStatus:
    return service_level(ticket, made or [], talk or [], POLICY, OFFICE, MONDAY + hours * HOUR)


def test_a_new_ticket_has_its_due_instants() -> None:
    status = at_hour(1)

    assert (status.first_response.state, status.first_response.due_at) == ("running", MONDAY + 2 * HOUR)
    assert (status.first_response.used, status.first_response.remaining) == (HOUR, HOUR)
    assert status.next_response.state == "idle"
    assert status.resolution.due_at == MONDAY + 8 * HOUR
    assert status.breached_at is None


def test_the_working_day_is_that_of_the_calendar_not_of_utc() -> None:
    """Behaviour 13."""
    friday_evening = OPENED.replace(created_at=datetime(2025, 5, 2, 14, 30, tzinfo=UTC))

    assert at_hour(0, friday_evening).first_response.used == HOUR / 2
    assert at_hour(0, friday_evening).first_response.due_at == MONDAY + 1.5 * HOUR


@pytest.mark.parametrize(
    ("talk", "responded"),
    [
        (said(MONDAY + HOUR), True),
        (said(MONDAY + HOUR, provenance="unknown"), True),
        (said(MONDAY + HOUR, "internal"), False),
        (said(MONDAY + HOUR, "inbound"), False),
        (said(MONDAY + HOUR, provenance="machine"), False),
        (said(MONDAY + HOUR, ticket_id="t2"), False),
    ],
)
def test_a_first_response_is_an_answer_of_a_person_to_the_customer(talk: Interaction, *, responded: bool) -> None:
    """Behaviour 19: no notes, no automatic mail."""
    assert (at_hour(3, talk=[talk]).first_response.completed_at == MONDAY + HOUR) is responded


def test_an_import_may_carry_the_first_response() -> None:
    """Behaviour 19."""
    stamped = OPENED.replace(first_responded_at=MONDAY + 3 * HOUR)

    assert at_hour(2, stamped).first_response.state == "running"
    assert at_hour(3, stamped).first_response.completed_at == MONDAY + 3 * HOUR
    assert at_hour(3, stamped).first_response.breached_at == MONDAY + 2 * HOUR
    assert at_hour(3, stamped, talk=[said(MONDAY + HOUR)]).first_response.completed_at == MONDAY + HOUR
    late = at_hour(5, stamped, talk=[said(MONDAY + HOUR), said(MONDAY + 2 * HOUR, "inbound")]).next_response
    assert (late.state, late.used) == ("running", 3 * HOUR)
    waited = at_hour(5, stamped, talk=[said(MONDAY + 4 * HOUR, "inbound")]).next_response
    assert (waited.started_at, waited.used) == (MONDAY + 4 * HOUR, HOUR)


def test_a_change_of_status_is_no_first_response() -> None:
    """Behaviour 20, as crmkit chooses: only an answer is one; but while a ticket is resolved nobody owes it."""
    paused, made = lived(OPENED, (wait, 1))
    assert at_hour(3, paused, made).first_response.breached_at == MONDAY + 2 * HOUR

    resolved, made = lived(OPENED, (resolve, 1))
    assert (at_hour(3, resolved, made).first_response.state, at_hour(3, resolved, made).breached_at) == (
        "stopped",
        None,
    )

    again, made = lived(OPENED, (resolve, 1), (reopen, 4))
    response = at_hour(6, again, made).first_response
    assert (response.used, response.paused, response.breached_at) == (3 * HOUR, 3 * HOUR, MONDAY + 5 * HOUR)


def test_a_pause_counts_for_the_resolution_only() -> None:
    """Behaviour 16."""
    paused, made = lived(OPENED, (hold, 1))
    status = at_hour(2.5, paused, made)

    assert (status.resolution.state, status.resolution.used, status.resolution.paused) == ("paused", HOUR, 1.5 * HOUR)
    assert status.first_response.state == "running"
    assert status.first_response.breached_at == MONDAY + 2 * HOUR


def test_a_policy_may_pause_the_first_response_too() -> None:
    paused, made = lived(OPENED, (hold, 1))
    policy = POLICY.replace(pauses_first_response=True)
    response = service_level(paused, made, [], policy, OFFICE, MONDAY + 7 * HOUR).first_response

    assert (response.state, response.used, response.paused, response.breached_at) == ("paused", HOUR, 6 * HOUR, None)


def test_a_ticket_that_is_paused_for_long_is_not_breached() -> None:
    """Behaviour 16: the open pause counts at once, not only when it ends."""
    paused, made = lived(OPENED, (wait, 1))

    assert at_hour(24 * 300, paused, made).resolution.breached_at is None


def test_time_spent_resolved_before_a_reopening_counts_as_a_pause() -> None:
    """Behaviour 17, and 15: all of it from the history, not from counters."""
    again, made = lived(OPENED, (resolve, 1), (reopen, 5))
    status = at_hour(6, again, made, [said(MONDAY + HOUR / 2)])

    assert (status.resolution.used, status.resolution.paused, status.resolution.state) == (
        2 * HOUR,
        4 * HOUR,
        "running",
    )
    assert status.first_response.completed_at == MONDAY + HOUR / 2
    assert at_hour(3, again, made).resolution.completed_at == MONDAY + HOUR


def test_the_next_response_is_due_since_the_first_unanswered_message() -> None:
    """Behaviour 18: repeated messages do not start the wait again."""
    talk = [said(MONDAY), said(MONDAY + HOUR, "inbound"), said(MONDAY + 1.5 * HOUR, "inbound")]
    waiting = at_hour(1.75, talk=talk).next_response

    assert (waiting.started_at, waiting.due_at, waiting.used) == (MONDAY + HOUR, MONDAY + 2 * HOUR, 0.75 * HOUR)


def test_the_open_wait_is_shown_or_else_the_longest_one() -> None:
    """Behaviour 18."""
    talk = [said(MONDAY + hour * HOUR, "inbound" if hour in {1, 4} else "outbound") for hour in (0, 1, 3, 4, 5)]
    status = at_hour(6, talk=talk)
    assert (status.next_response.started_at, status.next_response.used) == (MONDAY + HOUR, 2 * HOUR)
    assert status.next_response.breached_at == status.breached_at == MONDAY + 2 * HOUR

    status = at_hour(6.5, talk=[*talk, said(MONDAY + 6 * HOUR, "inbound")])
    assert (status.next_response.used, status.next_response.breached_at) == (HOUR / 2, None)
    assert status.breached_at == MONDAY + 2 * HOUR


def test_messages_before_the_first_response_wait_for_that_one() -> None:
    talk = [said(MONDAY + HOUR / 2, "inbound"), said(MONDAY + HOUR, "inbound"), said(MONDAY + HOUR)]

    assert at_hour(2, talk=talk).next_responses == ()


def test_a_late_resolution_is_a_breach_whenever_one_looks() -> None:
    """Behaviour 21."""
    late, made = lived(OPENED, (resolve, 24 + 1))
    resolution = at_hour(24 * 30, late, made).resolution

    assert (resolution.state, resolution.completed_at, resolution.remaining) == ("done", MONDAY + 25 * HOUR, -HOUR)
    assert resolution.breached_at == MONDAY + 24 * HOUR
    assert at_hour(8, late, made).resolution.breached_at is None
    assert at_hour(24, late, made).resolution.breached_at is None


def test_a_target_that_is_used_up_when_work_ends_is_broken_when_work_begins_again() -> None:
    resolution = at_hour(25).resolution

    assert (resolution.due_at, resolution.breached_at) == (MONDAY + 8 * HOUR, MONDAY + 24 * HOUR)
    in_time, made = lived(OPENED, (resolve, 12))
    assert at_hour(25, in_time, made).resolution.breached_at is None


def test_a_calendar_without_working_time_never_comes_due() -> None:
    """Behaviour 22."""
    closed = BusinessCalendar(tz="Europe/Warsaw")
    resolution = service_level(OPENED, [], [], POLICY, closed, MONDAY + 9999 * HOUR).resolution

    assert (resolution.due_at, resolution.used, resolution.breached_at) == (None, timedelta(0), None)


def test_a_higher_priority_may_breach_at_once_and_a_lower_one_undoes_nothing() -> None:
    """Behaviour 23."""
    urgent, first = prioritise(OPENED, "urgent", at=MONDAY + HOUR)
    normal, second = prioritise(urgent, "normal", at=MONDAY + 1.5 * HOUR)
    response = at_hour(1.75, normal, [first, second]).first_response

    assert response.breached_at == MONDAY + HOUR
    assert (response.due_at, response.remaining) == (MONDAY + 2 * HOUR, HOUR / 4)
    assert at_hour(1, urgent, [first]).first_response.due_at == MONDAY + HOUR / 4


def test_a_change_at_the_very_beginning_holds_from_there() -> None:
    urgent, made = prioritise(OPENED, "urgent", at=MONDAY)

    assert at_hour(1, urgent, [made], [said(MONDAY)]).first_response.due_at == MONDAY + HOUR / 4


def test_another_policy_judges_the_whole_use_so_far() -> None:
    """Behaviours 15 and 23: the history survives the change."""
    levels = {"basic": ServiceLevel(name="Basic"), "standard": POLICY.replace(id="standard")}
    basic = OPENED.replace(service_level_id="basic")
    standard, made = change_service_level(basic, "standard", at=MONDAY + 3 * HOUR)
    status = service_level(standard, [made], [], levels, OFFICE, MONDAY + 4 * HOUR)

    assert status.first_response.breached_at == MONDAY + 3 * HOUR
    assert (status.resolution.used, status.resolution.due_at) == (4 * HOUR, MONDAY + 8 * HOUR)
    before = service_level(standard, [made], [], levels, OFFICE, MONDAY + 2.5 * HOUR).first_response
    assert (before.due_at, before.remaining, before.used) == (None, None, 2.5 * HOUR)


def test_a_ticket_without_a_service_level_has_no_due_instants_and_an_unknown_one_is_refused() -> None:
    status = service_level(OPENED, [], [], {"gold": POLICY}, OFFICE, MONDAY + HOUR)

    assert (status.resolution.used, status.resolution.due_at, status.breached_at) == (HOUR, None, None)
    with pytest.raises(InvalidInput, match=r"no service level 'gould'; .* did you mean 'gold'"):
        service_level(OPENED.replace(service_level_id="gould"), [], [], {"gold": POLICY}, OFFICE, MONDAY)


def test_the_instant_may_be_given_in_any_zone_but_needs_one() -> None:
    bangkok = (MONDAY + HOUR).astimezone(ZoneInfo("Asia/Bangkok"))

    assert service_level(OPENED, [], [], POLICY, OFFICE, bangkok) == at_hour(1)
    with pytest.raises(InvalidInput, match="2025-05-05 08:00:00 has no time zone"):
        service_level(OPENED, [], [], POLICY, OFFICE, datetime(2025, 5, 5, 8))


def test_a_follow_up_and_a_split_have_clocks_of_their_own() -> None:
    closed, made = lived(OPENED, (resolve, 1), (close, 2))
    follow_up = receive(closed, at=MONDAY + 24 * 30 * HOUR, reopen_within_days=14).follow_up
    assert follow_up is not None
    parted = split(OPENED, at=MONDAY + HOUR)

    assert at_hour(24 * 30 + 1, follow_up, made).resolution.used == HOUR
    assert at_hour(3, parted, made, [said(MONDAY)]).first_response.used == 2 * HOUR


def test_a_merge_stops_all_clocks() -> None:
    merged, transition = merge(OPENED, Ticket(id="t2"), at=MONDAY + HOUR)
    talk = [said(MONDAY + HOUR / 2), said(MONDAY + 0.75 * HOUR, "inbound"), said(MONDAY + 3 * HOUR)]

    assert at_hour(0.9, merged, [transition], talk).resolution.state == "running"
    for status in (at_hour(24 * 30, merged, [transition], talk), at_hour(24 * 30, merged, [], talk)):
        assert (status.resolution.state, status.resolution.used) == ("stopped", HOUR)
        assert (status.resolution.completed_at, status.breached_at) == (None, None)
        assert (status.next_response.state, status.next_response.used) == ("stopped", HOUR / 4)
    unanswered = at_hour(24 * 30, merged, [transition]).first_response
    assert (unanswered.state, unanswered.used, unanswered.breached_at) == ("stopped", HOUR, None)


def test_a_merge_leaves_what_was_so_before_it() -> None:
    resolved, made = lived(OPENED, (resolve, 1))
    merged, transition = merge(resolved, Ticket(id="t2"), at=MONDAY + 2 * HOUR)

    assert at_hour(30, merged, [*made, transition]).resolution.completed_at == MONDAY + HOUR

    again, made = lived(OPENED, (resolve, 1), (reopen, 2))
    merged, transition = merge(again, Ticket(id="t2"), at=MONDAY + 3 * HOUR)

    assert at_hour(1.5, merged, [*made, transition]).resolution.completed_at == MONDAY + HOUR
    assert at_hour(2.5, merged, [*made, transition]).resolution.state == "running"
    assert at_hour(4, merged, [*made, transition]).resolution.state == "stopped"


def test_a_resolved_import_without_history_was_open_until_then() -> None:
    imported = OPENED.replace(status="Done", category="resolved", resolved_at=MONDAY + 3 * HOUR)

    assert at_hour(2, imported).resolution.state == "running"
    assert at_hour(9, imported).resolution.used == 3 * HOUR
    _, raised = prioritise(imported, "urgent", at=MONDAY + 5 * HOUR)
    assert at_hour(9, imported, [raised]).resolution.breached_at is None


def test_what_no_history_tells_is_not_guessed() -> None:
    """Behaviours 6 and 15."""
    undated = at_hour(9, OPENED.replace(category="resolved")).resolution

    assert (undated.state, undated.completed_at, undated.used) == ("stopped", None, timedelta(0))
    assert at_hour(9, OPENED.replace(created_at=None)) == ServiceLevelStatus()
    assert at_hour(-1) == ServiceLevelStatus()


def test_an_answer_before_the_ticket_was_made_is_in_time() -> None:
    response = at_hour(1, talk=[said(MONDAY - HOUR)]).first_response

    assert (response.state, response.completed_at, response.used) == ("done", MONDAY - HOUR, timedelta(0))


def test_a_ticket_that_is_resolved_as_it_is_made_is_done() -> None:
    resolved, made = lived(OPENED, (resolve, 0))

    assert (at_hour(1, resolved, made).resolution.state, at_hour(1, resolved, made).breached_at) == ("done", None)


def test_transitions_of_other_records_are_skipped() -> None:
    _, made = lived(OPENED, (wait, 1), (resume, 2), (resolve, 3))
    others = [made[0].replace(subject_id="t2"), made[1].replace(subject="Deal"), made[2].replace(field="mood")]

    assert at_hour(5, OPENED, others) == at_hour(5)


@pytest.mark.parametrize("clock", ["first_response", "next_response", "resolution"])
@pytest.mark.parametrize("minutes", [0, -1, 10**9])
def test_a_target_that_is_no_length_of_time_is_refused(clock: str, minutes: int) -> None:
    with pytest.raises(InvalidRecord, match=f"ServiceTarget.{clock}_minutes: {minutes} is not from 1 to"):
        ServiceTarget("high", **{f"{clock}_minutes": minutes})


def test_two_targets_of_a_priority_are_refused() -> None:
    with pytest.raises(InvalidRecord, match="a priority has two targets in high, high"):
        ServiceLevel(name="Gold", targets=[ServiceTarget("high"), ServiceTarget("high")])
