"""A preference is a choice or a range that stands the right way round."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidRecord
from crmkit.model.preference import Preference

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(low=NUMBERS, high=NUMBERS)
def test_a_range_is_accepted_unless_it_stands_upside_down(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and high < low:
        with pytest.raises(InvalidRecord, match="low"):
            Preference("budget", low=low, high=high)
    else:
        assert (Preference("budget", low=low, high=high).low, Preference("budget", high=high).high) == (low, high)


def test_what_somebody_wants_is_not_shown() -> None:
    """Behaviour 40."""
    shown = repr(Preference("goal", choices=["canary"], low=4711, high=4712))

    assert "canary" not in shown
    assert "471" not in shown
