"""What can be no e-mail address or telephone number is kept and marked where the mapping asks for it, and told."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import ImportFailed, InvalidInput
from crmkit.io.importing import ImportPlan, plan_import
from crmkit.io.mapping import folder_mapping
from crmkit.io.mapping.points import can_be, checked_points
from crmkit.io.stores import open_store
from crmkit.model import ContactPoint, Customer
from crmkit.model.normalise import normalise_email
from crmkit.testing import strategies
from tests.examples import few

_FIELDS = {
    "kind": {"value": "person"},
    "name": "name",
    "country": "country",
    "contact_points": [{"kind": "email", "column": "mail"}, {"kind": "phone", "column": "phone"}],
}


def _planned(folder: Path, *rows: str, **words: Any) -> ImportPlan:
    file = folder / "people.csv"
    file.write_text("\n".join(["no,name,mail,phone,country", *rows]), encoding="utf-8")
    files = [{"path": file.name, "record": "Customer", "key": "no", "fields": _FIELDS}]
    return plan_import(open_store("memory://"), file, mapping=folder_mapping(source="till", files=files, **words))


def _malformed(plan: ImportPlan) -> list[list[str]]:
    """The values of each customer that are marked as malformed."""
    store = open_store("memory://")
    records = [plan.record(step, store) for step in plan.steps()]
    points = [each.contact_points for each in records if isinstance(each, Customer)]
    return [[point.value for point in each if point.invalid_reason == "malformed"] for each in points]


ROWS = ("1,Ann,ann@example.org,+48 501 234 567,", "2,Bob,bob at home,12,PL", "3,Cid,cid@,501 234 567,")


def test_malformed_contact_points_are_kept_marked_and_told(tmp_path: Path) -> None:
    plan = _planned(tmp_path, *ROWS, check_points=True)
    assert _malformed(plan) == [[], ["bob at home", "12"], ["cid@"]]
    assert [(each.message, each.count, each.lines) for each in plan.problems] == [
        ("contact_points (column 'mail') holds no email that can be used, so it is marked as malformed", 2, (3, 4)),
        ("contact_points (column 'phone') holds no phone that can be used, so it is marked as malformed", 1, (3,)),
    ]


def test_without_the_wish_nothing_is_marked(tmp_path: Path) -> None:
    plan = _planned(tmp_path, *ROWS)
    assert _malformed(plan) == [[], [], []]
    assert plan.problems == ()


def test_a_number_without_a_country_code_is_judged_by_the_country_of_its_row_or_else_of_the_mapping(
    tmp_path: Path,
) -> None:
    rows = ("1,Ann,,020 7946 0000,UK", "2,Bob,,12,", "3,Cid,,501 234 567,")
    assert _malformed(_planned(tmp_path, *rows, check_points=True)) == [[], [], []]
    assert _malformed(_planned(tmp_path, *rows, check_points=True, country="pl")) == [[], ["12"], []]


@given(points=strategies.records(Customer).map(lambda customer: customer.contact_points))
@few
def test_checking_changes_the_mark_alone_and_twice_is_as_once(points: tuple[ContactPoint, ...]) -> None:
    checked = checked_points(points, "PL")
    assert [point.key for point in checked] == [point.key for point in points]
    assert all(new == old or new.invalid_reason == "malformed" for new, old in zip(checked, points, strict=True))
    assert checked_points(checked, "PL") == checked


@given(
    local=st.text("aB7.+-_'\"() łŁ@", max_size=70) | st.emails().map(lambda mail: mail.rpartition("@")[0]),
    domain=st.sampled_from(
        [
            "example.org",
            "żółw.pl",
            "a.test",
            "localhost",
            "-a.com",
            "",
            "ex ample.org",
            "[127.0.0.1]",
            "x" * 190 + ".org",
        ]
    ),
)
def test_an_address_can_be_one_where_it_has_a_normal_form(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        normalise_email(address)
        is_one = True
    except InvalidInput:
        is_one = False
    assert can_be("email", address, None) is is_one


def test_a_country_is_a_code(tmp_path: Path) -> None:
    with pytest.raises(
        ImportFailed, match=r"mapping: country 'Poland' is no code; give a code of two letters such as 'PL'"
    ):
        _planned(tmp_path, country="Poland")
