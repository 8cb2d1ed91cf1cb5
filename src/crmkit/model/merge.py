"""Merging customers who are one, and taking it back.

`merge` makes the survivor, `relink` turns the links of other records to it, and `unmerge` takes both back. Nothing is
deleted here: a host takes the losers out of its store, and its ledger keeps what they and the survivor were like.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Generic, TypeVar

import attrs

from crmkit import errors
from crmkit.errors import InvalidInput
from crmkit.model.alias import Alias
from crmkit.model.customer import Customer
from crmkit.model.links import Ids, links_of, with_links
from crmkit.model.records import Record, Value, field, fields, record, value
from crmkit.model.shape import FrozenDict, Scalar
from crmkit.model.unite import unite

C = TypeVar("C", bound=Customer)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@value
class Relink(Value):
    """A link that a merge turned to the survivor: which record holds it, where, and which ids stood there.

    `path` is the name of the field, or the way to it through value objects, as in "contacts.0.customer_id".
    """

    subject: str
    subject_id: str
    path: str
    before: Sequence[str]


@record
class Merge(Record):
    """The log of one merge: who became whom, by which choices, and the links that were turned.

    `subjects` are the classes of the survivor by which links may call it, such as "Customer" and a vertical's "Member".
    What the customers were like is not in the log, so nothing of it needs to be erased.
    """

    subjects: AbstractSet[str]
    survivor_id: str
    loser_ids: Sequence[str]
    choices: Mapping[str, Scalar] = field(factory=FrozenDict)
    relinked: Sequence[Relink] = ()
    at: datetime
    by: str | None = field(default=None, links="Employee")


@attrs.frozen
class Merged(Generic[C]):
    """What a merge makes: the survivor as it is now, an alias for each loser, and the log."""

    survivor: C
    aliases: tuple[Alias, ...]
    log: Merge


def merge(
    survivor: C,
    losers: Iterable[Customer],
    *,
    at: datetime,
    by: str | None = None,
    choices: Mapping[str, str] | None = None,
    distinct: Iterable[str] = (),
) -> Merged[C]:
    """Merge customers who turned out to be one into a survivor; the order of the losers does not matter.

    The survivor's value of a field wins, and an empty field is filled from the losers, the latest created first, then
    the smaller id first. Country and city come from one customer. `created_at` is the earliest. Tags, contact points,
    preferences, custom fields and other collections are united: of preferences of one topic or custom fields of one name
    those of the first customer count, of primary contact points of a kind the first is primary, and a point that is
    invalid for one is invalid. A second id of an external system is kept as "system#loser".

    Args:
        survivor: the customer who remains.
        losers: those who become the survivor, at least one; of the survivor's class or one that it extends.
        at, by: when and by whom.
        choices: for the name of a field, the id of the customer whose value is taken as it is.
        distinct: external systems in which different ids mean different people, such as logins.

    Raises:
        InvalidInput: for no losers, a customer twice, a person with an organization, a loser with fields that the
            survivor has not, unknown choices, and different ids of one of the `distinct` systems.

    >>> ann = Customer(id="ann", kind="person", name="Ann")
    >>> anna = Customer(id="anna", kind="person", name="Anna K.", city="Łódź", tags={"vip"})
    >>> merged = merge(ann, [anna], at=datetime(2025, 3, 1, tzinfo=UTC), choices={"name": "anna"})
    >>> merged.survivor.id, merged.survivor.tags, merged.survivor == anna.replace(id="ann")
    ('ann', frozenset({'vip'}), True)
    """
    oldest_first = sorted(sorted(losers, key=lambda each: each.id, reverse=True), key=_created)
    ranked: tuple[Customer, ...] = (survivor, *reversed(oldest_first))
    _check(ranked, choices or {}, distinct)
    log = Merge(
        subjects={cls.__name__ for cls in type(survivor).__mro__ if issubclass(cls, Customer)},
        survivor_id=survivor.id,
        loser_ids=[loser.id for loser in ranked[1:]],
        choices=choices or {},
        at=at,
        by=by,
    )
    aliases = [
        Alias(subject="Customer", former_id=each, survivor_id=survivor.id, at=at, merge_id=log.id)
        for each in log.loser_ids
    ]
    return Merged(_merged(survivor, ranked[1:], log), tuple(aliases), log)


def relink(records: Iterable[Record], log: Merge) -> tuple[tuple[Record, ...], Merge]:
    """Turn every link to a loser to the survivor; return the records that changed, and the log with what changed.

    Links are the fields that were declared with `links`, also those inside value objects and sequences of ids; the
    survivor's own were turned by `merge`. May be called several times, each time with the log that the call before
    returned.

    >>> ann, anna = Customer(id="ann", kind="person", name="Ann"), Customer(id="anna", kind="person", name="Anna")
    >>> deal = Deal(pipeline_id="gym", stage="Trial", customer_id="anna")
    >>> (deal,), log = relink([deal], merge(ann, [anna], at=datetime(2025, 3, 1, tzinfo=UTC)).log)
    >>> deal.customer_id, log.relinked[0].before
    ('ann', ('anna',))
    """
    changed, relinked = [], [*log.relinked]
    for each in records:
        found = _links_to_losers(each, log)
        if found:
            changed.append(with_links(each, {path: _turned(ids, log) for path, ids in found.items()}))
            relinked += [Relink(type(each).__name__, each.id, path, ids) for path, ids in found.items()]
    return tuple(changed), log.replace(relinked=relinked)


def unmerge(
    log: Merge, survivor: C, were: Iterable[Customer], records: Iterable[Record] = ()
) -> tuple[tuple[Customer, ...], tuple[Record, ...]]:
    """Take a merge back; return the customers as they were, the survivor first, and the records whose links turn back.

    What happened to the survivor or to a link since the merge stays: a field or link that is no longer as the merge
    made it is kept. The aliases with the merge's id are to be removed. Of two merges in a row the later one is taken
    back first.

    Args:
        log: the log of the merge.
        survivor: the survivor as it is now.
        were: the survivor and the losers as they were before the merge.
        records: what may hold a link that the merge turned.

    Raises:
        InvalidInput: for another survivor, and for one of the customers who is not in `were`.

    >>> ann, anna = Customer(id="ann", kind="person", name="Ann"), Customer(id="anna", kind="person", name="Anna")
    >>> merged = merge(ann, [anna], at=datetime(2025, 3, 1, tzinfo=UTC))
    >>> unmerge(merged.log, merged.survivor, [ann, anna]) == ((ann, anna), ())
    True
    """
    if survivor.id != log.survivor_id:
        raise InvalidInput(f"{survivor.id!r} is not the survivor of this merge; give {log.survivor_id!r}")
    by_id = {each.id: each for each in were}
    missing = {log.survivor_id, *log.loser_ids} - by_id.keys()
    if missing:
        raise InvalidInput(f"nobody says what {', '.join(sorted(missing))} were like before the merge")
    before, losers = by_id[log.survivor_id], tuple(by_id[each] for each in log.loser_ids)
    restored = _restored(survivor, before, _merged(before, losers, log))
    ids_before = {(link.subject, link.subject_id, link.path): link.before for link in log.relinked}
    back = [(each, _links_back(each, log, ids_before)) for each in records]
    return (restored, *losers), tuple(with_links(each, links) for each, links in back if links)


def _merged(survivor: C, losers: Sequence[Customer], log: Merge) -> C:
    by_id: dict[object, Customer] = {survivor.id: survivor} | {loser.id: loser for loser in losers}
    chosen = {name: getattr(by_id[id_], name, None) for name, id_ in log.choices.items()}
    united = unite(survivor, losers).replace(**chosen)
    return with_links(united, {path: _turned(ids, log) for path, ids in _links_to_losers(united, log).items()})


def _restored(now: C, before: Customer, merged: Customer) -> C:
    names = [info.name for info in fields(type(now)) if getattr(now, info.name) == getattr(merged, info.name)]
    return now.replace(**{name: getattr(before, name) for name in names})


def _links_to_losers(each: Record, log: Merge) -> dict[str, Ids]:
    links = links_of(each, log.subjects)
    return {path: ids for path, ids in links.items() if not set(log.loser_ids).isdisjoint(ids)}


def _turned(ids: Sequence[str], log: Merge) -> Ids:
    return tuple(dict.fromkeys(log.survivor_id if each in log.loser_ids else each for each in ids))


def _links_back(each: Record, log: Merge, ids_before: Mapping[tuple[str, str, str], Sequence[str]]) -> dict[str, Ids]:
    """The links of a record that the merge turned and nobody has changed since, with the ids that stood there."""
    back: dict[str, Ids] = {}
    for path, ids in links_of(each, log.subjects).items():
        before = ids_before.get((type(each).__name__, each.id, path), ())
        if before and set(ids) == set(_turned(before, log)):
            back[path] = tuple(before)
    return back


def _created(customer: Customer) -> datetime:
    return customer.created_at or _LONG_AGO


def _check(ranked: Sequence[Customer], choices: Mapping[str, str], distinct: Iterable[str]) -> None:
    """Refuse what is no merge of several records of one customer."""
    survivor, *losers = ranked
    if not losers:
        raise InvalidInput(f"nobody is given to merge into {survivor.id!r}; give at least one loser")
    ids = [each.id for each in ranked]
    if len(set(ids)) < len(ids):
        raise InvalidInput(f"a customer cannot be merged with itself, and one is given twice in {', '.join(ids)}")
    for loser in losers:
        if loser.kind != survivor.kind:
            raise InvalidInput(f"{loser.id!r} and {survivor.id!r} cannot be merged: one is a person, one is not")
        if not isinstance(survivor, type(loser)):
            raise InvalidInput(f"{survivor.id!r} has not all fields of {loser.id!r}; let that one survive")
    for system in distinct:
        if len({each.external_ids.get(system) for each in ranked} - {None}) > 1:
            raise InvalidInput(f"{', '.join(ids)} have different ids of {system!r}, so they are different customers")
    _check_choices(choices, [info.name for info in fields(type(survivor)) if info.name != "id"], ids)


def _check_choices(choices: Mapping[str, str], names: Sequence[str], ids: Sequence[str]) -> None:
    for name, id_ in choices.items():
        if name not in names:
            raise InvalidInput(f"no field {name!r} can be chosen; {errors.choices(name, names)}")
        if id_ not in ids:
            raise InvalidInput(f"the {name} cannot come from {id_!r}; {errors.choices(id_, ids)}")
