"""Messaging: how far the messages to customers come."""

from typing import Any, Unpack

from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.ladder import ladder_of
from crmkit.metrics.scope import Asked

_DELIVERED = "of the messages that were delivered, each counted in the period in which it was sent"
_SENT = "of the messages that were sent, each counted in the period in which it was sent"


def _definition(name: str, title: str, text: str, formula: str, methods: dict[str, str], *sources: str) -> Definition:
    return Definition(
        name=name,
        title=title,
        text=text,
        formula=formula,
        unit="share",
        inputs=("messages",),
        key="message",
        methods=methods,
        sources=sources,
    )


DELIVERY_RATE = _definition(
    "delivery_rate",
    "Delivery rate",
    "Of the messages that were sent in the period, the share that arrived.",
    "delivered / sent",
    {
        "delivered": "delivered / sent; an open, a click or a reply proves the delivery too",
        "not_bounced": "(sent - bounced) / sent, for senders that report bounces alone",
    },
    "HubSpot knowledge base: delivery rate, open rate and click rate of e-mails",
)


@kpi(DELIVERY_RATE)
def delivery_rate(
    messages: Any,
    *,
    method: str = "delivered",
    within_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of sent messages that arrived.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `sent_at` and `delivered_at` ("not_bounced": `bounced_at`);
            it reads the instants of the other events of `Message`, which prove a delivery.
        method: "delivered", or "not_bounced" where the sender reports only what failed.
        within_days: days of 24 hours after sending that an event must lie in; messages whose days have not passed at `as_of` are
            left out. None for all that is known at `as_of`.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of sending; numerator delivered, denominator sent. No value, with a
        reason, where nothing was sent. Left out and counted: messages that were not sent, or without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> sent = Message(channel="email", sent_at=may)
    >>> delivery_rate([sent, sent.replace(opened_at=may)], as_of=date(2025, 5, 31)).value
    0.5
    """
    ladder = ladder_of(DELIVERY_RATE, method, within_days, asked)
    if method == "delivered":
        return (yield from ladder.rate(messages, "delivered", base="sent"))
    return (yield from ladder.rate(messages, "bounced", base="sent", counts_others=True))


OPEN_RATE = _definition(
    "open_rate",
    "Open rate",
    "Of the messages that arrived, the share that a person opened, each message once. Opens by machines do not count.",
    "opened / delivered",
    {
        "delivered": _DELIVERED,
        "sent": _SENT,
        "adjusted": "of the messages that were delivered and not opened by a machine alone, which may hide a person's open",
    },
    "HubSpot knowledge base: delivery rate, open rate and click rate of e-mails",
    "GetResponse360: open rate (of the messages sent)",
    "HubSpot: adjusted open rate",
)


@kpi(OPEN_RATE)
def open_rate(
    messages: Any,
    *,
    method: str = "delivered",
    within_days: int | None = None,
    with_machines: bool = False,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of delivered messages that people opened.

    A message counts once however often it is opened. A click or a reply is an open too, even where images were blocked.
    Mail programs that load every image make machine opens; they do not count, unless `with_machines`. They hide whether
    the person opened as well, so "adjusted" takes those messages out of the denominator.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `sent_at` and `opened_at`, unless for "sent" `delivered_at`; it
            reads the other instants of `Message`.
        method: "delivered", "sent" or "adjusted".
        within_days: days of 24 hours after sending that an event must lie in; messages whose days have not passed at `as_of` are
            left out. None for all that is known at `as_of`.
        with_machines: whether opens and clicks by machines count.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of sending; numerator opened, denominator delivered or sent. No value,
        with a reason, where there are none. Left out and counted: messages not sent, without a date, or not delivered, and,
        for "adjusted", those that machines alone opened.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> arrived = Message(channel="email", sent_at=may, delivered_at=may)
    >>> open_rate([arrived, arrived.replace(opened_at=may)], as_of=date(2025, 5, 31)).value
    0.5
    """
    ladder = ladder_of(OPEN_RATE, method, within_days, asked, with_machines=with_machines)
    base = "sent" if method == "sent" else "delivered"
    return (yield from ladder.rate(messages, "opened", base=base, is_adjusted=method == "adjusted"))


CLICK_RATE = _definition(
    "click_rate",
    "Click rate",
    "Of the messages that arrived, the share in which a person clicked, each message once. Clicks by machines do not count.",
    "clicked / delivered",
    {"delivered": _DELIVERED, "sent": _SENT},
    "HubSpot knowledge base: delivery rate, open rate and click rate of e-mails",
)


@kpi(CLICK_RATE)
def click_rate(
    messages: Any,
    *,
    method: str = "delivered",
    within_days: int | None = None,
    with_machines: bool = False,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of delivered messages in which people clicked.

    The share of opened messages is `click_through_rate`, which vendors also call the click rate.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `sent_at` and `clicked_at`, unless for "sent" `delivered_at`; it
            reads the other instants of `Message`.
        method: "delivered" or "sent".
        within_days: days of 24 hours after sending that an event must lie in; messages whose days have not passed at `as_of` are
            left out. None for all that is known at `as_of`.
        with_machines: whether opens and clicks by machines, such as a mail scanner that follows links, count.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of sending; numerator clicked, denominator delivered or sent. No value,
        with a reason, where there are none. Left out and counted: messages not sent, without a date, or not delivered.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> arrived = Message(channel="email", sent_at=may, delivered_at=may)
    >>> click_rate([arrived, arrived.replace(clicked_by_machine_at=may)], as_of=date(2025, 5, 31)).value
    0.0
    """
    ladder = ladder_of(CLICK_RATE, method, within_days, asked, with_machines=with_machines)
    return (yield from ladder.rate(messages, "clicked", base=method))


CLICK_THROUGH_RATE = _definition(
    "click_through_rate",
    "Click-through rate",
    "Of the messages that a person opened, the share in which the person clicked as well.",
    "clicked / opened",
    {"opened": "of the messages that were opened; a click or a reply is an open, so the share is never above 1"},
    "HubSpot knowledge base: statistics of marketing e-mails",
)


@kpi(CLICK_THROUGH_RATE)
def click_through_rate(
    messages: Any,
    *,
    method: str = "opened",
    within_days: int | None = None,
    with_machines: bool = False,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of opened messages in which people clicked.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `sent_at`, `opened_at` and `clicked_at`; it reads the other instants
            of `Message`.
        method: "opened".
        within_days: days of 24 hours after sending that an event must lie in; messages whose days have not passed at `as_of` are
            left out. None for all that is known at `as_of`.
        with_machines: whether opens and clicks by machines count.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of sending; numerator clicked, denominator opened. No value, with a
        reason, where nothing was opened. Left out and counted: messages not sent, without a date, or not opened.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> opened = Message(channel="email", sent_at=may, opened_at=may)
    >>> click_through_rate([opened, opened.replace(clicked_at=may)], as_of=date(2025, 5, 31)).value
    0.5
    """
    ladder = ladder_of(CLICK_THROUGH_RATE, method, within_days, asked, with_machines=with_machines)
    return (yield from ladder.rate(messages, "clicked", base="opened"))


REPLY_RATE = _definition(
    "reply_rate",
    "Reply rate",
    "Of the messages that arrived, the share that was answered.",
    "replied / delivered",
    {"delivered": _DELIVERED, "sent": _SENT},
)


@kpi(REPLY_RATE)
def reply_rate(
    messages: Any,
    *,
    method: str = "delivered",
    within_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of delivered messages that were answered.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `sent_at` and `replied_at`, unless for "sent" `delivered_at`; it
            reads the other instants of `Message`.
        method: "delivered" or "sent".
        within_days: days of 24 hours after sending that an event must lie in; messages whose days have not passed at `as_of` are
            left out. None for all that is known at `as_of`.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of sending; numerator answered, denominator delivered or sent. No
        value, with a reason, where there are none. Left out and counted: messages not sent, without a date, or not delivered.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> arrived = Message(channel="email", sent_at=may, delivered_at=may)
    >>> reply_rate([arrived, arrived.replace(replied_at=may)], as_of=date(2025, 5, 31)).value
    0.5
    """
    ladder = ladder_of(REPLY_RATE, method, within_days, asked)
    return (yield from ladder.rate(messages, "replied", base=method))


BOUNCE_RATE = _definition(
    "bounce_rate",
    "Bounce rate",
    "Of the messages that were sent in the period, the share that came back.",
    "bounced / sent",
    {"sent": "bounced / sent; what was opened, clicked or answered arrived in the end and is no bounce"},
    "Delivra: bounce rate",
)


@kpi(BOUNCE_RATE)
def bounce_rate(
    messages: Any,
    *,
    method: str = "sent",
    within_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of sent messages that came back.

    A bounce is refuted by an open, a click, a reply or a complaint, but not by a delivery: a server that accepts a message may
    send it back later.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `sent_at` and `bounced_at`; it reads the other instants of
            `Message`.
        method: "sent".
        within_days: days of 24 hours after sending that an event must lie in; messages whose days have not passed at `as_of` are
            left out. None for all that is known at `as_of`.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of sending; numerator bounced, denominator sent. No value, with a
        reason, where nothing was sent. Left out and counted: messages not sent, or without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> sent = Message(channel="email", sent_at=may)
    >>> bounce_rate([sent, sent.replace(bounced_at=may)], as_of=date(2025, 5, 31)).value
    0.5
    """
    ladder = ladder_of(BOUNCE_RATE, method, within_days, asked)
    return (yield from ladder.rate(messages, "bounced", base="sent"))


UNSUBSCRIBE_RATE = _definition(
    "unsubscribe_rate",
    "Unsubscribe rate",
    "Of the messages that arrived, the share after which the recipient unsubscribed.",
    "unsubscribed / delivered",
    {"delivered": _DELIVERED, "sent": _SENT},
    "Delivra: unsubscribe rate",
)


@kpi(UNSUBSCRIBE_RATE)
def unsubscribe_rate(
    messages: Any,
    *,
    method: str = "delivered",
    within_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of delivered messages after which the recipient unsubscribed.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `sent_at` and `unsubscribed_at`, unless for "sent" `delivered_at`;
            it reads the other instants of `Message`.
        method: "delivered" or "sent".
        within_days: days of 24 hours after sending that an event must lie in; messages whose days have not passed at `as_of` are
            left out. None for all that is known at `as_of`.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of sending; numerator unsubscribed, denominator delivered or sent. No
        value, with a reason, where there are none. Left out and counted: messages not sent, without a date, or not delivered.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> arrived = Message(channel="email", sent_at=may, delivered_at=may)
    >>> unsubscribe_rate([arrived, arrived.replace(unsubscribed_at=may)], as_of=date(2025, 5, 31)).value
    0.5
    """
    ladder = ladder_of(UNSUBSCRIBE_RATE, method, within_days, asked)
    return (yield from ladder.rate(messages, "unsubscribed", base=method))
