"""The files that the turnstile and the cash register would have written about some visits and sales, with what goes wrong in them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crmkit.io.formats import csv
from fitness_club.club import TZ
from fitness_club.imports import REGISTER, TURNSTILE, cards
from fitness_club.model import BarSale, Member, Visit
from fitness_club.season.draw import Draw


def write_turnstile(path: Path, draw: Draw, visits: Iterable[Visit], members: Sequence[Member]) -> None:
    """Write the log: each coming in, some read twice, most goings out, and now and then the card of a stranger."""
    card_of = {owner: card for card, owner in cards(members).items()}
    rows = list[tuple[datetime, dict[str, Any]]]()
    for visit in visits:
        card, gate = card_of[visit.customer_id], visit.gate or "left"
        readings = [(visit.at, card, "in")]
        if draw.happens(0.03):
            readings.append((visit.at + timedelta(seconds=4), card, "in"))
        if draw.happens(0.9):
            readings.append((visit.at + timedelta(minutes=70), card, "out"))
        if draw.happens(0.005):
            readings.append((visit.at + timedelta(seconds=40), f"X{draw.random.randrange(1000)}", "refused"))
        rows += [(at, {"gate": gate, "card": number, "result": what}) for at, number, what in readings]
    rows.sort(key=lambda each: (each[0], each[1]["card"]))
    csv.write(path, TURNSTILE, ({"time": _local(at), **row} for at, row in rows), delimiter=";", encoding="cp1250")


def write_register(path: Path, sales: Iterable[BarSale], members: Sequence[Member]) -> None:
    """Write the receipts, a row for each line."""
    card_of = {owner: card for card, owner in cards(members).items()}
    rows = (
        {
            "receipt": sale.id.removeprefix("receipt-"),
            "time": _local(sale.at),
            "till": sale.till,
            "item": line.description,
            "quantity": line.quantity,
            "price": str(line.unit_price.amount).replace(".", ","),
            "card": card_of.get(sale.customer_id or ""),
        }
        for sale in sales
        for line in sale.lines
    )
    csv.write(path, REGISTER, rows, delimiter=";", encoding="cp1250")


def _local(at: datetime) -> str:
    return f"{at.astimezone(ZoneInfo(TZ)):%d.%m.%Y %H:%M:%S}"
