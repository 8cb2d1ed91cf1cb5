"""What an anonymous visitor did becomes the customer's, and nobody else's."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crmkit.model.interaction import Interaction, claim

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
INTERACTIONS = st.lists(
    st.builds(
        Interaction,
        id=st.uuids().map(str),
        channel=st.just("web"),
        direction=st.just("inbound"),
        body=st.none() | st.just("Hello"),
        at=st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours)),
        visitor_id=st.sampled_from([None, "cookie-1", "cookie-2"]),
        customer_id=st.sampled_from([None, "ann", "bob"]),
    ),
    max_size=8,
)


@given(interactions=INTERACTIONS)
def test_a_claim_fills_the_customer_of_the_visitor_and_touches_nothing_else(interactions: list[Interaction]) -> None:
    claimed = {each.id: each for each in claim(interactions, "cookie-1", "ann", as_of=NOON)}

    for before in interactions:
        is_theirs = before.visitor_id == "cookie-1" and before.customer_id is None and before.at <= NOON
        assert claimed.get(before.id) == (before.replace(customer_id="ann") if is_theirs else None)


@given(interactions=INTERACTIONS)
def test_a_second_claim_finds_nothing_more(interactions: list[Interaction]) -> None:
    claimed = {each.id: each for each in claim(interactions, "cookie-1", "ann", as_of=NOON)}
    now = [claimed.get(each.id, each) for each in interactions]

    assert claim(now, "cookie-1", "bob", as_of=NOON) == ()


def test_an_interaction_says_whether_it_can_be_a_first_response() -> None:
    """Behaviour 19: a person's answer that the customer sees, with its own stamp where it was imported."""
    received, note = (
        Interaction(at=NOON, channel="email", direction="inbound"),
        Interaction(at=NOON, channel="email", direction="internal"),
    )
    receipt = Interaction(at=NOON, channel="email", direction="outbound", provenance="machine")
    answer = Interaction(at=NOON - timedelta(days=400), channel="email", direction="outbound", employee_id="eva")

    history = [received, note, receipt, answer]

    assert [each for each in history if each.direction == "outbound" and each.provenance == "human"] == [answer]
