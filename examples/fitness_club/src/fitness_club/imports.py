"""What other systems of the club write down: the log of the turnstile and the receipts of the cash register.

Both come as CSV files, whose encoding and delimiter are found out. What does not fit is left out and said, with its lines. Importing a
file twice changes nothing, because ids are made of what stands in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import ImportFailed, InvalidRecord
from crmkit.io.formats import Row, for_path
from crmkit.model import Line, Money, Record
from crmkit.model.line import total
from fitness_club.club import Club
from fitness_club.model import BarSale, Member, Visit

R = TypeVar("R", bound=Record)
TURNSTILE = ("time", "gate", "card", "result")
REGISTER = ("receipt", "time", "till", "item", "quantity", "price", "card")
ONE_VISIT = timedelta(hours=3)
"""Readings of a card so soon after each other are one visit: a card that was shown twice, or somebody who fetched something."""

_TIME = "%d.%m.%Y %H:%M:%S"


@attrs.frozen(kw_only=True)
class Read(Generic[R]):
    """The records of a file, and for each reason why rows were left out their lines."""

    records: tuple[R, ...]
    left_out: Mapping[str, tuple[int, ...]]


def cards(members: Iterable[Member]) -> dict[str, str]:
    """Return whose a card is: the id of a member by the number of each card, also of those that a merge keeps as "card#loser"."""
    return {
        str(number): each.id
        for each in members
        for system, number in each.external_ids.items()
        if system == "card" or system.startswith("card#")
    }


def read_turnstile(path: Path | str, owners: Mapping[str, str], *, tz: str) -> Read[Visit]:
    """Return the visits of a turnstile's log, one for each coming in.

    Args:
        path: a CSV file with the columns time ("12.09.2025 17:03:11"), gate, card and result ("in", "out" or "refused").
        owners: the id of the member by the number of the card, as `cards` returns it.
        tz: the zone of the turnstile's clock.

    Raises:
        ImportFailed: for a file that cannot be read or lacks a column.
    """
    left_out, last, visits = defaultdict[str, list[int]](list), dict[str, datetime](), list[Visit]()
    for at, row in sorted(_dated(path, TURNSTILE, tz, left_out), key=lambda each: (each[0], each[1].line)):
        member, reason = owners.get(_text(row, "card")), ""
        if _text(row, "result") != "in":
            reason = "nobody came in"
        elif member is None:
            reason = "the card is nobody's"
        elif at - last.get(member, _LONG_AGO) < ONE_VISIT:
            reason = "the card was read again"
        if reason or member is None:
            left_out[reason].append(row.line)
            continue
        last[member] = at
        visits.append(
            Visit(
                id=f"turnstile-{_text(row, 'card')}-{at:%Y%m%d%H%M%S}",
                customer_id=member,
                at=at,
                kind="visit",
                gate=_text(row, "gate") or None,
            )
        )
    return Read(records=tuple(visits), left_out=_sorted(left_out))


def read_register(path: Path | str, owners: Mapping[str, str], *, tz: str, currency: str = "PLN") -> Read[BarSale]:
    """Return the receipts of a cash register, whose lines stand one below the other.

    Args:
        path: a CSV file with the columns receipt, time, till, item, quantity, price ("16,00" for one) and card, which may be empty.
        owners: the id of the member by the number of the card; a receipt with another card is kept without a customer.
        tz: the zone of the register's clock.
        currency: that of the prices.

    Raises:
        ImportFailed: for a file that cannot be read or lacks a column.
    """
    left_out, receipts = defaultdict[str, list[int]](list), defaultdict[str, list[tuple[datetime, Row, Line]]](list)
    for at, row in _dated(path, REGISTER, tz, left_out):
        line = _line(row, currency)
        if line is None or not _text(row, "receipt"):
            left_out["the receipt, the quantity or the price cannot be read"].append(row.line)
            continue
        receipts[_text(row, "receipt")].append((at, row, line))
    sales = []
    for number, parts in receipts.items():
        at, first, _ = parts[0]
        lines = [line for _, _, line in parts]
        sales.append(
            BarSale(
                id=f"receipt-{number}",
                at=at,
                amount=total(lines),
                customer_id=owners.get(_text(first, "card")),
                lines=lines,
                channel="bar",
                till=_text(first, "till") or None,
            )
        )
    return Read(records=tuple(sales), left_out=_sorted(left_out))


def keep_new(club: Club, records: Iterable[Record]) -> int:
    """Keep those records whose ids the club does not have yet, all or none, and return how many."""
    with club.transaction():
        held = list(records)
        classes = {type(each) for each in held}
        known = {each for cls in classes for each in club.store.frame(cls, columns=["id"]).get_column("id")}
        return club.load(each for each in held if each.id not in known)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _dated(
    path: Path | str, needs: Iterable[str], tz: str, left_out: dict[str, list[int]]
) -> list[tuple[datetime, Row]]:
    """The rows of a file with their instants."""
    form = for_path(path)
    missing = [each for each in needs if each not in form.columns(path)]
    if missing:
        raise ImportFailed(f"{Path(path).name} has no column {', '.join(missing)}; it must have {', '.join(needs)}")
    found = []
    for row in form.read(path):
        at = None if row.fault else _instant(_text(row, "time"), tz)
        if at is None:
            left_out[row.fault or "the time is no time such as 31.12.2025 18:30:00"].append(row.line)
        else:
            found.append((at, row))
    return found


def _instant(text: str, tz: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=ZoneInfo(tz)).astimezone(UTC)
    except ValueError:
        return None


def _line(row: Row, currency: str) -> Line | None:
    try:
        price = Money(_text(row, "price").replace(",", "."), currency)
        return Line(price, Decimal(_text(row, "quantity")), description=_text(row, "item") or None)
    except (InvalidRecord, InvalidOperation):
        return None


def _text(row: Row, column: str) -> str:
    held: Any = row.values.get(column)
    return "" if held is None else str(held).strip()


def _sorted(left_out: Mapping[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {reason: tuple(sorted(lines)) for reason, lines in sorted(left_out.items())}
