"""A folder of files becomes records with links between them, the same ones every time."""

from datetime import UTC, date, datetime
from itertools import islice, permutations
from pathlib import Path

import pytest

from crmkit.errors import ImportFailed
from crmkit.io.folder import read_folder
from crmkit.io.mapping.links import imported_id
from crmkit.model import (
    RECORDS,
    Contact,
    Customer,
    Deal,
    Employee,
    Interaction,
    Money,
    Pipeline,
    Product,
    Record,
    Ticket,
)
from tests.io.club import CANARY, DEALS, GOODS, HEAD, PEOPLE, STAFF, STAFF_CSV, read, refused


def _id(cls: type[Record], key: str) -> str:
    return imported_id("acme", cls, key)


def test_rows_become_linked_records(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert (found.source, found.time_zone, found.exported_on) == ("acme", "Europe/Warsaw", date(2025, 12, 31))
    assert tuple(found.records) == RECORDS
    assert found[Ticket] == ()
    assert [each.id for each in found[Pipeline]] == ["sales"]
    assert found[Employee] == (
        Employee(id=_id(Employee, "eva"), external_ids={"acme": "eva"}, name="Eva"),
        Employee(id=_id(Employee, "tom"), external_ids={"acme": "tom"}, name="Tom", manager_id=_id(Employee, "eva")),
    )
    assert found[Product][0].replace(id="x") == Product(
        id="x", external_ids={"acme": "P 1"}, name="Pass", price=Money.from_minor_units(9990, "PLN")
    )
    assert found[Customer][0] == Customer(
        id=_id(Customer, "7"),
        external_ids={"acme": "7"},
        custom={"note": "calls in the evening"},
        kind="person",
        name="Ann",
        birth_on=date(1990, 1, 31),
        owner_id=_id(Employee, "tom"),
    )
    assert found[Customer][1].custom == {}
    assert found[Deal][0] == Deal(
        id=_id(Deal, "1"),
        external_ids={"acme": "1"},
        pipeline_id="sales",
        stage="Won",
        category="won",
        customer_id=_id(Customer, "7"),
        owner_id=_id(Employee, "tom"),
        product_ids=[_id(Product, "P 1")],
        amount=Money.from_minor_units(9990, "PLN"),
        created_at=datetime(2025, 5, 1, 22, tzinfo=UTC),
        closed_at=datetime(2025, 5, 9, 10, 30, tzinfo=UTC),
    )


def test_reading_twice_gives_equal_records(tmp_path: Path) -> None:
    assert read(tmp_path) == read(tmp_path)


def test_the_order_of_files_in_the_mapping_makes_no_difference(tmp_path: Path) -> None:
    more = STAFF.replace("staff.csv", "bosses.csv")
    found = [read(tmp_path, HEAD + "".join(order), bosses="login,name,boss,x\nzoe,Zoe,nobody,\n") for order in
             islice(permutations([STAFF, more, GOODS, PEOPLE, DEALS]), 0, None, 7)]  # fmt: skip
    assert len(found[0][Employee]) == 3
    assert found[0].problems
    assert all(each == found[0] for each in found)


def test_ids_differ_by_system_class_and_key() -> None:
    ids = {
        imported_id(source, cls, key)
        for source in ("a", "b", "a\t")
        for cls in (Customer, Employee)
        for key in ("1", "2")
    }
    assert len(ids) == 12


def test_white_space_and_normal_forms_do_not_break_links(tmp_path: Path) -> None:
    people = "no,name,born,owner,note\n Zo\u00eb , Ann ,  ,tom ,\n"
    deals = "no,stage,who,owner,what,worth,since,until\n1, Won ,Zoe\u0308,eva,P 1,,,\n"
    found = read(tmp_path, people=people, deals=deals)
    (ann,), (deal,) = found[Customer], found[Deal]
    assert (ann.name, ann.external_ids) == ("Ann", {"acme": "Zo\u00eb"})
    assert (deal.customer_id, deal.stage) == (ann.id, "Won")


def test_one_file_may_hold_several_kinds_of_records(tmp_path: Path) -> None:
    links = """
[[files]]
path = "people.csv"
record = "Contact"
key = "no"
fields.person_id = "no"
fields.organization_id = "firm"
fields.is_primary = "main"
"""
    found = read(
        tmp_path, HEAD + STAFF + PEOPLE + links, people="no,name,born,owner,note,firm,main\n7,Ann,,tom,,7,yes\n"
    )
    ann = _id(Customer, "7")
    assert found[Contact][0].replace(id="x") == Contact(
        id="x", external_ids={"acme": "7"}, person_id=ann, organization_id=ann, is_primary=True
    )
    assert not found.problems
    fault = refused(
        tmp_path,
        HEAD + STAFF + PEOPLE + links,
        people=f"no,name,born,owner,note,firm,main\n7,A,,tom,,{CANARY},1\n8,B,,tom,,,1\n",
    )
    assert "organization_id (column 'firm') names no Customer; give the key of one Customer (1 row: line 2)" in fault
    assert "organization_id (column 'firm') is blank; give the key of one Customer (1 row: line 3)" in fault


def test_the_mapping_may_be_elsewhere(tmp_path: Path) -> None:
    found = read(tmp_path)
    elsewhere = tmp_path / "mappings" / "acme.toml"
    elsewhere.parent.mkdir()
    (tmp_path / "crmkit.toml").rename(elsewhere)
    assert read_folder(tmp_path, mapping=elsewhere) == found
    assert read_folder(str(tmp_path), mapping=str(elsewhere)) == found
    with pytest.raises(ImportFailed, match=r"crmkit.toml: cannot be read"):
        read_folder(tmp_path)


def test_a_file_with_another_delimiter_and_encoding_isread(tmp_path: Path) -> None:
    goods = GOODS + 'delimiter = ";"\nencoding = "cp1250"\n'
    (tmp_path / "crmkit.toml").write_text(HEAD + goods)
    (tmp_path / "goods.csv").write_bytes("sku;title;price\nP 1;Wejściówka, 1 dzień;35.00\n".encode("cp1250"))
    (product,) = read_folder(tmp_path)[Product]
    assert product.name == "Wejściówka, 1 dzień"


def test_progress_is_told_by_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "crmkit.toml").write_text(HEAD + STAFF + GOODS)
    (tmp_path / "staff.csv").write_text(STAFF_CSV)
    (tmp_path / "goods.csv").write_text("sku,title,price\n" + "".join(f"{number},x,1\n" for number in range(10_001)))
    told: list[tuple[str, int, int | None]] = []
    read_folder(tmp_path, progress=lambda name, done, rows: told.append((name, done, rows)))
    assert told == [
        ("staff.csv", 2, 2),
        ("goods.csv", 5_000, 10_001),
        ("goods.csv", 10_000, 10_001),
        ("goods.csv", 10_001, 10_001),
    ]


def test_what_happened_is_read_with_its_instant_and_numbers(tmp_path: Path) -> None:
    calls = """
[[files]]
path = "calls.csv"
record = "Interaction"
key = "no"
fields.at = { column = "at", format = "%d.%m.%Y %H:%M" }
fields.channel = { value = "phone" }
fields.direction = { column = "way", replace = { in = "inbound", out = "outbound" } }
fields.duration_seconds = "seconds"
fields.tags = "mood"
"""
    found = read(tmp_path, HEAD + calls, calls="no,at,way,seconds,mood\n1,01.07.2025 12:00,in,90.5,glad\n")
    assert found[Interaction][0] == Interaction(
        id=_id(Interaction, "1"),
        external_ids={"acme": "1"},
        at=datetime(2025, 7, 1, 10, tzinfo=UTC),
        channel="phone",
        direction="inbound",
        duration_seconds=90.5,
        tags={"glad"},
    )
