"""Who a person is in a store, and every record that is about them, found by what the classes declare as links."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any

import attrs

from crmkit.errors import InvalidInput, NotFound
from crmkit.io.stores import refusals
from crmkit.io.stores.families import family
from crmkit.io.stores.linking import has_inner_links, link_fields, links_to
from crmkit.io.stores.port import Erasing, Store
from crmkit.model import Alias, Customer, Record, Transition
from crmkit.model.links import links_of
from crmkit.rules import EVERYTHING, Rule, field

_IDS_AT_A_TIME = 100


@attrs.frozen
class Found:
    """A record that is about a person: their own, or one that is about others too."""

    record: Record
    is_own: bool
    is_deleted: bool


@attrs.frozen
class Person:
    """A person in a store: the id by which they go now, all ids that they ever had, and what is about them, by class and id."""

    customer_id: str
    ids: frozenset[str]
    found: tuple[Found, ...]


def find_person(store: Store, customer_id: str) -> Person:
    """Return a person by any of their ids, and every record about them, deleted ones included.

    A record is the person's own where one of its own fields links to them, as the customer of an order does; or where it links to an
    own record and to no customer, as the quote of a deal does. One that mentions them beside others, such as the participants
    of a meeting, is about others too. Changes of state belong to the record that changed. Classes whose value objects may link to a
    customer, such as deals and tasks, are read as a whole, so this takes longer the more of them there are.

    Raises `NotFound` for an unknown id, and `InvalidInput` for an organization.
    """
    ids = _ids_of(store, customer_id)
    customers = [each for one in sorted(ids) for each in _read(store, one)]
    if not customers:
        raise refusals.not_found(Customer, customer_id)
    now = next((each for each in customers if not each.is_deleted), customers[0]).record
    if isinstance(now, Customer) and now.kind != "person":
        raise InvalidInput(f"the Customer {customer_id!r} is an organization; give a person")
    every: dict[tuple[type[Record], str], Found] = {(Customer, each.record.id): each for each in customers}
    customer_names = family_names(store, Customer)
    for each in _linking(store, customer_names, ids):
        every.setdefault(_key(each.record), _found(each, customer_names, ids))
    new = [each for each in every.values() if each.is_own]
    while new:
        around = [each for each in _around(store, new, customer_names) if _key(each.record) not in every]
        every |= {_key(each.record): each for each in around}
        new = around
    own = [each for each in every.values() if each.is_own]
    every |= {_key(each.record): each for each in _moves_of(store, own)}
    ordered = sorted(every.values(), key=lambda each: (not isinstance(each.record, Customer), *_place(each.record)))
    return Person(now.id, ids, tuple(ordered))


def _ids_of(store: Store, customer_id: str) -> frozenset[str]:
    """All ids that became one by merging, whichever of them is given."""
    ids, new = {customer_id}, {customer_id}
    while new and Alias in store.classes:
        try:
            either = field("former_id").is_in(new) | field("survivor_id").is_in(new)
            aliases = [*store.every(Alias, (field("subject") == "Customer") & either)]
        except InvalidInput:  # no record can have such an id
            break
        new = {one for each in aliases for one in (each.former_id, each.survivor_id)} - ids
        ids |= new
    return frozenset(ids)


def _read(store: Store, customer_id: str) -> Iterator[Found]:
    try:
        stored = store.read(Customer, customer_id)
    except NotFound:
        return
    yield Found(stored.record, is_own=True, is_deleted=stored.is_deleted)


def _found(each: Found, names: Collection[str], ids: Collection[str]) -> Found:
    """A record that links to a person, and whether it is their own."""
    linked = {one for held in links_of(each.record, names).values() for one in held}
    singles = [info.name for info in link_fields(type(each.record), names) if info.shape.kind == "text"]
    is_own = linked <= set(ids) or any(getattr(each.record, name) in ids for name in singles)
    return attrs.evolve(each, is_own=is_own)


def _around(store: Store, own: Iterable[Found], customer_names: Collection[str]) -> Iterator[Found]:
    """The records that link to own ones and to no customer."""
    by_family: dict[type[Record], set[str]] = {}
    for each in own:
        if not isinstance(each.record, Customer):
            by_family.setdefault(family(type(each.record)), set()).add(each.record.id)
    for base, ids in by_family.items():
        for each in _linking(store, family_names(store, base), ids):
            if not links_of(each.record, customer_names):
                yield each


def _moves_of(store: Store, own: Iterable[Found]) -> Iterator[Found]:
    """The changes of state of own records."""
    by_name: dict[str, set[str]] = {}
    for each in own:
        by_name.setdefault(type(each.record).__name__, set()).add(each.record.id)
    for name, ids in by_name.items() if Transition in store.classes else ():
        for some in _some(ids):
            where = (field("subject") == name) & field("subject_id").is_in(some)
            yield from _with_deleted(store, Transition, where)


def _linking(store: Store, names: Collection[str], ids: Collection[str]) -> Iterator[Found]:
    """The records of all classes that link to some, wherever in them; those whose value objects may do so are all read."""
    for cls in store.classes:
        infos = link_fields(cls, names)
        if has_inner_links(cls, names):
            yield from _those(_with_deleted(store, cls, EVERYTHING), names, ids)
        elif infos:
            for some in _some(ids):
                yield from _those(_with_deleted(store, cls, links_to(some, infos)), names, ids)


def _those(found: Iterator[Found], names: Collection[str], ids: Collection[str]) -> Iterator[Found]:
    return (
        each for each in found if any(not set(ids).isdisjoint(held) for held in links_of(each.record, names).values())
    )


def _with_deleted(store: Store, cls: type[Any], where: Rule) -> Iterator[Found]:
    for record in store.every(cls, where):
        yield Found(record, is_own=True, is_deleted=False)
    if isinstance(store, Erasing):
        for record in store.deleted(cls, where):
            yield Found(record, is_own=True, is_deleted=True)


def _some(ids: Collection[str]) -> Iterator[list[str]]:
    rest = iter(sorted(ids))
    while some := list(islice(rest, _IDS_AT_A_TIME)):
        yield some


def family_names(store: Store, base: type[Record]) -> frozenset[str]:
    """Return what links may call the records of a family."""
    return frozenset({base.__name__, *(each.__name__ for each in store.classes if family(each) is base)})


def _key(record: Record) -> tuple[type[Record], str]:
    return family(type(record)), record.id


def _place(record: Record) -> tuple[str, str]:
    return type(record).__name__, record.id
