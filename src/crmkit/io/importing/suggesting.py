"""A mapping for a file that nobody has described yet: a start, to be looked through and changed."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import attrs

from crmkit.errors import ImportFailed
from crmkit.io import formats
from crmkit.io.formats import Row
from crmkit.io.importing.synonyms import EMAIL, KEYS, PARTS, PHONE, POINTS, RECORDS_BY_WORDS, TITLES, WEB
from crmkit.io.mapping.columns import ColumnEvidence
from crmkit.io.mapping.fields import cell_text
from crmkit.io.mapping.files import folder_mapping
from crmkit.io.presets import words_for

_SAMPLE = 2000
_ENOUGH = 0.8
_PIPELINE = {"id": "sales", "learns": True, "stages": [{"label": "New", "category": "open"}]}
_KEY = re.compile(r"(\bid|_id|Id|ID|#)$|\b([Nn]o|[Nn]r|[Nn]umber|[Nn]umer|[Nn]ummer|[Nn]uméro)\b")
"""How columns are called that number the rows."""
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_NUMBER = re.compile(r"\+?[0-9][0-9 ()/.\-]{6,18}[0-9]")
_CURRENCY = re.compile("[A-Z]{3}|[^0-9.,()\\s-]{1,3}")


def suggest_mapping(path: Path | str, **stated: Any) -> str:
    r"""Return the text of a mapping file for a file or a folder: a start for somebody who knows what the columns mean.

    What `crmkit.io.presets` recognises is mapped as it says. For other files the names of columns are compared with what fields are
    usually called, in some languages, and columns of addresses and numbers are told by their cells. The record class is the one of
    which most fields are found. What is not certain stands in a comment, and columns without a field are kept in `custom`. Words of
    the top of a mapping that somebody knows may be `stated`, as `currency="PLN"` and `dates="day first"`.

    Raises:
        ImportFailed: for a file that cannot be read.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = path.write_text("No,Full name,E-mail,Shoes\n1,Ann,ann@example.com,37\n")
    >>> print(suggest_mapping(path))
    source = "people"
    <BLANKLINE>
    [[files]]
    path = "people.csv"
    record = "Customer"
    key = "No"
    match = ["email"]
    custom = ["*"]
    [files.fields]
    kind = { value = "person" }
    name = "Full name"
    contact_points = [{ kind = "email", column = "E-mail" }]
    <BLANKLINE>
    """
    path = Path(path)
    recognised = words_for(path, **stated)
    if recognised is not None:
        return _doubts(_faults(recognised)) + to_toml(recognised)
    files = sorted(each for each in path.iterdir() if each.is_file() and _is_table(each)) if path.is_dir() else [path]
    if not files:
        raise ImportFailed(f"{path}: holds no file that could be a table; give a folder with CSV files or workbooks")
    source = re.sub(r"\W+", "-", path.stem.casefold()).strip("-") or "import"
    tables = [_Table(each, stated.get("currency")) for each in files]
    pipelines = [_PIPELINE] if any(table.record == "Deal" for table in tables) else []
    top = {"source": source, **stated, "pipelines": pipelines}
    blocks = [to_toml(top)]
    for table in tables:
        words = table.words()
        doubts = [*table.doubts, *_ambiguities({**top, "files": [words]}, table.rows)]
        blocks.append(_doubts(doubts) + to_toml({"files": [words]}))
    return "\n".join(blocks)


def _doubts(doubts: Iterable[str]) -> str:
    return "".join(f"# {doubt}\n" for doubt in doubts)


def _faults(words: Mapping[str, Any]) -> list[str]:
    """What a mapping lacks, to be stated."""
    try:
        folder_mapping(**words)
    except ImportFailed as error:
        return [str(error)]
    return []


def _is_table(path: Path) -> bool:
    return any(path.suffix.lower() in form.endings for form in formats.FORMATS)


def _ambiguities(words: Mapping[str, Any], rows: Iterable[Row]) -> list[str]:
    """What the columns leave open, to be stated."""
    try:
        (file,) = folder_mapping(**words).files
    except ImportFailed:
        return []  # what is missing is told already
    evidence = ColumnEvidence(file)
    for row in rows:
        evidence.see(row)
    try:
        evidence.resolved()
    except ImportFailed as error:
        return [str(error)]
    return []


@attrs.define(init=False)
class _Table:
    """A file that is looked at: what its columns are called, and what their first cells are like."""

    path: Path
    currency: str | None
    columns: tuple[str, ...]
    rows: list[Row]
    doubts: list[str]
    record: str
    fields: dict[str, Any]

    def __init__(self, path: Path, currency: str | None) -> None:
        form = formats.for_path(path)
        self.path, self.currency, self.columns = path, currency, form.columns(path)
        self.rows = list(islice(form.read(path), _SAMPLE))
        self.doubts = []
        self.record, found = self._record()
        self.fields = self._fields(found)

    def words(self) -> dict[str, Any]:
        """The file in the words of a mapping."""
        has_mail = any(point["kind"] == "email" for point in self.fields.get("contact_points", ()))
        match = {"match": ["email"]} if has_mail and self.record == "Customer" else {}
        return {
            "path": self.path.name,
            "record": self.record,
            "key": self._key(),
            **match,
            "custom": ["*"],
            "fields": self.fields,
        }

    def _record(self) -> tuple[str, dict[str, str]]:
        """The class of which most fields are found, the first of the most, and the columns of its fields."""
        found = {record: self._named(fields) for record, fields in RECORDS_BY_WORDS.items()}
        needed = {"Deal": "stage", "Order": "at", "Product": "price"}
        possible = {record: each for record, each in found.items() if needed.get(record, "name") in each}
        record = max(possible, key=lambda each: len(possible[each]), default="Customer")
        return record, found[record]

    def _named(self, fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """The column of each field whose name is one of some words."""
        plain = {_plain(column): column for column in reversed(self.columns)}
        found: dict[str, str] = {}
        for name, words in fields.items():
            column = next((plain[word] for word in words if word in plain and plain[word] not in found.values()), None)
            if column is not None:
                found[name] = column
        return found

    def _fields(self, found: dict[str, str]) -> dict[str, Any]:
        fields: dict[str, Any] = dict(found)
        for name in ("amount", "price"):
            if name in found:
                self._add_money(fields, name)
        if self.record == "Customer":
            self._add_person(fields)
        if self.record == "Deal":
            fields = {"pipeline_id": {"value": "sales"}, **fields}
        return fields

    def _add_person(self, fields: dict[str, Any]) -> None:
        points = self._points(set(fields.values()))
        parts = [fields[name] for name in ("given_name", "family_name") if name in fields]
        mail = next((point["column"] for point in points if point["kind"] == "email"), None)
        if "name" not in fields:
            named = parts or ([mail] if mail else list(self.columns[:1]))
            fields["name"] = (
                {"columns": named, "otherwise": mail} if mail and parts else named if len(named) > 1 else named[0]
            )
        is_firm = not parts and any(_plain(column) in TITLES for column in (fields["name"],) if isinstance(column, str))
        kind = {"kind": {"value": "organization" if is_firm else "person"}}
        given = {**kind, "name": fields.pop("name"), **fields}
        fields.clear()
        fields.update(given)
        if points:
            fields["contact_points"] = points

    def _points(self, used: set[Any]) -> list[dict[str, Any]]:
        points = [
            {"kind": kind, "column": column}
            for column in self.columns
            if column not in used and (kind := self._kind_of_point(column))
        ]
        address = self._named(PARTS)
        if "lines" in address or "postcode" in address:
            lines: dict[str, Any] = {"lines": [address.pop("lines")]} if "lines" in address else {}
            points.append({"kind": "address", **lines, **address})
        return points

    def _kind_of_point(self, column: str) -> str | None:
        texts = [text for row in self.rows if (text := cell_text(row.values.get(column)))]
        plain = _plain(column)
        for kind, pattern, words in (("email", _MAIL, EMAIL), ("phone", _NUMBER, PHONE)):
            fitting = sum(bool(pattern.fullmatch(text)) for text in texts)
            is_named = any(word in plain for word in words)
            is_like = texts and fitting >= _ENOUGH * len(texts)
            # What is called so in as many words may also hold what is mistyped.
            is_called = is_named and plain in POINTS and 2 * fitting >= len(texts)
            if is_called or (is_like and (is_named or kind == "email")):
                return kind
        return "web" if plain in WEB else None

    def _add_money(self, fields: dict[str, Any], name: str) -> None:
        column = fields.pop(name)
        currency = self._named({"currency": ("currency", "currencycode", "waluta", "währung", "devise")}).get(
            "currency"
        )
        texts = [text for row in self.rows if (text := cell_text(row.values.get(column)))]
        if currency:
            fields[name] = {"column": column, "currency_column": currency}
        elif texts and all(_CURRENCY.search(text) for text in texts):
            fields[name] = {"column": column, "currency": "cells"}
        elif self.currency:
            fields[name] = column
        else:
            self.doubts.append(
                f'state the currency: fields.{name} = {{ column = {json.dumps(column)}, currency = "..." }}'
            )

    def _key(self) -> str | list[str]:
        """A column that is called a key and is one, else any that is one, else the first two together."""
        named = [column for word in KEYS for column in self.columns if _plain(column) == word]
        reached_by = {point.get("column") for point in self.fields.get("contact_points", ())}
        alike = [each for each in self.columns if _KEY.search(each) and each not in (*named, *reached_by)]
        for column in (*named, *alike, *self._mails()):
            texts = [cell_text(row.values.get(column)) for row in self.rows]
            if texts and all(texts) and len(set(texts)) == len(texts):
                return column
        self.doubts.append("no column is certain to identify a row; state the key")
        return list(self.columns[:2]) if len(self.columns) > 1 else self.columns[0]

    def _mails(self) -> list[str]:
        points = self.fields.get("contact_points", ())
        return [point["column"] for point in points if point["kind"] == "email"]


def _plain(column: str) -> str:
    """The name of a column without capitals, spaces and signs."""
    return re.sub(r"[\W_]+", "", column.casefold())


def to_toml(words: Mapping[str, Any]) -> str:
    """Return the words of a mapping as the text of a TOML file.

    >>> print(to_toml({"source": "till", "files": [{"path": "a.csv", "fields": {"name": {"columns": ["a", "b"]}}}]}))
    source = "till"
    <BLANKLINE>
    [[files]]
    path = "a.csv"
    [files.fields]
    name = { columns = ["a", "b"] }
    <BLANKLINE>
    """
    tables = ("pipelines", "files")
    top = [f"{_key(name)} = {_value(each)}" for name, each in words.items() if name not in tables]
    blocks = ["\n".join(top)] if top else []
    for name in tables:
        blocks += [_block(name, table) for table in words.get(name, ())]
    return "\n\n".join(blocks) + "\n"


def _block(name: str, table: Mapping[str, Any]) -> str:
    lines = [f"[[{name}]]", *(f"{_key(key)} = {_value(each)}" for key, each in table.items() if key != "fields")]
    if "fields" in table:
        lines += [f"[{name}.fields]", *(f"{_key(key)} = {_value(each)}" for key, each in table["fields"].items())]
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
