"""The tables of a store: one for each family of record classes, and those of crmkit's own.

A family is a base record and the classes that extend it. Its table has a column for every field of any of them; what only some have
may be NULL. Names that begin with `crm_` are the store's own columns.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any
from zlib import crc32

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from crmkit.errors import InvalidInput, StoreError
from crmkit.io.stores.families import family
from crmkit.io.stores.sql.cells import TEXT, Cells, DialectName, cells, encoding
from crmkit.io.stores.sql.json_text import default_maker
from crmkit.model.money import Money
from crmkit.model.records import FieldInfo, Record, fields
from crmkit.model.shape import Kind, Shape

Row = tuple[Any, ...]

_NAME = re.compile(r"(?!crm_)[a-z][a-z0-9_]{0,47}")
_LONGEST_NAME = 55
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,15}")
# What PostgreSQL calls the types in which values are sent; JSON goes as the text that it is.
_SENT_AS = {
    "json": "text",
    'text collate "c"': "text",
    'text[] collate "c"': "text[]",
    "timestamp with time zone": "timestamptz",
    "double precision": "float8",
}
_DIALECTS: Mapping[DialectName, Any] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


@attrs.frozen
class Insert:
    """How rows get into a table: a statement for one, and the table, its columns and their types for many."""

    sql: str
    table: str
    columns: tuple[str, ...]
    types: tuple[str, ...]


@attrs.frozen
class Place:
    """Where the tables of a store are: in which sort of database, under which prefix, in which schema of PostgreSQL."""

    dialect: DialectName
    prefix: str = "crm_"
    schema: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse names that would need care in SQL."""
        for what, name in (("prefix", self.prefix), ("schema", self.schema)):
            if name is not None and not _PREFIX.fullmatch(name):
                raise InvalidInput(
                    f"{name!r} is no {what}; give lower case letters, digits and '_', a letter first, at most 16 of them"
                )

    def compiled(self, statement: Any) -> str:
        """Return a statement as SQL whose parameters are given by position, in the order in which they stand."""
        options = {"render_postcompile": True} if isinstance(statement, sa.ClauseElement) else {}
        return str(statement.compile(dialect=_DIALECTS[self.dialect], compile_kwargs=options))

    def prepared(self, statement: Any) -> "Prepared":
        """Return a statement as SQL with the values of its parameters."""
        compiled = statement.compile(dialect=_DIALECTS[self.dialect], compile_kwargs={"render_postcompile": True})
        return Prepared(str(compiled), tuple(compiled.positiontup or ()), compiled.params)

    def bound(self, statement: Any) -> tuple[str, Row]:
        """Return a statement as SQL, and the values of its parameters in the order in which they stand."""
        prepared = self.prepared(statement)
        return prepared.sql, prepared.values()

    def name_of(self, table: sa.Table) -> str:
        """Return the name of a table as SQL writes it."""
        return _DIALECTS[self.dialect].identifier_preparer.format_table(table)  # type: ignore[no-any-return]

    def insert(self, table: sa.Table, columns: Sequence[sa.Column[Any]]) -> Insert:
        """Return how rows with these columns get into a table."""
        statement = (
            sa.insert(table)
            .inline()
            .values({each: sa.bindparam(f"new_{each.name}", type_=each.type) for each in columns})
        )
        kinds = (each.type.compile(dialect=_DIALECTS[self.dialect]).lower() for each in columns)
        sent_as = tuple(_SENT_AS.get(kind, kind.partition("(")[0]) for kind in kinds)
        names = tuple(each.name for each in columns)
        return Insert(self.compiled(statement), self.name_of(table), names, sent_as)

    def bindable(self, kind: Kind, value: Any) -> Any:
        """Return a value that is not empty as statements compare it with a column of its kind."""
        code = encoding(Shape(kind), self.dialect)
        return value if code is None else code(value)

    def table(self, name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
        """Return a table of this place."""
        strict: dict[str, Any] = {"sqlite_strict": True} if self.dialect == "sqlite" else {}
        return sa.Table(self.prefix + name, sa.MetaData(schema=self.schema), *columns, **strict)

    def key(self, name: str, **options: Any) -> sa.Column[Any]:
        """Return the column of a number that the database counts up."""
        counting = () if self.dialect == "sqlite" else (sa.Identity(),)
        kind = sa.Integer() if self.dialect == "sqlite" else sa.BigInteger()
        return sa.Column(name, kind, *counting, nullable=False, **options)

    @property
    def text(self) -> Any:
        """The type of text."""
        return sa.Text() if self.dialect == "sqlite" else TEXT

    @property
    def whole(self) -> Any:
        """The type of whole numbers."""
        return sa.Integer() if self.dialect == "sqlite" else sa.BigInteger()


@attrs.frozen
class Prepared:
    """A statement as SQL, and the names and values of its parameters in the order in which they stand."""

    sql: str
    names: tuple[str, ...]
    given: Mapping[str, Any]

    def values(self, **others: Any) -> Row:
        """Return the values of the parameters, some of them other than those that were given."""
        return tuple(others[name] if name in others else self.given[name] for name in self.names)


@attrs.frozen
class Codec:
    """The functions between a record of one class and the data columns of its family's table."""

    cls: type[Record]
    encode: Callable[[Any], Row]
    decode: Callable[[Sequence[Any]], Record]


@attrs.frozen(slots=False, eq=False)
class FamilyTable:
    """The table of a family of record classes.

    A row is the store's own columns, named in `OWN`, and then the data columns in the order of `data`.
    """

    place: Place
    base: type[Record]
    classes: tuple[type[Record], ...]
    table: sa.Table
    codecs: Mapping[str, Codec]

    @cached_property
    def data(self) -> tuple[sa.Column[Any], ...]:
        """The columns of the fields."""
        return tuple(column for column in self.table.columns if not column.name.startswith("crm_"))

    @cached_property
    def indexes(self) -> tuple[sa.Index, ...]:
        """The indexes: of what links to other records, and of what is unique among those that are not deleted."""
        return tuple(sorted(self.table.indexes, key=lambda each: str(each.name)))

    def codec(self, type_name: str) -> Codec:
        """Return how records of a class are coded; raises `StoreError` for a class that the store was not opened for."""
        if type_name not in self.codecs:
            raise StoreError(
                f"{type_name} records are stored, but the store was opened without them; give records=[{type_name}]"
            )
        return self.codecs[type_name]

    def decode(self, type_name: str, data: Sequence[Any]) -> Record:
        """Return the record that data columns of a row hold."""
        return self.codec(type_name).decode(data)

    def is_of(self, cls: type[Record], alias: sa.FromClause | None = None) -> sa.ColumnElement[bool]:
        """Return the condition that a row, maybe under another name, holds a record of a class or of one that extends it."""
        own = (self.table if alias is None else alias).c
        names = [each.__name__ for each in self.classes if issubclass(each, cls)]
        return sa.true() if cls is self.base else own.crm_type.in_([sa.literal_column(f"'{each}'") for each in names])

    @cached_property
    def insert(self) -> Insert:
        """Takes whole rows."""
        return self.place.insert(self.table, tuple(self.table.columns))

    @cached_property
    def update(self) -> str:
        """Takes type, new version and the data, and then tenant, id and the old version."""
        own = self.table.c
        replaced = sa.update(self.table).ordered_values(
            (own.crm_type, sa.bindparam("new_type")),
            (own.crm_version, sa.bindparam("new_version")),
            *((column, sa.bindparam(f"new_{column.name}", type_=column.type)) for column in self.data),
        )
        return self.place.compiled(replaced.where(*self._the_one(), own.crm_version == sa.bindparam("the_version")))

    @cached_property
    def mark(self) -> str:
        """Takes the unit that deleted the row or None, the new version, tenant, id and the old version."""
        own = self.table.c
        marked = sa.update(self.table).ordered_values(
            (own.crm_deleted_unit, sa.bindparam("new_unit", type_=self.place.whole)),
            (own.crm_version, sa.bindparam("new_version")),
        )
        return self.place.compiled(marked.where(*self._the_one(), own.crm_version == sa.bindparam("the_version")))

    @cached_property
    def remove(self) -> str:
        """Takes tenant, id and the old version."""
        its_version = self.table.c.crm_version == sa.bindparam("the_version")
        return self.place.compiled(sa.delete(self.table).where(*self._the_one(), its_version))

    @cached_property
    def select(self) -> str:
        """Takes tenant and id; gives what `rows` gives."""
        return self.place.compiled(self.rows().where(*self._the_one()))

    @cached_property
    def select_locked(self) -> str:
        """As `select`, and nobody else changes the row before the end of the unit of work."""
        return self.select if self.place.dialect == "sqlite" else f"{self.select} FOR UPDATE"

    def rows(self) -> sa.Select[Any]:
        """Return the query of type, version, the units of work that added and deleted the row, and the data."""
        own = self.table.c
        return sa.select(own.crm_type, own.crm_version, own.crm_unit, own.crm_deleted_unit, *self.data)

    @cached_property
    def fields(self) -> tuple[FieldInfo, ...]:
        """The fields of all classes of the family."""
        return tuple({info.name: info for cls in self.classes for info in fields(cls)}.values())

    @cached_property
    def unique(self) -> tuple[FieldInfo, ...]:
        """The fields of which each value is there once among records that are not deleted."""
        return tuple(info for info in self.fields if info.unique)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, as rows and the ledger have them."""
        return tuple(each.__name__ for each in self.classes)

    def _the_one(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (self.table.c.crm_tenant == sa.bindparam("the_tenant"), self.table.c.id == sa.bindparam("the_id"))


OWN = ("crm_tenant", "crm_type", "crm_version", "crm_unit", "crm_deleted_unit")
"""The store's own columns of a record's table: whose and what it is, its version, and the units of work that added and deleted it."""


@lru_cache(maxsize=16)
def family_tables(classes: tuple[type[Record], ...], place: Place) -> Mapping[type[Record], FamilyTable]:
    """Return the table of each record class; classes of one family have one table.

    Made once for the same classes, because it takes as long as opening a file does in all.

    Raises `InvalidInput` for classes that cannot share a database: two of one name, or fields of one name that differ.
    """
    families: dict[type[Record], list[type[Record]]] = {}
    names: dict[str, type[Record]] = {}
    for cls in classes:
        if names.setdefault(cls.__name__, cls) is not cls:
            raise InvalidInput(f"two record classes are called {cls.__name__}; a store needs different names")
        families.setdefault(family(cls), []).append(cls)
    tables: dict[type[Record], FamilyTable] = {}
    for base, members in families.items():
        made = _family_table(base, tuple(dict.fromkeys([base, *members])), place)
        tables |= dict.fromkeys(made.classes, made)
    return MappingProxyType(tables)


def _family_table(base: type[Record], classes: tuple[type[Record], ...], place: Place) -> FamilyTable:
    by_name: dict[str, FieldInfo] = {}
    for cls in classes:
        for info in fields(cls):
            _check_field(cls, info, by_name.setdefault(info.name, info))
    required = {info.name for info in fields(base) if not info.shape.optional}
    kept = {name: cells(info, place.dialect, required=name in required) for name, info in by_name.items()}
    data = [column for each in kept.values() for column in each.columns]
    table = place.table(snake(base.__name__), *_own_columns(place), *data, sa.PrimaryKeyConstraint("crm_tenant", "id"))
    for info in by_name.values():
        _add_index(table, info)
    order = [column.name for column in data]
    codecs = {cls.__name__: _codec(cls, kept, order) for cls in classes}
    return FamilyTable(place, base, classes, table, codecs)


def _check_field(cls: type[Record], info: FieldInfo, first: FieldInfo) -> None:
    if not _NAME.fullmatch(info.name):
        raise InvalidInput(
            f"{cls.__name__}.{info.name}: a stored field has a name of lower case letters, digits and '_', at most 48 of them, "
            "that does not begin with 'crm_'"
        )
    if attrs.evolve(info.shape, optional=True) != attrs.evolve(first.shape, optional=True):
        raise InvalidInput(
            f"{cls.__name__}.{info.name}: another class of the same family has a field of this name and another type; rename one"
        )
    if info.unique and info.shape.kind not in ("text", "choice", "integer"):
        raise InvalidInput(f"{cls.__name__}.{info.name}: only a text or a whole number can be unique")


def _own_columns(place: Place) -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("crm_tenant", place.text, nullable=False),
        sa.Column("crm_type", place.text, nullable=False),
        sa.Column("crm_version", place.whole, nullable=False),
        sa.Column("crm_unit", place.whole, nullable=False),
        sa.Column("crm_deleted_unit", place.whole),
    )


def _add_index(table: sa.Table, info: FieldInfo) -> None:
    column = table.c[info.name]
    if info.unique:
        live = table.c.crm_deleted_unit.is_(None)
        name = index_name(table, info.name, "key")
        sa.Index(name, table.c.crm_tenant, column, unique=True, sqlite_where=live, postgresql_where=live)
    elif info.links and info.shape.kind == "text" and info.name != "by":
        sa.Index(index_name(table, info.name, "idx"), table.c.crm_tenant, column)


def index_name(table: sa.Table, of: str, suffix: str) -> str:
    """Return the name of an index, which PostgreSQL lets have 63 bytes."""
    name = f"{table.name}_{of}"
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 9]}_{crc32(name.encode()):08x}"
    return f"{name}_{suffix}"


def snake(name: str) -> str:
    """Return the name of a class as that of its table.

    >>> snake("SurveyResponse")
    'survey_response'
    """
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


def _codec(cls: type[Record], kept: Mapping[str, Cells], order: Sequence[str]) -> Codec:
    """Write the two functions of a class as source, as attrs does, which runs several times faster than a loop over fields."""
    names: dict[str, Any] = {"cls": cls, "new": object.__new__, "money": Money.from_minor_units}
    encoded, decoded = dict.fromkeys(order, "None"), []
    for info in fields(cls):
        cell, place = kept[info.name], order.index(info.name)
        names |= {f"encode_{info.name}": cell.encode, f"decode_{info.name}": cell.decode}
        names[f"default_{info.name}"] = default_maker(cls, info.name)
        columns = [column.name for column in cell.columns]
        encoded |= zip(columns, _encoded(info, is_same=cell.encode is None), strict=True)
        is_there = not cell.columns[0].nullable
        value = _decoded(info, place, is_same=cell.decode is None and len(columns) == 1, is_there=is_there)
        names[f"set_{info.name}"] = getattr(cls, info.name).__set__
        decoded.append(f" set_{info.name}(record, {value})\n")
    # What the constructor checks was checked when the row was written, so the slots are filled without it.
    source = (
        f"def encode(record):\n return ({', '.join(encoded.values())},)\n"
        f"def decode(row):\n record = new(cls)\n{''.join(decoded)} return record\n"
    )
    exec(source, names)  # noqa: S102 - the source is made of the names of declared fields alone, which are checked
    return Codec(cls, names["encode"], names["decode"])


def _encoded(info: FieldInfo, *, is_same: bool) -> list[str]:
    """The expressions of a field's columns."""
    name, value = info.name, f"record.{info.name}"
    if info.shape.kind == "money":
        return [f"None if (v := {value}) is None else v.minor_units", "None if v is None else v.currency"]
    if is_same:
        return [value]
    code = f"encode_{name}"
    return [f"None if (v := {value}) is None else {code}(v)" if info.shape.optional else f"{code}({value})"]


def _decoded(info: FieldInfo, place: int, *, is_same: bool, is_there: bool) -> str:
    """The expression of a field's value; a column that was added after the row gives the default of its field."""
    cell = f"row[{place}]"
    if info.shape.kind == "money":
        value = f"money({cell}, row[{place + 1}])"
    else:
        value = cell if is_same else f"decode_{info.name}({cell})"
    if is_there or (is_same and info.shape.optional):
        return value
    empty = "None" if info.shape.optional else f"default_{info.name}()"
    return f"{empty} if {cell} is None else {value}"
