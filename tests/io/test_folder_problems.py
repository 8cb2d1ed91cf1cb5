"""What does not fit stops the import or is reported; nothing is lost silently and nothing personal is shown."""

import csv
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed
from crmkit.io.folder import Imported, read_folder
from crmkit.io.mapping.problems import Problem
from crmkit.model import Deal, SurveyResponse
from tests.io.club import (
    ALL,
    CANARY,
    DEALS,
    DEALS_CSV,
    FILES,
    GOODS,
    HEAD,
    PEOPLE,
    PEOPLE_CSV,
    STAFF,
    STAFF_CSV,
    read,
    refused,
)


def _problems(found: Imported, kind: str) -> list[Problem]:
    return [problem for problem in found.problems if problem.kind == kind]


def test_a_link_that_names_no_record_is_kept_as_text_and_reported(tmp_path: Path) -> None:
    rows = "".join(
        f"{number},Won,7,tom,{what},,,\n" for number, what in enumerate(["P1", "P 1", "P1", "Sauna"], start=1)
    )
    found = read(tmp_path, deals="no,stage,who,owner,what,worth,since,until\n" + rows)
    deals = found[Deal]
    assert [dict(deal.custom) for deal in deals] == [{"what": "P1"}, {}, {"what": "P1"}, {"what": "Sauna"}]
    assert [len(deal.product_ids) for deal in deals] == [0, 1, 0, 0]
    (problem,) = [each for each in found.problems if "Product" in each.message]
    assert problem == Problem(
        kind="warning",
        where="deals.csv",
        message="product_ids (column 'what') names no Product, so its text is kept in custom['what']: "
        "'P1' (2), did you mean 'P 1'?; 'Sauna' (1)",
        count=3,
        lines=(2, 4, 5),
    )
    assert str(problem).endswith(" (3 rows: lines 2, 4, 5)")


def test_many_unknown_texts_are_counted_and_long_ones_cut(tmp_path: Path) -> None:
    rows = "".join(f"{number},Won,7,tom,{'x' * 100}{number},,,\n" for number in range(9))
    (problem,) = _problems(read(tmp_path, deals="no,stage,who,owner,what,worth,since,until\n" + rows), "warning")
    assert problem.message.endswith(f"; {'x' * 60 + '…'!r} (1); and 4 other texts")
    assert (problem.count, problem.lines) == (9, (2, 3, 4, 5, 6))


def test_unknown_people_are_counted_but_not_shown(tmp_path: Path) -> None:
    deals = f"no,stage,who,owner,what,worth,since,until\n1,Won,{CANARY},{CANARY},P 1,,,\n"
    found = read(tmp_path, deals=deals)
    messages = [(problem.message, problem.count, problem.lines) for problem in _problems(found, "warning")]
    assert messages == [
        ("customer_id (column 'who') names no Customer, so its text is kept in custom['who']", 1, (2,)),
        ("owner_id (column 'owner') names no Employee, so its text is kept in custom['owner']", 1, (2,)),
    ]
    assert dict(found[Deal][0].custom) == {"who": CANARY, "owner": CANARY}
    assert CANARY not in str(found.problems)


def test_a_link_to_a_class_without_a_file_says_so(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + GOODS + DEALS.replace('"owner"', '{ value = "eva" }'))
    messages = [problem.message for problem in _problems(found, "warning")]
    assert messages == [
        "customer_id (column 'who') names no Customer, so its text is kept in custom['who']; the mapping has no file of Customer records",
        "owner_id (value 'eva') names no Employee, so its text is kept in custom['owner_id']; the mapping has no file of Employee records",
    ]


def test_blank_links_are_counted_and_their_records_kept(tmp_path: Path) -> None:
    deals = "no,stage,who,owner,what,worth,since,until\n1,Won,,tom,P 1,,,\n2,Won, ,tom,P 1,,,\n3,Won,7,tom,P 1,,,\n"
    found = read(tmp_path, deals=deals)
    assert len(found[Deal]) == 3
    assert Problem(
        kind="warning",
        where="deals.csv",
        message="customer_id (column 'who') is blank, so it links to no Customer",
        count=2,
        lines=(2, 3),
    ) in found.problems  # fmt: skip


def test_columns_and_files_that_are_not_imported_are_named(tmp_path: Path) -> None:
    (tmp_path / "Other.CSV").write_text("")
    (tmp_path / "readme.txt").write_text("")
    found = read(tmp_path, goods="colour,sku,title,price,size\nred,P 1,Pass,1,\n,P 2,Visits,2,\n")
    assert _problems(found, "information") == [
        Problem(kind="information", where="goods.csv", message="columns that are not imported: 'colour', 'size'"),
        Problem(kind="information", where="Other.CSV", message="the file is not in the mapping, so it is not imported"),
    ]
    assert str(_problems(found, "information")[0]) == "goods.csv: columns that are not imported: 'colour', 'size'"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f",{CANARY},,,", "the key (column 'no') is blank; every Customer needs one of its own"),
        (
            f"7,{CANARY},,,",
            "the key (column 'no') repeats the key of an earlier row; every Customer needs one of its own",
        ),
        ("9, ,,,", "name (column 'name') is blank; give text"),
        (f"9,Ann,{CANARY},,", "birth_on (column 'born') does not fit; give a date such as 2025-12-31"),
    ],
)
def test_a_row_that_does_not_fit_stops_the_import(tmp_path: Path, row: str, message: str) -> None:
    fault = refused(tmp_path, people=f"no,name,born,owner,note\n7,{CANARY},,tom,\n{row}\n")
    assert fault == f"nothing is imported, because of 1 row of people.csv: people.csv: {message} (1 row: line 3)"


def test_values_of_a_deal_that_do_not_fit_are_named_with_what_would(tmp_path: Path) -> None:
    head = "no,stage,who,owner,what,worth,since,until\n"
    for bad, message in [
        ("1,Closed,7,tom,P 1,,,", "stage (column 'stage') is no stage of pipeline 'sales'; there are 'Offer', 'Won', 'Lost'"),
        ("1,,7,tom,P 1,,,", "stage (column 'stage') is blank; give text"),
        ('1,Won,7,tom,P 1,"1,054",,', "the numbers of amount (column 'worth') may be read in two ways; state '1,234.5' or '1.234,5'"),
        ("1,Won,7,tom,P 1,much,,", "amount (column 'worth') does not fit; give an amount in PLN with a decimal point and at most 2"),
        ("1,Won,7,tom,P 1,1,5/2/2025,", "the dates of created_at (column 'since') may be read in two ways; state 'day first' or 'month first'"),
        ("1,Won,7,tom,P 1,1,soon,", "created_at (column 'since') does not fit; give a date such as 2025-12-31 or 2025-12-31T"),
    ]:  # fmt: skip
        assert message in refused(tmp_path, deals=head + bad + "\n")
    american = DEALS.replace('"until"', '{ column = "until", format = "%m/%d/%Y" }')
    fault = refused(tmp_path, HEAD + STAFF + GOODS + PEOPLE + american)
    assert (
        "closed_at (column 'until') does not fit; give a date as %m/%d/%Y, such as 12/31/2025 (1 row: line 2)" in fault
    )


def test_values_that_contradict_each_other_name_the_field_alone(tmp_path: Path) -> None:
    answers = """
[[files]]
path = "answers.csv"
record = "SurveyResponse"
key = "no"
fields.kind = { value = "NPS" }
fields.scale_low = { value = 0 }
fields.scale_high = { value = 10 }
fields.score = "score"
fields.responded_at = "at"
"""
    found = read(tmp_path, HEAD + answers, answers="no,score,at\n1,10,2025-05-01\n2,,\n")
    assert [each.score for each in found[SurveyResponse]] == [10, None]
    fault = refused(tmp_path, HEAD + answers, answers="no,score,at\n1,4711,\n")
    assert "SurveyResponse.score does not go with the other fields (1 row: line 2)" in fault
    assert "4711" not in fault


def test_all_rejected_rows_are_counted_and_the_first_reasons_given(tmp_path: Path) -> None:
    people = "no,name,born,owner,note\n" + "".join(f"{number},,x,,\n" for number in range(1200))
    deals = "no,stage,who,owner,what,worth,since,until\n,,,,,,,\n1,x,,,,x,x,x\n1,,,,,,,\n"
    fault = refused(tmp_path, people=people, deals=deals)
    assert fault.startswith("nothing is imported, because of 3 rows of deals.csv and 1,200 rows of people.csv: ")
    assert "name (column 'name') is blank; give text (1,200 rows: lines 2, 3, 4, 5, 6, …); " in fault
    assert fault.endswith("; and 2 more")


def test_a_column_that_a_file_lacks_is_named(tmp_path: Path) -> None:
    fault = refused(tmp_path, goods="sku,Title,price\n")
    assert fault == "goods.csv has no column 'title'; there are 'sku', 'Title', 'price'; did you mean 'Title'?"
    assert refused(tmp_path, goods="id,title,price\n").startswith("goods.csv has no column 'sku'")


cells = st.sampled_from(["", "1", "7", "tom", "Won", "P 1", "2025-05-01", CANARY, f"{CANARY},\n", f'"{CANARY}"'])


@given(
    st.lists(st.lists(cells, min_size=8, max_size=8), max_size=4),
    st.lists(st.lists(cells, min_size=5, max_size=5), max_size=4),
)
def test_no_cell_of_a_person_or_a_deal_is_ever_shown(
    tmp_path_factory: pytest.TempPathFactory, deals: list[list[str]], people: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("canary")
    (folder / "crmkit.toml").write_text(HEAD + STAFF + PEOPLE + DEALS.replace('fields.product_ids = "what"', ""))
    (folder / "staff.csv").write_text(STAFF_CSV)
    for name, head, rows in (("people", PEOPLE_CSV, people), ("deals", DEALS_CSV, deals)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head.splitlines()[0].split(","), *rows])
    try:
        shown = str(read_folder(folder).problems)
    except ImportFailed as error:
        shown = "".join(traceback.format_exception(error))
    assert CANARY not in shown


@given(st.binary(max_size=40), st.integers(0, len(DEALS_CSV)))
def test_a_damaged_file_raises_nothing_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, place: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "crmkit.toml").write_text(ALL)
    for name, content in FILES.items():
        (folder / name).write_text(content)
    (folder / "deals.csv").write_bytes(DEALS_CSV[:place].encode() + damage + DEALS_CSV[place:].encode())
    try:
        read_folder(folder)
    except CrmError:
        return
