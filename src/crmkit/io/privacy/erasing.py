"""Erasing a person: their personal data goes, from records, from what they were before, and from notes; every count stays."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import attrs

from crmkit.codec import instant_to_text
from crmkit.errors import InvalidInput
from crmkit.io.privacy.blanking import PLACEHOLDER, Mentions, blanked, changed_fields, words_of
from crmkit.io.privacy.holding import declared_in, erasing, is_held
from crmkit.io.privacy.person import Found, find_person
from crmkit.io.privacy.suppression import is_own_note, suppress
from crmkit.io.stores.port import Erasing, Stamp, Store
from crmkit.model import CustomField, Record
from crmkit.stats.periods import instant

ERASED = PLACEHOLDER
"""What stands where a personal text was that must not be empty."""

_RECEIPT = "privacy:receipt "

Counts = Mapping[str, Mapping[str, int]]
"""How many records of a class, by its name, hold something in a field, by its name."""


@attrs.frozen
class Erasure:
    """What erasing a person takes out, or took out: the receipt, in which nothing personal is.

    Args:
        customer_id: who it is about, by the id that stays in the records.
        at, by: when it was done and by whom; None in a preview.
        counts: in how many records each field of a class was personal, now or earlier.
        notes: how many notes mentioned the person.
        suppressed: how many hashes of contact points and external ids an import is compared with; 0 in a preview.
    """

    customer_id: str
    at: datetime | None
    by: str | None
    counts: Counts
    notes: int = 0
    suppressed: int = 0

    @property
    def is_preview(self) -> bool:
        """Whether nothing was done."""
        return self.at is None

    def __bool__(self) -> bool:
        """Whether there is or was something to erase."""
        return bool(self.counts or self.notes)


def erase_person(
    store: Store, customer_id: str, *, at: datetime, by: str | None = None, preview: bool = True
) -> Erasure:
    """Say what erasing a person takes out or, with `preview=False`, take it out; return the receipt.

    Records stay, with their ids, links, dates, amounts and states, so every KPI is what it was, but those on the quality of data.
    Personal fields are blanked (`crmkit.io.privacy.blanking`) in the customer, in all records of their own (those that links
    lead to, also by merged ids, also deleted ones), and in all that the ledger says of what these were before. In free text, in
    what is about others too, and in notes of the host, names of several words, e-mail addresses and telephone numbers of the
    person are replaced by "[erased]". Whoever follows the feed gets an entry for each changed record, and can do the same.

    All of it is one unit of work. Done again, it erases what came since, or nothing, and returns the last receipt. Copies outside of
    the store, such as backups, are the host's to care for. SQLite writes over what was erased when this is no part of a larger
    unit of work; PostgreSQL does so when it vacuums.

    Args:
        store: where the person is; it needs the capability "erasing".
        customer_id: any id that the person has or had.
        at, by: when it is done, and by whom; both go to the ledger and into the receipt.
        preview: whether to look only, which is the default because nothing brings back what is erased.

    Raises:
        NotFound: for an unknown id.
        InvalidInput: for an organization, for a store that cannot erase, for an `at` without a time zone, where one of the person's
            own records has the tag "legal hold", and where a class does not accept its fields without personal data.

    Source: GDPR (EU 2016/679), articles 4 (1), 5 (2), 17 and 21 (3).

    >>> from crmkit.io.stores import MemoryStore
    >>> store = MemoryStore()
    >>> store.add([Customer(id="ann", kind="person", name="Ann Kowalska", city="Łódź"), Task(subject="Call Ann", customer_id="ann")])
    2
    >>> erase_person(store, "ann", at=datetime(2025, 3, 1, tzinfo=UTC)).counts
    {'Customer': {'city': 1, 'name': 1}, 'Task': {'subject': 1}}
    >>> receipt = erase_person(store, "ann", at=datetime(2025, 3, 1, tzinfo=UTC), by="eva", preview=False)
    >>> store.get(Customer, "ann").name, receipt.by, erase_person(store, "ann", at=receipt.at).counts
    ('[erased]', 'eva', {})
    """
    done_at = instant(at, "UTC", "at")
    if preview:
        return _erased(store, customer_id, None, by)
    with store.transaction(Stamp(by, done_at, done_at), lock=True):
        erased = _erased(store, customer_id, done_at, by)
    erasing(store).overwrite_erased()
    return erased


def erasures(store: Store, customer_id: str | None = None) -> tuple[Erasure, ...]:
    """Return the receipts of what was erased, of all persons or of one, by the id of the customer and then by time.

    They prove that erasing was done without saying who was erased; nothing for nobody.
    """
    texts = (text for key, text in erasing(store).notes() if key.startswith(_RECEIPT))
    receipts = (receipt for text in texts for receipt in _receipts(text))
    return tuple(each for each in receipts if customer_id in (None, each.customer_id))


@attrs.frozen
class _Step:
    """A record to be rewritten, how, and the fields in which it or what it was before changes."""

    record: Record
    change: Callable[[Record], Record]
    fields: frozenset[str]


def _erased(store: Store, customer_id: str, at: datetime | None, by: str | None) -> Erasure:
    can_erase, person = erasing(store), find_person(store, customer_id)
    _check_held(person.found)
    images = _who_they_are(store, person.found)
    mentions = Mentions(words_of(images))
    steps = [each for each in _steps(store, person.found, mentions, declared_in(store)) if each.fields]
    notes = [*_mentioning(can_erase, mentions)]
    if at is None:
        return Erasure(person.customer_id, None, None, _counts(steps), len(notes))
    if not steps and not notes:
        return _last(store, person.customer_id) or Erasure(person.customer_id, at, by, {})
    n = suppress(store, images, person.ids)
    for each in steps:
        can_erase.rewrite(type(each.record), each.record.id, each.change)
    for key, text in notes:
        store.set_note(key, mentions.removed(text), was=text)
    erased = Erasure(person.customer_id, at, by, _counts(steps), len(notes), n)
    _keep(store, erased)
    return erased


def _who_they_are(store: Store, found: Iterable[Found]) -> list[Record]:
    """What says who the person is and how to reach them, now and earlier: the customer, and the leads that became it."""
    who = [each.record for each in found if each.is_own and hasattr(each.record, "contact_points")]
    return [image for each in who for image in images_of(store, each)]


def _mentioning(can_erase: Erasing, mentions: Mentions) -> Iterator[tuple[str, str]]:
    """The notes of the host that mention the person."""
    notes = ((key, text) for key, text in can_erase.notes() if not is_own_note(key))
    return ((key, text) for key, text in notes if mentions.removed(text) != text)


def images_of(store: Store, record: Record) -> tuple[Record, ...]:
    """Return what a record is, and everything that it was before."""
    versions = store.history(type(record), record.id)
    return (record, *(each.record for each in versions if each.record is not None))


def _steps(
    store: Store, found: Iterable[Found], mentions: Mentions, declared: Iterable[CustomField]
) -> Iterator[_Step]:
    for each in found:
        change = partial(_own_erased, mentions, declared) if each.is_own else mentions.removed_from
        changed = (changed_fields(image, change(image)) for image in images_of(store, each.record))
        yield _Step(each.record, change, frozenset[str]().union(*changed))


def _own_erased(mentions: Mentions, declared: Iterable[CustomField], record: Record) -> Record:
    return mentions.removed_from(blanked(record, declared))


def _counts(steps: Iterable[_Step]) -> Counts:
    counts: dict[str, dict[str, int]] = {}
    for step in steps:
        of_class = counts.setdefault(type(step.record).__name__, {})
        for name in step.fields:
            of_class[name] = of_class.get(name, 0) + 1
    return {name: dict(sorted(counts[name].items())) for name in sorted(counts)}


def _check_held(found: Iterable[Found]) -> None:
    held = next((each.record for each in found if each.is_own and is_held(each.record)), None)
    if held is not None:
        raise InvalidInput(
            f"the {type(held).__name__} {held.id!r} has the tag 'legal hold', so the person is not erased; take the tag away "
            "when the law no longer asks to keep it"
        )


def _keep(store: Store, erased: Erasure) -> None:
    key = _RECEIPT + erased.customer_id
    before = store.note(key)
    receipts = [*json.loads(before or "[]"), {**attrs.asdict(erased), "at": erased.at and instant_to_text(erased.at)}]
    store.set_note(key, json.dumps(receipts, ensure_ascii=False, sort_keys=True), was=before)


def _last(store: Store, customer_id: str) -> Erasure | None:
    text = store.note(_RECEIPT + customer_id)
    return None if text is None else _receipts(text)[-1]


def _receipts(text: str) -> list[Erasure]:
    plain: list[dict[str, Any]] = json.loads(text)
    return [Erasure(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in plain]
