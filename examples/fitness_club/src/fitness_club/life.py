"""The life of a member: a stage for each, derived from what is known on a day, and the transitions between stages."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from crmkit.model import Transition
from crmkit.rules import field
from fitness_club.club import Club
from fitness_club.model import LifeStage, Member, Membership, Visit
from fitness_club.rhythm import Rhythm, Thresholds, breaks, rhythms, visit_days

RUNNING = ("active", "frozen", "past_due", "cancelling")


def life_stage(
    memberships: Sequence[Membership], day: date, *, tz: str, is_fading: bool, thresholds: Thresholds | None = None
) -> LifeStage:
    """Return the stage of a member by the memberships that cover them, as they are known on a day.

    Of what holds, the first counts: who has no contract is a prospect, on trial, or lapsed; the first days after coming back and after
    the beginning are "won back" and "adaptation"; the first days after a renewal are "renewed", the last days of a term the "renewal
    window" (of terms of some months, as one of a month would never leave it), which asks for the same call as fading does; then "fading",
    and else "active".

    Args:
        memberships: those that cover the member.
        day: the civil day.
        tz: the zone in which days are counted.
        is_fading: whether the member comes less than half as often as usual.
        thresholds: the club's lines.

    >>> from crmkit.model import Money
    >>> gym = Membership(customer_id="ann", plan="Annual", price=Money("149", "PLN"), term_months=12, category="active",
    ...                  started_at=datetime(2025, 1, 7, tzinfo=UTC), term_starts_on=date(2025, 1, 7), term_ends_on=date(2026, 1, 7))
    >>> [life_stage([gym], date(2025, month, 20), tz="UTC", is_fading=False) for month in (1, 6, 12)]
    ['adaptation', 'active', 'renewal window']
    """
    lines = thresholds or Thresholds()
    running = [each for each in memberships if each.category in RUNNING]
    if not running:
        on_trial = any(each.category == "trial" and each.trial_ends_on is not None for each in memberships)
        lapsed = any(each.category == "lapsed" for each in memberships)
        return "trial" if on_trial else "lapsed" if lapsed else "prospect"
    current = max(running, key=lambda each: (each.term_ends_on or date.max, each.id))
    age = (day - started_on(current, tz)).days
    has_come_back = any(each.won_back_from_id is not None for each in running)
    if has_come_back and age < lines.won_back_days:
        return "won back"
    if not has_come_back and age < lines.adaptation_days:
        return "adaptation"
    if current.renewal_count and current.term_starts_on and (day - current.term_starts_on).days < lines.renewed_days:
        return "renewed"
    if days_to_renewal(current, day, lines) is not None:
        return "renewal window"
    return "fading" if is_fading else "active"


def days_to_renewal(membership: Membership, day: date, thresholds: Thresholds) -> int | None:
    """Return in how many days a running term ends, if that is in the renewal window; None for a short term too."""
    ends_on, months = membership.term_ends_on, membership.term_months
    if ends_on is None or months is None or months < thresholds.shortest_renewable_months:
        return None
    left = (ends_on - day).days
    return left if membership.category in RUNNING and left <= thresholds.renewal_days else None


def fading_members(
    memberships: Iterable[Membership],
    visits: Iterable[Visit] | pl.DataFrame,
    transitions: Iterable[Transition],
    day: date,
    *,
    tz: str,
    thresholds: Thresholds | None = None,
) -> dict[str, Rhythm]:
    """Return the members with a running contract who come less than half as often as usual, the most faded first.

    Who is on a break now, or adapts, is not judged.
    """
    lines, held = thresholds or Thresholds(), list(memberships)
    since = {
        member: started_on(each, tz)
        for each in sorted(held, key=lambda each: (started_on(each, tz), each.id))
        if each.category in RUNNING and each.category != "frozen"
        if (day - started_on(each, tz)).days >= lines.adaptation_days
        for member in each.covered_ids
    }
    found = rhythms(visit_days(visits, tz, until=day), since, breaks(held, transitions, tz), day, lines)
    faded = {member: each for member, each in found.items() if each.share < lines.fading_share}
    return dict(sorted(faded.items(), key=lambda item: (item[1].share, item[0])))


def started_on(membership: Membership, tz: str) -> date:
    """Return the civil day on which a membership became paid; the last day of the calendar for one that has not."""
    at = membership.started_at
    return date.max if at is None else at.astimezone(ZoneInfo(tz)).date()


def life_stages(
    members: Iterable[Member],
    memberships: Iterable[Membership],
    fading: Mapping[str, Rhythm],
    day: date,
    *,
    tz: str,
    thresholds: Thresholds | None = None,
) -> dict[str, LifeStage]:
    """Return the stage of every member on a day, by what is given as known then."""
    covering = defaultdict[str, list[Membership]](list)
    for each in memberships:
        for member in each.covered_ids:
            covering[member].append(each)
    return {
        each.id: life_stage(covering[each.id], day, tz=tz, is_fading=each.id in fading, thresholds=thresholds)
        for each in members
    }


def fading_now(club: Club, thresholds: Thresholds | None = None) -> dict[str, Rhythm]:
    """Return the fading members by what a club knows now."""
    lines = thresholds or Thresholds()
    recent = club.table(Visit, field("at") > club.now() - timedelta(days=lines.recent_days + lines.usual_days + 1))
    moves = club.transitions.every((field("field") == "status") & (field("subject") == "Subscription"))
    return fading_members(club.memberships, recent, moves, _today(club), tz=club.tz, thresholds=lines)


def stages_known(club: Club, thresholds: Thresholds | None = None) -> dict[str, LifeStage]:
    """Return the stages by what a club knows now; by `club.as_of(day)` as they were derived then."""
    fading = fading_now(club, thresholds)
    return life_stages(club.members, club.memberships, fading, _today(club), tz=club.tz, thresholds=thresholds)


def _today(club: Club) -> date:
    return club.now().astimezone(ZoneInfo(club.tz)).date()


def keep_life_stages(club: Club, thresholds: Thresholds | None = None) -> int:
    """Derive the stage of every member, keep each that changed with its transition, and return how many did; for every night."""
    with club.transaction():
        by, at = club.acting()
        stages = stages_known(club, thresholds)
        changed = [each for each in club.members if each.life_stage != stages[each.id]]
        for each in changed:
            club.keep(each.replace(life_stage=stages[each.id]), _transition(each, stages[each.id], at, by))
    return len(changed)


def _transition(member: Member, stage: LifeStage, at: datetime, by: str | None) -> Transition:
    return Transition(
        subject="Customer",
        subject_id=member.id,
        field="life_stage",
        before=member.life_stage,
        after=stage,
        at=at,
        by=by,
    )
