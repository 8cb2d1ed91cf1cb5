"""What 1,000 service levels cost: the time must follow the number of transitions, not the time that has passed.

Every ticket is paused and resumed at random instants of a history, in a calendar with split shifts and ten holidays a year.
The first ratio should be about 1, the second about 10.
"""

import random
import statistics
import time
from datetime import UTC, date, datetime, timedelta

from crmkit.model import Ticket, Transition
from crmkit.model.calendar import BusinessCalendar, Hours, SpecialDay
from crmkit.model.service_level import ServiceLevel, ServiceTarget, service_level
from crmkit.model.ticket import resume, wait

TICKETS, ROUNDS = 1000, 5
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
POLICY = ServiceLevel(
    name="Standard",
    targets=[ServiceTarget("normal", first_response_minutes=60, next_response_minutes=120, resolution_minutes=2400)],
)


def office() -> BusinessCalendar:
    shifts = [("08:00", "12:00"), ("13:00", "17:00")]
    return BusinessCalendar(
        tz="Europe/Warsaw",
        hours=[Hours(day, *shift) for day in range(5) for shift in shifts],
        special_days=[SpecialDay(date(year, month, 11)) for year in range(2020, 2025) for month in range(1, 11)],
    )


def history(number: int, transitions: int, years: int) -> tuple[Ticket, list[Transition]]:
    chance = random.Random(number)
    ticket, made = Ticket(id=f"t{number}", created_at=BEGIN), []
    for share in sorted(chance.random() for _ in range(transitions)):
        ticket, transition = (wait if ticket.category == "open" else resume)(ticket, at=BEGIN + share * years * YEAR)
        made.append(transition)
    return ticket, made


def milliseconds(transitions: int, years: int) -> float:
    tickets = [history(number, transitions, years) for number in range(TICKETS)]
    calendar, as_of, runs = office(), BEGIN + years * YEAR, []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for ticket, made in tickets:
            service_level(ticket, made, [], POLICY, calendar, as_of)
        runs.append(1000 * (time.perf_counter() - begun))
    return statistics.median(runs)


def main() -> None:
    cost = {(count, years): milliseconds(count, years) for count in (10, 100) for years in (1, 5)}
    for (count, years), taken in cost.items():
        print(f"{TICKETS} tickets, {count} transitions each, over {years} years: {taken:.0f} ms")
    for count in (10, 100):
        print(f"{count} transitions over 5 years / over 1 year: {cost[count, 5] / cost[count, 1]:.2f}")
    for years in (1, 5):
        print(f"100 transitions / 10 transitions over {years} years: {cost[100, years] / cost[10, years]:.2f}")


if __name__ == "__main__":
    main()
