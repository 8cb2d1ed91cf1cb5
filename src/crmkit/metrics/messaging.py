"""Messaging: how far the messages to customers come."""

from collections.abc import Sequence
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.table import Table
from crmkit.frames.tally import Question
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import days_window
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.scope import Asked, Scope, make_scope, result
from crmkit.model.message import Message

_PROOFS = {
    "delivered": ("opened", "clicked", "replied", "converted", "unsubscribed", "complained"),
    "opened": ("opened", "clicked", "replied"),
}
"""What proves an event, which may leave no trace of its own: a click shows that the message arrived and was opened."""

_MACHINES = ("opened_by_machine", "clicked_by_machine")
_INSTANTS = tuple(f"{event}_at" for event in ("delivered", "bounced", *_PROOFS["delivered"], *_MACHINES))
_SOURCES = ("HubSpot: e-mail performance", "GetResponse: e-mail statistics", "fivetran/dbt_hubspot: e-mail metrics")
_DELIVERED = "of the messages that were delivered, each counted in the period in which it was sent"
_SENT = "of the messages that were sent, each counted in the period in which it was sent"


def _definition(name: str, title: str, text: str, formula: str, methods: dict[str, str]) -> Definition:
    return Definition(
        name=name,
        title=title,
        text=text,
        formula=formula,
        unit="share",
        inputs=("messages",),
        key="message",
        methods=methods,
        sources=_SOURCES,
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
    ladder = _ladder(DELIVERY_RATE, method, within_days, asked)
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
    ladder = _ladder(OPEN_RATE, method, within_days, asked, with_machines=with_machines)
    base = "sent" if method == "sent" else "delivered"
    return (yield from ladder.rate(messages, "opened", base=base, is_adjusted=method == "adjusted"))


CLICK_RATE = _definition(
    "click_rate",
    "Click rate",
    "Of the messages that arrived, the share in which a person clicked, each message once. Clicks by machines do not count.",
    "clicked / delivered",
    {"delivered": _DELIVERED, "sent": _SENT},
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
    ladder = _ladder(CLICK_RATE, method, within_days, asked, with_machines=with_machines)
    return (yield from ladder.rate(messages, "clicked", base=method))


CLICK_THROUGH_RATE = _definition(
    "click_through_rate",
    "Click-through rate",
    "Of the messages that a person opened, the share in which the person clicked as well.",
    "clicked / opened",
    {"opened": "of the messages that were opened; a click or a reply is an open, so the share is never above 1"},
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
    ladder = _ladder(CLICK_THROUGH_RATE, method, within_days, asked, with_machines=with_machines)
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
    ladder = _ladder(REPLY_RATE, method, within_days, asked)
    return (yield from ladder.rate(messages, "replied", base=method))


BOUNCE_RATE = _definition(
    "bounce_rate",
    "Bounce rate",
    "Of the messages that were sent in the period, the share that came back.",
    "bounced / sent",
    {"sent": "bounced / sent; what was opened, clicked or answered arrived in the end and is no bounce"},
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
    ladder = _ladder(BOUNCE_RATE, method, within_days, asked)
    return (yield from ladder.rate(messages, "bounced", base="sent"))


UNSUBSCRIBE_RATE = _definition(
    "unsubscribe_rate",
    "Unsubscribe rate",
    "Of the messages that arrived, the share after which the recipient unsubscribed.",
    "unsubscribed / delivered",
    {"delivered": _DELIVERED, "sent": _SENT},
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
    ladder = _ladder(UNSUBSCRIBE_RATE, method, within_days, asked)
    return (yield from ladder.rate(messages, "unsubscribed", base=method))


@attrs.frozen
class _Ladder:
    """What happened to messages, as far as it counts: up to `as_of`, within the window after sending, by whom."""

    scope: Scope
    window: int | None
    with_machines: bool

    def rate(
        self, messages: Any, event: str, *, base: str, counts_others: bool = False, is_adjusted: bool = False
    ) -> Steps:
        """Ask for the share of the messages with the event of the base that have another event (or, the others, that have not)."""
        scope = self.scope
        needs = dict.fromkeys(("sent_at", *(f"{each}_at" for each in (base, event))))
        table = scope.open(messages, Message, needs=tuple(needs), uses=(*_INSTANTS, "id"))
        words = (f"not {event}", event) if counts_others else (event, f"not {event}")
        (found,) = yield [self._question(table, event, base, is_adjusted=is_adjusted)]
        return result(
            scope,
            found,
            words,
            lambda counts: share(counts, words[:1], words, ci=scope.ci, nothing=f"no message was {base}"),
            numerator=words[:1],
        )

    def _question(self, table: Table, event: str, base: str, *, is_adjusted: bool) -> Question:
        scope, sent_at = self.scope, nw.col("sent_at")
        came_back = self._any(table, ["bounced_at"]) & ~self._happened(table, "delivered")
        rows = table.rows.with_columns(
            happened=came_back if event == "bounced" else self._happened(table, event),
            is_in_base=nw.lit(value=True) if base == "sent" else self._happened(table, base),
            hidden=self._by_machine_alone(table) if is_adjusted else nw.lit(value=False),
            is_known=self._any(table, _INSTANTS, is_limited=False),
        )
        outcome = (
            nw.when(sent_at.is_null() & nw.col("is_known"))
            .then(nw.lit("sent without a date"))
            .when(sent_at.is_null() | (sent_at > scope.known_until))
            .then(nw.lit("not sent"))
        )
        if self.window is not None:
            outcome = outcome.when(sent_at + self.window > scope.known_until).then(nw.lit("window still open"))
        outcome_ = (
            outcome.when(~nw.col("is_in_base"))
            .then(nw.lit(f"not {base}"))
            .when(nw.col("hidden"))
            .then(nw.lit("opened by a machine alone"))
            .when(nw.col("happened"))
            .then(nw.lit(event))
            .otherwise(nw.lit(f"not {event}"))
        )
        return scope.question(rows, at="sent_at", dated=sent_at <= scope.known_until, outcome=outcome_)

    def _happened(self, table: Table, event: str) -> nw.Expr:
        proofs = _PROOFS.get(event, (event,))
        if self.with_machines:
            proofs = (*proofs, *(f"{proof}_by_machine" for proof in ("opened", "clicked") if proof in proofs))
        happened = self._any(table, [f"{proof}_at" for proof in proofs])
        if event != "delivered":
            return happened
        # A server that takes a message in may send it back later.
        return happened | (self._any(table, ["delivered_at"]) & ~self._any(table, ["bounced_at"]))

    def _by_machine_alone(self, table: Table) -> nw.Expr:
        return self._any(table, [f"{each}_at" for each in _MACHINES]) & ~self._happened(table, "opened")

    def _any(self, table: Table, instants: Sequence[str], *, is_limited: bool = True) -> nw.Expr:
        """Whether any of some instants is known at `as_of` and lies in the window, never null."""
        happened = [self._counts(nw.col(each), is_limited=is_limited) for each in instants if each in table.columns]
        return nw.any_horizontal(nw.lit(value=False), *happened, ignore_nulls=False)

    def _counts(self, at: nw.Expr, *, is_limited: bool) -> nw.Expr:
        counts = at <= self.scope.known_until
        if is_limited and self.window is not None:
            counts = counts & (at <= nw.col("sent_at") + self.window)
        return nw.when(counts.is_null()).then(nw.lit(value=False)).otherwise(counts)


def _ladder(
    definition: Definition, method: str, within_days: int | None, asked: Asked, *, with_machines: bool = False
) -> _Ladder:
    scope = make_scope(definition, method, asked)
    if not isinstance(with_machines, bool):
        raise InvalidInput(f"with_machines={with_machines!r} is neither True nor False")
    return _Ladder(scope, days_window(within_days), with_machines)
