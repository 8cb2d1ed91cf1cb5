"""Retention: personal data is kept no longer than a rule allows, by class, category and age."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, get_args

import attrs

from crmkit.errors import InvalidInput, choices
from crmkit.io.privacy.blanking import blanked, changed_fields
from crmkit.io.privacy.erasing import images_of
from crmkit.io.privacy.holding import declared_in, erasing, is_held
from crmkit.io.stores.port import Stamp, Store
from crmkit.model import Record, fields
from crmkit.model.records import Category
from crmkit.rules import EVERYTHING, Rule, field
from crmkit.stats.periods import instant

Action = Literal["blank", "delete"]


@attrs.frozen(kw_only=True)
class Retention:
    """How long personal data of a class of records is kept, and what is done then.

    Args:
        records: the class; those that extend it are meant too.
        days: the age, in whole days of 24 hours, from which on a record is due.
        action: "blank" takes out personal fields, and all counts stay; "delete" removes the records with their history for
            good, also from every KPI.
        category: of which category personal fields are blanked; all of them without one.
        since: the instant or day from which the age counts; a record that has none is never due.
        where: which records of the class are meant.

    Raises:
        InvalidInput: for an unknown field, action or category, for an age below 0, and for a category with "delete".

    >>> Retention(records=Interaction, days=730, since="at").action
    'blank'
    """

    records: type[Record]
    days: int
    action: Action = "blank"
    category: Category | None = None
    since: str = "created_at"
    where: Rule = EVERYTHING

    def __attrs_post_init__(self) -> None:
        """Refuse what is no rule."""
        if not (isinstance(self.records, type) and issubclass(self.records, Record)):
            raise InvalidInput(f"records={self.records!r} is no class of records; give one such as Interaction")
        kinds = {each.name: each.shape.kind for each in fields(self.records)}
        timed = [name for name, kind in kinds.items() if kind in ("instant", "day")]
        _check_word("since", self.since, timed)
        _check_word("action", self.action, get_args(Action))
        if self.category is not None:
            _check_word("category", self.category, get_args(Category))
        if type(self.days) is not int or self.days < 0:
            raise InvalidInput(f"days={self.days!r} is no age; give a whole number of days, 0 or more")
        if self.action == "delete" and self.category is not None:
            raise InvalidInput(
                "a whole record is deleted, not one category of its fields; leave category out, or blank it"
            )


@attrs.frozen
class Retained:
    """What a rule does, or did: how many records are due, in how many each field is blanked, and how many the law keeps."""

    rule: Retention
    records: int
    counts: Mapping[str, int]
    held: int


def apply_retention(
    store: Store, rules: Iterable[Retention], *, as_of: datetime, by: str | None = None, preview: bool = True
) -> tuple[Retained, ...]:
    """Say what rules take out or, with `preview=False`, take it out; return one result for each rule, in their order.

    A record is due from the age of its rule on, counted back from `as_of`; one that has nothing to be blanked, now or earlier,
    is not counted. Deleted records are due like others, and what a rule deletes cannot be restored. Links to deleted records stay
    and lead nowhere. A record with the tag "legal hold" is kept. All rules together are one unit of work.

    Args:
        store: it needs the capability "erasing".
        rules: what is done; a preview looks at each as if it were alone.
        as_of: the present; the result depends on nothing else.
        by: who does it, for the ledger.
        preview: whether to look only.

    Raises:
        InvalidInput: for a store that cannot erase, a class that is not stored, a rule that does not fit its class, and an `as_of`
            without a time zone.

    Source: GDPR (EU 2016/679), article 5 (1) (e).

    >>> from crmkit.io.stores import MemoryStore
    >>> store = MemoryStore()
    >>> store.add([Task(id="t1", subject="Call Ann", created_at=datetime(2022, 5, 1, tzinfo=UTC))])
    1
    >>> rules = [Retention(records=Task, days=730)]
    >>> [(each.records, each.counts) for each in apply_retention(store, rules, as_of=datetime(2025, 3, 1, tzinfo=UTC))]
    [(1, {'subject': 1})]
    """
    present = instant(as_of, "UTC", "as_of")
    rules = _checked(rules)
    if preview:
        return tuple(_applied(store, rule, present, preview=True) for rule in rules)
    with store.transaction(Stamp(by, present, present), lock=True):
        done = tuple(_applied(store, rule, present, preview=False) for rule in rules)
    erasing(store).overwrite_erased()
    return done


def _checked(rules: Iterable[Retention]) -> tuple[Retention, ...]:
    if isinstance(rules, Iterable):
        found = tuple(rules)
        if all(isinstance(each, Retention) for each in found):
            return found
    raise InvalidInput("rules= takes a list of Retention, also where there is one alone")


def _applied(store: Store, rule: Retention, as_of: datetime, *, preview: bool) -> Retained:
    records, held, counts = 0, 0, dict[str, int]()
    change = partial(blanked, declared=declared_in(store), category=rule.category)
    for record, is_deleted in _due(store, rule, as_of):
        if is_held(record):
            held += 1
            continue
        names = _blanked_fields(store, record, change) if rule.action == "blank" else set[str]()
        if rule.action == "blank" and not names:
            continue
        records += 1
        for name in names:
            counts[name] = counts.get(name, 0) + 1
        if not preview:
            _do(store, rule, record, change, is_deleted=is_deleted)
    return Retained(rule, records, dict(sorted(counts.items())), held)


def _due(store: Store, rule: Retention, as_of: datetime) -> Iterator[tuple[Record, bool]]:
    """The records of an age, and whether they are deleted."""
    try:
        latest = as_of - timedelta(days=rule.days)
    except OverflowError:
        return
    shape = next(each.shape for each in fields(rule.records) if each.name == rule.since)
    where = (field(rule.since) <= (latest if shape.kind == "instant" else latest.date())) & rule.where.at(as_of)
    yield from ((each, False) for each in store.every(rule.records, where))
    yield from ((each, True) for each in erasing(store).deleted(rule.records, where))


def _blanked_fields(store: Store, record: Record, change: Callable[[Record], Record]) -> set[str]:
    return set[str]().union(*(changed_fields(each, change(each)) for each in images_of(store, record)))


def _do(store: Store, rule: Retention, record: Record, change: Callable[[Record], Record], *, is_deleted: bool) -> None:
    if rule.action == "blank":
        erasing(store).rewrite(type(record), record.id, change)
        return
    if not is_deleted:
        store.delete(type(record), record.id)
    store.purge(type(record), record.id)


def _check_word(name: str, word: str, known: Iterable[str]) -> None:
    if word not in known:
        raise InvalidInput(f"{name}={word!r} is none that can be given; {choices(str(word), known)}")
