"""What happened with a customer, whatever kind of record tells it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

import attrs

from crmkit.io.stores.cursor import decode_cursor, encode_cursor
from crmkit.io.stores.linking import link_fields, links_to
from crmkit.io.stores.port import SortBy, Store
from crmkit.io.stores.queries import check_limit
from crmkit.model import Customer, Record, Segment
from crmkit.model.shape import Shape
from crmkit.rules import Rule, field
from crmkit.rules.related import happened_at

_SORT = (SortBy("at", is_descending=True), SortBy("source"))
_SHAPES = (Shape("instant"), Shape("text"))


@attrs.frozen
class Event:
    """Something that happened with a customer: a record, and when it happened."""

    at: datetime
    record: Record


@attrs.frozen
class Timeline(Sequence[Event]):
    """Some of what happened with a customer, the newest first, and the cursor after which the earlier things come."""

    events: tuple[Event, ...] = attrs.field(repr=lambda held: f"<{len(held)} events>")
    next: str | None = attrs.field(default=None, repr=lambda held: "None" if held is None else "<cursor>")

    def __len__(self) -> int:
        """Return how many events these are."""
        return len(self.events)

    def __getitem__(self, place: Any) -> Any:
        """Return one event, or some of them."""
        return self.events[place]


@attrs.frozen
class _Place:
    """Where a record stands in a timeline: the newest first, and of one instant by class and id."""

    at: datetime
    source: str
    record_id: str

    def __lt__(self, other: "_Place") -> bool:
        if self.at != other.at:
            return self.at > other.at
        return (self.source, self.record_id) < (other.source, other.record_id)


@attrs.frozen
class _Source:
    """The records of one class that a rule links to a customer, in the order of the timeline."""

    cls: type[Record]
    mine: Rule

    def events(self, store: Store, reached: _Place | None, limit: int) -> Iterator[tuple[_Place, Record]]:
        instant = happened_at(self.cls)
        where = self.mine & ~field(instant).is_empty()
        if reached is not None:
            where &= self._after(reached)
        page = store.find(self.cls, where, sort=[SortBy(instant, is_descending=True)], limit=limit)
        return ((_Place(getattr(each, instant), self.cls.__name__, each.id), each) for each in page)

    def _after(self, reached: _Place) -> Rule:
        instant = field(happened_at(self.cls))
        if self.cls.__name__ < reached.source:
            return instant < reached.at
        if self.cls.__name__ > reached.source:
            return instant <= reached.at
        return (instant < reached.at) | ((instant == reached.at) & (field("id") > reached.record_id))


def timeline(store: Store, customer_id: str, limit: int, after: str | None) -> Timeline:
    """Return what happened with a customer; see `CRM.timeline`."""
    check_limit(limit)
    reached = None if after is None else _decode(after)
    streams = [source.events(store, reached, limit + 1) for source in _sources(store.classes, customer_id)]
    told = [*islice(merge(*streams, key=itemgetter(0)), limit + 1)]
    events = tuple(Event(place.at, record) for place, record in told[:limit])
    return Timeline(events, _encode(told[limit - 1][0]) if len(told) > limit else None)


def _sources(classes: Sequence[type[Record]], customer_id: str) -> Iterator[_Source]:
    """One for each class with fields of its own that link to customers; what it inherits belongs to the class that it extends."""
    customers = {each.__name__ for each in classes if issubclass(each, Customer)}
    for cls in (each for each in classes if not issubclass(each, Segment)):  # of which nothing happened with them
        inherited = {info.name for each in classes if each in cls.__mro__[1:] for info in link_fields(each, customers)}
        linked = link_fields(cls, customers)
        own = [info for info in linked if info.name not in inherited]
        rest = [info for info in linked if info.name in inherited]
        if own:
            yield _Source(cls, links_to([customer_id], own) & ~links_to([customer_id], rest))


def _encode(place: _Place) -> str:
    return encode_cursor(Customer, _SORT, _SHAPES, [place.at, place.source], place.record_id)


def _decode(cursor: str) -> _Place:
    (at, source), record_id = decode_cursor(cursor, Customer, _SORT, _SHAPES)
    return _Place(at, source, record_id)
