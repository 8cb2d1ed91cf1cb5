"""Messages: the ladder only rises, nothing that happened is lost, and machines do not count."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model.message import Message, MessageEvent, record_event, skip

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
EVENTS = get_args(MessageEvent)
MACHINE = ("opened", "clicked")
Happening = tuple[MessageEvent, int, Literal["human", "machine"]]


def _happening(event: MessageEvent, minutes: int, *, by_machine: bool) -> Happening:
    return event, minutes, "machine" if by_machine and event in MACHINE else "human"


happenings = st.lists(
    st.builds(_happening, st.sampled_from(EVENTS), st.integers(-60, 60), by_machine=st.booleans()), max_size=10
)


def message(happened: list[Happening]) -> Message:
    found = Message(id="m1", channel="email", address="ann@example.org", customer_id="ann")
    for event, minutes, provenance in happened:
        found, _ = record_event(found, event, at=NOON + timedelta(minutes=minutes), provenance=provenance)
    return found


def earliest(happened: list[Happening], *events: str, provenance: str = "human") -> datetime | None:
    times = [minutes for event, minutes, by in happened if event in events and by == provenance]
    return NOON + timedelta(minutes=min(times)) if times else None


@given(happenings)
def test_a_message_is_what_the_model_says(happened: list[Happening]) -> None:
    """Behaviour 33: a monotone ladder; a click and a reply imply an open."""
    found = message(happened)
    human = [event for event, _, provenance in happened if provenance == "human"]

    assert found.category == max(human, key=EVENTS.index, default="queued")
    for event in EVENTS:
        implied_by = ("opened", "clicked", "replied") if event == "opened" else (event,)
        assert getattr(found, f"{event}_at") == earliest(happened, *implied_by)
    for event in MACHINE:
        assert getattr(found, f"{event}_by_machine_at") == earliest(happened, event, provenance="machine")


@given(happenings, st.randoms(use_true_random=False))
def test_the_order_in_which_events_become_known_does_not_matter_nor_their_number(
    happened: list[Happening], random: Any
) -> None:
    shuffled = happened + random.choices(happened, k=3) if happened else []
    random.shuffle(shuffled)

    assert message(shuffled) == message(happened)


@given(happenings, st.sampled_from(EVENTS))
def test_there_is_a_transition_exactly_when_the_category_changes(
    happened: list[Happening], event: MessageEvent
) -> None:
    before = message(happened)
    after, transition = record_event(before, event, at=NOON, by="mailer", reason="webhook")

    assert (transition is None) == (after.category == before.category)
    if transition is not None:
        assert (transition.field, transition.before, transition.after) == ("category", before.category, event)
        assert (transition.at, transition.by, transition.reason) == (NOON, "mailer", "webhook")


def test_a_late_delivery_does_not_downgrade_a_click_and_an_unsubscription_keeps_it() -> None:
    """Behaviour 33."""
    found = message([("clicked", 10, "human"), ("delivered", 1, "human"), ("unsubscribed", 11, "human")])

    assert found.category == "unsubscribed"
    assert found.clicked_at == found.opened_at == NOON + timedelta(minutes=10)
    assert found.delivered_at == NOON + timedelta(minutes=1)


def test_machines_are_kept_but_do_not_count() -> None:
    """Behaviour 38."""
    found = message([("delivered", 1, "human"), ("opened", 1, "machine"), ("clicked", 2, "machine")])

    assert (found.category, found.opened_at, found.clicked_at) == ("delivered", None, None)
    assert found.clicked_by_machine_at == NOON + timedelta(minutes=2)
    with pytest.raises(InvalidInput, match="provenance='machine' says nothing of 'replied'"):
        record_event(found, "replied", at=NOON, provenance="machine")


def test_who_is_skipped_is_skipped_for_a_reason_and_gets_nothing() -> None:
    """Behaviour 34: why somebody was skipped is recorded."""
    skipped, transition = skip(message([]), "opted out", at=NOON, by="ann")

    assert (skipped.category, skipped.skipped_at, skipped.skip_reason) == ("skipped", NOON, "opted out")
    assert (transition.before, transition.after, transition.reason) == ("queued", "skipped", "opted out")
    with pytest.raises(InvalidTransition, match="cannot be sent; possible from here: nothing"):
        record_event(skipped, "sent", at=NOON)
    with pytest.raises(InvalidTransition, match="cannot be skipped; possible from here: nothing"):
        skip(skipped, "erased", at=NOON)


def test_what_was_sent_cannot_be_skipped() -> None:
    with pytest.raises(InvalidTransition) as refused:
        skip(message([("sent", 0, "human")]), "opted out", at=NOON)
    assert refused.value.possible == ("record_event",)


def test_an_unknown_word_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'opened'"):
        record_event(message([]), "open", at=NOON)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="provenance='unknown' is unknown; there are 'human', 'machine'"):
        record_event(message([]), "opened", at=NOON, provenance="unknown")  # type: ignore[arg-type]


def test_the_address_is_the_one_it_went_to_and_is_masked() -> None:
    """Behaviour 33: the address is captured, because the customer's may change."""
    assert message([]).address == "ann@example.org"
    assert "ann@example.org" not in repr(message([]))
