"""What the staff did: reminders of calls, events, offers and birthday wishes, and the leads that came in."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from crmkit.model import Campaign, Interaction, Lead, Message, Task
from fitness_club.model import Member
from fitness_club.season.draw import BEGIN, END, Draw, at
from fitness_club.season.people import MANAGERS

_PUNCTUAL = dict(zip(MANAGERS, (0.95, 0.8, 0.55), strict=True))
OFFERS = Campaign(id="winter-offer", name="Winter offer", channel="email")
BIRTHDAYS = Campaign(id="birthday", name="Birthday wishes", channel="sms")


def reminders(draw: Draw, calls: Sequence[Interaction]) -> Iterator[Task]:
    """Return the tasks to make the calls: done in time as the manager usually does, else a week late or never."""
    for call in calls:
        manager = call.employee_id or MANAGERS[0]
        due = call.at + timedelta(hours=2)
        way = draw.random.random()
        is_done = way < _PUNCTUAL[manager] + 0.1
        done = call.at if way < _PUNCTUAL[manager] else due + timedelta(days=6)
        yield Task(
            id=f"{call.id}-task",
            created_at=call.at - timedelta(days=7),
            kind="call",
            subject="Call a new member",
            due_at=due,
            assignee_id=manager,
            customer_id=call.customer_id,
            category="done" if is_done else "open",
            status="Done" if is_done else "Open",
            completed_at=done if is_done else None,
        )


def other_touches(draw: Draw, members: Sequence[Member]) -> Iterator[Interaction]:
    """Return invitations to events and trial trainings, which go to anybody and change nothing."""
    for member in members:
        for kind, share in (("event invitation", 0.25), ("trial training", 0.1)):
            if draw.happens(share):
                yield Interaction(
                    id=f"{member.id}-{kind.split()[0]}",
                    at=draw.working(draw.day(BEGIN, END)),
                    channel="meeting" if kind == "trial training" else "email",
                    direction="outbound",
                    kind=kind,
                    customer_id=member.id,
                    employee_id=member.owner_id,
                )


def messages(draw: Draw, members: Sequence[Member]) -> Iterator[Message]:
    """Return the offers of each December and the birthday wishes, some of which were not sent."""
    for member in members:
        born, joined = member.birth_on, member.created_at
        for year in (2023, 2024, 2025):
            offer = at(BEGIN.replace(year=year, month=12, day=5), 10)
            wish = None if born is None else at(born.replace(year=year, day=min(born.day, 28)), 9)
            for campaign, sent_at in ((OFFERS, offer), (BIRTHDAYS, wish)):
                is_due = sent_at is not None and joined is not None and max(joined, at(BEGIN, 0)) < sent_at < at(END, 0)
                if is_due and draw.happens(0.8):
                    yield Message(
                        id=f"{campaign.id}-{year}-{member.id}",
                        created_at=sent_at,
                        channel="email" if campaign is OFFERS else "sms",
                        campaign_id=campaign.id,
                        customer_id=member.id,
                        category="sent",
                        sent_at=sent_at,
                    )


def leads(draw: Draw, members: Sequence[Member]) -> Iterator[Lead]:
    """Return the leads of the season: those who became members, and about twice as many who did not."""
    for member in members:
        joined = member.created_at
        if joined is None or joined < at(BEGIN, 0):
            continue
        for number in range(draw.random.choice((1, 2, 3, 4))):
            is_member = number == 0 and draw.happens(0.7)
            yield Lead(
                id=f"lead-{number}-{member.id}",
                created_at=joined - timedelta(days=draw.random.randrange(1, 30)),
                source=member.source,
                owner_id=member.owner_id,
                status="Joined" if is_member else "Asked",
                category="converted" if is_member else "open",
                converted_at=joined if is_member else None,
                customer_id=member.id if is_member else None,
            )
