"""Fields that nobody knows before the outcome: a score that learns from them tells what everybody knows already."""

from collections.abc import Collection, Iterable, Mapping

from crmkit.errors import InvalidInput
from crmkit.model import Deal, Lead, Message, Payment, Quote, Subscription, Task, Ticket
from crmkit.model.records import Record, fields
from crmkit.rules import Rule
from crmkit.segmentation.scoring.reading import Outcome

_STATE = ("category", "status", "stage")
"""A category tells how something ended, and so does the label that it stands for."""

_AFTERWARDS: Mapping[type[Record], tuple[str, ...]] = {
    Lead: (
        "qualified_at",
        "converted_at",
        "disqualified_reason",
        "recycle_count",
        "customer_id",
        "organization_id",
        "deal_id",
    ),
    Deal: ("probability", "forecast_category", "next_step", "next_step_on", "closed_at", "lost_reason"),
    Quote: ("decided_at",),
    Subscription: ("renewal_count", "cancels_on", "cancel_reason", "ended_at"),
    Payment: ("paid_at", "attempts", "refunded"),
    Ticket: ("resolved_at", "closed_at", "reopen_count", "merged_into_id"),
    Task: ("completed_at", "outcome", "is_held"),
    Message: (
        "delivered_at",
        "bounced_at",
        "opened_at",
        "clicked_at",
        "replied_at",
        "converted_at",
        "unsubscribed_at",
        "complained_at",
        "opened_by_machine_at",
        "clicked_by_machine_at",
    ),
}
"""The fields of each class that are filled, changed or counted up on the way to its outcome."""


def known_afterwards(cls: type[Record]) -> tuple[str, ...]:
    """Return the fields of a record class that tell its outcome, or are filled on the way to it.

    They are its category with the label that it stands for, and what the class and those that it extends are known to fill.

    >>> known_afterwards(Quote)
    ('status', 'category', 'decided_at')
    """
    has_state = any(field.name == "category" and field.shape.kind == "choice" for field in fields(cls))
    declared = {name for base, names in _AFTERWARDS.items() if issubclass(cls, base) for name in names}
    later = {*declared, *(_STATE if has_state else ())}
    return tuple(field.name for field in fields(cls) if field.name in later)


def check_leakage(names: Iterable[str], cls: type[Record], outcome: Outcome, known: Collection[str]) -> None:
    """Refuse fields that tell the outcome; those of `known` were known before it, as the caller says."""
    later, told = known_afterwards(cls), _read_from(outcome)
    for name in names:
        if name in told:
            raise InvalidInput(f"the field {name!r} is what the outcome is read from; leave it out of fields=")
        if name in later and name not in known:
            raise InvalidInput(
                f"{cls.__name__}.{name} is known only on the way to the outcome, so no score can learn from it; leave it out, or "
                f"give the data as it was known before and say so with known=[{name!r}]"
            )


def _read_from(outcome: Outcome) -> set[str]:
    """The columns that the outcome is read from."""
    if isinstance(outcome, Rule):
        return {each.path for each in outcome.comparisons()}
    return {outcome} if isinstance(outcome, str) else set()
