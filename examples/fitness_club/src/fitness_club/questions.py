"""The club's questions that are lists and not numbers: whose renewal is at risk, whose package runs out, when people come."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from functools import partial
from zoneinfo import ZoneInfo

import attrs
import polars as pl

from crmkit.frames import from_records
from crmkit.metrics import MetricResult, renewal_rate, touch_effectiveness
from crmkit.model import Interaction, Message, Transition
from crmkit.model.package import balance
from crmkit.rules import field
from crmkit.segmentation import RISKS, at_risk
from fitness_club.club import Club
from fitness_club.life import days_to_renewal
from fitness_club.model import Member, Membership, Visit
from fitness_club.rhythm import Rhythm, Thresholds

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@attrs.frozen(kw_only=True)
class Renewal:
    """A renewal that is due: in how many days, the reasons to worry with their score from 0 to 1, and score × price of the next term."""

    member: Member
    membership: Membership
    days: int
    score: float
    at_stake: float
    reasons: str


def renewals_due(club: Club, fading: Mapping[str, Rhythm], thresholds: Thresholds | None = None) -> list[Renewal]:
    """Return the renewals in the renewal window, those first with which most is at stake.

    The reasons are those of `crmkit.segmentation.at_risk` and, before them, that the payer or somebody of the family is fading. The score is
    that of points, no probability.
    """
    lines, now = thresholds or Thresholds(), club.now()
    day = now.astimezone(ZoneInfo(club.tz)).date()
    left = [(each, days_to_renewal(each, day, lines)) for each in club.memberships]
    due = [(each, days) for each, days in left if days is not None]
    payers = {each.customer_id for each, _ in due}
    members = {each.id: each for each in club.members if each.id in payers}
    scored = at_risk(
        members.values(),
        as_of=now,
        usages=club.table(Visit),
        subscriptions=from_records((each for each, _ in due), Membership),
        interactions=club.table(Interaction),
        tz=club.tz,
    )
    risks = {row["customer_id"]: (row["points"], row["reasons"]) for row in scored.to_dicts()}
    found = list[Renewal]()
    for each, days in due:
        points, reasons = risks.get(each.customer_id, (0, None))
        faded = _faded(each, fading)
        score = (points + (_FADING if faded else 0)) / _POSSIBLE
        worth = float(each.price.amount) * (each.term_months or 1) / each.billing_months
        why = "; ".join(filter(None, [faded, reasons])) or "none"
        member = members[each.customer_id]
        found.append(
            Renewal(member=member, membership=each, days=days, score=score, at_stake=score * worth, reasons=why)
        )
    return sorted(found, key=lambda each: (-each.at_stake, each.days, each.membership.id))


# Fading weighs as much as falling usage, which is the same seen without the member's own rhythm.
_FADING = RISKS["falling_usage"].points
_POSSIBLE = RISKS["falling_usage"].points + RISKS["renewal_without_contact"].points + _FADING


def _faded(membership: Membership, fading: Mapping[str, Rhythm]) -> str:
    """What is said of the member of a contract who faded first."""
    faded = [fading[each] for each in membership.covered_ids if each in fading]
    return f"came {faded[0].visits} times instead of {faded[0].expected:.0f}" if faded else ""


def renewal_rates(club: Club) -> dict[str, MetricResult]:
    """Return the renewal rate by term, by trainer, by the quarter of joining, and by the number of contacts in the first 60 days."""
    memberships = club.table(Membership).filter(pl.col("started_at").is_not_null())
    joined = pl.col("started_at").dt.convert_time_zone(club.tz)
    joined_in = pl.format("{} Q{}", joined.dt.year(), joined.dt.quarter())
    table = memberships.with_columns(joined_in=joined_in).join(_contacts(club, memberships), on="id", how="left")
    table = table.with_columns(contacts=pl.col("contacts").fill_null("none"))
    moves = club.table(Transition, field("field") == "term_ends_on")
    ways = {"Term": "term_months", "Trainer": "trainer_id", "Joined": "joined_in", "Early contacts": "contacts"}
    # Terms of a month renew themselves, and would drown those that somebody decides on.
    rate = partial(renewal_rate, subscriptions=table, transitions=moves, where=field("term_months") > 1)
    return {name: rate(by=by, as_of=club.now(), end=club.now(), tz=club.tz) for name, by in ways.items()}


def _contacts(club: Club, memberships: pl.DataFrame) -> pl.DataFrame:
    """How often the payer of each membership was contacted in its first 60 days, in words."""
    talked = club.table(Interaction, field("direction") == "outbound")
    pairs = memberships.select("id", "customer_id", "started_at").join(talked, on="customer_id")
    early = pairs.filter((pl.col("at") - pl.col("started_at")).dt.total_days().is_between(0, 59))
    counts = early.group_by("id").agg(n=pl.len())
    return counts.select("id", contacts=pl.when(pl.col("n") == 1).then(pl.lit("one")).otherwise(pl.lit("several")))


def touches(club: Club) -> pl.DataFrame:
    """Return every touch by its kind: outbound interactions, and the messages that were sent, by their campaign."""
    talked = club.table(Interaction, field("direction") == "outbound")
    sent = club.table(Message).filter(pl.col("sent_at").is_not_null())
    written = sent.select("customer_id", at="sent_at", direction=pl.lit("outbound"), kind="campaign_id")
    columns = ["customer_id", "at", "direction", "kind"]
    return pl.concat([talked.select(columns), written.select(columns)])


def touch_effect(
    club: Club, kind: str, *, within_days: int = 390, months: int = 12, method: str = "stratified"
) -> MetricResult:
    """Return how renewals go with one kind of touch: plan by plan, so that plans whose members are called more do not mix in.

    Terms of one length are compared, against those without this kind of touch in `within_days` before they were due.
    """
    return touch_effectiveness(
        subscriptions=club.table(Membership),
        transitions=club.table(Transition, field("field") == "term_ends_on"),
        interactions=touches(club).filter(pl.col("kind") == kind),
        touch="kind",
        method=method,
        strata=None if method == "crude" else "plan",
        within_days=within_days,
        where=field("term_months") == months,
        as_of=club.now(),
        end=club.now(),
        tz=club.tz,
    )


def visit_hours(visits: pl.DataFrame, tz: str) -> list[tuple[str, Sequence[int]]]:
    """Return the visits of each weekday from 6 to 22 o'clock, on the club's clocks.

    >>> from crmkit.frames import from_records
    >>> visits = from_records([Visit(customer_id="ann", at=datetime(2025, 5, 2, 15, tzinfo=UTC))], Visit)
    >>> [(day, sum(hours)) for day, hours in visit_hours(visits, "UTC")][4]
    ('Fri', 1)
    """
    local = pl.col("at").dt.convert_time_zone(tz).dt
    rows = visits.group_by(day=local.weekday(), hour=local.hour()).len().rows()
    counts = {(day, hour): n for day, hour, n in rows}
    return [(name, [counts.get((day, hour), 0) for hour in HOURS]) for day, name in enumerate(_DAYS, start=1)]


HOURS = range(6, 22)


def packages_running_out(club: Club, *, left: int = 2, days: int = 14) -> list[tuple[Member, int, date | None]]:
    """Return the members with at most so many visits left, or so many days to use them, with what is left and until when."""
    now, zone = club.now().astimezone(UTC), ZoneInfo(club.tz)
    day = now.astimezone(zone).date()
    used = list(club.visits.every(~field("package_id").is_empty()))
    found = []
    for package in club.visit_packages:
        rest = balance(package, used, now, zone).left
        soon = package.expires_on is not None and (package.expires_on - day).days <= days
        if rest and (rest <= left or soon):
            found.append((club.members.get(package.customer_id), rest, package.expires_on))
    return sorted(found, key=lambda each: (each[2] or date.max, each[1], each[0].id))
