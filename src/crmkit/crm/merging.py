"""Merging customers over a whole store, and taking it back: `crmkit.model.merge` with everything that is stored."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from crmkit.errors import InvalidInput, NotFound
from crmkit.io.stores.linking import has_inner_links, link_fields, links_to
from crmkit.io.stores.port import Store
from crmkit.model import Customer, Merge, Record, fields
from crmkit.model import merge as model
from crmkit.rules import EVERYTHING, field

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM


def merge(
    crm: "CRM",
    survivor_id: str,
    loser_ids: Iterable[str],
    choices: Mapping[str, str] | None,
    distinct: Iterable[str],
) -> model.Merged[Customer]:
    """Merge stored customers in the unit of work around; see `CRM.merge`."""
    by, at = crm.acting()
    survivor = crm.customers.get(survivor_id)
    losers = [crm.customers.get(each) for each in loser_ids]
    made = model.merge(survivor, losers, at=at, by=by, choices=choices, distinct=distinct)
    log = _relinked(crm.store, made.log)
    _remember(crm.store, log)
    for loser in losers:  # before the survivor is put, who may take over a unique value
        crm.store.delete(Customer, loser.id)
    if made.survivor != survivor:
        crm.store.put(made.survivor)
    aliases = tuple(crm.aliases.add(each) for each in made.aliases)
    return attrs.evolve(made, aliases=aliases, log=crm.merges.add(log))


def unmerge(crm: "CRM", merge_id: str) -> tuple[Customer, ...]:
    """Take a merge back in the unit of work around; see `CRM.unmerge`."""
    log = crm.merges.get(merge_id)
    _check_latest(crm, log)
    now = crm.store.get(Customer, log.survivor_id)
    before = _before(crm.store, log, now)
    losers = [_loser(crm.store, each) for each in log.loser_ids]
    customers, records = model.unmerge(log, now, [before, *losers], _turned(crm.store, log))
    if customers[0] != now:
        crm.store.put(customers[0])
    for each in records:
        crm.store.put(each)
    for loser in losers:  # after the survivor is put, who may have given a unique value back
        crm.store.restore(Customer, loser.id)
    for alias in [*crm.aliases.every(field("merge_id") == log.id)]:
        crm.aliases.delete(alias.id)
    crm.merges.delete(log.id)
    return customers


def _relinked(store: Store, log: Merge) -> Merge:
    """Turn the links of everything stored to the survivor, and return the log that has them."""
    for cls in store.classes:
        changed, log = model.relink(_candidates(store, cls, log), log)
        for each in changed:
            store.put(each)
    return log


def _candidates(store: Store, cls: type[Record], log: Merge) -> Iterator[Record]:
    """The records of a class that may link to a loser: found by their fields, or all of them where value objects may do it."""
    infos = link_fields(cls, log.subjects)
    is_inside = has_inner_links(cls, log.subjects)
    where = EVERYTHING if is_inside else links_to(log.loser_ids, infos)
    merged = {log.survivor_id, *log.loser_ids} if issubclass(cls, Customer) else set()
    return (each for each in store.every(cls, where) if each.id not in merged) if infos or is_inside else iter(())


def _remember(store: Store, log: Merge) -> None:
    """Note which version the survivor had, from which the history can tell what it was like."""
    store.set_note(_note(log), str(store.read(Customer, log.survivor_id).version), was=None)


def _version_before(store: Store, log: Merge) -> int:
    noted = store.note(_note(log))
    if noted is None:
        raise InvalidInput(
            f"the merge {log.id!r} was made elsewhere; this store cannot tell what the customers were like"
        )
    return int(noted)


def _note(log: Merge) -> str:
    return f"merge:{log.id}"


def _before(store: Store, log: Merge, now: Customer) -> Customer:
    """The survivor as it was before the merge, in the class that it has by now."""
    number = _version_before(store, log)
    before = next(each.record for each in store.history(Customer, log.survivor_id) if each.number == number)
    return now.replace(**{info.name: getattr(before, info.name) for info in fields(type(before))})


def _loser(store: Store, loser_id: str) -> Customer:
    """A loser as it was before the merge, who is deleted since."""
    try:
        stored = store.read(Customer, loser_id)
    except NotFound:
        raise NotFound(f"the Customer {loser_id!r} was purged after the merge, which cannot be taken back") from None
    if not stored.is_deleted:
        raise InvalidInput(f"the Customer {loser_id!r} was restored after the merge; delete it to take the merge back")
    return stored.record


def _turned(store: Store, log: Merge) -> Iterator[Record]:
    """The records whose links the merge turned, without those that are gone since."""
    turned = {(each.subject, each.subject_id): None for each in log.relinked}
    classes = {each.__name__: each for each in store.classes}
    for subject, subject_id in turned:
        with suppress(KeyError, NotFound):
            yield store.get(classes[subject], subject_id)


def _check_latest(crm: "CRM", log: Merge) -> None:
    """Refuse to take a merge back before a later one of its survivor."""
    number = _version_before(crm.store, log)
    others = crm.merges.every((field("survivor_id") == log.survivor_id) & (field("id") != log.id))
    later: list[str | None] = [each.id for each in others if int(crm.store.note(_note(each)) or 0) > number]
    where = (field("subject") == "Customer") & (field("former_id") == log.survivor_id)
    later += [each.merge_id for each in crm.aliases.every(where)]
    if later:
        raise InvalidInput(f"the merge {later[0]!r} came after {log.id!r}; take it back first")
