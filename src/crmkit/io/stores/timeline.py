"""What a record was like at an instant, told from its history: as it was known then, or as it truly was."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from crmkit.errors import InvalidRecord
from crmkit.io.stores.port import R, Version
from crmkit.model.records import Record, fields
from crmkit.model.transition import Transition

_ALWAYS = datetime.min.replace(tzinfo=UTC)


def known_at(versions: Sequence[Version[R]], instant: datetime) -> R | None:
    """Return what was known of a record at an instant, inclusive; None where it was not known yet, or deleted.

    What is known follows `recorded_at` of each change; one without it was always known.

    >>> noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    >>> from crmkit.io.stores.port import Stamp
    >>> history = [Version(Employee(id="ann", name="Ann"), "added", 1, Stamp(recorded_at=noon))]
    >>> known_at(history, noon).id, known_at(history, noon.replace(hour=11))
    ('ann', None)
    """
    known = [each for each in versions if _since(each.stamp.recorded_at) <= instant]
    return known[-1].record if known else None


def true_at(versions: Sequence[Version[R]], transitions: Iterable[Transition], instant: datetime) -> R | None:
    """Return what a record truly was at an instant, inclusive, as far as is known today; None where it was not there.

    An event is there from its own `at`, another record from its `created_at`, or else from the first change, until it is deleted. It has what each change
    up to then brought, in the order of their `at`; a change without one was always true. The transitions of the record that
    came later take its states back, which also tells the past of what was imported with its history: the state becomes what
    it was `before`, and an instant that a later transition set becomes empty.

    >>> from crmkit.io.stores.port import Stamp
    >>> may = datetime(2025, 5, 1, tzinfo=UTC)
    >>> imported = Deal(id="d1", pipeline_id="gym", stage="Won", category="won", closed_at=may.replace(day=9))
    >>> won = Transition(
    ...     subject="Deal", subject_id="d1", field="stage", before="Trial", after="Won",
    ...     category_before="open", category_after="won", at=may.replace(day=9),
    ... )
    >>> deal = true_at([Version(imported, "added", 1, Stamp())], [won], may)
    >>> deal.stage, deal.category, deal.closed_at
    ('Trial', 'open', None)
    """
    if not versions:
        return None
    true = sorted((each for each in versions if _since(each.stamp.at) <= instant), key=_truth)
    record = _composed(versions, true)
    if record is None or instant < _beginning(record, versions[0]) or _is_deleted(true):
        return None
    names = {cls.__name__ for each in versions for cls in type(each.record).__mro__}
    return _rolled_back(
        record,
        (each for each in transitions if each.subject_id == record.id and each.subject in names and each.at > instant),
    )


def _since(instant: datetime | None) -> datetime:
    return _ALWAYS if instant is None else instant


def _beginning(record: Record, first: Version[R]) -> datetime:
    return _since(getattr(record, "at", None) or record.created_at or first.stamp.at)


def _truth(version: Version[R]) -> tuple[datetime, int]:
    return _since(version.stamp.at), version.number


def _is_deleted(true: Sequence[Version[R]]) -> bool:
    return bool(true) and next((each.kind == "deleted" for each in reversed(true) if each.kind != "changed"), False)


def _composed(versions: Sequence[Version[R]], true: Iterable[Version[R]]) -> R | None:
    """The first form of the record with what the changes that are true brought, in their order."""
    brought = _differences(versions)
    record = versions[0].record
    for each in true:
        if record is not None and each.record is not None:
            record = _with(record, brought[each.number], otherwise=each.record)
    return record


def _differences(versions: Sequence[Version[R]]) -> dict[int, dict[str, Any]]:
    """What each change brought: the fields that were something else before it, and their values."""
    brought: dict[int, dict[str, Any]] = {}
    before = versions[0].record
    for each in versions:
        brought[each.number] = _difference(before, each.record)
        before = each.record or before
    return brought


def _difference(before: Record | None, after: Record | None) -> dict[str, Any]:
    if before is None or after is None:
        return {}
    had = _values(before)
    return {name: value for name, value in _values(after).items() if name not in had or had[name] != value}


def _values(record: Record) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(type(record))}


def _with(record: R, changes: dict[str, Any], *, otherwise: R) -> R:
    """The record with changes; the other one where changes told out of order make no whole that the class accepts.

    What the class of the record does not have makes it one of the other's class, as when a customer becomes a member.
    """
    try:
        if changes.keys() <= _values(record).keys():
            return record.replace(**changes)
        return otherwise.replace(**_values(record) | changes)
    except InvalidRecord:
        return otherwise


def _rolled_back(record: R, later: Iterable[Transition]) -> R:
    """The record as it was before the transitions that came later."""
    states: dict[str, Any] = {}
    for each in sorted(later, key=lambda transition: (transition.at, transition.id), reverse=True):
        states |= {**_emptied(record, each.at), "category": each.category_before, each.field: each.before}
    known = {each.name: each for each in fields(type(record))}
    fitting = {
        name: value
        for name, value in states.items()
        if name in known and (value is not None or known[name].shape.optional)
    }
    return _with(record, fitting, otherwise=record)


def _emptied(record: Record, at: datetime) -> dict[str, None]:
    """The instants of a record that are set to this one, and may be empty."""
    optional = (each.name for each in fields(type(record)) if each.shape.kind == "instant" and each.shape.optional)
    return {name: None for name in optional if getattr(record, name) == at}
