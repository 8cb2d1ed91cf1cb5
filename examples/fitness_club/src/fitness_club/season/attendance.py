"""Who came when: visits by habit, members who fade, packages, classes, and what was bought at the bar."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from crmkit.model import Line, Money
from crmkit.model.line import total
from fitness_club.booking import attend, cancel, miss
from fitness_club.club import TZ
from fitness_club.life import RUNNING, started_on
from fitness_club.model import BarSale, ClassBooking, ClassSession, Member, Membership, Visit, VisitPackage
from fitness_club.season.contracts import Step
from fitness_club.season.draw import BEGIN, END, MONTHS, OUTAGES, Draw, at, civil_day, is_open
from fitness_club.season.people import TRAINERS

FADE_FROM = END - timedelta(days=50)
"""Since when those who fade come to one visit in five."""

# Those who fade are of the first five: once a week is too seldom to see it.
_HABITS = ((0, 3), (1, 4), (2, 5), (0, 2, 4), (1, 3, 5), (2,), (5, 6), (0, 1, 3, 5))
_HOURS = (7, 8, 12, 16, 17, 18, 18, 19, 19, 20)
_CLASSES = (("Yoga", 9, 12), ("Spinning", 18, 16))
_ITEMS = (("Water", "5.00"), ("Protein shake", "16.00"), ("Coffee", "11.00"), ("Energy bar", "9.50"))


Span = tuple[date, date, str]
"""From a day up to, not including, another, under the contract of an id."""


def covered_spans(steps: Sequence[Step]) -> list[Span]:
    """Return the spans of days on which the contracts of these steps let their members in."""
    spans, begun = list[Span](), None
    for step in steps:
        assert isinstance(step.record, Membership)
        is_in = step.record.category in ("active", "cancelling", "past_due")
        day = max(civil_day(step.at), BEGIN)
        if is_in and begun is None:
            begun = day
        elif not is_in and begun is not None:
            spans.append((begun, day, step.record.id))
            begun = None
    return [*spans, *([(begun, END, steps[-1].record.id)] if begun is not None else [])]


def may_fade(steps: Sequence[Step]) -> bool:
    """Return whether a contract has run long enough without a break that fading would be seen."""
    last = steps[-1].record
    assert isinstance(last, Membership)
    is_calm = last.category == "active" and all(
        step.at < at(END - timedelta(days=200), 0) for step in steps if _froze(step)
    )
    return is_calm and last.category in RUNNING and started_on(last, TZ) < END - timedelta(days=240)


def _froze(step: Step) -> bool:
    return step.transition is not None and "frozen" in (step.transition.category_after, step.transition.category_before)


def visits_of(draw: Draw, member: Member, spans: Sequence[Span], *, fades: bool) -> list[Visit]:
    """Return the visits of a member: on their usual days, less in summer and on holidays; who fades comes to one in five."""
    habit, hour = draw.random.choice(_HABITS[:5] if fades else _HABITS), draw.random.choice(_HOURS)
    found, since = list[Visit](), 0
    for start, end, membership_id in spans:
        for day in _days(start, end):
            if day.weekday() not in habit or not is_open(day) or day in OUTAGES:
                continue
            if not draw.happens(0.92 * MONTHS[day.month - 1]):
                continue
            if fades and day >= FADE_FROM:
                since += 1
                if since % 5:
                    continue
            found.append(
                Visit(
                    id=f"{member.id}@{day:%y%m%d}",
                    customer_id=member.id,
                    at=at(day, hour, draw.random.randrange(60)),
                    subscription_id=membership_id,
                    kind="visit",
                    gate=draw.random.choice(("left", "right")),
                )
            )
    return found


def package_of(draw: Draw, member: Member) -> tuple[VisitPackage, list[Visit]]:
    """Return a package of ten visits of somebody without a contract, and those that were used."""
    start = draw.day(END - timedelta(days=150), END - timedelta(days=20))
    package = VisitPackage(
        id=f"package-{member.id}",
        created_at=at(start, 10),
        customer_id=member.id,
        units=10,
        price=Money("350", "PLN"),
        valid_from_on=start,
        expires_on=start + timedelta(days=180),
    )
    days = sorted({draw.day(start, END) for _ in range(draw.random.randrange(2, 11))})
    used = [
        Visit(
            id=f"{member.id}@{day:%y%m%d}", customer_id=member.id, at=at(day, 17), package_id=package.id, kind="visit"
        )
        for day in days
        if is_open(day) and day not in OUTAGES
    ]
    return package, used


def timetable() -> list[ClassSession]:
    """Return the classes of the season, two on every working day."""
    return [
        ClassSession(
            id=f"{name}-{day:%y%m%d}",
            created_at=at(BEGIN, 8),
            name=name,
            starts_at=at(day, hour),
            capacity=places,
            trainer_id=TRAINERS[(day.toordinal() * len(_CLASSES) + number) % len(TRAINERS)],
        )
        for day in _days(BEGIN, END)
        if day.weekday() < 5 and is_open(day)  # noqa: PLR2004 - Monday to Friday
        for number, (name, hour, places) in enumerate(_CLASSES)
    ]


def bookings_of(draw: Draw, session: ClassSession, members: Sequence[str]) -> Iterator[Step]:
    """Return the bookings of a class, and what became of each; `members` are those who may come that day."""
    size = min(len(members), session.capacity, draw.random.randrange(3, 15))
    for member in draw.random.sample(members, size):
        new = ClassBooking(
            id=f"{session.id}-{member}", created_at=session.starts_at - timedelta(days=2), customer_id=member,
            session_id=session.id, starts_at=session.starts_at,
        )  # fmt: skip
        way, start = draw.random.random(), session.starts_at
        if way < 0.78:  # noqa: PLR2004 - the shares of what becomes of bookings
            booking, move = attend(new, at=start)
        elif way < 0.88:  # noqa: PLR2004 - as above
            booking, move = miss(new, at=start)
        else:
            booking, move = cancel(new, at=start - timedelta(hours=draw.random.randrange(1, 40)))
        yield Step(move.at, booking, move.replace(id=f"{booking.id}-end"))


def sales_of(draw: Draw, visits: Iterable[Visit]) -> Iterator[BarSale]:
    """Return what visitors bought at the bar after one visit in eight; half of them showed their card."""
    for number, visit in enumerate(visits):
        if draw.happens(0.12):
            chosen = draw.random.choices(_ITEMS, k=draw.random.choice((1, 1, 2, 3)))
            lines = [Line(Money(price, "PLN"), Decimal(1), description=name) for name, price in chosen]
            yield BarSale(
                id=f"receipt-{number:06}",
                at=visit.at + timedelta(minutes=75),
                amount=total(lines),
                customer_id=visit.customer_id if draw.happens(0.5) else None,
                lines=lines,
                channel="bar",
                till="till-1",
            )


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=number) for number in range((end - start).days))
