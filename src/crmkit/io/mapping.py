"""The mapping file: what the columns of other systems' files mean. It is TOML, usually `crmkit.toml` beside the files.

    source = "maven"                  # the system; its own key of a record is kept as an external id under this name
    time_zone = "UTC"                 # of dates and times that name no zone; this is the default
    currency = "USD"                  # of amounts
    dates = "%m/%d/%Y"                # the default is "iso"
    exported_on = 2017-12-31          # the day on which the data were exported

    [[pipelines]]
    id = "sales"
    stages = [{ label = "Engaging", category = "open", probability = 0.5 }, { label = "Won", category = "won" }]

    [[files]]
    path = "sales_pipeline.csv"       # inside the folder
    record = "Deal"                   # a record class of crmkit.model
    key = "opportunity_id"            # the column that identifies a row
    custom = ["campaign"]             # columns that are kept as they are, in the field `custom`
    delimiter = ","                   # the default
    encoding = "utf-8"                # the default

    [files.fields]
    stage = "deal_stage"                                                    # a column
    owner_id = "sales_agent"                                                # a column with the keys of employees
    pipeline_id = { value = "sales" }                                       # the same for every row
    product_ids = { column = "product", replace = { GTXPro = "GTX Pro" } }  # whole cells mean something else
    closed_at = { column = "close_date", format = "iso" }                   # instead of `dates`

Formats have the directives of `datetime.strptime` that mean the same in every language.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import InvalidInput, InvalidRecord, choices
from crmkit.io import toml
from crmkit.io.cells import ISO, READABLE, CellReader, Conventions, cell_reader, check_format, tidy
from crmkit.io.formats.row import Row
from crmkit.io.toml import Table
from crmkit.model import RECORDS, Deal, FieldInfo, Money, Pipeline, Record, Stage, Transition, fields
from crmkit.stats.periods import zone

NAME = "crmkit.toml"
"""What the mapping file of a folder is called."""

_IMPORTABLE = {cls.__name__: cls for cls in RECORDS if cls not in (Pipeline, Transition)}
_FORMAT = "'iso' or a format such as '%d.%m.%Y'"


@attrs.frozen(kw_only=True)
class FieldMapping:
    """Where a field comes from: the `column` of a file, or one `value` for all its rows; just one of them is there.

    `replace` maps texts of whole cells to what they mean.
    """

    info: FieldInfo
    column: str | None
    value: str | None
    replace: Mapping[str, str]
    reader: CellReader = attrs.field(eq=False, repr=False)

    @property
    def label(self) -> str:
        """The field and its source, for messages."""
        source = f"column {self.column!r}" if self.column else f"value {self.value!r}"
        return f"{self.info.name} ({source})"

    @property
    def kept_as(self) -> str:
        """The name in the field `custom` under which a text is kept that names no record."""
        return self.column or self.info.name

    def text(self, row: Row) -> str:
        """Return what a row says, tidied and replaced; "" where it says nothing."""
        if self.column is None:
            return self.value or ""
        text = tidy(row.values[self.column])
        return self.replace.get(text, text)


@attrs.frozen(kw_only=True)
class FileMapping:
    """One file: the record class of its rows, the column that identifies a row, and what fills which field.

    The columns in `custom` are kept as text. A file may be mapped several times, with a class each.
    """

    path: str
    record: type[Record]
    key: str
    fields: tuple[FieldMapping, ...]
    custom: tuple[str, ...] = ()
    delimiter: str = ","
    encoding: str = "utf-8"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are used, without repetition."""
        return tuple(dict.fromkeys([self.key, *(field.column for field in self.fields if field.column), *self.custom]))


@attrs.frozen(kw_only=True)
class FolderMapping:
    """A whole mapping file; `exported_on` is None where it does not say."""

    source: str
    time_zone: str
    currency: str | None
    dates: str
    exported_on: date | None
    pipelines: tuple[Pipeline, ...]
    files: tuple[FileMapping, ...]


def read_mapping(path: Path | str) -> FolderMapping:
    """Return what a mapping file says, checked against the record classes.

    Raises `ImportFailed`, naming the place in the file and what would be accepted, for a file that cannot be read, for unknown
    and missing keys, classes and fields, and for values of a wrong type.
    """
    top = toml.load(Path(path))
    top.check_keys("source", "time_zone", "currency", "dates", "exported_on", "pipelines", "files")
    conventions = Conventions(_zone(top), _currency(top), _dates(top, "dates") or ISO)
    pipelines = _pipelines(top)
    files = tuple(_file(table, conventions, pipelines) for table in top.tables("files"))
    if not files:
        raise top.error("no file is mapped; give at least one under [[files]]")
    return FolderMapping(
        source=top.text("source", "the name of the system that the files come from"),
        time_zone=conventions.zone.key,
        currency=conventions.currency,
        dates=conventions.dates,
        exported_on=top.find("exported_on", date, "a day without quotes, such as 2025-12-31"),
        pipelines=pipelines,
        files=files,
    )


def _zone(top: Table) -> ZoneInfo:
    accepted = "an IANA name such as 'Asia/Bangkok'"
    name = top.find_text("time_zone", accepted) or "UTC"
    try:
        return zone(name)
    except InvalidInput:
        raise top.error(f"time_zone {name!r} is not known; give {accepted}") from None


def _currency(top: Table) -> str | None:
    accepted = "three capital letters such as 'PLN'"
    code = top.find_text("currency", accepted)
    try:
        return code and Money(0, code).currency
    except InvalidRecord:
        raise top.error(f"currency {code!r} is no code; give {accepted}") from None


def _dates(table: Table, key: str) -> str | None:
    pattern = table.find_text(key, _FORMAT)
    fault = None if pattern in (None, ISO) else check_format(pattern)
    if fault:
        raise table.error(f"{key} {pattern!r} cannot be used: {fault}; give {_FORMAT}")
    return pattern


def _pipelines(top: Table) -> tuple[Pipeline, ...]:
    pipelines = tuple(map(_pipeline, top.tables("pipelines")))
    ids = [pipeline.id for pipeline in pipelines]
    if len(set(ids)) < len(ids):
        raise top.error(f"two pipelines have the same id in {', '.join(map(repr, ids))}")
    return pipelines


def _pipeline(table: Table) -> Pipeline:
    table.check_keys("id", "name", "stages")
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


def _file(table: Table, conventions: Conventions, pipelines: Iterable[Pipeline]) -> FileMapping:
    path = table.text("path", "the name of a file in the folder")
    table = attrs.evolve(table, place=f"{table.place} ({path})")
    table.check_keys("path", "record", "key", "custom", "delimiter", "encoding", "fields")
    if Path(path).anchor or ".." in Path(path).parts:
        raise table.error("the path leads out of the folder; give a file inside it")
    delimiter = table.find("delimiter", str, "one character such as ';'")
    return FileMapping(
        path=path,
        record=_record_class(table),
        key=table.text("key", "the column that identifies a row"),
        fields=_fields(table, _record_class(table), conventions, pipelines),
        custom=table.texts("custom", "a list of columns"),
        delimiter="," if delimiter is None else delimiter,
        encoding=table.find_text("encoding", "a name such as 'cp1252'") or "utf-8",
    )


def _record_class(table: Table) -> type[Record]:
    name = table.text("record", "a record class such as 'Deal'")
    if name == Pipeline.__name__:
        raise table.error("a pipeline comes from no file; write its stages in the mapping, under [[pipelines]]")
    if name not in _IMPORTABLE:
        raise table.error(f"{name!r} is no record class that a file can hold; {choices(name, _IMPORTABLE)}")
    return _IMPORTABLE[name]


def _fields(
    table: Table, cls: type[Record], conventions: Conventions, pipelines: Iterable[Pipeline]
) -> tuple[FieldMapping, ...]:
    given = table.table("fields")
    known = {info.name: info for info in fields(cls) if _is_mappable(cls, info)}
    for name in given.values:
        if name not in known:
            raise given.error(f"{name!r} is no field of {cls.__name__} that a column can fill; {choices(name, known)}")
    for name, info in known.items():
        if info.required and name not in given.values:
            raise given.error(f"a {cls.__name__} needs {name!r}; give a column or a value for it")
    ids = [pipeline.id for pipeline in pipelines]
    return tuple(_field(given, known[name], conventions, ids) for name in given.values)


def _is_mappable(cls: type[Record], info: FieldInfo) -> bool:
    """The id follows from the key of the row, and the category of a deal from its stage."""
    follows = info.name == "id" or (cls is Deal and info.name == "category")
    return info.shape.kind in READABLE and not follows


def _field(given: Table, info: FieldInfo, conventions: Conventions, pipelines: Sequence[str]) -> FieldMapping:
    source = given.values[info.name]
    own = Table(source if isinstance(source, dict) else {"column": source}, f"{given.place}.{info.name}")
    reader = _reader(own, info, conventions)
    if "value" in own.values:
        own.check_keys("value", "format")
        value = _constant(own, info, reader, pipelines)
        return FieldMapping(info=info, column=None, value=value, replace={}, reader=reader)
    own.check_keys("column", "replace", "format")
    column = own.text("column", "the name of a column, or a value for every row")
    return FieldMapping(info=info, column=column, value=None, replace=_replace(own), reader=reader)


def _reader(own: Table, info: FieldInfo, conventions: Conventions) -> CellReader:
    kind = info.shape.kind
    if kind == "money" and conventions.currency is None:
        raise own.error("an amount needs a currency; give one at the top of the file, such as currency = 'PLN'")
    pattern = _dates(own, "format")
    if pattern is None:
        reader = cell_reader(info.shape, conventions)
        return attrs.evolve(reader, accepted=f"the key of one {info.links}") if info.links else reader
    if kind not in ("day", "instant"):
        raise own.error("only a date or a time has a format; leave it out")
    return cell_reader(info.shape, attrs.evolve(conventions, dates=pattern))


def _constant(own: Table, info: FieldInfo, reader: CellReader, pipelines: Sequence[str]) -> str:
    value = _text(own, own.values["value"])
    if not value:
        raise own.error("the value is blank; leave the field out")
    if info.links == Pipeline.__name__ and value not in pipelines:
        raise own.error(f"no pipeline has the id {value!r}; {choices(value, pipelines)}")
    if info.links is None and reader.parse(value) is None:
        raise own.error(f"the value {value!r} does not fit; give {reader.accepted}")
    return value


def _replace(own: Table) -> Mapping[str, str]:
    found = own.table("replace")
    return {tidy(before): _text(found, after) for before, after in found.values.items()}


def _text(own: Table, found: object) -> str:
    """A value of the mapping as a cell would show it."""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, str | int | float):
        return tidy(str(found))
    raise own.error(f"a value is of the type {type(found).__name__}; give text, a number, true or false")
