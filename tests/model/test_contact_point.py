"""A way to reach a customer may be incomplete, shared and wrong, and is never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.model.contact_point import Address, ContactPoint
from crmkit.testing.strategies import records


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (
            Address(["ul. Piotrkowska 1", "m. 5"], "Łódź", "łódzkie", "90-001", "PL"),
            "ul. Piotrkowska 1, m. 5, 90-001, Łódź, łódzkie, PL",
        ),
        (Address(city="กรุงเทพฯ"), "กรุงเทพฯ"),
        (Address(["P.O. Box 3"], city="Dubai", country="AE"), "P.O. Box 3, Dubai, AE"),
        (Address(), ""),
    ],
)
def test_a_line_has_the_parts_that_are_known(address: Address, line: str) -> None:
    assert address.line == line


@given(point=records(ContactPoint, value=st.just("canary"), address=st.just(Address(["canary"], city="canary"))))
def test_neither_value_nor_address_is_shown(point: ContactPoint) -> None:
    """Behaviour 40."""
    assert "canary" not in repr(point)
    assert "canary" not in repr(point.address)


def test_capitals_do_not_tell_two_points_apart_but_the_kind_does() -> None:
    assert ContactPoint("email", "Ann@Example.com").key == ContactPoint("email", "ann@example.COM", label="work").key
    assert ContactPoint("social", "ann").key != ContactPoint("web", "ann").key
