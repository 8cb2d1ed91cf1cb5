"""The words under `fields` of a mapping, read into where each field comes from."""

from collections.abc import Mapping, Sequence
from typing import get_args

import attrs

from crmkit.errors import choices
from crmkit.io.mapping.cells import AUTO, ISO, READABLE, Conventions, check_format, tidy
from crmkit.io.mapping.dates import DAY_FIRST, MONTH_FIRST
from crmkit.io.mapping.fields import FieldMapping, Placeholders, PointMapping
from crmkit.io.mapping.numbers import COMMA, PLAIN, POINT
from crmkit.io.mapping.toml import Table
from crmkit.model import Deal, FieldInfo, Money, Pipeline, Record, Transition, fields
from crmkit.model.contact_point import ContactKind

CELLS = "cells"
"""In place of a currency: amounts name their own."""

POINTS = "contact_points"
_FORMAT = "'auto', 'iso', 'day first', 'month first' or a format such as '%d.%m.%Y'"
_NUMBERS = "'auto', '1234.5', '1,234.5' or '1.234,5'"
_STYLES = (AUTO, PLAIN, POINT, COMMA)
_KINDS: tuple[str, ...] = get_args(ContactKind)
_PARTS = ("city", "region", "postcode", "country")


@attrs.frozen(kw_only=True)
class Defaults:
    """What the top of a mapping says for all its fields."""

    conventions: Conventions
    currency: str | None
    dates: str
    numbers: str
    placeholders: Placeholders
    pipelines: Sequence[str]


def read_fields(given: Table, cls: type[Record], defaults: Defaults) -> tuple[FieldMapping, ...]:
    """Return where the fields of a class come from, without its contact points."""
    known = {info.name: _linking(cls, info, given) for info in fields(cls) if _is_mappable(cls, info)}
    names = [name for name in given.values if name != POINTS]
    has_points = any(info.name == POINTS for info in fields(cls))
    for name in given.values:
        if name not in known and not (name == POINTS and has_points):
            listed = [*known, POINTS] if has_points else known
            raise given.error(f"{name!r} is no field of {cls.__name__} that a column can fill; {choices(name, listed)}")
    for info in known.values():
        if info.required and info.name not in given.values:
            raise given.error(f"a {cls.__name__} needs {info.name!r}; give a column or a value for it")
    return tuple(_field(given, known[name], defaults) for name in names)


def moment_field(given: Table, column: str, defaults: Defaults) -> FieldMapping:
    """Return how a column is read that holds an instant at which something happened."""
    info = next(info for info in fields(Transition) if info.name == "at")
    return _field(Table({"at": column}, given.place), info, defaults)


def read_points(given: Table, placeholders: Placeholders) -> tuple[PointMapping, ...]:
    """Return where the contact points of a class come from."""
    return tuple(_point(each, placeholders.signs | placeholders.words) for each in given.tables(POINTS))


def read_dates(table: Table, key: str) -> str | None:
    """Return how dates are written, None where it is not said."""
    pattern = table.find_text(key, _FORMAT)
    is_word = pattern in (None, AUTO, ISO, DAY_FIRST, MONTH_FIRST)
    fault = None if is_word else check_format(pattern or "")
    if fault:
        raise table.error(f"{key} {pattern!r} cannot be used: {fault}; give {_FORMAT}")
    return pattern


def read_numbers(table: Table) -> str | None:
    """Return how numbers are written, None where it is not said."""
    style = table.find_text("numbers", _NUMBERS)
    if style is not None and style not in _STYLES:
        raise table.error(f"numbers {style!r} is not known; give {_NUMBERS}")
    return style


def read_currency(table: Table) -> str | None:
    """Return a currency or "cells", None where it is not said."""
    accepted = "three capital letters such as 'PLN', or 'cells' where amounts name their own"
    code = table.find_text("currency", accepted)
    try:
        return code if code in (None, CELLS) else Money(0, code).currency
    except ValueError:
        raise table.error(f"currency {code!r} is no code; give {accepted}") from None


def _linking(cls: type[Record], info: FieldInfo, given: Table) -> FieldInfo:
    """The field; that of a transition that tells what it is about links to the class that `subject` states."""
    subject = given.values.get("subject")
    if cls is Transition and info.name == "subject_id" and isinstance(subject, dict):
        return attrs.evolve(info, links=subject.get("value"))
    return info


def _is_mappable(cls: type[Record], info: FieldInfo) -> bool:
    """The id follows from the key of the row, and the category of a deal from its stage."""
    follows = info.name == "id" or (cls is Deal and info.name == "category")
    return info.shape.kind in READABLE and not follows


def _field(given: Table, info: FieldInfo, defaults: Defaults) -> FieldMapping:
    source = given.values[info.name]
    words = source if isinstance(source, dict) else {"columns" if isinstance(source, list) else "column": source}
    own = Table(words, f"{given.place}.{info.name}")
    own.check_keys(
        "column", "columns", "join", "value", "replace", "others", "otherwise", "format", "numbers", "percent", "split",
        "currency", "currency_column", "prefix", "lenient",
    )  # fmt: skip
    made = FieldMapping(
        info=info,
        columns=() if "value" in words else _columns(own),
        value=None,
        replace=_replace(own),
        conventions=_conventions(own, info, defaults),
        join=" " if (join := own.find("join", str, "what stands between the columns")) is None else join,
        others=own.find_text("others", "what every other text means"),
        otherwise=_otherwise(own),
        lenient=own.find("lenient", bool, "true or false") or False,
        currency_column=own.find_text("currency_column", "the name of a column"),
        prefix=_prefix(own, info),
        empty=defaults.placeholders.of(info),
        needs_dates=info.shape.kind in ("day", "instant") and (read_dates(own, "format") or defaults.dates) == AUTO,
        needs_numbers=_is_number(info) and (read_numbers(own) or defaults.numbers) == AUTO,
    )
    return attrs.evolve(made, value=_constant(own, made, defaults.pipelines)) if "value" in words else made


def _otherwise(own: Table) -> tuple[str, ...]:
    if isinstance(own.values.get("otherwise"), list):
        return own.texts("otherwise", "the names of columns")
    column = own.find_text("otherwise", "the name of a column, or a list of them")
    return (column,) if column else ()


def _prefix(own: Table, info: FieldInfo) -> str:
    if "prefix" in own.values and not info.links:
        raise own.error("only a link has a prefix; leave it out")
    return own.find("prefix", str, "what stands before the keys of the linked file") or ""


def _is_number(info: FieldInfo) -> bool:
    return info.shape.kind in ("integer", "number", "decimal", "money")


def _columns(own: Table) -> tuple[str, ...]:
    if "columns" not in own.values:
        return (own.text("column", "the name of a column, or a value for every row"),)
    if "column" in own.values:
        raise own.error("'column' and 'columns' are both given; give one of them")
    names = own.texts("columns", "a list of columns")
    if not names:
        raise own.error("'columns' is empty; give the names of columns")
    return names


def _conventions(own: Table, info: FieldInfo, defaults: Defaults) -> Conventions:
    kind, values = info.shape.kind, own.values
    if "format" in values and kind not in ("day", "instant"):
        raise own.error("only a date or a time has a format; leave it out")
    if {"currency", "currency_column"} & values.keys() and kind != "money":
        raise own.error("only an amount of money has a currency; leave it out")
    currency = read_currency(own) or defaults.currency
    if kind == "money" and currency is None and "currency_column" not in values:
        raise own.error("an amount needs a currency; give one at the top of the file, such as currency = 'PLN'")
    dates, numbers = read_dates(own, "format") or defaults.dates, read_numbers(own) or defaults.numbers
    return attrs.evolve(
        defaults.conventions,
        currency=None if currency == CELLS else currency,
        dates=dates,
        numbers=POINT if numbers == AUTO else numbers,  # type: ignore[arg-type]  # one of _STYLES
        percent=own.find("percent", bool, "true or false") or False,
        split=own.find("split", str, "what stands between the texts of one cell") or None,
    )


def _constant(own: Table, made: FieldMapping, pipelines: Sequence[str]) -> str:
    own.check_keys("value", "format", "currency")
    value = _text(own, own.values["value"])
    if not value:
        raise own.error("the value is blank; leave the field out")
    if made.info.links == Pipeline.__name__ and value not in pipelines:
        raise own.error(f"no pipeline has the id {value!r}; {choices(value, pipelines)}")
    if made.info.links is None and made.reader.parse(value) is None:
        raise own.error(f"the value {value!r} does not fit; give {made.reader.accepted}")
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


def _point(own: Table, empty: frozenset[str]) -> PointMapping:
    own.check_keys("kind", "column", "lines", *_PARTS, "label", "primary", "split")
    kind = own.text("kind", f"one of {', '.join(map(repr, _KINDS))}")
    if kind not in _KINDS:
        raise own.error(f"kind {kind!r} is none; {choices(kind, _KINDS)}")
    lines = own.texts("lines", "a list of columns")
    parts = {name: column for name in _PARTS if (column := own.find_text(name, "the name of a column"))}
    column = own.find_text("column", "the name of a column")
    if (lines or parts) and kind != "address":
        raise own.error("only an address has lines and parts; give the column of this one")
    if (column is None) == (not lines and not parts):
        raise own.error("give the column" + (", or the columns of its parts" if kind == "address" else ""))
    return PointMapping(
        kind=kind,  # type: ignore[arg-type]
        column=column,
        lines=lines,
        parts=parts,
        label=own.find_text("label", "a word such as 'work'"),
        is_primary=own.find("primary", bool, "true or false") or False,
        split=own.find("split", str, "what stands between several in one cell") or None,
        empty=empty,
    )
