"""A mapping as a value, and how it is read from a file or from Python."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import InvalidInput, InvalidRecord, choices
from crmkit.io.mapping import toml
from crmkit.io.mapping.cells import AUTO, Conventions, tidy
from crmkit.io.mapping.field_words import (
    Defaults,
    moment_field,
    read_currency,
    read_dates,
    read_fields,
    read_numbers,
    read_points,
)
from crmkit.io.mapping.fields import EntryMapping, FieldMapping, Placeholders, PointMapping
from crmkit.io.mapping.toml import Table
from crmkit.model import RECORDS, Deal, Pipeline, Record, Stage, fields
from crmkit.stats.periods import zone

NAME = "crmkit.toml"
"""What the mapping file of a folder is called."""

EVERY_OTHER = "*"
"""In the place of the name of a column: all columns that nothing else uses."""

_IMPORTABLE = {cls.__name__: cls for cls in RECORDS if cls is not Pipeline}
_MATCHED = ("email", "phone")


@attrs.frozen(kw_only=True)
class FileMapping:
    """One file: the record class of its rows, the columns that identify a row, and what fills which field.

    The columns in `custom` are kept as text. A file may be mapped several times, with a class each; an `optional` mapping is for what
    stands in the rows of something else, as the owners of deals do. `delimiter`, `encoding` and
    `format` are None where they are to be found out. With `check_points` malformed contact points are marked, and `country` is where
    telephone numbers without a country code are dialled.
    """

    path: str
    record: type[Record]
    key: tuple[str, ...]
    fields: tuple[FieldMapping, ...]
    points: tuple[PointMapping, ...] = ()
    custom: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    only: Mapping[str, frozenset[str]] = attrs.field(factory=dict)
    optional: bool = False
    key_prefix: str = ""
    entries: tuple[EntryMapping, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None
    format: str | None = None
    sheet: str | None = None
    check_points: bool = False
    country: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are used, without repetition."""
        of_fields = [column for field in self.fields for column in field.used]
        of_points = [column for point in self.points for column in point.used]
        custom = [column for column in self.custom if column != EVERY_OTHER]
        entered = [column for entry in self.entries for column in entry.moment.used]
        return tuple(dict.fromkeys([*self.key, *of_fields, *of_points, *custom, *self.only, *entered]))

    def with_columns(self, present: Iterable[str]) -> "FileMapping":
        """Return the mapping with the columns that `custom = ["*"]` means, of those that a file has."""
        if EVERY_OTHER not in self.custom:
            return self
        used = {*self.columns}
        named = [column for column in self.custom if column != EVERY_OTHER]
        return attrs.evolve(self, custom=(*named, *(column for column in present if column not in used)))


@attrs.frozen(kw_only=True)
class FolderMapping:
    """A whole mapping; `exported_on` is None where it does not say. `learning` has the ids of pipelines that take new stages."""

    source: str
    time_zone: str
    currency: str | None
    dates: str
    exported_on: date | None
    pipelines: tuple[Pipeline, ...]
    files: tuple[FileMapping, ...]
    learning: frozenset[str] = frozenset()


def read_mapping(
    path: Path | str, *, records: Iterable[type[Record]] = (), pipelines: Iterable[Pipeline] = (), **stated: Any
) -> FolderMapping:
    """Return what a mapping file says, checked against the record classes.

    Args:
        path: the TOML file.
        records: a vertical's own record classes, which may be named beside those of crmkit.
        pipelines: those that are stored already, which may be named beside those of the mapping.
        stated: words of the top of the file, such as `currency`, that are to be taken instead of what it says.

    Raises:
        ImportFailed: naming the place in the file and what would be accepted, for a file that cannot be read, for unknown and missing
            keys, classes and fields, and for values of a wrong type.
    """
    written = toml.load(Path(path))
    return _mapping(attrs.evolve(written, values={**written.values, **stated}), records, pipelines)


def folder_mapping(
    *,
    records: Iterable[type[Record]] = (),
    known_pipelines: Iterable[Pipeline] = (),
    place: str = "mapping",
    **words: Any,
) -> FolderMapping:
    """Return what the words of a mapping file say, given in Python: `source`, `files` and so on, as this module describes them.

    Args:
        records, known_pipelines: as in `read_mapping`.
        place: what errors call the mapping.
        words: the keys of the file. Tables are dicts, and days are dates.

    Raises:
        ImportFailed: as `read_mapping`.

    >>> made = folder_mapping(
    ...     source="till",
    ...     files=[{"path": "goods.csv", "record": "Product", "key": "sku", "fields": {"name": "title"}}],
    ... )
    >>> made.files[0].columns
    ('sku', 'title')
    """
    return _mapping(Table(words, place), records, known_pipelines)


def _mapping(top: Table, records: Iterable[type[Record]], known: Iterable[Pipeline]) -> FolderMapping:
    top.check_keys(
        "source", "time_zone", "currency", "dates", "numbers", "empty", "exported_on", "check_points", "country", "pipelines", "files"
    )  # fmt: skip
    source = top.text("source", "the name of the system that the files come from")
    pipelines = _pipelines(top)
    learning = frozenset(tidy(str(each.values["id"])) for each in top.tables("pipelines") if each.values.get("learns"))
    currency = read_currency(top)
    defaults = Defaults(
        conventions=Conventions(_zone(top)),
        currency=currency,
        dates=read_dates(top, "dates") or AUTO,
        numbers=read_numbers(top) or AUTO,
        placeholders=_placeholders(top),
        pipelines=[pipeline.id for pipeline in (*pipelines, *known)],
    )
    classes = _IMPORTABLE | {cls.__name__: cls for cls in records}
    check_points, country = top.find("check_points", bool, "true or false") or False, _country(top)
    files = tuple(
        attrs.evolve(_file(table, defaults, classes), check_points=check_points, country=country)
        for table in top.tables("files")
    )
    if not files:
        raise top.error("no file is mapped; give at least one under [[files]]")
    return FolderMapping(
        source=source,
        time_zone=defaults.conventions.zone.key,
        currency=currency,
        dates=defaults.dates,
        exported_on=top.find("exported_on", date, "a day without quotes, such as 2025-12-31"),
        pipelines=pipelines,
        files=files,
        learning=learning,
    )


def _placeholders(top: Table) -> Placeholders:
    stated = frozenset(each.casefold() for each in top.texts("empty", "a list of texts"))
    return attrs.evolve(usual := Placeholders(), signs=usual.signs | stated)


def _zone(top: Table) -> ZoneInfo:
    accepted = "an IANA name such as 'Asia/Bangkok'"
    name = top.find_text("time_zone", accepted) or "UTC"
    try:
        return zone(name)
    except InvalidInput:
        raise top.error(f"time_zone {name!r} is not known; give {accepted}") from None


def _country(top: Table) -> str | None:
    accepted = "a code of two letters such as 'PL'"
    code = top.find_text("country", accepted)
    if code is not None and not re.fullmatch("[A-Za-z]{2}", code):
        raise top.error(f"country {code!r} is no code; give {accepted}")
    return code


def _pipelines(top: Table) -> tuple[Pipeline, ...]:
    pipelines = tuple(map(_pipeline, top.tables("pipelines")))
    ids = [pipeline.id for pipeline in pipelines]
    if len(set(ids)) < len(ids):
        raise top.error(f"two pipelines have the same id in {', '.join(map(repr, ids))}")
    return pipelines


def _pipeline(table: Table) -> Pipeline:
    table.check_keys("id", "name", "stages", "learns")
    table.find("learns", bool, "true or false")
    name = table.find_text("name", "text")
    stages = [_stage(stage) for stage in table.tables("stages")]
    try:
        return Pipeline(id=tidy(table.text("id", "text")), name=name, stages=stages)
    except InvalidRecord as error:
        raise table.error(str(error)) from None


def _stage(table: Table) -> Stage:
    table.check_keys(*(field.name for field in fields(Stage)))
    label = tidy(table.text("label", "text"))
    table.text("category", "'open', 'won' or 'lost'")
    try:
        return Stage(**{**table.values, "label": label})
    except InvalidRecord as error:
        raise table.error(str(error)) from None


def _file(table: Table, defaults: Defaults, classes: Mapping[str, type[Record]]) -> FileMapping:
    path = table.text("path", "the name of a file in the folder")
    table = attrs.evolve(table, place=f"{table.place} ({path})")
    table.check_keys(
        "path", "record", "key", "custom", "match", "only", "optional", "key_prefix", "entries", "delimiter", "encoding", "format",
        "sheet", "fields",
    )  # fmt: skip
    if Path(path).anchor or ".." in Path(path).parts:
        raise table.error("the path leads out of the folder; give a file inside it")
    cls = _record_class(table, classes)
    return FileMapping(
        path=path,
        record=cls,
        key=_key(table),
        fields=read_fields(table.table("fields"), cls, defaults),
        points=read_points(table.table("fields"), defaults.placeholders),
        custom=table.texts("custom", "a list of columns"),
        match=_match(table),
        only=_only(table),
        optional=table.find("optional", bool, "true or false") or False,
        key_prefix=table.find("key_prefix", str, "what stands before each key") or "",
        entries=_entries(table, cls, defaults),
        delimiter=table.find("delimiter", str, "one character such as ';'"),
        encoding=table.find_text("encoding", "a name such as 'cp1252'"),
        format=table.find_text("format", "the name of a format such as 'csv'"),
        sheet=table.find_text("sheet", "the name of a sheet"),
    )


def _key(table: Table) -> tuple[str, ...]:
    if isinstance(table.values.get("key"), list):
        columns = table.texts("key", "a list of columns")
        if columns:
            return columns
    return (table.text("key", "the column that identifies a row"),)


def _match(table: Table) -> tuple[str, ...]:
    kinds = table.texts("match", "a list of 'email' and 'phone'")
    for kind in kinds:
        if kind not in _MATCHED:
            raise table.error(f"a row cannot be matched by {kind!r}; {choices(kind, _MATCHED)}")
    return kinds


def _only(table: Table) -> Mapping[str, frozenset[str]]:
    given = table.table("only")
    return {column: frozenset(map(tidy, given.texts(column, "a list of texts"))) for column in given.values}


def _entries(table: Table, cls: type[Record], defaults: Defaults) -> tuple[EntryMapping, ...]:
    given = table.table("entries")
    if given.values and not issubclass(cls, Deal):
        raise table.error(f"a {cls.__name__} has no stages that are entered; leave 'entries' out")
    return tuple(
        EntryMapping(
            stage=tidy(given.text(column, "the label of a stage")), moment=moment_field(given, column, defaults)
        )
        for column in given.values
    )


def _record_class(table: Table, classes: Mapping[str, type[Record]]) -> type[Record]:
    name = table.text("record", "a record class such as 'Deal'")
    if name == Pipeline.__name__:
        raise table.error("a pipeline comes from no file; write its stages in the mapping, under [[pipelines]]")
    if name not in classes:
        raise table.error(f"{name!r} is no record class that a file can hold; {choices(name, classes)}")
    return classes[name]
