"""Checks over many records: what no single record can know to be wrong comes back as faults, and nothing raises.

Every check takes records in any order, of built-in classes and of a vertical's own. It returns its faults sorted by
class, id, field and sentence, and none where nothing is wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from typing import Any

from crmkit.model.alias import Alias
from crmkit.model.check_history import check_history
from crmkit.model.deal import Deal
from crmkit.model.fault import Fault, in_order
from crmkit.model.money import Money
from crmkit.model.records import FieldInfo, Record, Value, fields
from crmkit.model.subscription import Subscription
from crmkit.model.transition import Transition

ORDERED_FIELDS: tuple[tuple[str, str], ...] = (
    ("created_at", "qualified_at"),
    ("created_at", "converted_at"),
    ("created_at", "resolved_at"),
    ("created_at", "closed_at"),
    ("created_at", "completed_at"),
    ("created_at", "decided_at"),
    ("qualified_at", "converted_at"),
    ("resolved_at", "closed_at"),
    ("started_at", "ended_at"),
    ("starts_at", "ends_at"),
    ("starts_on", "ends_on"),
    ("term_starts_on", "term_ends_on"),
    ("frozen_on", "frozen_until_on"),
    ("valid_from_on", "expires_on"),
    ("queued_at", "sent_at"),
    ("sent_at", "delivered_at"),
    ("sent_at", "decided_at"),
    ("sent_at", "responded_at"),
)
"""Pairs of fields of which the second is never before the first, in every class that has both."""


def check(records: Iterable[Record], *, known: Mapping[str, Collection[str]] | None = None) -> tuple[Fault, ...]:
    """Return the faults that all checks find; `known` is that of `check_links`.

    >>> deal = Deal(id="d1", pipeline_id="gym", stage="Won", category="won")
    >>> [fault.field for fault in check([deal])]
    ['amount', 'pipeline_id']
    """
    records = list(records)
    transitions = [each for each in records if isinstance(each, Transition)]
    subscriptions = [each for each in records if isinstance(each, Subscription)]
    return in_order(
        (
            *check_ids(records),
            *check_links(records, known=known),
            *check_dates(records),
            *check_money(records),
            *check_overlaps(subscriptions),
            *check_history(records, transitions),
        )
    )


def check_ids(records: Iterable[Record]) -> tuple[Fault, ...]:
    """Return a fault for every id that several records of one class have.

    >>> check_ids([Team(id="t1", name="East"), Team(id="t1", name="West")])[0].what
    'there are 2 with this id'
    """
    counts = Counter((type(each).__name__, each.id) for each in records)
    return in_order(
        Fault(subject, subject_id, "id", f"there are {count} with this id")
        for (subject, subject_id), count in counts.items()
        if count > 1
    )


def check_links(records: Iterable[Record], *, known: Mapping[str, Collection[str]] | None = None) -> tuple[Fault, ...]:
    """Return a fault for every id, also inside value objects, that links to a record which is not there.

    A record stands for its class and for those that the class extends, and a former id with an `Alias` is there too.
    `known` has the ids, by class, of records that exist elsewhere. The field of a fault is the path that
    `crmkit.model.links.links_of` has for it.

    >>> deal = Deal(id="d1", pipeline_id="gym", stage="Trial", customer_id="ann")
    >>> [(fault.field, fault.what) for fault in check_links([deal], known={"Pipeline": {"gym"}})]
    [('customer_id', "there is no Customer 'ann'")]
    """
    records = list(records)
    ids = _ids(records)
    for subject, others in (known or {}).items():
        ids[subject].update(others)
    return in_order(
        Fault(type(each).__name__, each.id, path, f"there is no {info.links} {linked!r}")
        for each in records
        for info, path, held in _contents(each)
        if info.links and held
        for linked in ({held} if isinstance(held, str) else set(held)) - ids[info.links]
    )


def check_dates(records: Iterable[Record], *, pairs: Iterable[tuple[str, str]] = ORDERED_FIELDS) -> tuple[Fault, ...]:
    """Return a fault for every instant or day that is before one which it cannot precede, such as closed before created.

    `pairs` are the names of two fields of one kind; a vertical adds its own to `ORDERED_FIELDS`. The fault's field is
    the second of them.

    >>> noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    >>> task = Task(id="t1", starts_at=noon, ends_at=noon.replace(hour=9))
    >>> check_dates([task])
    (Fault(subject='Task', subject_id='t1', field='ends_at', what='it is before starts_at'),)
    """
    records, pairs = list(records), list(pairs)
    pairs_of = {cls: _pairs_of(cls, pairs) for cls in set(map(type, records))}
    return in_order(
        Fault(type(each).__name__, each.id, later, f"it is before {earlier}")
        for each in records
        for earlier, later in pairs_of[type(each)]
        if _is_before(getattr(each, later), getattr(each, earlier))
    )


def check_money(records: Iterable[Record]) -> tuple[Fault, ...]:
    """Return a fault for every amount in another currency than the record's first, and for won deals without an amount.

    Amounts inside value objects, such as lines, come after the record's own. A field that begins with "reporting_" may
    be in any currency, because it is the same money in the business's own.

    >>> prices = {"amount": Money("490", "PLN"), "recurring_amount": Money("99", "THB")}
    >>> check_money([Deal(id="d1", pipeline_id="gym", stage="Trial", **prices)])[0].what
    'it is in THB, but amount is in PLN'
    """
    return in_order(fault for each in records for fault in (*_mixed(each), *_unpriced(each)))


def check_overlaps(subscriptions: Iterable[Subscription]) -> tuple[Fault, ...]:
    """Return a fault for every subscription that begins while another one of its customer to the same plan runs.

    What counts is the present term, from `term_starts_on` up to, not including, `cancels_on` or `term_ends_on`, or for
    ever where neither is known. A frozen one keeps its term. One that has lapsed or has no `term_starts_on` is left out.

    >>> first = Subscription(
    ...     id="s1", customer_id="ann", plan="Gym", price=Money("99", "PLN"), category="active",
    ...     term_starts_on=date(2025, 5, 1), term_ends_on=date(2025, 6, 1),
    ... )
    >>> second = first.replace(id="s2", term_starts_on=date(2025, 5, 31), term_ends_on=None)
    >>> check_overlaps([second, first])[0].what
    "the term overlaps that of 's1', which is of the same customer and plan"
    """
    running = [each for each in subscriptions if each.category != "lapsed" and each.term_starts_on is not None]
    running.sort(key=lambda each: (_contract(each), _term(each), each.id))
    return in_order(
        fault for _, of_one_contract in groupby(running, _contract) for fault in _overlapping(of_one_contract)
    )


def _ids(records: Iterable[Record]) -> defaultdict[str, set[str]]:
    """The ids that links may hold, by the class that they link to."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for each in records:
        for cls in type(each).__mro__:
            ids[cls.__name__].add(each.id)
        if isinstance(each, Alias):
            ids[each.subject].add(each.former_id)
    return ids


def _pairs_of(cls: type[Record], pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of which a class has both fields, as instants or as days."""
    kinds = {info.name: info.shape.kind for info in fields(cls) if info.shape.kind in ("instant", "day")}
    return [pair for pair in pairs if kinds.keys() >= set(pair) and kinds[pair[0]] == kinds[pair[1]]]


def _is_before(later: date | None, earlier: date | None) -> bool:
    return later is not None and earlier is not None and later < earlier


def _mixed(each: Record) -> Iterator[Fault]:
    amounts = {
        path: held
        for info, path, held in _contents(each)
        if isinstance(held, Money) and not info.name.startswith("reporting_")
    }
    first = next(iter(amounts), "")
    for path, amount in amounts.items():
        if amount.currency != amounts[first].currency:
            what = f"it is in {amount.currency}, but {first} is in {amounts[first].currency}"
            yield Fault(type(each).__name__, each.id, path, what)


def _unpriced(each: Record) -> Iterator[Fault]:
    if isinstance(each, Deal) and each.category == "won" and each.amount is None and each.recurring_amount is None:
        yield Fault(type(each).__name__, each.id, "amount", "the deal is won, but it has no amount")


def _contents(part: Value, within: str = "") -> Iterator[tuple[FieldInfo, str, Any]]:
    """The fields of a record, where they stand and what they hold, its own before those inside value objects."""
    held = [(info, within + info.name, getattr(part, info.name)) for info in fields(type(part))]
    yield from held
    for info, path, inside in held:
        if info.shape.kind == "value" and inside is not None:
            yield from _contents(inside, f"{path}.")
        elif info.shape.kind == "values":
            for place, inner in enumerate(inside or ()):
                yield from _contents(inner, f"{path}.{place}.")


def _contract(subscription: Subscription) -> tuple[str, str]:
    return subscription.customer_id, subscription.plan


def _term(subscription: Subscription) -> tuple[date, date]:
    end = subscription.cancels_on or subscription.term_ends_on or date.max
    return subscription.term_starts_on or date.min, end


def _overlapping(subscriptions: Iterable[Subscription]) -> Iterator[Fault]:
    """The faults of subscriptions that come in the order of their terms."""
    longest: Subscription | None = None
    for each in subscriptions:
        start, end = _term(each)
        if longest is not None and start < _term(longest)[1]:
            what = f"the term overlaps that of {longest.id!r}, which is of the same customer and plan"
            yield Fault(type(each).__name__, each.id, "term_starts_on", what)
        if longest is None or end > _term(longest)[1]:
            longest = each
