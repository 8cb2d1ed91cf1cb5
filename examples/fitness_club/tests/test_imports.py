"""What the turnstile and the cash register write down."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crmkit.errors import ImportFailed
from crmkit.model import Money
from fitness_club.club import TZ, Club
from fitness_club.imports import cards, keep_new, read_register, read_turnstile
from fitness_club.model import Member
from fitness_club.season import Season
from fitness_club.season.draw import END, at, draw_of
from fitness_club.season.exports import write_register, write_turnstile

LOG = """time;gate;card;result
12.09.2025 17:03:11;left;C1;in
12.09.2025 17:03:15;left;C1;in
12.09.2025 18:20:00;right;C1;out
12.09.2025 21:00:00;left;C1;in
12.09.2025 17:05:00;left;X9;in
12.09.2025 17:06:00;left;C2;refused
yesterday;left;C2;in
12.09.2025 06:30:00;left;C2;in
"""
OWNERS = {"C1": "ann", "C2": "ben"}


def _file(folder: Path, text: str) -> Path:
    path = folder / "export.csv"
    path.write_text(text, encoding="cp1250")
    return path


def test_a_log_becomes_visits_and_says_what_it_left_out(tmp_path: Path) -> None:
    read = read_turnstile(_file(tmp_path, LOG), OWNERS, tz=TZ)

    assert [(each.customer_id, each.at) for each in read.records] == [
        ("ben", datetime(2025, 9, 12, 4, 30, tzinfo=UTC)),
        ("ann", datetime(2025, 9, 12, 15, 3, 11, tzinfo=UTC)),
        ("ann", datetime(2025, 9, 12, 19, 0, tzinfo=UTC)),
    ]
    assert read.left_out == {
        "nobody came in": (4, 7),
        "the card is nobody's": (6,),
        "the card was read again": (3,),
        "the time is no time such as 31.12.2025 18:30:00": (8,),
    }


def test_importing_a_log_twice_changes_nothing(tmp_path: Path) -> None:
    club, read = Club.at("memory://"), read_turnstile(_file(tmp_path, LOG), OWNERS, tz=TZ)

    assert [keep_new(club, read.records), keep_new(club, read.records), len(club.visits)] == [3, 0, 3]


def test_receipts_are_put_together_from_their_lines(tmp_path: Path) -> None:
    text = (
        "receipt;time;till;item;quantity;price;card\n"
        "7;12.09.2025 18:00:00;1;Shake;1;16,00;C1\n7;12.09.2025 18:00:00;1;Water;2;5,50;C1\n"
        "8;12.09.2025 18:05:00;1;Kawa;1;11,00;\n9;12.09.2025 18:06:00;1;Bar;1;free;\n"
    )
    read = read_register(_file(tmp_path, text), OWNERS, tz=TZ)

    assert [(each.id, each.amount, each.customer_id, len(each.lines)) for each in read.records] == [
        ("receipt-7", Money("27", "PLN"), "ann", 2),
        ("receipt-8", Money("11", "PLN"), None, 1),
    ]
    assert read.left_out == {"the receipt, the quantity or the price cannot be read": (5,)}


def test_a_file_that_is_something_else_is_refused_with_the_columns_that_it_must_have(tmp_path: Path) -> None:
    with pytest.raises(
        ImportFailed, match="export.csv has no column gate, card, result; it must have time, gate, card, result"
    ):
        read_turnstile(_file(tmp_path, "time;door\n1;2\n"), OWNERS, tz=TZ)


def test_the_card_of_somebody_who_was_merged_is_still_theirs() -> None:
    ann = Member(
        id="ann", kind="person", name="Ann", external_ids={"card": "C1", "card#ann-again": "C1B", "phone system": "7"}
    )

    assert cards([ann]) == {"C1": "ann", "C1B": "ann"}


def test_what_the_season_exports_is_read_back(tmp_path: Path, small_season: Season) -> None:
    told, owners = small_season, cards(small_season.members)
    visits = [each for each in told.visits if each.at >= at(END.replace(month=9), 0)]
    write_turnstile(tmp_path / "log.csv", draw_of(1, "log"), visits, told.members)
    write_register(tmp_path / "till.csv", told.sales, told.members)

    came = {
        (each.customer_id, each.at.replace(second=0))
        for each in read_turnstile(tmp_path / "log.csv", owners, tz=TZ).records
    }
    sold = {each.id: each for each in read_register(tmp_path / "till.csv", owners, tz=TZ).records}

    assert came == {(each.customer_id, each.at) for each in visits}
    assert sold == {each.id: each for each in told.sales}
