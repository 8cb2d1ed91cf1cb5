"""The latest explicit entry of the ledger says whether a customer may be contacted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.model.consent import Consent, consent_on, may_contact
from crmkit.model.contact_point import ContactPoint
from crmkit.model.customer import Customer

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def entries(customer_id: str, channel: str, purpose: str) -> st.SearchStrategy[Consent]:
    return st.builds(
        Consent,
        id=st.uuids().map(str),
        customer_id=st.just(customer_id),
        channel=st.just(channel),
        purpose=st.just(purpose),
        state=st.sampled_from(["granted", "withdrawn", "pending"]),
        at=st.integers(-2, 1).map(lambda hours: NOON + timedelta(hours=hours)),
    )


LEDGERS = st.lists(
    entries("ann", "email", "newsletter")
    | entries("bob", "email", "newsletter")
    | entries("ann", "sms", "newsletter")
    | entries("ann", "email", "service"),
    max_size=8,
)


def expected_state(ledger: list[Consent]) -> str | None:
    """What holds for Ann's newsletter by e-mail at noon, found by walking through time."""
    state: str | None = None
    about = [
        each for each in ledger if (each.customer_id, each.channel, each.purpose) == ("ann", "email", "newsletter")
    ]
    for at in sorted({each.at for each in about if each.at <= NOON}):
        said = {each.state for each in about if each.at == at}
        if said != {"pending"}:
            state = "withdrawn" if "withdrawn" in said else "granted"
        elif state is None:
            state = "pending"
    return state


@given(ledger=LEDGERS)
def test_the_latest_explicit_entry_holds_and_the_stricter_of_two_at_once(ledger: list[Consent]) -> None:
    """Behaviour 26."""
    found = consent_on(ledger, "ann", "email", "newsletter", as_of=NOON)

    assert (found and found.state) == expected_state(ledger)
    assert found is None or found in ledger


@given(ledger=LEDGERS)
def test_the_order_of_the_ledger_does_not_matter(ledger: list[Consent]) -> None:
    backwards = consent_on(ledger[::-1], "ann", "email", "newsletter", as_of=NOON)

    assert backwards == consent_on(ledger, "ann", "email", "newsletter", as_of=NOON)


@given(ledger=LEDGERS)
def test_nobody_is_contacted_without_a_grant_or_after_a_withdrawal(ledger: list[Consent]) -> None:
    """Behaviours 26 and 40: suppression is an entry of the ledger, so new data of the customer do not undo it."""
    ann = Customer(id="ann", kind="person", name="Ann", contact_points=[ContactPoint("email", "ann@example.com")])
    asked = may_contact(ann, ledger, "email", "newsletter", as_of=NOON)
    unasked = may_contact(ann, ledger, "email", "newsletter", as_of=NOON, needs_consent=False)
    state = expected_state(ledger)

    assert bool(asked) == (state == "granted")
    assert bool(unasked) == (state != "withdrawn")
    assert asked.obstacle == (None if state == "granted" else state or "no consent")


GRANTED = Consent(customer_id="ann", channel="email", purpose="newsletter", state="granted", at=NOON)
GOOD = ContactPoint("email", "ann@example.com")
BOUNCED = ContactPoint("email", "old@example.com", is_primary=True, is_invalid=True, invalid_reason="bounced")
WRONG = BOUNCED.replace(is_primary=False, invalid_reason="wrong")


@pytest.mark.parametrize(
    ("points", "obstacle", "point"),
    [
        ([GOOD], None, GOOD),
        ([BOUNCED, GOOD], None, GOOD),
        ([WRONG, BOUNCED], "bounced", None),
        ([WRONG], "invalid", None),
        ([WRONG.replace(invalid_reason=None)], "invalid", None),
        ([ContactPoint("phone", "+48221234567")], "no contact point", None),
        ([], "no contact point", None),
    ],
)
def test_consent_is_not_enough_where_no_valid_point_is_known(points: Any, obstacle: Any, point: Any) -> None:
    ann = Customer(id="ann", kind="person", name="Ann", contact_points=points)

    permission = may_contact(ann, [GRANTED], "email", "newsletter", as_of=NOON)

    assert (permission.obstacle, permission.point, bool(permission)) == (obstacle, point, obstacle is None)


def test_a_channel_of_the_business_needs_no_contact_point() -> None:
    ann = Customer(id="ann", kind="person", name="Ann")

    assert may_contact(ann, [GRANTED.replace(channel="app")], "app", "newsletter", as_of=NOON)


def test_a_telephone_serves_calls_and_messages_and_each_has_a_consent_of_its_own() -> None:
    phone = ContactPoint("phone", "+66812345678")
    ann = Customer(id="ann", kind="person", name="Ann", contact_points=[phone])
    ledger = [GRANTED.replace(channel="sms"), GRANTED.replace(channel="phone", state="withdrawn")]

    assert may_contact(ann, ledger, "sms", "newsletter", as_of=NOON).point == phone
    assert may_contact(ann, ledger, "phone", "newsletter", as_of=NOON).obstacle == "withdrawn"


def test_the_evidence_is_not_shown() -> None:
    """Behaviour 40."""
    assert "canary" not in repr(GRANTED.replace(evidence="canary"))
