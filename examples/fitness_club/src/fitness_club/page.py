"""The manager's page: what the club asks every month, on one page of crmkit's report parts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, get_args

from crmkit import metrics
from crmkit.io.matching import Duplicates
from crmkit.model import Lead, Task
from crmkit.report import as_of_facts, heat_map, kpi_cards, kpi_charts, kpi_table, sheet, table, text
from fitness_club import kpis, questions
from fitness_club.club import Club
from fitness_club.life import fading_now
from fitness_club.model import BarSale, ClassBooking, ClassSession, LifeStage, Member, Membership, Visit, VisitPackage

_CARD = ("birth_on", "goals", "source")
_MOST = 15
_UPLIFT = ("uplift", "uplift_low", "uplift_high")

Parts = dict[str, list[str]]
LeftOut = Mapping[str, Mapping[str, tuple[int, ...]]]
"""The lines that were left out of each file, by reason."""


def manager_page(club: Club, *, twice: Duplicates | None = None, imported: LeftOut | None = None) -> str:
    """Return the page of a club as of its clock.

    Args:
        club: the club, also `club.as_of(day)` for the page of that day.
        twice: who was found twice.
        imported: for each file that was imported, the lines that were left out by reason.
    """
    parts = _numbers(club) | _renewals(club) | _people(club) | _data(club, twice, imported or {})
    return sheet("The club", parts.items(), subtitle="What its manager asks", facts=as_of_facts(club.now(), club.tz))


def _numbers(club: Club) -> Parts:
    tables = {
        "visits": club.table(Visit),
        "class_sessions": club.table(ClassSession),
        "class_bookings": club.table(ClassBooking),
        "subscriptions": club.table(Membership),
        "orders": club.table(BarSale),
        "leads": club.table(Lead),
        "tasks": club.table(Task),
    }
    asked: dict[str, Any] = {"as_of": club.now(), "tz": club.tz}
    whole: Sequence[Any] = (
        metrics.freeze_share,
        metrics.average_order_value,
        metrics.lead_conversion,
        kpis.class_occupancy,
        kpis.class_no_shows,
    )
    monthly: Sequence[Any] = (
        metrics.customer_growth,
        kpis.visit_frequency,
        kpis.class_occupancy,
        metrics.average_order_value,
    )
    grouped = {
        "Class": partial(kpis.class_occupancy, by="name"),
        "Trainer": partial(kpis.trainer_workload, by="trainer_id"),
        "Manager": partial(metrics.task_punctuality, by="assignee_id"),
    }
    cards = metrics.compute({str(place): each for place, each in enumerate(whole)}, tables, **asked)
    since = (club.now() - timedelta(days=365)).date().replace(day=1)
    months = {str(place): partial(each, every="month", start=since) for place, each in enumerate(monthly)}
    by = {head: kpi_table(found, heads=[head]) for head, found in metrics.compute(grouped, tables, **asked).items()}
    filled = metrics.card_completeness(club.members, cls=Member, of=_CARD, by="owner_id", **asked)
    hours = questions.visit_hours(tables["visits"], club.tz)
    return {
        "Key figures": [kpi_cards(cards.values())],
        "Month by month": [kpi_charts(metrics.compute(months, tables, **asked).values())],
        "When people come": [heat_map("Visits by weekday and hour", ["Day", *map(str, questions.HOURS)], hours)],
        "Classes and trainers": [by["Class"], by["Trainer"]],
        "Discipline of managers": [by["Manager"], kpi_table(filled, heads=["Manager"])],
    }


def _renewals(club: Club) -> Parts:
    fading = fading_now(club)
    due = questions.renewals_due(club, fading)
    rows = [
        [each.member.name, each.membership.plan, each.reasons, each.days, f"{each.at_stake:,.0f}"]
        for each in due[:_MOST]
    ]
    faded = [[club.members.get(each).name, rhythm.visits, f"{rhythm.expected:.1f}"] for each, rhythm in fading.items()]
    stake = f"weighed by their risk, {sum(each.at_stake for each in due):,.0f} PLN are at stake"
    compared = "Terms of a year with a kind of touch against those without it, plan by plan."
    kinds = sorted({kind for kind in questions.touches(club)["kind"] if kind is not None})
    effects = [kpi_table(questions.touch_effect(club, each), heads=["Touch"], details=_UPLIFT) for each in kinds]
    heads = ["Member", "Plan", "Why at risk", "Days left", "At stake, PLN"]
    return {
        "Renewals that are due": [
            text(f"{len(due)} terms end in the next 60 days; {stake}. The largest stand first."),
            table("Renewals", heads, rows, words=3),
        ],
        "Members who are fading": [
            text(f"{len(faded)} members came less than half as often as usual; the most faded stand first."),
            table("Fading members", ["Member", "Visits in 42 days", "Usual"], faded[:_MOST]),
        ],
        "Renewal rate": [kpi_table(rate, heads=[name]) for name, rate in questions.renewal_rates(club).items()],
        "What goes with renewals": [text(f"{compared} Whom we touch is our choice, so this is no proof."), *effects],
    }


def _people(club: Club) -> Parts:
    stages = Counter[str](member.life_stage for member in club.members)
    rows = [[stage, stages[stage]] for stage in get_args(LifeStage)]
    left = metrics.package_balance(
        packages=club.table(VisitPackage), usages=club.table(Visit), as_of=club.now(), tz=club.tz
    )
    packages = [[member.name, until, rest] for member, rest, until in questions.packages_running_out(club)]
    return {
        "Members by stage of life": [table("Stages", ["Stage", "Members"], rows)],
        "Packages that run out": [
            kpi_table(left),
            table("Packages", ["Member", "Valid until", "Visits left"], packages[:_MOST], words=2),
        ],
    }


def _data(club: Club, twice: Duplicates | None, imported: LeftOut) -> Parts:
    left_out = [[name, reason, len(lines)] for name, reasons in imported.items() for reason, lines in reasons.items()]
    pairs = [] if twice is None else [each for each in twice.pairs if each.verdict == "same"]
    rows = [
        [club.members.get(each.first_id).name, club.members.get(each.second_id).name, f"{each.probability:.1%}"]
        for each in pairs[:_MOST]
    ]
    return {
        "About the data": [
            table("Rows left out of the imports", ["File", "Reason", "Rows"], left_out, words=2),
            text(f"{len(pairs)} pairs of cards are of one person; look at them and merge them."),
            table("Cards of one person", ["Member", "Again as", "Probability"], rows, words=2),
        ]
    }
