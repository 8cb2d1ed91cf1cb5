"""A mapping file is read as values, and every mistake in it is one sentence that names its place."""

import tomllib
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed
from crmkit.io import mapping
from crmkit.io.formats.row import Row
from crmkit.io.mapping import FolderMapping, folder_mapping, read_mapping
from crmkit.model import Customer, Deal, Pipeline, Stage

GOOD = """
source = "acme"
time_zone = "Asia/Bangkok"
currency = "THB"
dates = "%d.%m.%Y"
exported_on = 2025-12-31

[[pipelines]]
id = "sales"
name = "All sales"
stages = [
    { label = "Open", category = "open", probability = 0.5, rotting_days = 7 },
    { label = "Won", category = "won" },
]

[[files]]
path = "people.csv"
record = "Customer"
key = "id"
custom = ["notes", "phone"]
delimiter = ";"
encoding = "cp874"
[files.fields]
kind = { value = "person" }
name = "full name"
birth_on = { column = "born", format = "iso" }

[[files]]
path = "deals.csv"
record = "Deal"
key = "no"
[files.fields]
pipeline_id = { value = "sales" }
stage = { column = "state", replace = { " 1 " = "Open", 2 = "Won", x = 3, y = true, z = "" } }
amount = "worth"
probability = { value = 0.25 }
customer_id = "customer"
"""


def _read(folder: Path, text: str) -> FolderMapping:
    path = folder / "crmkit.toml"
    path.write_text(text, encoding="utf-8")
    return read_mapping(path)


def test_a_good_mapping_is_read_as_values(tmp_path: Path) -> None:
    plan = _read(tmp_path, GOOD)
    assert (plan.source, plan.time_zone, plan.currency, plan.dates) == ("acme", "Asia/Bangkok", "THB", "%d.%m.%Y")
    assert plan.exported_on == date(2025, 12, 31)
    stages = [Stage("Open", "open", 0.5, 7), Stage("Won", "won")]
    assert plan.pipelines == (Pipeline(id="sales", name="All sales", stages=stages),)
    people, deals = plan.files
    assert (people.path, people.record, people.key, people.custom) == (
        "people.csv",
        Customer,
        ("id",),
        ("notes", "phone"),
    )
    assert (people.delimiter, people.encoding, deals.delimiter, deals.encoding) == (";", "cp874", None, None)
    assert deals.record is Deal
    assert deals.columns == ("no", "state", "worth", "customer")
    assert plan == _read(tmp_path, GOOD)


def test_the_example_in_the_documentation_is_a_good_mapping(tmp_path: Path) -> None:
    example = "\n".join(line for line in (mapping.__doc__ or "").splitlines() if line.startswith("    "))
    plan = _read(tmp_path, dedent(example))
    assert [stage.label for stage in plan.pipelines[0].stages] == ["Engaging", "Won"]
    names = [field.info.name for field in plan.files[0].fields]
    assert names[:5] == ["stage", "name", "owner_id", "pipeline_id", "product_ids"]
    assert [entry.stage for entry in plan.files[0].entries] == ["Engaging"]
    assert (plan.files[1].match, len(plan.files[1].points)) == (("email",), 3)
    assert plan.learning == {"sales"}


def test_a_field_has_its_text_from_a_column_a_replacement_or_a_constant(tmp_path: Path) -> None:
    pipeline, stage, _, probability, _ = _read(tmp_path, GOOD).files[1].fields
    assert (pipeline.label, stage.label) == ("pipeline_id (value 'sales')", "stage (column 'state')")
    row = Row(2, {"state": " 1 "})
    assert (pipeline.text(row), stage.text(row), probability.text(row)) == ("sales", "Open", "0.25")
    given_and_meant = {"2": "Won", "x": "3", "y": "true", "z": "", " new ": "new", "Zoe\u0308": "Zo\u00eb"}
    assert {given: stage.text(Row(2, {"state": given})) for given in given_and_meant} == given_and_meant


def test_a_field_has_its_own_format_or_that_of_all_dates(tmp_path: Path) -> None:
    born = _read(tmp_path, GOOD).files[0].fields[2]
    assert born.reader.parse("1990-01-31") == date(1990, 1, 31)
    everywhere = _read(tmp_path, GOOD.replace(', format = "iso"', "")).files[0].fields[2]
    assert everywhere.reader.parse("31.01.1990") == date(1990, 1, 31)


def test_what_may_be_left_out_has_a_default(tmp_path: Path) -> None:
    plan = _read(
        tmp_path, 'source = "a"\nfiles = [{path = "p.csv", record = "Product", key = "id", fields = {name = "n"}}]'
    )
    assert (plan.time_zone, plan.currency, plan.dates, plan.exported_on, plan.pipelines) == (
        "UTC",
        None,
        "auto",
        None,
        (),
    )


PEOPLE, DEALS = "crmkit.toml, files 1 (people.csv)", "crmkit.toml, files 2 (deals.csv)"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('source = "acme"', "", "crmkit.toml: 'source' is missing; give the name of the system that the files come from"),
        ('source = "acme"', "source = 7", "crmkit.toml: 'source' is of the type int; give the name of the system"),
        ('source = "acme"', 'source = " "', "crmkit.toml: 'source' is blank or holds a NUL character"),
        ('source = "acme"', 'sorce = "acme"', "crmkit.toml: 'sorce' is no key here; there are 'source', "),
        ('source = "acme"', 'sorce = "acme"', "did you mean 'source'?"),
        ("Asia/Bangkok", "Asia/Bankok", "crmkit.toml: time_zone 'Asia/Bankok' is not known; give an IANA name such as"),
        ('"THB"', '"baht"', "crmkit.toml: currency 'baht' is no code; give three capital letters such as 'PLN'"),
        ('currency = "THB"', "", f"{DEALS}, fields.amount: an amount needs a currency"),
        ("%d.%m.%Y", "%d %B %Y", "crmkit.toml: dates '%d %B %Y' cannot be used: %B depends on the language of the computer"),
        ("= 2025-12-31", '= "2025-12-31"', "'exported_on' is of the type str; give a day without quotes, such as 2025-12-31"),
        ("= 2025-12-31", "= 2025-12-31T12:00:00", "'exported_on' is of the type datetime; give a day"),
        ("probability = 0.5", "probability = 50", "crmkit.toml, pipelines 1, stages 1: Stage.probability: 50.0 is not a share"),
        ('"won"', '"closed"', "crmkit.toml, pipelines 1, stages 2: Stage.category: 'closed' is not accepted; give one of"),
        ('category = "won"', 'kind = "won"', "crmkit.toml, pipelines 1, stages 2: 'kind' is no key here"),
        (', category = "won"', "", "crmkit.toml, pipelines 1, stages 2: 'category' is missing; give 'open', 'won' or 'lost'"),
        ('label = "Won"', 'label = "Open"', "crmkit.toml, pipelines 1: Pipeline.stages: two stages have the same label"),
        ('"Customer"', '"Custmer"', f"{PEOPLE}: 'Custmer' is no record class that a file can hold; there are 'Employee'"),
        ('"Customer"', '"Custmer"', "did you mean 'Customer'?"),
        ('"Customer"', '"Pipeline"', f"{PEOPLE}: a pipeline comes from no file; write its stages in the mapping"),
        ('"Customer"', '"Stage"', f"{PEOPLE}: 'Stage' is no record class that a file can hold"),
        ('key = "id"', "", f"{PEOPLE}: 'key' is missing; give the column that identifies a row"),
        ('path = "people.csv"', "", "crmkit.toml, files 1: 'path' is missing; give the name of a file in the folder"),
        ("people.csv", "../people.csv", "the path leads out of the folder; give a file inside it"),
        ("people.csv", "/etc/passwd", "the path leads out of the folder"),
        ('["notes", "phone"]', '"notes"', f"{PEOPLE}: 'custom' is of the type str; give a list of columns"),
        ('["notes", "phone"]', "[1]", f"{PEOPLE}: 'custom' holds something else than text; give a list of columns"),
        ("birth_on =", "birth_at =", f"{PEOPLE}, fields: 'birth_at' is no field of Customer that a column can fill"),
        ("birth_on =", "birth_at =", "did you mean 'birth_on'?"),
        ('name = "full name"', "", f"{PEOPLE}, fields: a Customer needs 'name'; give a column or a value for it"),
        ('name = "full name"', 'name = ""', f"{PEOPLE}, fields.name: 'column' is blank"),
        ('name = "full name"', "name = {}", f"{PEOPLE}, fields.name: 'column' is missing; give the name of a column, or a value"),
        ('name = "full name"', "name = [1]", f"{PEOPLE}, fields.name: 'columns' holds something else than text"),
        ('"person"', '"persn"', f"{PEOPLE}, fields.kind: the value 'persn' does not fit; give one of 'person', 'organization'"),
        ('"person"', '" "', f"{PEOPLE}, fields.kind: the value is blank; leave the field out"),
        ('"person"', "2025-12-31", f"{PEOPLE}, fields.kind: a value is of the type date; give text, a number, true or false"),
        ('value = "person"', 'value = "person", column = "k"', f"{PEOPLE}, fields.kind: 'column' is no key here"),
        ('format = "iso"', 'format = "ISO"', f"{PEOPLE}, fields.birth_on: format 'ISO' cannot be used: it must hold the year"),
        ('amount = "worth"', 'amount = {column = "worth", format = "iso"}', f"{DEALS}, fields.amount: only a date or a time has"),
        ('{ value = "sales" }', '{ value = "sale" }', f"{DEALS}, fields.pipeline_id: no pipeline has the id 'sale'; there are 'sales'"),
        ('amount = "worth"', 'category = "c"', f"{DEALS}, fields: 'category' is no field of Deal that a column can fill"),
        ('amount = "worth"', 'id = "c"', f"{DEALS}, fields: 'id' is no field of Deal that a column can fill"),
        ('amount = "worth"', 'custom = "c"', f"{DEALS}, fields: 'custom' is no field of Deal that a column can fill"),
        ('{ value = "sales" }', '{ valu = "sales" }', f"{DEALS}, fields.pipeline_id: 'valu' is no key here"),
        ('replace = { " 1 "', 'replace = { a = [], " 1 "', f"{DEALS}, fields.stage, replace: a value is of the type list"),
        ("[[files]]", "[files]", "crmkit.toml: is no TOML"),
        ("[[pipelines]]", "[[pipelines", "crmkit.toml: is no TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in GOOD
    with pytest.raises(ImportFailed) as caught:
        _read(tmp_path, GOOD.replace(before, after, 1))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('source = "a"', "no file is mapped; give at least one under [[files]]"),
        ('source = "a"\nfiles = 1', "'files' is of the type int; give a list of tables"),
        ('source = "a"\nfiles = [1]', "'files' holds something else than tables; give a list of tables"),
        ("x = " + "[" * 10_000, "is no TOML"),
        ("x = " + "9" * 5_000, "is no TOML"),
    ],
)
def test_a_file_without_a_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportFailed) as caught:
        _read(tmp_path, text)
    assert message in str(caught.value)


def test_two_pipelines_cannot_have_the_same_id(tmp_path: Path) -> None:
    again = '[[pipelines]]\nid = "sales"\nstages = [{ label = "Won", category = "won" }]\n'
    with pytest.raises(ImportFailed, match="two pipelines have the same id in 'sales', 'sales'"):
        _read(tmp_path, GOOD + again)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"crmkit.toml: cannot be read .*; give the path of a TOML file"):
        read_mapping(tmp_path / "crmkit.toml")
    with pytest.raises(ImportFailed, match="cannot be read"):
        read_mapping(tmp_path)
    (tmp_path / "crmkit.toml").write_bytes(b"source = '\xff'")
    with pytest.raises(ImportFailed, match="is no text in UTF-8"):
        read_mapping(tmp_path / "crmkit.toml")


@given(st.data())
def test_a_damaged_mapping_raises_nothing_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    words = st.sampled_from(
        ['"', "{", "}", "[", "]", "=", ",", ".", "\n", "1", "1.5", "true", "2025-01-01", "nan", '"\\u0000"', "[]", "{}"]
    )
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 30)))
    damaged = GOOD[:start] + data.draw(words | st.text(max_size=5)) + GOOD[end:]
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_bytes(damaged.encode("utf-8", "replace"))
    try:
        read_mapping(path)
    except CrmError:
        return


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": []}, "fields.name: 'columns' is empty; give the names of columns"),
        ({"name": {"column": "a", "columns": ["b"]}}, "'column' and 'columns' are both given"),
        ({"name": {"column": "a", "currency": "PLN"}}, "only an amount of money has a currency"),
        ({"price": {"column": "p", "currency": "zł"}}, "currency 'zł' is no code; give three capital letters such as 'PLN', or 'cells'"),
        ({"price": {"column": "p", "currency": "PLN", "numbers": "1 2"}}, "numbers '1 2' is not known; give 'auto', '1234.5'"),
        ({"contact_points": []}, "'contact_points' is no field of Product that a column can fill"),
    ],
)  # fmt: skip
def test_words_that_do_not_go_together_are_refused(fields: dict[str, Any], message: str) -> None:
    file = {"path": "goods.csv", "record": "Product", "key": "sku", "fields": {"name": "n", **fields}}
    with pytest.raises(ImportFailed) as caught:
        folder_mapping(source="till", files=[file])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"contact_points": [{"kind": "mail", "column": "m"}]}, "contact_points 1: kind 'mail' is none; there are 'email'"),
        ({"contact_points": [{"kind": "email"}]}, "contact_points 1: give the column"),
        ({"contact_points": [{"kind": "email", "city": "c"}]}, "only an address has lines and parts"),
    ],
)  # fmt: skip
def test_a_contact_point_that_cannot_be_read_is_refused(words: dict[str, Any], message: str) -> None:
    file = {
        "path": "p.csv",
        "record": "Customer",
        "key": "no",
        "fields": {"kind": {"value": "person"}, "name": "n", **words},
    }
    with pytest.raises(ImportFailed) as caught:
        folder_mapping(source="till", files=[file])
    assert message in str(caught.value)


def test_python_and_toml_have_the_same_words(tmp_path: Path) -> None:
    assert _read(tmp_path, GOOD) == folder_mapping(**tomllib.loads(GOOD))
    for wrong in ({"match": ["name"]}, {"entries": {"x": "New"}}, {"only": {"x": "y"}}):
        file = {"path": "p.csv", "record": "Product", "key": "no", "fields": {"name": "n"}, **wrong}
        with pytest.raises(ImportFailed):
            folder_mapping(source="till", files=[file])
