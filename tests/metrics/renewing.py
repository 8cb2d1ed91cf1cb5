"""Subscriptions and how their terms went on, as an oracle sees them."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import attrs
from hypothesis import strategies as st

from crmkit.model import Money, Subscription, Transition
from crmkit.testing.strategies import simplest
from tests.metrics.cases import maybe, moments, owners
from tests.metrics.oracle import Asked

MAY = date(2025, 5, 31)
DUE = date(2025, 5, 10)
DAY = timedelta(days=1)

ids = [f"s{number}" for number in range(5)]
days = st.dates(date(2024, 12, 25), date(2025, 4, 10)) | st.sampled_from([date(2025, 2, 1), date(2025, 3, 31)])
subscriptions = st.lists(
    st.builds(
        Subscription,
        id=st.sampled_from(ids),
        customer_id=st.sampled_from(["ann", "ben", "cid"]),
        plan=st.sampled_from(["Gym", "Pool"]),
        price=st.sampled_from([Money(each, "PLN") for each in ("0", "9.99", "100")]),
        billing_months=st.sampled_from([1, 5, 12]),
        owner_id=owners,
        started_at=maybe,
        term_ends_on=st.none() | days,
        won_back_from_id=st.sampled_from([None, *ids]),
    ),
    max_size=5,
    unique_by=lambda each: each.id,
)
transitions = st.lists(
    st.builds(
        Transition,
        subject=st.sampled_from(["Subscription", "Subscription", "Deal"]),
        subject_id=st.sampled_from([*ids, "gone"]),
        field=st.sampled_from(["term_ends_on", "term_ends_on", "plan"]),
        before=days.map(str),
        after=st.just("x"),
        at=moments,
    ),
    max_size=8,
)
Given = tuple[list[Subscription], list[Transition]]
facts = st.tuples(subscriptions, transitions)


@attrs.frozen
class Term:
    """A term as the oracle sees it: when it was due, how it went on, and what it was and is worth."""

    subscription: Subscription
    due: date | None
    outcome: str
    worth: int = 0
    followed: int = 0
    is_repriced: bool = False
    began: tuple[date, ...] = ()


def yearly(subscription: Subscription) -> int:
    return int(subscription.price.amount * 120_000) // subscription.billing_months


def terms(given_: Given, asked_: Asked, grace: int = 0) -> Iterator[Term]:
    known = [each for each in given_[0] if each.started_at is None or asked_.is_known(each.started_at)]
    own = [each for each in given_[1] if each.subject == "Subscription"]
    for each in known:
        mine = [change for change in own if change.subject_id == each.id]
        plans = [change.at for change in mine if change.field == "plan" and asked_.is_known(change.at)]
        for change in mine:
            if change.field == "term_ends_on":
                due, happened = date.fromisoformat(change.before or ""), asked_.is_known(change.at)
                began: tuple[date, ...] = (asked_.day(change.at),) if happened else ()
                outcome = judged(due, began, asked_, grace)
                is_repriced = outcome == "renewed" and any(plan >= change.at for plan in plans)
                yield Term(each, due, outcome, yearly(each), yearly(each), is_repriced, began)
        due_ = each.term_ends_on
        if due_ is None:
            yield Term(each, None, "no term")
            continue
        started = [(asked_.day(it.started_at), it) for it in known if it.started_at and it.won_back_from_id == each.id]
        followed = sum(yearly(it) for day, it in started if day <= due_ + grace * DAY)
        began = tuple(day for day, _ in started if day <= due_ + grace * DAY)
        yield Term(each, due_, judged(due_, began, asked_, grace), yearly(each), followed, began=began)


def judged(due: date, renewed: tuple[date, ...], asked_: Asked, grace: int) -> str:
    last = due + grace * DAY
    if any(day <= last for day in renewed):
        return "renewed"
    if isinstance(asked_.as_of, datetime):
        return "open" if last >= asked_.day(asked_.as_of) else "not renewed"
    return "open" if last > asked_.as_of else "not renewed"


def gym(id_: str = "s1", **given_: Any) -> Subscription:
    usual = {"price": Money(100, "PLN"), "term_ends_on": DUE, "term_months": 1, "category": "active"}
    return simplest(Subscription, id=id_, **usual | given_)
