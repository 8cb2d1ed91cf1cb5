"""Durations of which some are not over yet."""

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from crmkit.frames.tally import Sums
from crmkit.metrics.finishing import censored_durations, durations
from tests.examples import few

lengths = st.lists(st.integers(0, 30), max_size=30)


def counted(**outcomes: Sequence[int]) -> Mapping[str, Mapping[int, Sums]]:
    return {outcome: {length: Sums(n) for length, n in Counter(found).items()} for outcome, found in outcomes.items()}


def test_open_ones_count_as_far_as_they_have_come() -> None:
    """Freireich et al. (1963): the median is 23 by lifelines 0.30.3, and 10 where the open ones are forgotten."""
    counts = counted(
        won=[6, 6, 6, 7, 10, 13, 16, 22, 23], open=[6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], other=[1, 1]
    )
    found = censored_durations(counts, ["won"], ["open"], unit="days", ci=0.95, nothing="none")
    naive = durations(counts, ["won"], unit="days", ci=0.95, nothing="none")

    assert (found["value"], found["low"], found["high"], found["n"]) == (23, 13, None, 21)
    assert (found["numerator"], found["denominator"], found["details"]) == (359, 21, {"open": 12})
    assert naive["value"] == 10


@given(lengths, lengths)
@few
def test_without_open_ones_it_is_the_usual_median(won: list[int], lost: list[int]) -> None:
    asked = {"unit": "days", "ci": None, "nothing": "none"}
    counts = counted(won=won, lost=lost)
    usual = durations(counts, ["won", "lost"], **asked)  # type: ignore[arg-type]
    found = censored_durations(counts, ["won", "lost"], ["open"], **asked)  # type: ignore[arg-type]

    same = ("value", "unit", "numerator", "denominator", "n", "low", "high", "reason")
    assert [found[each] for each in same] == [usual[each] for each in same]


@given(lengths, lengths)
@few
def test_open_ones_never_shorten_it(ended: list[int], still: list[int]) -> None:
    counts = counted(won=ended, open=still)
    found = censored_durations(counts, ["won"], ["open"], unit="days", ci=0.9, nothing="none")
    naive = durations(counts, ["won"], unit="days", ci=0.9, nothing="none")

    if found["value"] is not None:
        assert found["value"] >= naive["value"]
    assert (found["value"] is None) == (found["reason"] is not None)


def test_what_is_not_reached_has_a_reason() -> None:
    few_ended = censored_durations(
        counted(won=[3], open=[9, 9]), ["won"], ["open"], unit="days", ci=0.95, nothing="none"
    )
    nothing = censored_durations({}, ["won"], ["open"], unit="days", ci=0.95, nothing="no deal was created")

    assert (few_ended["value"], few_ended["reason"], few_ended["n"]) == (None, "fewer than half have ended", 3)
    assert (nothing["value"], nothing["reason"], nothing["n"]) == (None, "no deal was created", 0)
    assert (nothing["denominator"], nothing["details"]) == (0, {})
