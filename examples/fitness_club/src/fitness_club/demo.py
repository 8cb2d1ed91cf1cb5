"""The command `fitness-club`: a season of a club that is made up, in a SQLite file, with the manager's page."""

import argparse
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from operator import attrgetter, itemgetter
from pathlib import Path

from crmkit.errors import CrmError, InvalidInput
from crmkit.model import Record
from fitness_club.club import Club
from fitness_club.imports import cards, keep_new, read_register, read_turnstile
from fitness_club.life import keep_life_stages
from fitness_club.page import manager_page
from fitness_club.season import BEGIN, END, Season, season
from fitness_club.season.draw import at, draw_of
from fitness_club.season.exports import write_register, write_turnstile
from fitness_club.twice import members_twice


class SeasonClock:
    """The clock of a club whose past is told month by month, so that "as it was known then" has an answer."""

    moment = at(BEGIN, 0)

    def __call__(self) -> datetime:
        """Return the present of the season."""
        return self.moment


def fill(club: Club, clock: SeasonClock, told: Season, *, log_from: datetime) -> None:
    """Tell a club its season month by month, and derive the stages of life at the end of each.

    Visits and sales from `log_from` on are left to the files of the turnstile and the cash register.
    """
    records = sorted(_dated(told, log_from), key=itemgetter(0))
    stored, told_records, told_steps = set[str](), 0, 0
    for end in _months():
        clock.moment = end - timedelta(microseconds=1)
        new, moved = bisect_left(records, end, key=itemgetter(0)), bisect_left(told.steps, end, key=attrgetter("at"))
        with club.transaction(by="season"):
            club.load(record for _, record in records[told_records:new])
            for step in told.steps[told_steps:moved]:
                moves = [step.transition] if step.transition is not None else []
                if step.record.id in stored:
                    club.keep(step.record, *moves)
                else:
                    club.load([step.record, *moves])
                    stored.add(step.record.id)
        told_records, told_steps = new, moved
        keep_life_stages(club)


def _dated(told: Season, log_from: datetime) -> Iterator[tuple[datetime, Record]]:
    """All records but those of the steps, by when they became what they are."""
    begin = at(BEGIN, 0)
    yield from ((begin, each) for each in (*told.staff, *told.campaigns, *told.sessions))
    for record in (*told.members, *told.packages):
        yield record.created_at or begin, record
    yield from ((each.at, each) for each in told.interactions)
    yield from ((each.sent_at or begin, each) for each in told.messages)
    yield from ((each.completed_at or each.due_at or begin, each) for each in told.tasks)
    yield from ((each.converted_at or each.created_at or begin, each) for each in told.leads)
    yield from ((each.at, each) for each in told.visits if each.at < log_from)
    yield from ((each.at, each) for each in told.sales if each.at < log_from)


def _months() -> Iterator[datetime]:
    """The ends of the months of the season."""
    months = (END.year - BEGIN.year) * 12 + END.month - BEGIN.month
    for number in range(BEGIN.month, BEGIN.month + months):
        yield at(date(BEGIN.year + number // 12, number % 12 + 1, 1), 0)


def make_demo(
    folder: Path, url: str, *, seed: int = 1, members: int = 3000, say: Callable[[str], object] = print
) -> Path:
    """Fill the store of a URL with a season, import its last month from files, and write the manager's page into a folder."""
    clock, last_month = SeasonClock(), END - timedelta(days=30)
    folder.mkdir(parents=True, exist_ok=True)
    say("Making the season")
    told = season(seed, members=members)
    with closing(Club.at(url, clock=clock)) as club:
        say("Telling it to the club, month by month")
        fill(club, clock, told, log_from=at(last_month, 0))
        turnstile, register = folder / "turnstile.csv", folder / "register.csv"
        latest = [each for each in told.visits if each.at >= at(last_month, 0)]
        write_turnstile(turnstile, draw_of(seed, "turnstile"), latest, told.members)
        write_register(register, [each for each in told.sales if each.at >= at(last_month, 0)], told.members)
        owners = cards(club.members)
        visits = read_turnstile(turnstile, owners, tz=club.tz)
        sales = read_register(register, owners, tz=club.tz)
        say(f"Imported {keep_new(club, visits.records):,} visits and {keep_new(club, sales.records):,} receipts")
        keep_life_stages(club)
        twice = members_twice(club.members)
        say(f"Found {sum(each.verdict == 'same' for each in twice.pairs)} members who are there twice")
        page = folder / "manager.html"
        imported = {turnstile.name: visits.left_out, register.name: sales.left_out}
        page.write_text(manager_page(club, twice=twice, imported=imported), encoding="utf-8")
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 2 for a mistake that is explained on standard error."""
    parser = argparse.ArgumentParser(prog="fitness-club", description="A fitness club's CRM, built on crmkit.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="make a season of a club, a store of it and the manager's page")
    demo.add_argument("folder", type=Path, nargs="?", default=Path("club"), help="where to (default: club)")
    demo.add_argument("--members", type=int, default=3000, help="how many members it has (default: 3000)")
    demo.add_argument("--seed", type=int, default=1, help="another seed makes another club (default: 1)")
    options = parser.parse_args(arguments)
    store = options.folder / "club.db"
    try:
        if store.exists():
            raise InvalidInput(f"{store} is there already; remove it, or name another folder")
        page = make_demo(options.folder, f"sqlite:///{store}", seed=options.seed, members=options.members)
    except CrmError as error:
        print(f"fitness-club: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        return 2
    print(f"The page is {page}, the data is {store}")  # noqa: T201 - as above
    return 0
