"""The facade of the club: crmkit's, with collections for the club's own records, which KPIs and the timeline then know too."""

from typing import Any, Self

import polars as pl

from crmkit import CRM
from crmkit.model import Record
from crmkit.rules import EVERYTHING, Rule
from fitness_club import kpis  # noqa: F401 - which registers them
from fitness_club.model import (
    RECORDS,
    BarSale,
    ClassBooking,
    ClassSession,
    Member,
    Membership,
    Trainer,
    Visit,
    VisitPackage,
)

TZ = "Europe/Warsaw"


class Club(CRM):
    """A CRM that keeps the club's records.

    >>> club = Club.at("memory://")
    >>> club.members.add(Member(id="ann", kind="person", name="Ann")).life_stage
    'prospect'
    >>> club.metrics.visit_frequency().only.reason
    'nobody came'
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        """Use a store, as `CRM` does."""
        super().__init__(*given, **options)
        self.members = self[Member]
        self.memberships = self[Membership]
        self.trainers = self[Trainer]
        self.visits = self[Visit]
        self.visit_packages = self[VisitPackage]
        self.class_sessions = self[ClassSession]
        self.class_bookings = self[ClassBooking]
        self.bar_sales = self[BarSale]

    def table(self, cls: type[Record], where: Rule = EVERYTHING) -> pl.DataFrame:
        """Return the stored records of a class as columns, which a store reads many times faster than records."""
        return self.store.frame(cls, where)

    @classmethod
    def at(cls, url: str, **options: Any) -> Self:
        """Open the club's store; see `CRM.open` for the options."""
        return cls.open(url, records=RECORDS, **{"tz": TZ, **options})
