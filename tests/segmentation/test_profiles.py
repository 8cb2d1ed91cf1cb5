"""What sets a segment apart: each row against its definition, and a published data set."""

from datetime import date
from math import asin, sqrt
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact, mannwhitneyu

from crmkit.errors import InvalidInput
from crmkit.model import Customer
from crmkit.rules import field
from crmkit.segmentation import members, profile
from crmkit.stats.differences import holm
from crmkit.stats.intervals import difference, proportion
from tests.examples import few
from tests.frames.kinds import KINDS

rows = st.lists(
    st.tuples(
        st.sampled_from(["TH", "PL", None]), st.none() | st.integers(0, 9), st.booleans() | st.none(), st.booleans()
    ),
    max_size=30,
)


def table(drawn: list[tuple[Any, ...]]) -> tuple[pl.DataFrame, list[str]]:
    schema = {"country": pl.String, "age": pl.Int64, "is_active": pl.Boolean, "inside": pl.Boolean}
    frame = pl.DataFrame(drawn, schema=schema, orient="row").with_columns(id=pl.int_range(pl.len()).cast(pl.String))
    return frame.drop("inside"), [*frame.filter("inside")["id"]]


BY = ["country", "age", "is_active"]


@few
@given(rows, st.randoms(use_true_random=False))
def test_every_row_is_as_defined(drawn: list[tuple[Any, ...]], random: Any) -> None:
    customers, ids = table(drawn)
    found = profile(customers, ids, by=BY)
    sides = [[row for row in drawn if row[3] is inside] for inside in (True, False)]
    words = {None: None, True: "true", False: "false"}

    for row in found.filter(measure="share").rows(named=True):
        at = BY.index(row["attribute"])
        (a, b), (n, m) = (
            [sum(words.get(each[at], each[at]) == row["value"] for each in side) for side in sides],
            map(len, sides),
        )
        assert (row["n_inside"], row["n_outside"]) == (n, m)
        if n and m:
            assert (row["inside"], row["outside"], row["difference"]) == (a / n, b / m, a / n - b / m)
            interval = difference(a / n, proportion(a, n, 0.95), b / m, proportion(b, m, 0.95))  # type: ignore[arg-type]
            assert (row["low"], row["high"]) == interval
            assert row["effect"] == pytest.approx(2 * asin(sqrt(a / n)) - 2 * asin(sqrt(b / m)))
            assert row["p"] == pytest.approx(fisher_exact([[a, n - a], [b, m - b]]).pvalue, rel=1e-6)
        else:
            assert row["effect"] is row["difference"] is row["low"] is row["p"] is row["strength"] is None
            assert "nobody" in row["note"]
    (number,) = found.filter(measure="median").rows(named=True)
    ages = [[each[1] for each in side if each[1] is not None] for side in sides]
    assert (number["n_inside"], number["n_outside"]) == tuple(map(len, ages))
    if all(ages):
        assert (number["inside"], number["outside"]) == tuple(map(median, ages))
        if len({*ages[0], *ages[1]}) > 1:
            assert number["p"] == pytest.approx(mannwhitneyu(*ages, method="asymptotic").pvalue, abs=1e-12)
    assert found["rank"].to_list() == list(range(1, found.height + 1))
    known = [each for each in found["p"] if each is not None]
    assert sorted(each for each in found["p_together"] if each is not None) == pytest.approx(sorted(holm(known)))
    shuffled = profile(customers.sample(fraction=1, shuffle=True, seed=1), random.sample(ids, len(ids)), by=BY)
    assert shuffled.equals(found)


def people(kind: str) -> tuple[Any, list[Customer]]:
    countries = ["TH", "TH", "TH", "PL", "PL", "PL", None]
    found = [Customer(id=str(at), kind="person", name="Ann", country=each) for at, each in enumerate(countries)]
    return KINDS[kind](found, Customer), found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_has_the_same_profile(kind: str) -> None:
    data, records = people(kind)
    inside = members(people(kind)[0], field("country") == "TH", as_of=date(2025, 1, 1))
    found = profile(data, inside, by=["country"])
    shown = found.pl() if kind == "duckdb" else found.collect() if kind == "lazy" else found
    shown = shown if isinstance(shown, pl.DataFrame) else pl.DataFrame(shown)

    assert type(found) is type(data if kind not in {"records", "generator"} else shown)
    assert shown.rows() == profile(records, ["0", "1", "2"], by=["country"]).rows()


def test_the_usual_attributes_are_words_about_nobodys_person() -> None:
    _, records = people("records")

    found = profile(records, ["0"])
    assert {*found["attribute"]} == {"kind", "country", "language", "time_zone", "industry", "source", "owner_id"}
    assert found.row(0, named=True)["attribute"] == "country"


def test_what_rests_on_few_says_so() -> None:
    customers = pl.DataFrame({"id": [str(number) for number in range(70)], "plan": ["a", "b"] * 35})

    few_inside = profile(customers, ["1", "2"], by=["plan"])["note"]
    enough = profile(customers, customers["id"][:35], by=["plan"])["note"]
    assert few_inside.to_list() == ["there are only 2 inside"] * 2
    assert enough.to_list() == [None, None]


def test_of_many_values_the_most_frequent_are_told() -> None:
    plans = [f"plan {number:02}" for number in range(60) for _ in range(2 if number < 50 else 1)]
    customers = pl.DataFrame({"id": [str(number) for number in range(len(plans))], "plan": plans})
    found = profile(customers, ["0"], by=["plan"])

    assert {*found["value"]} == {*plans[:100]}
    assert found["note"][0].endswith("one of the 50 most frequent of 60 values")


def test_infinite_numbers_and_nan_do_not_count() -> None:
    customers = pl.DataFrame({"id": ["1", "2", "3", "4"], "x": [1.0, float("inf"), float("nan"), 2.0]})

    row = profile(customers, ["1", "2"], by=["x"]).row(0, named=True)
    assert (row["n_inside"], row["n_outside"], row["inside"], row["outside"]) == (1, 1, 1.0, 2.0)


def test_nobody_has_no_profile() -> None:
    assert profile([], [], by=["country"]).rows() == []
    assert profile([], []).rows() == []


def test_who_left_pays_monthly_and_is_new(published: Path) -> None:
    (file,) = (published / "telco_churn").glob("*.csv")
    customers = pl.read_csv(file).rename({"customerID": "id"})
    left = customers.filter(Churn="Yes")["id"]
    found = profile(customers, left, by=["Contract", "tenure", "gender", "MonthlyCharges", "InternetService"])
    by_value = {(row["attribute"], row["value"]): row for row in found.rows(named=True)}

    contract, tenure = by_value["Contract", "Month-to-month"], by_value["tenure", None]
    assert (contract["n_inside"], contract["n_outside"]) == (1869, 5174)
    assert (contract["inside"], contract["outside"]) == (1655 / 1869, 2220 / 5174)
    assert (tenure["inside"], tenure["outside"]) == (10, 38)
    expected = mannwhitneyu(customers.filter(Churn="Yes")["tenure"], customers.filter(Churn="No")["tenure"])
    assert tenure["effect"] == pytest.approx(2 * expected.statistic / (1869 * 5174) - 1)
    assert {found["attribute"][0], found["attribute"][1]} == {"Contract", "tenure"}
    assert contract["strength"] == tenure["strength"] == "large"
    assert {row["strength"] for row in found.filter(attribute="gender").rows(named=True)} == {"none"}
    assert min(found.filter(attribute="gender")["p_together"]) > 0.3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"by": "country"}, r"by='country' is one text; give a list of columns, such as \['country'\]"),
        ({"by": ["contry"]}, "has no column 'contry'; .* did you mean 'country'"),
        (
            {"by": ["created_at"]},
            "by='created_at' is Datetime.*; give columns of words, of numbers, or of true and false",
        ),
        ({"ci": 95}, "ci=95 is not a confidence"),
        ({"members": "0"}, "members are str; give their ids, or a table with customer_id"),
        ({"members": [1]}, "members are no ids; give their ids as text"),
        ({"members": pl.DataFrame({"id": ["0"]})}, "the table of members has no column 'customer_id'; there are 'id'"),
    ],
)
def test_what_cannot_be_compared_is_refused(wrong: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"customers": people("records")[1], "members": ["0"]}
    with pytest.raises(InvalidInput, match=message):
        profile(**asked | wrong)


def test_members_in_another_engine_are_refused() -> None:
    with pytest.raises(InvalidInput, match="customers and members are in polars and duckdb; give both as one kind"):
        profile(people("records")[1], people("duckdb")[0].project("id AS customer_id"))
