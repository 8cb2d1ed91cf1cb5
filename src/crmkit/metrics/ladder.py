"""The ladder of a message: sent, delivered, opened, clicked, and what proves each step."""

from collections.abc import Sequence
from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.table import Table
from crmkit.frames.tally import Question
from crmkit.metrics.asking import Steps
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


@attrs.frozen
class Ladder:
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


def ladder_of(
    definition: Definition, method: str, within_days: int | None, asked: Asked, *, with_machines: bool = False
) -> Ladder:
    """Return the ladder with the checked arguments of a KPI."""
    scope = make_scope(definition, method, asked)
    if not isinstance(with_machines, bool):
        raise InvalidInput(f"with_machines={with_machines!r} is neither True nor False")
    return Ladder(scope, days_window(within_days), with_machines)
