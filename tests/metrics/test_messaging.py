"""How far messages come: delivered, opened, clicked, answered, or sent back."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.metrics import MetricResult
from crmkit.metrics.messaging import (
    bounce_rate,
    click_rate,
    click_through_rate,
    delivery_rate,
    open_rate,
    reply_rate,
    unsubscribe_rate,
)
from crmkit.model import Message
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe
from tests.metrics.oracle import Asked, Fact, asked, check, share
from tests.metrics.tables import EDGES

MAY = date(2025, 5, 31)
NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
ARRIVALS = ("opened", "clicked", "replied", "converted", "unsubscribed", "complained")
OPENS = ("opened", "clicked", "replied")
MACHINES = ("opened_by_machine", "clicked_by_machine")

seldom = st.none() | st.none() | st.none() | st.sampled_from(EDGES)
messages = st.lists(
    st.builds(
        Message,
        id=st.uuids().map(str),
        channel=st.just("email"),
        campaign_id=st.sampled_from([None, "spring", "summer"]),
        sent_at=maybe,
        delivered_at=maybe,
        **{f"{event}_at": seldom for event in ("bounced", *ARRIVALS, *MACHINES)},
    ),
    max_size=10,
    unique_by=lambda each: each.id,
)

Ask = Callable[..., MetricResult]


def message(**given_: Any) -> Message:
    return simplest(
        Message, **{"channel": "email", "sent_at": NOON} | {f"{name}_at": at for name, at in given_.items()}
    )


# The KPI by its method, what it counts, and of what.
RATES: dict[str, tuple[Ask, str, str]] = {
    "delivery": (delivery_rate, "delivered", "sent"),
    "delivery-not_bounced": (partial(delivery_rate, method="not_bounced"), "not bounced", "sent"),
    "open": (open_rate, "opened", "delivered"),
    "open-sent": (partial(open_rate, method="sent"), "opened", "sent"),
    "open-adjusted": (partial(open_rate, method="adjusted"), "opened", "delivered"),
    "click": (click_rate, "clicked", "delivered"),
    "click-sent": (partial(click_rate, method="sent"), "clicked", "sent"),
    "click_through": (click_through_rate, "clicked", "opened"),
    "reply": (reply_rate, "replied", "delivered"),
    "reply-sent": (partial(reply_rate, method="sent"), "replied", "sent"),
    "bounce": (bounce_rate, "bounced", "sent"),
    "unsubscribe": (unsubscribe_rate, "unsubscribed", "delivered"),
    "unsubscribe-sent": (partial(unsubscribe_rate, method="sent"), "unsubscribed", "sent"),
}
every_rate = pytest.mark.parametrize("name", RATES)
some_rates = pytest.mark.parametrize("name", ["delivery", "open-adjusted", "click_through", "bounce"])


def facts(
    given_: list[Message], asked_: Asked, event: str, base: str, days: int | None, *, is_adjusted: bool
) -> Iterator[Fact]:
    for each in given_:
        sent, group = each.sent_at, asked_.group(each)

        def has(*events: str, limit: int | None = days, each: Message = each) -> bool:
            moments = [at for at in (getattr(each, f"{name}_at") for name in events) if at and asked_.is_known(at)]
            latest = each.sent_at + timedelta(days=limit) if each.sent_at and limit else None
            return any(latest is None or at <= latest for at in moments)

        if sent is None or not asked_.is_known(sent):
            known = sent is None and has("delivered", "bounced", *ARRIVALS, *MACHINES, limit=None)
            yield Fact(None, "sent without a date" if known else "not sent", group)
            continue
        arrived = has(*ARRIVALS) or (has("delivered") and not has("bounced"))
        bounced = has("bounced") and not has(*ARRIVALS)
        happened = {
            "sent": True,
            "delivered": arrived,
            "bounced": bounced,
            "not bounced": not bounced,
            "opened": has(*OPENS),
        }
        if days and not asked_.is_known(sent + timedelta(days=days)):
            outcome = "window still open"
        elif not happened[base]:
            outcome = f"not {base}"
        elif is_adjusted and has(*MACHINES) and not has(*OPENS):
            outcome = "opened by a machine alone"
        else:
            outcome = event if (happened[event] if event in happened else has(event)) else "other"
        yield Fact(sent, outcome, group)


@every_rate
@few
@given(messages, asked(by="campaign_id"), st.sampled_from([None, 7]))
def test_it_is_the_share_of_messages_that_came_so_far(
    name: str, given_: list[Message], asked_: Asked, days: int | None
) -> None:
    rate, event, base = RATES[name]
    expected = facts(given_, asked_, event, base, days, is_adjusted=name == "open-adjusted")
    result = rate(given_, within_days=days, **asked_.options)

    check(result, expected, [event, "other"], asked_, lambda inside: share(inside, event))


@some_rates
@few
@given(st.data())
def test_order_kind_of_data_filter_and_parts_are_irrelevant(name: str, data: st.DataObject) -> None:
    rate, given_ = RATES[name][0], data.draw(messages)
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "tz": "Asia/Bangkok"}
    expected = rate(given_, by="campaign_id", **options)
    spring = [each for each in given_ if each.campaign_id == "spring"]
    others = [each for each in given_ if each.campaign_id != "spring"]
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]

    assert rate(data.draw(st.permutations(given_)), by="campaign_id", **options) == expected
    assert rate(kind(given_, Message), by="campaign_id", **options) == expected
    assert rate(given_, where=field("campaign_id") == "spring", **options) == rate(spring, **options)
    assert rate(spring, **options) + rate(others, **options) == rate(given_, **options)


@some_rates
@few
@given(messages)
def test_what_happens_after_as_of_changes_nothing(name: str, given_: list[Message]) -> None:
    rate, earlier = RATES[name][0], date(2025, 2, 10)
    events = ("delivered", "bounced", *ARRIVALS, *MACHINES, "sent")
    known = [
        each.replace(**{f"{event}_at": None for event in events if _is_after(getattr(each, f"{event}_at"), earlier)})
        for each in given_
    ]

    assert rate(given_, as_of=earlier).only.value == rate(known, as_of=earlier).only.value


def _is_after(at: datetime | None, day: date) -> bool:
    return at is not None and at.astimezone(UTC).date() > day


@few
@given(messages)
def test_delivered_and_bounced_exclude_each_other(given_: list[Message]) -> None:
    delivered, bounced = delivery_rate(given_, as_of=AS_OF).only, bounce_rate(given_, as_of=AS_OF).only

    assert (delivered.numerator or 0) + (bounced.numerator or 0) <= delivered.n
    assert delivered.n == bounced.n


ARRIVED = message(delivered=NOON)
TEN = [
    message(),
    message(bounced=NOON),
    message(delivered=NOON, bounced=NOON + DAY),
    ARRIVED,
    ARRIVED,
    message(delivered=NOON, opened_by_machine=NOON),
    message(opened=NOON),
    message(delivered=NOON, opened=NOON, clicked=NOON),
    message(delivered=NOON, clicked=NOON, replied=NOON),
    message(delivered=NOON, opened=NOON, unsubscribed=NOON),
]


@pytest.mark.parametrize(
    ("name", "numerator", "denominator"),
    [
        ("delivery", 7, 10),
        ("delivery-not_bounced", 8, 10),
        ("open", 4, 7),
        ("open-sent", 4, 10),
        ("open-adjusted", 4, 6),
        ("click", 2, 7),
        ("click-sent", 2, 10),
        ("click_through", 2, 4),
        ("reply", 1, 7),
        ("reply-sent", 1, 10),
        ("bounce", 2, 10),
        ("unsubscribe", 1, 7),
        ("unsubscribe-sent", 1, 10),
    ],
)
def test_ten_messages_have_these_rates(name: str, numerator: int, denominator: int) -> None:
    measure = RATES[name][0](TEN, as_of=MAY).only

    assert (measure.numerator, measure.denominator) == (numerator, denominator)
    assert (measure.value, measure.unit) == (numerator / denominator, "share")


def test_machines_count_only_where_that_is_asked_for() -> None:
    scanned = message(delivered=NOON, clicked_by_machine=NOON)

    assert open_rate([scanned, ARRIVED], as_of=MAY).value == 0.0
    assert open_rate([scanned, ARRIVED], as_of=MAY, with_machines=True).value == 0.5
    assert click_rate([scanned, ARRIVED], as_of=MAY).value == 0.0
    assert click_rate([scanned, ARRIVED], as_of=MAY, with_machines=True).value == 0.5
    adjusted = open_rate([scanned, ARRIVED], as_of=MAY, method="adjusted").only
    assert (adjusted.n, adjusted.excluded) == (1, {"opened by a machine alone": 1})


def test_a_click_is_an_open_even_without_images_so_no_share_is_above_1() -> None:
    measure = click_through_rate([message(clicked=NOON), message(opened=NOON)], as_of=MAY).only

    assert (measure.value, measure.denominator) == (0.5, 2)


@every_rate
def test_nothing_sent_has_no_rate(name: str) -> None:
    rate, _, base = RATES[name]
    queued = message(sent=None)

    for given_ in ([], [queued]):
        measure = rate(given_, as_of=MAY).only
        assert (measure.value, measure.n, measure.reason) == (None, 0, f"no message was {base}")
    assert rate([queued], as_of=MAY).only.excluded == {"not sent": 1}


def test_an_event_counts_up_to_the_end_of_the_window() -> None:
    rows = [message(opened=NOON + DAY), message(delivered=NOON, opened=NOON + DAY + MICROSECOND)]

    assert open_rate(rows, as_of=MAY).value == 1.0
    assert open_rate(rows, as_of=MAY, within_days=1).value == 0.5
    assert open_rate(rows, as_of=NOON + DAY - MICROSECOND, within_days=1).only.excluded == {"window still open": 2}


def test_a_message_is_in_the_month_of_the_business() -> None:
    late = [message(sent=datetime(2025, 4, 30, 17, tzinfo=UTC))]
    months = [delivery_rate(late, as_of=MAY, every="month", tz=tz)[0].period for tz in ("UTC", "Asia/Bangkok")]

    assert [month and month.label for month in months] == ["2025-04", "2025-05"]


def test_only_the_instants_in_question_are_needed() -> None:
    frame = pl.DataFrame({"sent_at": [NOON, NOON], "opened_at": [NOON, None]})

    assert open_rate(frame, as_of=MAY, method="sent").value == 0.5
    with pytest.raises(InvalidInput, match="the Message data has no column 'delivered_at'"):
        open_rate(frame, as_of=MAY)
    with pytest.raises(InvalidInput, match="the Message data has no column 'clicked_at'"):
        click_through_rate(frame, as_of=MAY)


def test_a_naive_instant_is_refused() -> None:
    frame = pl.DataFrame({"sent_at": [datetime(2025, 5, 2)], "bounced_at": [NOON]})

    with pytest.raises(InvalidInput, match="Message column 'sent_at' is .* without a time zone"):
        bounce_rate(frame, as_of=MAY)


@pytest.mark.parametrize(("name", "bad"), [("within_days", 0), ("with_machines", "yes"), ("method", "opens")])
def test_a_bad_argument_is_refused_by_name(name: str, bad: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}="):
        open_rate([], as_of=MAY, **{name: bad})


def test_the_records_behind_a_rate_are_told() -> None:
    rows = [ARRIVED.replace(id="a"), message(opened=NOON).replace(id="b"), message(sent=None).replace(id="c")]
    result = open_rate(rows, as_of=MAY)

    assert result.explain(result.only) == {"numerator": ["b"], "denominator": ["a", "b"], "not sent": ["c"]}
