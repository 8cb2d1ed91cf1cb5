"""What a forecast should be, told from single deals and moves by plain loops."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
from hypothesis import strategies as st

from crmkit.model import Deal, Money, Transition
from crmkit.stats.periods import instant
from crmkit.testing.strategies import simplest
from tests.metrics.cases import maybe, moments, owners
from tests.metrics.oracle import Asked

ENOUGH = 20
STAGES = ["Trial", "Offer", "Contract"]
_CLOSED = ("won", "lost")

Moves = Sequence[Transition]


@attrs.frozen
class Known:
    """What is known of a deal at a moment; `entries` are the days of its first entries into open stages."""

    deal: Deal
    category: str
    stage: str | None
    closed_on: date | None
    entries: dict[str | None, date]


@attrs.frozen
class Foreseen:
    """A forecast: its value, the deals that it counts, and why it leaves out the others."""

    value: float | None
    deals: list[Deal]
    wins: float
    excluded: dict[str, int]


def by_age(deal: Deal, at: datetime, on: Asked) -> Known | None:
    """The deal at a moment, whatever its stage; None if it was not there."""
    if deal.created_at is not None and deal.created_at > at:
        return None
    category, closed_on = _close(deal, at, on)
    entries: dict[str | None, date] = {None: on.day(deal.created_at)} if deal.created_at else {}
    return Known(deal, category, None, closed_on, entries)


def by_stage(deal: Deal, moves: Moves, at: datetime, on: Asked) -> Known | None:
    """The deal at a moment, with the stages that it had been at."""
    if deal.created_at is not None and deal.created_at > at:
        return None
    category, closed_on = _close(deal, at, on)
    stage: str | None = None
    entries: dict[str | None, date] = {}
    for place, kind, entered, left in _visits(deal, moves):
        if entered is not None and entered > at:
            continue
        if kind == "open" and entered is not None:
            entries[place] = min(entries.get(place, date.max), on.day(entered))
        if left is None or left > at:
            stage = place
            if kind in _CLOSED and category == "open":
                category, closed_on = kind, entered and on.day(entered)
    return Known(deal, category, stage, closed_on, entries)


def _close(deal: Deal, at: datetime, on: Asked) -> tuple[str, date | None]:
    if deal.category in _CLOSED and deal.closed_at is not None:
        return ("open", None) if deal.closed_at > at else (deal.category, on.day(deal.closed_at))
    return deal.category, None


def _visits(deal: Deal, moves: Moves) -> list[tuple[str, str, datetime | None, datetime | None]]:
    mine = sorted((each for each in moves if each.subject_id == deal.id), key=lambda each: (each.at, each.id))
    stops: list[tuple[str, str | None, datetime | None]] = []
    if not mine:
        return [(deal.stage, "open", deal.created_at, None)] if deal.category == "open" else []
    first = mine[0]
    if first.before is not None:
        is_known = deal.created_at is not None and deal.created_at <= first.at
        stops.append((first.before, first.category_before, deal.created_at if is_known else None))
    stops += [(each.after, each.category_after, each.at) for each in mine]
    exits = [*(entered for _, _, entered in stops[1:]), None]
    return [
        (stage, said or (deal.category if stage == deal.stage else "open"), entered, left)
        for (stage, said, entered), left in zip(stops, exits, strict=True)
    ]


NO_AGE = {
    "competing_risks": "no creation date",
    "stage_history": "entry not known",
    "competing_risks_by_stage": "entry not known",
}
"""The methods that learn, and the reason for leaving out a deal of which nobody knows how long it has been there."""


def foreseen(method: str, deals: Sequence[Deal], moves: Moves, asked: Asked, days: int) -> Foreseen:
    """The forecast of a method at `as_of`."""
    end = instant(asked.as_of, asked.tz, "as_of", end_of_day=True)
    told = [
        by_age(each, end, asked) if method == "competing_risks" else by_stage(each, moves, end, asked) for each in deals
    ]
    there = [each for each in told if each is not None]
    return foresee(there, asked.as_of, days=None if method == "stage_history" else days, no_age=NO_AGE[method])


def tables(method: str, deals: Any, moves: Any) -> dict[str, Any]:
    """The tables that a method reads."""
    return {"deals": deals} if method == "competing_risks" else {"deals": deals, "transitions": moves}


def foresee(known: Sequence[Known], today: date, *, days: int | None, no_age: str) -> Foreseen:
    """The forecast of open deals by what became of all, within some days or in the end."""
    lives: dict[str | None, list[tuple[int, str]]] = {}
    for each in known:
        until = today if each.category == "open" else each.closed_on
        for stage, entered in each.entries.items():
            if until is not None and until >= entered:
                lives.setdefault(stage, []).append(((until - entered).days, each.category))
    everybody = [life for of_stage in lives.values() for life in of_stage]
    value, wins = 0.0, 0.0
    counted: list[Deal] = []
    excluded: dict[str, int] = {}
    for each in known:
        since = each.entries.get(each.stage)
        reason = _reason(each, no_age if since is None else None)
        if reason is not None:
            excluded[reason] = excluded.get(reason, 0) + 1
        elif each.category == "open":
            assert since is not None
            assert each.deal.amount is not None
            counted.append(each.deal)
            age = (today - since).days
            if any(how != "open" for _, how in everybody):
                chance = _chance(everybody, lives[each.stage], age, days)
                value, wins = value + chance * float(each.deal.amount.amount), wins + chance
    is_known = not counted or any(how != "open" for _, how in everybody)
    return Foreseen(value if is_known else None, counted, wins, dict(sorted(excluded.items())))


def _reason(known: Known, no_age: str | None) -> str | None:
    if known.category != "open":
        return "closed without a close date" if known.closed_on is None else None
    amount = known.deal.amount
    return "no amount" if amount is None else "negative amount" if amount.amount < 0 else no_age


def _chance(everybody: list[tuple[int, str]], those: list[tuple[int, str]], age: int, days: int | None) -> float:
    if days is None:
        general, special = _won(everybody), _won(those)
        n = sum(how != "open" for _, how in those)
    else:
        general, special, n = _within(everybody, age, days), _within(those, age, days), len(those)
    assert general is not None
    weight = 0 if special is None else min(1, n / ENOUGH)
    return weight * (special or 0) + (1 - weight) * general


def _won(lives: list[tuple[int, str]]) -> float | None:
    ends = [how for _, how in lives if how != "open"]
    return ends.count("won") / len(ends) if ends else None


def _within(lives: list[tuple[int, str]], age: int, days: int) -> float | None:
    """Aalen and Johansen, of those that lasted longer than the age."""
    longest = sorted((length for length, _ in lives), reverse=True)
    known = min(age, longest[ENOUGH - 1] - 1) if len(longest) >= ENOUGH else -1
    older = [(length, how) for length, how in lives if length > known]
    if not older:
        return None
    left, won = 1.0, 0.0
    for time in sorted({length for length, how in older if how != "open" and length <= known + days}):
        risk = sum(length >= time for length, _ in older)
        won += left * older.count((time, "won")) / risk
        left *= 1 - sum(older.count((time, how)) for how in _CLOSED) / risk
    return won


_amounts = st.none() | st.integers(-1, 50).map(lambda amount: Money(amount, "PLN"))


@st.composite
def sales(draw: st.DrawFn, most: int = 6) -> tuple[list[Deal], list[Transition]]:
    """Deals, and moves that follow one another, now and then at one instant or without a category."""
    deals, ledger = [], []
    for number in range(draw(st.integers(0, most))):
        category = draw(st.sampled_from(["open", "open", "won", "won", "lost"]))
        known: dict[str, Any] = {"created_at": draw(maybe), "closed_at": draw(maybe), "category": category}
        stage = draw(st.sampled_from([*STAGES, category.title()]))
        about: dict[str, Any] = {"amount": draw(_amounts), "owner_id": draw(owners), "stage": stage}
        deals.append(simplest(Deal, id=f"d{number}", **known, **about))
        before = draw(st.sampled_from([None, *STAGES]))
        for step, at in enumerate(sorted(draw(st.lists(moments, max_size=4)))):
            after = draw(st.sampled_from([*STAGES, "Won", "Lost"]))
            ledger.append(moved(f"d{number}", before, after, at, id=f"{number}-{step}"))
            before = after
    return deals, ledger


def moved(deal_id: str, before: str | None, after: str, at: datetime, **given_: Any) -> Transition:
    """The move of a deal to another stage; the ledger does not say that open stages are open."""
    said = {"category_before": before and _said(before), "category_after": _said(after)}
    return simplest(
        Transition,
        **{"subject": "Deal", "subject_id": deal_id, "field": "stage", "before": before, "after": after, "at": at}
        | said
        | given_,
    )


def _said(stage: str) -> str | None:
    return stage.lower() if stage in {"Won", "Lost"} else None


def business(n: int, *, days: int = 30) -> list[Deal]:
    """Deals of which each was created an hour after the one before; two of five are won, at different ages."""
    first = datetime(2025, 1, 1, tzinfo=UTC)
    made = []
    for number in range(n):
        created = first + timedelta(hours=number)
        closed = created + timedelta(days=7 * number % days)
        category = ("won", "lost", "open", "won", "lost")[number % 5]
        about: dict[str, Any] = {"category": category, "closed_at": None if category == "open" else closed}
        made.append(
            simplest(Deal, id=f"b{number:04}", created_at=created, amount=Money(number, "PLN"), stage="Offer", **about)
        )
    return made
