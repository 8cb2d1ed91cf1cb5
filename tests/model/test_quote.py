"""Quotes: every sequence of moves, against a model of a few lines."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.line import Line
from crmkit.model.money import Money
from crmkit.model.quote import Moved, Quote, accept, decline, expire, possible_moves, revise, send, withdraw
from crmkit.testing.strategies import records

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
LAST_DAY = date(2025, 5, 31)
MOVES: dict[str, Callable[..., Moved]] = {
    "send": send,
    "accept": accept,
    "decline": decline,
    "expire": lambda quote, **when: expire(quote, tz=UTC, **when),
    "withdraw": withdraw,
}
BECOMES = {
    ("draft", "send"): "sent",
    ("draft", "withdraw"): "withdrawn",
    ("sent", "accept"): "accepted",
    ("sent", "decline"): "declined",
    ("sent", "expire"): "expired",
    ("sent", "withdraw"): "withdrawn",
}
"""What a move makes of a quote that ends on a day; a move that is not here is impossible."""
REVISABLE = {"sent", "declined", "expired", "withdrawn"}


@given(st.data(), st.sampled_from([LAST_DAY, None]))
def test_a_quote_goes_where_the_model_says_and_nowhere_else(data: st.DataObject, last_day: date | None) -> None:
    quote, category = Quote(valid_until_on=last_day), "draft"

    for number in range(8):
        at = START + timedelta(hours=number)
        allowed = {name for was, name in BECOMES if was == category and (last_day or name != "expire")}
        allowed |= {"revise"} if category in REVISABLE else set()
        move = data.draw(st.sampled_from([*MOVES, "revise", *sorted(allowed) * 3]))
        assert set(possible_moves(quote)) == allowed
        if move not in allowed:
            with pytest.raises(InvalidTransition, match=f"^quote '{quote.id}' .* does not allow {move}") as refused:
                revise(quote, at=at) if move == "revise" else MOVES[move](quote, at=at)
            assert set(refused.value.possible) == allowed
        elif move == "revise":
            quote, category = revise(quote, at=at).new, "draft"
        else:
            before, category = category, BECOMES[category, move]
            quote, transition = MOVES[move](quote, at=at, by="ann", reason="r")
            assert (transition.category_before, transition.category_after) == (before, category)
            assert (transition.after, transition.at, transition.by, transition.reason) == (quote.status, at, "ann", "r")
            assert quote.sent_at == at or move != "send"
            assert (quote.decided_at == at) == (move in ("accept", "decline"))
        assert quote.category == category


@given(records(Quote, category=st.sampled_from(sorted(REVISABLE))))
def test_a_revision_has_the_content_of_the_old_quote_and_its_own_life(quote: Quote) -> None:
    revision = revise(quote, at=START, by="ann", reason="cheaper")
    was_sent = quote.category == "sent"

    assert revision.new.id != quote.id
    assert revision.new.revision_of_id == quote.id
    for name in ("deal_id", "customer_id", "lines", "amount", "valid_until_on", "tags", "custom"):
        assert getattr(revision.new, name) == getattr(quote, name)
    assert (revision.new.number, revision.new.sent_at, revision.new.decided_at) == (None, None, None)
    assert (revision.new.category, revision.new.created_at) == ("draft", START)
    assert revision.old.category == ("withdrawn" if was_sent else quote.category)
    assert [(each.after, each.reason) for each in revision.transitions] == [("Withdrawn", "cheaper")] * was_sent


@pytest.mark.parametrize(
    ("zone", "hour", "is_over"),
    [("Asia/Bangkok", 16, False), ("Asia/Bangkok", 17, True), ("America/New_York", 23, False)],
)
def test_the_last_day_of_a_quote_ends_where_the_business_is(zone: str, hour: int, *, is_over: bool) -> None:
    """Behaviour 13: "today" needs a zone."""
    quote, _ = send(Quote(valid_until_on=LAST_DAY), at=START)
    at = datetime(2025, 5, 31, hour, 0, tzinfo=UTC)

    if is_over:
        assert expire(quote, at=at, tz=ZoneInfo(zone))[0].category == "expired"
    else:
        with pytest.raises(InvalidInput, match="is valid until 2025-05-31 and can expire on the day after"):
            expire(quote, at=at, tz=ZoneInfo(zone))


def test_a_quote_does_not_expire_at_a_naive_time() -> None:
    quote, _ = send(Quote(valid_until_on=LAST_DAY), at=START)

    with pytest.raises(InvalidRecord, match=r"^Transition\.at: "):
        expire(quote, at=datetime(2025, 7, 1), tz=UTC)


def test_a_quote_keeps_the_words_of_the_business() -> None:
    words: dict[str, Any] = {"status": "Wysłana", "at": START}
    quote, transition = send(Quote(status="Szkic", lines=[Line(Money(5, "PLN"))]), **words)

    assert (transition.before, transition.after) == ("Szkic", "Wysłana")
    assert (quote.status, quote.lines) == ("Wysłana", (Line(Money(5, "PLN")),))
