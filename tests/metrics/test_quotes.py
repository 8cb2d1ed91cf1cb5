"""Quotes: how many are accepted."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given

from crmkit.metrics.quotes import quote_acceptance
from crmkit.model import Quote
from tests.examples import few
from tests.metrics.oracle import Asked, Fact, asked, check, share
from tests.metrics.selling import FIRST, quotes


def answer(each: Quote, asked_: Asked) -> str:
    is_over = each.valid_until_on is not None and each.valid_until_on < asked_.as_of
    if each.category in {"accepted", "declined"}:
        return "open" if each.decided_at and not asked_.is_known(each.decided_at) else each.category
    return "expired" if is_over or (each.category == "expired" and not each.valid_until_on) else "open"


@pytest.mark.parametrize("method", ["decided", "sent"])
@given(quotes, asked(by="customer_id"))
@few
def test_quotes_accepted_of_those_decided_or_sent(method: str, quotes_: list[Quote], asked_: Asked) -> None:
    if isinstance(asked_.as_of, datetime):
        asked_ = Asked(tz=asked_.tz, by=asked_.by, every=asked_.every)
    facts = []
    for each in quotes_:
        group = asked_.group(each)
        if each.sent_at is not None and not asked_.is_known(each.sent_at):
            continue
        if each.category == "draft":
            facts.append(Fact(None, "not sent", group))
        elif each.category == "withdrawn":
            facts.append(Fact(each.sent_at, "withdrawn", group))
        elif each.sent_at is None:
            facts.append(Fact(None, "sent without a date", group))
        else:
            facts.append(Fact(each.sent_at, answer(each, asked_), group))
    counted = ["accepted", "declined", "expired", *(["open"] if method == "sent" else [])]
    result = quote_acceptance(quotes_, method=method, **asked_.options)

    check(result, facts, counted, asked_, lambda inside: share(inside, "accepted"))


def test_a_quote_has_expired_on_the_day_after_its_last_in_the_time_zone() -> None:
    quote = Quote(category="sent", sent_at=FIRST, valid_until_on=date(2025, 5, 10))
    late = datetime(2025, 5, 10, 20, tzinfo=UTC)

    assert quote_acceptance([quote], as_of=late).only.excluded == {"open": 1}
    assert quote_acceptance([quote], as_of=late, tz="Asia/Bangkok").value == 0
    assert quote_acceptance([], as_of=late).only.reason == "no quote was decided"
