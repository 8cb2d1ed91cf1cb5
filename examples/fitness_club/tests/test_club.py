"""The club's records in every store: a season told, imported, merged, asked, and forgotten."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crmkit.io.privacy import erase_person, export_person
from crmkit.model import ContactPoint, Money, Order, Subscription
from crmkit.model.subscription import activate
from crmkit.rules import field
from fitness_club.booking import attend
from fitness_club.club import Club
from fitness_club.demo import SeasonClock, fill, make_demo
from fitness_club.life import keep_life_stages, stages_known
from fitness_club.model import BarSale, ClassBooking, ClassSession, EmergencyContact, Member, Membership, Visit
from fitness_club.questions import packages_running_out, renewal_rates, renewals_due
from fitness_club.rhythm import Rhythm
from fitness_club.season import Season
from fitness_club.season.draw import END, at

NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)
ANN = Member(
    id="ann",
    kind="person",
    name="Ann Kowalska",
    contact_points=[ContactPoint("phone", "+48 501 234 567")],
    external_ids={"card": "C1"},
    goals={"stay fit"},
    health_notes="asthma",
    emergency_contact=EmergencyContact("Jan Kowalski", "+48 502 345 678"),
)
GYM = Membership(
    id="gym", customer_id="ann", plan="Annual", price=Money("149", "PLN"), term_months=12, family_ids=["ben"]
)


@pytest.fixture
def club(url: str) -> Iterator[Club]:
    with closing(Club.at(url, clock=lambda: NOON, by="desk")) as opened:
        yield opened


def test_the_clubs_records_come_back_as_they_were_and_are_those_of_crmkit_too(club: Club) -> None:
    records = [ANN, GYM, Visit(id="v", customer_id="ann", at=NOON), BarSale(id="r", at=NOON, amount=Money("16", "PLN"))]
    club.load(records)

    assert [
        club.members.get("ann"),
        club.memberships.get("gym"),
        club.visits.get("v"),
        club.bar_sales.get("r"),
    ] == records
    assert club.customers.get("ann") == ANN
    assert club[Subscription].get("gym") == GYM
    assert [each.id for each in club[Order]] == ["r"]
    assert [type(event.record) for event in club.timeline("ann")] == [Visit]


def test_a_membership_begins_by_the_moves_of_crmkit_and_life_follows_with_a_transition(club: Club) -> None:
    club.members.add(ANN)
    club.members.add(ANN.replace(id="ben", name="Ben", external_ids={}))
    club.memberships.add(GYM)
    club.keep(*activate(GYM, date(2025, 5, 1), at=NOON))

    assert keep_life_stages(club) == 2
    assert keep_life_stages(club) == 0
    assert {each.id: each.life_stage for each in club.members} == {"ann": "adaptation", "ben": "adaptation"}
    moves = club.transitions.every(field("field") == "life_stage")
    assert sorted((each.subject_id, each.before, each.after, each.by) for each in moves) == [
        ("ann", "prospect", "adaptation", "desk"),
        ("ben", "prospect", "adaptation", "desk"),
    ]


def test_two_cards_of_one_member_are_merged_with_their_visits(club: Club) -> None:
    again = ANN.replace(id="ann-again", external_ids={"card": "C1B"})
    club.load([ANN, again, Visit(id="v", customer_id="ann-again", at=NOON), GYM.replace(family_ids=["ann-again"])])

    merged = club.merge("ann", ["ann-again"])

    assert club.visits.get("v").customer_id == "ann"
    assert club.memberships.get("gym").covered_ids == ("ann",)
    assert club.members.get("ann-again").id == "ann"
    club.unmerge(merged.log.id)
    assert club.visits.get("v").customer_id == "ann-again"


def test_erasing_a_member_clears_the_clubs_own_fields_and_leaves_the_numbers(club: Club) -> None:
    club.load([ANN, GYM, Visit(id="v", customer_id="ann", at=NOON)])
    before = club.metrics.visit_frequency().value
    assert "asthma" in export_person(club.store, "ann").to_json()

    receipt = erase_person(club.store, "ann", at=NOON, by="desk", preview=False)

    erased = club.members.get("ann")
    assert (erased.health_notes, erased.emergency_contact, erased.goals) == (None, None, frozenset())
    assert "ann kowalska" not in str(club.members.history("ann")).lower()
    assert {"goals", "health_notes", "emergency_contact"} <= receipt.counts["Member"].keys()
    assert club.metrics.visit_frequency().value == before == 1.0


def test_a_booking_is_attended_once(club: Club) -> None:
    club.load([ANN, ClassSession(id="yoga", name="Yoga", starts_at=NOON, capacity=2)])
    booking = club.class_bookings.add(ClassBooking(customer_id="ann", session_id="yoga", starts_at=NOON))

    club.keep(*attend(booking, at=NOON))

    assert club.metrics.class_occupancy().value == 0.5
    assert club.metrics.class_no_shows().value == 0.0


def test_a_renewal_at_risk_says_why_and_what_is_at_stake_and_who_fades_comes_first(club: Club) -> None:
    steady, leaving = ANN.replace(id="ben", name="Ben", external_ids={}), ANN
    running = {"category": "active", "started_at": datetime(2024, 6, 1, tzinfo=UTC), "term_ends_on": date(2025, 6, 1)}
    gyms = [GYM.replace(id=each.id, customer_id=each.id, family_ids=(), **running) for each in (leaving, steady)]
    club.load([leaving, steady, *gyms, gyms[0].replace(id="far", term_ends_on=date(2025, 9, 1))])

    due = renewals_due(club, {"ann": Rhythm(visits=1, expected=8.4)})

    said = "renewal in 30 days, no contact in the 90 days before it"
    assert [(each.member.id, each.days, each.reasons) for each in due] == [
        ("ann", 30, f"came 1 times instead of 8; {said}"),
        ("ben", 30, said),
    ]
    assert [(round(each.score, 3), round(each.at_stake)) for each in due] == [(0.636, 1138), (0.273, 488)]


def test_a_season_is_told_and_asked_in_every_store(url: str, small_season: Season) -> None:
    clock = SeasonClock()
    with closing(Club.at(url, clock=clock)) as club:
        fill(club, clock, small_season, log_from=at(END, 0))

        assert stages_known(club) == {each.id: each.life_stage for each in club.members}
        assert {each.id for each in club.memberships} == {each.id for each in small_season.memberships}
        assert all(each == club.memberships.get(each.id) for each in small_season.memberships)
        assert len(club.visits) == len(small_season.visits)
        assert all(each.days <= 60 for each in renewals_due(club, {}))
        assert renewal_rates(club)["Term"]
        assert all(left > 0 for _, left, _ in packages_running_out(club))


def test_a_stage_that_was_stored_is_the_one_that_is_derived_from_what_was_known_then(small_season: Season) -> None:
    clock = SeasonClock()
    with closing(Club.at("memory://", clock=clock)) as club:
        fill(club, clock, small_season, log_from=at(END, 0))
        then = club.as_of(datetime(2024, 12, 31, 22, 59, 59, 999_999, tzinfo=UTC))

        known = {each.id: each.life_stage for each in then.members}

        assert stages_known(then) == known
        assert known != {each.id: each.life_stage for each in club.members}


def test_the_demo_writes_the_managers_page(tmp_path: Path) -> None:
    said = list[str]()
    page = make_demo(tmp_path, f"sqlite:///{tmp_path}/club.db", seed=2, members=60, say=said.append)

    text = page.read_text("utf-8")
    for heading in ("Key figures", "Renewals that are due", "What goes with renewals", "Discipline of managers"):
        assert heading in text
    assert "no value: " not in text.partition("Renewal rate")[0]
    assert "asthma" not in text
    assert said[-1].startswith("Found")
