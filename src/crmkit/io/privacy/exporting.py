"""Everything that is known about a person, for a program and for the person."""

import json
from collections.abc import Collection, Iterator, Mapping
from html import escape
from typing import Any

import attrs

from crmkit.codec import instant_to_text, to_plain
from crmkit.io.privacy.person import Found, Person, family_names, find_person
from crmkit.io.stores.port import Store, Version
from crmkit.model import Customer, Record, fields
from crmkit.model.links import links_of, with_links


@attrs.frozen
class Told:
    """A record about a person as it is, whether it was deleted, and what it became by each of its changes."""

    record: Record
    is_deleted: bool
    history: tuple[Version[Any], ...] = attrs.field(repr=False)


@attrs.frozen
class PersonExport:
    """Everything that is known about a person: the customer first, then by class and id."""

    customer_id: str
    former_ids: tuple[str, ...]
    told: tuple[Told, ...] = attrs.field(repr=lambda held: f"<{len(held)} records>")

    def to_dict(self) -> dict[str, Any]:
        """Return it as dicts, lists, text, numbers, True, False and None; records as `crmkit.codec.to_plain` has them."""
        records: dict[str, list[Any]] = {}
        for each in self.told:
            records.setdefault(type(each.record).__name__, []).append(_plain(each))
        return {"customer_id": self.customer_id, "former_ids": list(self.former_ids), "records": records}

    def to_json(self) -> str:
        """Return it as JSON, the same for the same data."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)

    def to_html(self, title: str = "Your data") -> str:
        """Return it as one page of HTML that needs nothing else, with each record, its fields by their titles, and its history."""
        return "".join(_page(self, title))


def export_person(store: Store, customer_id: str) -> PersonExport:
    """Return everything that is known about a person: the customer, every record about them, and what all these were before.

    Records are found by the fields that link, also those of a vertical's own classes, by any id that the person had before a
    merge, and also where they are deleted. Records of other people are not among them; of a list of ids in a record, such as the
    members of a segment, only the person's own are told. Nothing is written.

    Args:
        store: where the person is.
        customer_id: any id that the person has or had.

    Returns:
        The export, in an order that depends on the data alone. `to_dict` and `to_json` are for programs, `to_html` is for people.

    Raises:
        NotFound: for an unknown id.
        InvalidInput: for an organization.

    Source: GDPR (EU 2016/679), articles 15 (1), 15 (3) and 20 (1).

    >>> from crmkit.io.stores import MemoryStore
    >>> store = MemoryStore()
    >>> store.add([Customer(id="ann", kind="person", name="Ann"), Task(id="t1", subject="Call", customer_id="ann")])
    2
    >>> told = export_person(store, "ann").to_dict()["records"]
    >>> list(told), told["Task"][0]["record"]["subject"]
    (['Customer', 'Task'], 'Call')
    """
    person = find_person(store, customer_id)
    former = tuple(sorted(person.ids - {person.customer_id}))
    return PersonExport(person.customer_id, former, tuple(_told(store, each, person) for each in person.found))


def _told(store: Store, found: Found, person: Person) -> Told:
    record, names = found.record, family_names(store, Customer)
    history = (
        attrs.evolve(each, record=None if each.record is None else _about(each.record, names, person))
        for each in store.history(type(record), record.id)
    )
    return Told(_about(record, names, person), found.is_deleted, tuple(history))


def _about(record: Record, names: Collection[str], person: Person) -> Record:
    """A record whose lists of links to customers have the person alone."""
    lists = {each.name for each in fields(type(record)) if each.shape.kind == "texts"}
    links = {path: held for path, held in links_of(record, names).items() if path in lists}
    return with_links(record, {path: tuple(one for one in held if one in person.ids) for path, held in links.items()})


def _plain(told: Told) -> dict[str, Any]:
    return {
        "record": to_plain(told.record),
        "deleted": told.is_deleted,
        "history": [_version(each) for each in told.history],
    }


def _version(version: Version[Any]) -> dict[str, Any]:
    stamp = version.stamp
    return {
        "version": version.number,
        "kind": version.kind,
        "by": stamp.by,
        "at": stamp.at and instant_to_text(stamp.at),
        "recorded_at": stamp.recorded_at and instant_to_text(stamp.recorded_at),
        "record": None if version.record is None else to_plain(version.record),
    }


def _page(export: PersonExport, title: str) -> Iterator[str]:
    yield f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{escape(title)}</title></head><body>\n'
    yield f"<h1>{escape(title)}</h1>\n<p>{len(export.told)} records about the customer {escape(export.customer_id)}.</p>\n"
    name = ""
    for each in export.told:
        if name != type(each.record).__name__:
            name = type(each.record).__name__
            yield f"<h2>{escape(name)}</h2>\n"
        yield from _section(each)
    yield "</body></html>\n"


def _section(told: Told) -> Iterator[str]:
    deleted = " (deleted)" if told.is_deleted else ""
    yield f"<h3>{escape(told.record.id)}{deleted}</h3>\n<table>\n"
    titles, plain = _titles(told.record), to_plain(told.record)
    for name, held in plain.items():
        if held not in (None, [], {}):
            yield f"<tr><th>{escape(titles[name])}</th><td>{escape(_text(held))}</td></tr>\n"
    yield "</table>\n<ol>\n"
    before: Mapping[str, Any] = {}
    for each in told.history:
        after = {} if each.record is None else to_plain(each.record)
        yield f"<li>{escape(_change(each, before, after, titles))}</li>\n"
        before = after or before
    yield "</ol>\n"


def _change(
    version: Version[Any], before: Mapping[str, Any], after: Mapping[str, Any], titles: Mapping[str, str]
) -> str:
    """A sentence about one change."""
    when = version.stamp.at or version.stamp.recorded_at
    parts = [
        version.kind,
        f"on {instant_to_text(when)}" if when else "",
        f"by {version.stamp.by}" if version.stamp.by else "",
    ]
    changed = [name for name in after if before and after[name] != before.get(name)]
    what = "; ".join(f"{titles.get(each, each)}: {_text(before.get(each))} → {_text(after[each])}" for each in changed)
    return " ".join(part for part in parts if part) + (f": {what}" if what else "")


def _titles(record: Record) -> dict[str, str]:
    return {each.name: each.title for each in fields(type(record))}


def _text(plain: Any) -> str:
    """A plain value as a person reads it."""
    if plain in (None, [], {}):
        return "nothing"
    if isinstance(plain, list):
        return ", ".join(map(_text, plain))
    if isinstance(plain, dict):
        if plain.keys() == {"amount", "currency"}:
            return f"{plain['amount']} {plain['currency']}"
        return ", ".join(f"{name}: {_text(held)}" for name, held in plain.items() if held not in (None, [], {}, False))
    return {True: "yes", False: "no"}[plain] if isinstance(plain, bool) else str(plain)
