"""Segments: groups of customers under a name, by a saved rule and by hand."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime

from crmkit.errors import InvalidInput
from crmkit.model.records import Record, field, record
from crmkit.model.transition import Transition

ENTERED, LEFT = "entered", "left"
"""The states of a customer in regard of a segment; before the first of them a customer is in none."""

_STATE = "segment:"


@record
class Segment(Record):
    """Customers under a name: those for whom a rule holds, with those added by hand and without those removed by hand.

    `rule` is JSON as `crmkit.rules.to_json` writes it; without one the segment has whom it was given by hand. Who is both added and
    removed is removed. What was done by hand stays, whatever the rule says later. `subject` is the record class that the
    rule asks: Customer, or a vertical's class that extends it.

    >>> Segment(name="Regulars", added_ids={"ann"}).added_ids
    frozenset({'ann'})
    """

    name: str = field(category="identity", unique=True)
    subject: str = "Customer"
    rule: str | None = field(default=None, personal=True)
    added_ids: AbstractSet[str] = field(default=frozenset(), links="Customer")
    removed_ids: AbstractSet[str] = field(default=frozenset(), links="Customer")


def include(segment: Segment, ids: Iterable[str]) -> Segment:
    """Return the segment with customers added by hand, whatever its rule says of them.

    >>> include(Segment(name="Regulars", removed_ids={"ann"}), ["ann"]).removed_ids
    frozenset()
    """
    chosen = _ids(ids)
    return segment.replace(added_ids=segment.added_ids | chosen, removed_ids=segment.removed_ids - chosen)


def exclude(segment: Segment, ids: Iterable[str]) -> Segment:
    """Return the segment with customers removed by hand, whatever its rule says of them."""
    chosen = _ids(ids)
    return segment.replace(added_ids=segment.added_ids - chosen, removed_ids=segment.removed_ids | chosen)


def release(segment: Segment, ids: Iterable[str]) -> Segment:
    """Return the segment with the customers given back to its rule: neither added nor removed by hand any more."""
    chosen = _ids(ids)
    return segment.replace(added_ids=segment.added_ids - chosen, removed_ids=segment.removed_ids - chosen)


def membership_field(segment_id: str) -> str:
    """Return what transitions of customers into and out of a segment have as their `field`.

    >>> membership_field("at-risk")
    'segment:at-risk'
    """
    return f"{_STATE}{segment_id}"


def segment_of(state: str) -> str | None:
    """Return the id of the segment that a transition's `field` is about; None where it is about something else."""
    return state.removeprefix(_STATE) if state.startswith(_STATE) else None


def membership_changes(
    segment: Segment,
    members: Iterable[str],
    known: Iterable[Transition],
    *,
    at: datetime,
    by: str | None = None,
) -> tuple[Transition, ...]:
    """Return the transitions of those who entered or left a segment since it was last looked at, by customer.

    Kept together with the `known` ones they say who is in it, so asking again at once returns none.

    Args:
        segment: whose members they are.
        members: the ids of its customers at that instant.
        known: the transitions until now; those of other segments do not count.
        at: the instant, and who looked, for the transitions.
        by: see `at`.

    Raises:
        InvalidInput: where the segment was looked at later than `at`, because the order of what happened would be lost.

    >>> regulars = Segment(id="regulars", name="Regulars")
    >>> entered = membership_changes(regulars, ["ann", "bob"], [], at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> left = membership_changes(regulars, ["bob"], entered, at=datetime(2025, 5, 2, tzinfo=UTC))
    >>> [(each.subject_id, each.before, each.after) for each in left]
    [('ann', 'entered', 'left')]
    """
    own = [each for each in known if each.field == membership_field(segment.id)]
    latest = max((each.at for each in own), default=at)
    if latest > at:
        raise InvalidInput(f"the segment {segment.id!r} was looked at on {latest}; give an at from then on, not {at}")
    before, after = _inside(own), set(members)
    was_known = {each.subject_id for each in own}

    def moved(customer_id: str) -> Transition:
        is_inside = customer_id in after
        return Transition(
            subject=segment.subject,
            subject_id=customer_id,
            field=membership_field(segment.id),
            before=LEFT if is_inside and customer_id in was_known else None if is_inside else ENTERED,
            after=ENTERED if is_inside else LEFT,
            at=at,
            by=by,
        )

    return tuple(map(moved, sorted(before ^ after)))


def _inside(transitions: Iterable[Transition]) -> set[str]:
    """Who entered more often than they left, which no order of transitions at one instant changes."""
    balance: dict[str, int] = {}
    for each in transitions:
        balance[each.subject_id] = balance.get(each.subject_id, 0) + (1 if each.after == ENTERED else -1)
    return {customer_id for customer_id, times in balance.items() if times > 0}


def _ids(ids: Iterable[str]) -> frozenset[str]:
    if isinstance(ids, str | bytes):
        raise InvalidInput(f"ids={ids!r} is one text; give several ids, such as [{ids!r}]")
    return frozenset(ids)
