"""What is to be compared: customers, or the rows of a table, in the order of their ids."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import attrs
import narwhals as nw
import numpy as np
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.io.matching.calling import check_country, plain_phone
from crmkit.io.matching.levels import kind
from crmkit.io.matching.values import Column, column
from crmkit.model.contact_point import ContactKind
from crmkit.model.customer import Customer

FIELDS: Mapping[str, str] = {
    "given_name": "given_name",
    "family_name": "family_name",
    "organization": "company",
    "birth_on": "date",
    "email": "email",
    "phone": "phone",
    "street": "text",
    "postcode": "postcode",
    "city": "city",
}
"""The fields of customers that are compared, and what each holds."""


@attrs.frozen(eq=False)
class Rows:
    """Records by id: which sort of customer each is, and the values to compare."""

    ids: tuple[str, ...]
    sorts: "np.ndarray[Any, Any]"
    columns: tuple[Column, ...]


def rows_of(data: Any, compare: Mapping[str, str] | None, country: str | None) -> Rows:
    """Return what is to be compared of records or a table; see `find_duplicates` for what is raised."""
    check_country(country)
    if compare is not None and not isinstance(compare, Mapping):
        raise InvalidInput(f"compare={compare!r} is no mapping; give compare={{'column': 'name'}}")
    table = nw.from_native(data, pass_through=True)
    if isinstance(table, nw.DataFrame | nw.LazyFrame):
        return _rows_of_table(table.lazy().collect("polars").to_native(), compare, country)
    if compare is not None:
        raise InvalidInput("compare= says what the columns of a table hold; leave it out for records")
    return _rows_of_customers(data, country)


def _rows_of_customers(data: Iterable[Any], country: str | None) -> Rows:
    customers = customers_of(data)
    customers.sort(key=lambda each: each.id)
    ids = _checked([each.id for each in customers])
    columns = [column(name, of, [_VALUES[name](each, country) for each in customers]) for name, of in FIELDS.items()]
    return Rows(ids, np.array([each.kind for each in customers], dtype=str), tuple(columns))


def customers_of(data: Any) -> list[Customer]:
    """Return customers as a list; raises `InvalidInput` for anything else."""
    if not isinstance(data, Iterable):
        raise InvalidInput(f"a {type(data).__name__} holds no customers; give Customer records, or a table")
    customers = list(data)
    for each in customers:
        if not isinstance(each, Customer):
            raise InvalidInput(f"a {type(each).__name__} stands among the customers; give Customer records, or a table")
    return customers


def _rows_of_table(table: pl.DataFrame, compare: Mapping[str, str] | None, country: str | None) -> Rows:
    if "id" not in table.columns:
        raise InvalidInput(
            f"the table has no column 'id'; {choices('id', table.columns)}; rename the one that tells rows apart"
        )
    kinds = {name: of for name, of in FIELDS.items() if name in table.columns} if compare is None else dict(compare)
    if not kinds:
        raise InvalidInput(
            f"no column is called as a field of customers is ({', '.join(FIELDS)}); give compare={{'column': 'name'}}"
        )
    for name, of in kinds.items():
        kind(of)
        if name not in table.columns:
            raise InvalidInput(f"the table has no column {name!r} to compare; {choices(name, table.columns)}")
    table = table.with_columns(pl.col("id").cast(pl.String)).sort("id")
    ids = _checked(table["id"].to_list())
    columns = [column(name, of, _listed(table[name], of, country)) for name, of in kinds.items()]
    return Rows(ids, np.zeros(len(ids)), tuple(columns))


def _checked(ids: list[str | None]) -> tuple[str, ...]:
    """The ids, of which none is empty and no two are the same; they are in order."""
    known = [each for each in ids if each is not None and each.strip()]
    if len(known) < len(ids):
        raise InvalidInput("the id of a record is empty; give each record an id of its own")
    twice = next((a for a, b in pairwise(known) if a == b), None)
    if twice is not None:
        raise InvalidInput(f"two records have the id {twice!r}; give each record an id of its own")
    return tuple(known)


def _listed(values: pl.Series, of: str, country: str | None) -> list[list[Any]]:
    """The values of each row as a list; telephone numbers in their normal form."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
    lists = values.to_list() if isinstance(values.dtype, pl.List) else [[each] for each in values.to_list()]
    known = [[_plain(each) for each in row or [] if each is not None] for row in lists]
    return [[plain_phone(str(each), country) for each in row] for row in known] if of == "phone" else known


def _plain(value: Any) -> Any:
    """A day, or a value as text; a whole number that pandas made a fraction of, as it does beside empty cells, is whole."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    return whole if isinstance(whole, date) else str(whole)


def given_name(customer: Customer, _: str | None = None) -> Sequence[str]:
    """The given name of a person, as told or else all words of the name but the last."""
    if customer.kind == "organization":
        return ()
    if customer.given_name or customer.family_name:
        return [customer.given_name or ""]
    return [customer.name.rpartition(" ")[0]]


def family_name(customer: Customer, _: str | None = None) -> Sequence[str]:
    """The family name of a person, as told or else the last word of the name."""
    if customer.kind == "organization":
        return ()
    if customer.given_name or customer.family_name:
        return [customer.family_name or ""]
    return [customer.name.rpartition(" ")[2]]


def points(customer: Customer, kind_: ContactKind) -> list[str]:
    """The contact points of a kind, also those that do not work any more."""
    return [each.value for each in customer.contact_points if each.kind == kind_]


def _address(customer: Customer, part: str) -> list[str]:
    addresses = (each.address for each in customer.contact_points if each.address is not None)
    return [value for each in addresses if (value := getattr(each, part))]


_VALUES: Mapping[str, Callable[[Customer, str | None], Sequence[Any]]] = {
    "given_name": given_name,
    "family_name": family_name,
    "organization": lambda customer, _: [customer.name] if customer.kind == "organization" else (),
    "birth_on": lambda customer, _: [customer.birth_on] if customer.birth_on else [],
    "email": lambda customer, _: points(customer, "email"),
    "phone": lambda customer, country: [
        plain_phone(each, customer.country or country) for each in points(customer, "phone")
    ],
    "street": lambda customer, _: [" ".join(lines) for lines in _address(customer, "lines")],
    "postcode": lambda customer, _: _address(customer, "postcode"),
    "city": lambda customer, _: [*_address(customer, "city"), *([customer.city] if customer.city else [])],
}
