"""Tickets with a history, for what is asked of how long things take."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from hypothesis import strategies as st

from crmkit.model import BusinessCalendar, Hours, Interaction, Ticket, Transition
from crmkit.testing.strategies import simplest
from tests.metrics.cases import moments, owners, ticket_ids
from tests.metrics.oracle import Asked, Fact

OPENED = datetime(2025, 5, 1, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CLASSES: dict[str, Any] = {"tickets": Ticket, "interactions": Interaction, "transitions": Transition}
OFFICE = BusinessCalendar(tz="Europe/Warsaw", hours=[Hours(day, "09:00", "17:00") for day in range(5)])


def answered(length: timedelta | None, **given_: Any) -> Ticket:
    at = None if length is None else OPENED + length
    return simplest(Ticket, **{"created_at": OPENED, "first_responded_at": at} | given_)


def resolved(length: timedelta, **given_: Any) -> Ticket:
    return simplest(Ticket, **{"category": "resolved", "created_at": OPENED, "resolved_at": OPENED + length} | given_)


@attrs.frozen
class Life:
    """A ticket with its history: at first its category, then what it became and when."""

    ticket: Ticket
    moves: list[Transition]

    def minutes(self, states: set[str], end: datetime) -> float:
        """How long the ticket was in some states up to an instant, from span to span."""
        assert self.ticket.created_at is not None
        starts = [self.ticket.created_at, *(move.at for move in self.moves)]
        ends = [*starts[1:], end]
        lengths = [
            min(after, end) - at
            for at, state, after in zip(
                starts, ["open", *(move.category_after for move in self.moves)], ends, strict=True
            )
            if state in states
        ]
        return sum((max(length, timedelta(0)) for length in lengths), timedelta(0)) / MINUTE


def lived(id_: str, opened: datetime, states: list[str], gaps: list[int], owner: str | None = None) -> Life:
    moves: list[Transition] = []
    at, resolved_at = opened, None
    for before, after, gap in zip(states, states[1:], gaps, strict=False):
        at += gap * MINUTE
        if after == "resolved" != before:
            resolved_at = at
        moves.append(
            Transition(
                subject="Ticket",
                subject_id=id_,
                field="status",
                before=before,
                after=after,
                category_before=before,
                category_after=after,
                at=at,
            )
        )
    ended = resolved_at if states[-1] == "resolved" else None
    ended = opened if states == ["resolved"] else ended
    given_ = {"category": states[-1], "created_at": opened, "resolved_at": ended, "assignee_id": owner}
    return Life(simplest(Ticket, id=id_, **given_), moves)


states = st.lists(st.sampled_from(["open", "paused", "resolved"]), max_size=6).map(lambda each: ["open", *each])


lives = st.lists(
    st.builds(
        lived, st.sampled_from(ticket_ids), moments, states, st.lists(st.integers(0, 50_000), min_size=6), owners
    ),
    max_size=6,
    unique_by=lambda life: life.ticket.id,
)


def moves_of(lives_: list[Life]) -> list[Transition]:
    return [move for life in lives_ for move in life.moves]


def totals(facts: list[Fact]) -> dict[str, Any]:
    return {"numerator": sum(fact.worth for fact in facts), "denominator": len(facts)}


def gap(facts_from: datetime | None, to: datetime | None) -> float:
    assert facts_from is not None
    assert to is not None
    return (to - facts_from) / MINUTE


def resolutions(given_: list[Ticket], asked_: Asked) -> Iterator[tuple[Ticket, Fact]]:
    for each in given_:
        if each.created_at is not None and not asked_.is_known(each.created_at):
            continue
        end, group = each.resolved_at, asked_.group(each)
        if each.category != "resolved" or (end is not None and not asked_.is_known(end)):
            yield each, Fact(None, "not resolved", group)
        elif end is None:
            yield each, Fact(None, "resolved without a date", group)
        elif each.created_at is None:
            yield each, Fact(end, "no creation date", group)
        elif end < each.created_at:
            yield each, Fact(end, "resolved before it was created", group)
        else:
            yield each, Fact(end, "resolved", group, gap(each.created_at, end))
