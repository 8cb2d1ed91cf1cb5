"""The club's own KPIs, registered beside those of crmkit: in the catalogue, in `club.metrics`, and in `crmkit.metrics.compute`."""

from collections.abc import Mapping
from typing import Any, Unpack

import narwhals as nw

from crmkit.metrics import Definition, kpi
from crmkit.metrics.asking import Steps
from crmkit.metrics.finishing import share
from crmkit.metrics.scope import Asked, make_scope, result
from fitness_club.model import ClassBooking, ClassSession, Visit

Counts = Mapping[str, Mapping[Any, Any]]
"""Sums by outcome and bucket: the answer that a KPI makes a number of."""

VISIT_FREQUENCY = Definition(
    name="visit_frequency",
    title="Visits per visitor",
    text="How often those who came at all came in the period, on average.",
    formula="visits / members with a visit",
    unit="count",
    inputs=("visits",),
    key="customer",
    methods={"visitors": "visits / members with at least one visit in the period"},
)


@kpi(VISIT_FREQUENCY)
def visit_frequency(visits: Any, *, method: str = "visitors", **asked: Unpack[Asked]) -> Steps:
    """Return how often visitors came in the period, on average; `every="month"` is its trend.

    Members who did not come do not lower it: they are in the life cycle, as fading or lapsed.

    >>> came = [Visit(customer_id=name, at=datetime(2025, 5, day, tzinfo=UTC)) for name, day in (("ann", 2), ("ann", 5), ("ben", 2))]
    >>> visit_frequency(came, as_of=date(2025, 5, 31)).value
    1.5
    """
    scope = make_scope(VISIT_FREQUENCY, method, asked)
    table = scope.open(visits, Visit, needs=("at", "customer_id"), uses=("id", "reversal_of_id"))
    outcome = nw.lit("visit")
    if "reversal_of_id" in table.columns:
        outcome = nw.when(~nw.col("reversal_of_id").is_null()).then(nw.lit("taken back")).otherwise(outcome)
    (found,) = yield [scope.question(table.rows, at="at", outcome=outcome, bucket=nw.col("customer_id"))]
    return result(scope, found, ["visit"], _per_visitor)


def _per_visitor(counts: Counts) -> dict[str, Any]:
    visits = [sums.n for sums in counts.get("visit", {}).values()]
    return _ratio(sum(visits), len(visits), sum(visits), "count", "nobody came")


def _ratio(part: int, whole: int, n: int, unit: str, nothing: str) -> dict[str, Any]:
    made_of = {"unit": unit, "numerator": part, "denominator": whole, "n": n}
    return made_of | ({"value": part / whole} if whole else {"value": None, "reason": nothing})


CLASS_NO_SHOWS = Definition(
    name="class_no_shows",
    title="No-shows in classes",
    text="Of the places that were taken when a class began, the share to which nobody came.",
    formula="no-shows / (attended + no-shows)",
    unit="share",
    inputs=("class_bookings",),
    key="booking",
    methods={"no_show": "no-shows / (attended + no-shows)"},
)


@kpi(CLASS_NO_SHOWS)
def class_no_shows(class_bookings: Any, *, method: str = "no_show", **asked: Unpack[Asked]) -> Steps:
    """Return the share of places to which nobody came, with its interval; places given back in time are left out.

    >>> noon = datetime(2025, 5, 2, 12, tzinfo=UTC)
    >>> places = [ClassBooking(customer_id="ann", session_id="yoga", starts_at=noon, category=each)
    ...           for each in ("attended", "attended", "attended", "no_show")]
    >>> class_no_shows(places, as_of=date(2025, 5, 31)).value
    0.25
    """
    scope = make_scope(CLASS_NO_SHOWS, method, asked)
    table = scope.open(class_bookings, ClassBooking, needs=("starts_at", "category"), uses=("id",))
    (found,) = yield [scope.question(table.rows, at="starts_at", outcome=nw.col("category"))]
    lost, counted = ["no_show"], ["attended", "no_show"]

    def finish(counts: Counts) -> dict[str, Any]:
        return share(counts, lost, counted, ci=scope.ci, nothing="no place was taken")

    return result(scope, found, counted, finish, numerator=lost)


CLASS_OCCUPANCY = Definition(
    name="class_occupancy",
    title="Occupancy of classes",
    text="Of the places of the classes in the period, the share on which somebody was.",
    formula="members who were there / places",
    unit="share",
    inputs=("class_sessions", "class_bookings"),
    key="session",
    methods={"attended": "members who were there / places"},
)


@kpi(CLASS_OCCUPANCY)
def class_occupancy(
    *, class_sessions: Any, class_bookings: Any, method: str = "attended", **asked: Unpack[Asked]
) -> Steps:
    """Return how full classes were; `by="name"` or `by="trainer_id"` says which.

    >>> yoga = ClassSession(id="yoga", name="Yoga", starts_at=datetime(2025, 5, 2, 9, tzinfo=UTC), capacity=10)
    >>> ann = ClassBooking(customer_id="ann", session_id="yoga", starts_at=yoga.starts_at, category="attended")
    >>> class_occupancy(class_sessions=[yoga], class_bookings=[ann], as_of=date(2025, 5, 31)).value
    0.1
    """
    scope = make_scope(CLASS_OCCUPANCY, method, asked)
    sessions = scope.open(class_sessions, ClassSession, needs=("id", "starts_at", "capacity"))
    bookings = scope.open(class_bookings, ClassBooking, needs=("session_id", "category"), is_main=False)
    there = bookings.rows.filter(nw.col("category") == "attended").group_by("session_id").agg(there=nw.len())
    rows = sessions.rows.join(there, left_on="id", right_on="session_id", how="left")
    taken = nw.col("there").fill_null(0).cast(nw.Int64)
    places = nw.col("capacity").cast(nw.Int64)
    (found,) = yield [scope.question(rows, at="starts_at", outcome=nw.lit("class"), bucket=taken, amount=places)]
    return result(scope, found, ["class"], _taken)


def _taken(counts: Counts) -> dict[str, Any]:
    classes = counts.get("class", {})
    taken = sum(there * sums.n for there, sums in classes.items())
    places, n = (sum(getattr(sums, each) for sums in classes.values()) for each in ("total", "n"))
    return _ratio(taken, places, n, "share", "there was no class")


TRAINER_WORKLOAD = Definition(
    name="trainer_workload",
    title="Workload of trainers",
    text="How long a trainer led classes in the period, on average of those who led any.",
    formula="minutes of classes / trainers who led one",
    unit="minutes",
    inputs=("class_sessions",),
    key="session",
    methods={"classes": "minutes of classes / trainers with a class"},
)


@kpi(TRAINER_WORKLOAD)
def trainer_workload(class_sessions: Any, *, method: str = "classes", **asked: Unpack[Asked]) -> Steps:
    """Return the minutes of classes per trainer; `by="trainer_id"` says those of each.

    >>> yoga = ClassSession(name="Yoga", starts_at=datetime(2025, 5, 2, 9, tzinfo=UTC), capacity=10, trainer_id="eva")
    >>> trainer_workload([yoga, yoga.replace(id="2", trainer_id="jan", minutes=30)], as_of=date(2025, 5, 31)).value
    45.0
    """
    scope = make_scope(TRAINER_WORKLOAD, method, asked)
    table = scope.open(class_sessions, ClassSession, needs=("starts_at", "minutes", "trainer_id"), uses=("id",))
    trainer = nw.col("trainer_id")
    outcome = nw.when(trainer.is_null()).then(nw.lit("no trainer")).otherwise(nw.lit("led"))
    minutes = nw.col("minutes").cast(nw.Int64)
    (found,) = yield [scope.question(table.rows, at="starts_at", outcome=outcome, bucket=trainer, amount=minutes)]
    return result(scope, found, ["led"], _per_trainer)


def _per_trainer(counts: Counts) -> dict[str, Any]:
    trainers = counts.get("led", {})
    minutes, n = (sum(getattr(sums, each) for sums in trainers.values()) for each in ("total", "n"))
    return _ratio(minutes, len(trainers), n, "minutes", "nobody led a class")
