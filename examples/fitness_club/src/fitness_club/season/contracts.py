"""The contracts of the season, made by the moves of crmkit, with the planted effect of a call in the third week."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import attrs

from crmkit.model import Interaction, Money, Record, Transition
from crmkit.model.billing import renew
from crmkit.model.subscription import Moved, activate, freeze, lapse, start_trial, unfreeze, win_back
from fitness_club.model import WORDS, Member, Membership
from fitness_club.season.draw import END, Draw, at

CALL_EFFECT = 0.12
"""By how much a call in the third week of a term raises the chance that it is renewed."""

CALL = "call in week 3"


@attrs.frozen(kw_only=True)
class Plan:
    """What is sold: its price by the month, its months, how likely it is renewed, and how likely its members are called."""

    name: str
    price: str
    months: int
    renewed: float
    called: float


# Premium members stay longer and are called more often, so that a crude comparison gives calls too much.
PLANS = (
    Plan(name="Annual", price="149", months=12, renewed=0.5, called=0.35),
    Plan(name="Premium", price="229", months=12, renewed=0.7, called=0.7),
    Plan(name="Half a year", price="169", months=6, renewed=0.6, called=0.5),
    Plan(name="Monthly", price="199", months=1, renewed=0.93, called=0.0),
)


@attrs.frozen
class Step:
    """Something that happened to a record: what it became, and the transition of the move, if it was one."""

    at: datetime
    record: Record
    transition: Transition | None = None


def contract(draw: Draw, family: Sequence[Member]) -> tuple[list[Step], list[Interaction]]:
    """Return the life of a family's contract to the end of the season, step by step, and the calls that were made for it."""
    payer, joined_at = family[0], family[0].created_at
    assert joined_at is not None
    plan = draw.random.choices(PLANS, (4, 2, 2, 2))[0]
    on = joined_at.date()
    new = Membership(
        id=payer.id.replace("member", "membership"),
        created_at=joined_at,
        customer_id=payer.id,
        family_ids=[each.id for each in family[1:]],
        plan=plan.name if len(family) == 1 else f"{plan.name}, family",
        price=Money(plan.price, "PLN"),
        term_months=plan.months,
        status=WORDS["trial"],
        owner_id=payer.owner_id,
        trainer_id=payer.trainer_id,
    )
    life = _Life(draw, plan, [Step(joined_at, new)], [])
    if draw.happens(0.4):
        life.move(start_trial(new, on + timedelta(days=7), at=joined_at))
        on += timedelta(days=7)
        if draw.happens(0.15):
            life.move(lapse(life.now, on, at=at(on, 0), status=WORDS["lapsed"]))
            return life.steps, life.calls
    if on < END:
        life.move(activate(life.now, on, at=at(on, 11), status=WORDS["active"]))
        life.run()
    return life.steps, life.calls


class _Life:
    """A membership on its way through the season."""

    def __init__(self, draw: Draw, plan: Plan, steps: list[Step], calls: list[Interaction]) -> None:
        self.draw, self.plan, self.steps, self.calls = draw, plan, steps, calls

    @property
    def now(self) -> Membership:
        record = self.steps[-1].record
        assert isinstance(record, Membership)
        return record

    def move(self, moved: Moved[Membership]) -> None:
        """Add a move; ids are told from its place, as those of chance would make two clubs of one seed."""
        after, transition = moved
        key = f"{after.id}-{len(self.steps)}"
        self.steps.append(Step(transition.at, after, transition.replace(id=key, subject_id=after.id)))

    def run(self) -> None:
        """Go from term to term; who leaves may come back once."""
        while self.now.category == "active":
            start, is_called = _day(self.now.term_starts_on), self._call()
            if self._break(start):
                return
            end = _day(self.now.term_ends_on)
            chance = self.plan.renewed + (CALL_EFFECT if is_called else 0.0)
            is_renewed = self.draw.happens(chance)
            on = end - timedelta(days=self.draw.random.randrange(1, min(20, 28 * self.plan.months)))
            if (on if is_renewed else end) >= END:
                return
            if is_renewed:
                self.move(renew(self.now, on, at=at(on, 12), by=self.now.owner_id))
            elif not self._leave(end):
                return

    def _leave(self, end: date) -> bool:
        """Lapse at the end of the term, and say whether the member comes back."""
        self.move(lapse(self.now, end, at=at(end, 0), status=WORDS["lapsed"]))
        back = end + timedelta(days=self.draw.random.randrange(45, 300))
        if self.now.won_back_from_id is not None or not self.draw.happens(0.15) or back >= END:
            return False
        after, transition = win_back(self.now, back, at=at(back, 12), status=WORDS["active"])
        self.move((after.replace(id=f"{self.now.id}-back", created_at=transition.at), transition))
        return True

    def _call(self) -> bool:
        """Whether the member was called in the third week of the term."""
        on = _day(self.now.term_starts_on) + timedelta(days=14 + self.draw.random.randrange(7))
        if not self.draw.happens(self.plan.called) or on >= END:
            return False
        call = Interaction(
            id=f"{self.now.id}-call-{len(self.steps)}",
            at=self.draw.working(on),
            channel="phone",
            direction="outbound",
            kind=CALL,
            customer_id=self.now.customer_id,
            employee_id=self.now.owner_id,
            outcome="reached",
        )
        self.calls.append(call)
        return True

    def _break(self, start: date) -> bool:
        """Freeze some long terms for some weeks, which makes the term longer; say whether the season ends before the break."""
        if self.plan.months < 6 or not self.draw.happens(0.2):  # noqa: PLR2004 - only long terms may be frozen
            return False
        first = start + timedelta(days=self.draw.random.randrange(40, 28 * self.plan.months - 40))
        last = first + timedelta(days=self.draw.random.randrange(14, 36))
        if first < END:
            self.move(freeze(self.now, first, last, at=at(first, 9), status=WORDS["frozen"]))
        if last < END:
            self.move(unfreeze(self.now, last, at=at(last, 9), status=WORDS["active"]))
        return first < END <= last


def _day(known: date | None) -> date:
    """A day that a running contract always has."""
    assert known is not None
    return known
