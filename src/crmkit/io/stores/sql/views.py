"""Views for analysis: the published columns of every record class, for programs that read the database themselves.

The view of deals is `crm_view_deal`. It has `crm_tenant` and then the columns of `crmkit.frames.schema`, and the rows of records that
are not deleted, of the class or one that extends it. PostgreSQL has types for all of them. SQLite shows amounts and decimals
as the nearest floating-point number, and beside an amount its exact count of the currency's smallest unit: `amount_minor`.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from typing import Any

from crmkit.frames.schema import MONEY_DECIMALS, schema
from crmkit.io.stores.sql.cells import DialectName, encoding
from crmkit.io.stores.sql.published import columns_of, default_of
from crmkit.io.stores.sql.tables import FamilyTable, snake
from crmkit.model.money import _DECIMALS as UNUSUAL_DECIMALS
from crmkit.model.money import Money, currency_column
from crmkit.model.records import FieldInfo, Record, fields
from crmkit.model.shape import DECIMAL_DIGITS


def views(table: FamilyTable) -> list[str]:
    """Return the statements that make the views of a table anew."""
    return [made for cls in table.classes for made in (f"DROP VIEW IF EXISTS {_name(table, cls)}", _view(table, cls))]


def _name(table: FamilyTable, cls: type[Record]) -> str:
    return table.place.name_of(table.place.table(f"view_{snake(cls.__name__)}"))


def _view(table: FamilyTable, cls: type[Record]) -> str:
    columns = {"crm_tenant": '"crm_tenant"'}
    for info in fields(cls):
        columns |= _columns(cls, info, table.place.dialect)
    listed = ",\n\t".join(f'{expression} AS "{name}"' for name, expression in columns.items())
    rows = f"crm_deleted_unit IS NULL AND {table.place.compiled(table.is_of(cls))}"
    return (
        f"CREATE VIEW {_name(table, cls)} AS SELECT\n\t{listed}\nFROM {table.place.name_of(table.table)} WHERE {rows}"
    )


def _columns(cls: type[Record], info: FieldInfo, dialect: DialectName) -> dict[str, str]:
    """The columns of a field, and what they are in SQL."""
    default = default_of(cls, info)
    if info.shape.kind == "money":
        return _money(cls, info.name, default, dialect)
    if info.shape.kind == "decimal" and dialect == "sqlite":
        return {info.name: _or(_number(f'"{info.name}"'), default and float(default), dialect)}
    code = encoding(info.shape, dialect)
    coded = default if default is None or code is None else code(default)
    return {name: _or(f'"{name}"', coded, dialect) for name in columns_of(info)}


def _or(column: str, default: Any, dialect: DialectName) -> str:
    """A column that came later is NULL in the rows that were there; their records have the default of the field."""
    return column if default is None else f"COALESCE({column}, {_literal(default, dialect)})"


def _literal(value: Any, dialect: DialectName) -> str:
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    if isinstance(value, list):
        return f"CAST(ARRAY[{', '.join(_literal(each, dialect) for each in value)}] AS TEXT[])"
    # Drivers of PostgreSQL take a per cent sign for a parameter.
    text = str(value).replace("'", "''").replace("%", "' || chr(37) || '" if dialect == "postgresql" else "%")
    return f"'{text}'"


def _money(cls: type[Record], name: str, default: Money | None, dialect: DialectName) -> dict[str, str]:
    units = _or(f'"{name}"', default and default.minor_units, dialect)
    currency = _or(f'"{currency_column(name)}"', default and default.currency, dialect)
    if dialect == "postgresql":
        unit = _by_currency(currency, lambda places: format(Decimal(1).scaleb(-places), "f"))
        return {name: f"CAST({units} * {unit} AS NUMERIC(38, {MONEY_DECIMALS}))", currency_column(name): currency}
    minor = {f"{name}_minor": units} if f"{name}_minor" not in schema(cls) else {}
    return {
        name: f"{units} / {_by_currency(currency, lambda places: f'{10**places}.0')}",
        **minor,
        currency_column(name): currency,
    }


def _by_currency(currency: str, number: Callable[[int], str]) -> str:
    """A number that depends on how many decimals a currency has."""
    codes: dict[int, list[str]] = {}
    for code, places in UNUSUAL_DECIMALS.items():
        codes.setdefault(places, []).append(f"'{code}'")
    cases = (f"WHEN {currency} IN ({', '.join(listed)}) THEN {number(places)}" for places, listed in codes.items())
    return f"CASE {' '.join(cases)} ELSE {number(2)} END"


def _number(text: str) -> str:
    """A decimal of its sortable text; see `cells.sortable_decimal`."""
    digits = f"(substr({text}, 2, {DECIMAL_DIGITS}) || '.' || substr({text}, {DECIMAL_DIGITS + 2}))"
    return f"CASE substr({text}, 1, 1) WHEN '1' THEN {_real(digits)} WHEN '0' THEN -{_real(_complemented(digits))} END"


def _real(digits: str) -> str:
    return f"CAST(trim({digits}, '0') AS REAL)"


def _complemented(digits: str) -> str:
    """Each digit as what it lacks to nine, by way of a letter."""
    steps = [(str(each), "abcdefghij"[each]) for each in range(10)] + [
        ("abcdefghij"[each], str(9 - each)) for each in range(10)
    ]
    return reduce(lambda text, step: f"replace({text}, '{step[0]}', '{step[1]}')", steps, digits)
