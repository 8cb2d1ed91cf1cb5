"""A season of a club that crmkit's tests and `fitness-club demo` run on: made up, the same for the same seed, with planted truths."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

import attrs

from crmkit.model import Campaign, Employee, Interaction, Lead, Message, Task, Transition
from fitness_club.model import BarSale, ClassSession, Member, Membership, Visit, VisitPackage
from fitness_club.season import attendance, work
from fitness_club.season.contracts import CALL, CALL_EFFECT, Step, contract
from fitness_club.season.draw import BEGIN, CLOSED, END, OUTAGES, at, draw_of
from fitness_club.season.people import entered_again, family_of, staff

__all__ = ["BEGIN", "CALL", "CALL_EFFECT", "CLOSED", "END", "OUTAGES", "Season", "Step", "season"]

_SMALLEST = timedelta(microseconds=1)
_IN_FAMILIES, _PACKAGES, _TWICE, _FADING = 0.15, 0.05, 0.04, 0.06


@attrs.frozen(kw_only=True)
class Season:
    """Everything that happened, and the truths that were planted: who is there twice, and who fades.

    `steps` are the changes of contracts and bookings in their order; the other records are as they were added. `as_of` is the last
    moment of the season.
    """

    as_of: datetime
    staff: tuple[Employee, ...]
    members: tuple[Member, ...]
    steps: tuple[Step, ...]
    visits: tuple[Visit, ...]
    packages: tuple[VisitPackage, ...]
    sessions: tuple[ClassSession, ...]
    sales: tuple[BarSale, ...]
    interactions: tuple[Interaction, ...]
    messages: tuple[Message, ...]
    campaigns: tuple[Campaign, ...]
    tasks: tuple[Task, ...]
    leads: tuple[Lead, ...]
    twice: frozenset[tuple[str, str]]
    fading: frozenset[str]

    @property
    def memberships(self) -> tuple[Membership, ...]:
        """The contracts as they are at the end."""
        return tuple(
            {each.record.id: each.record for each in self.steps if isinstance(each.record, Membership)}.values()
        )

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """All moves of contracts and bookings."""
        return tuple(each.transition for each in self.steps if each.transition is not None)


def season(seed: int = 1, *, members: int = 3000) -> Season:
    """Return the season of a club with about so many members; the same for the same seed.

    >>> season(members=30) == season(members=30)
    True
    """
    draw = partial(draw_of, seed)
    people, families = draw("people"), list[list[Member]]()
    while sum(map(len, families)) < members:
        size = people.random.choice((2, 3, 4)) if people.happens(_IN_FAMILIES) else 1
        families.append(family_of(people, len(families) + 1, size))
    everybody = [each for family in families for each in family]
    again = [(each, entered_again(people, each)) for each in everybody if people.happens(_TWICE)]
    steps, calls, visits, packages, fading = _lives(seed, families)
    sessions = attendance.timetable()
    bookings = _bookings(seed, sessions, visits)
    sales = attendance.sales_of(draw("bar"), visits)
    return Season(
        as_of=at(END, 0) - _SMALLEST,
        staff=tuple(staff()),
        members=(*everybody, *(twin for _, twin in again)),
        steps=tuple(sorted([*steps, *bookings], key=lambda step: step.at)),
        visits=tuple(visits),
        packages=tuple(packages),
        sessions=tuple(sessions),
        sales=tuple(sales),
        interactions=(*calls, *work.other_touches(draw("touches"), everybody)),
        messages=tuple(work.messages(draw("messages"), everybody)),
        campaigns=(work.OFFERS, work.BIRTHDAYS),
        tasks=tuple(work.reminders(draw("tasks"), calls)),
        leads=tuple(work.leads(draw("leads"), everybody)),
        twice=frozenset((each.id, twin.id) for each, twin in again),
        fading=frozenset(fading),
    )


_Lives = tuple[list[Step], list[Interaction], list[Visit], list[VisitPackage], set[str]]


def _lives(seed: int, families: Sequence[Sequence[Member]]) -> _Lives:
    """What every family did: its contract, the calls for it, its visits, and who of it fades."""
    draw = draw_of(seed, "lives")
    steps, calls, visits = list[Step](), list[Interaction](), list[Visit]()
    packages, fading = list[VisitPackage](), set[str]()
    for family in families:
        if len(family) == 1 and draw.happens(_PACKAGES):
            package, used = attendance.package_of(draw, family[0])
            packages.append(package)
            visits += used
            continue
        its, its_calls = contract(draw, family)
        steps += its
        calls += its_calls
        spans = attendance.covered_spans(its)
        for member in family:
            fades = attendance.may_fade(its) and draw.happens(_FADING)
            fading |= {member.id} if fades else set()
            visits += attendance.visits_of(draw, member, spans, fades=fades)
    return steps, calls, sorted(visits, key=lambda visit: (visit.at, visit.id)), packages, fading


def _bookings(seed: int, sessions: Sequence[ClassSession], visits: Sequence[Visit]) -> Iterator[Step]:
    """The bookings of every class, by those who came that day."""
    draw, here = draw_of(seed, "classes"), defaultdict[object, list[str]](list)
    for visit in visits:
        here[visit.at.date()].append(visit.customer_id)
    for session in sessions:
        yield from attendance.bookings_of(draw, session, here[session.starts_at.date()])
