"""The check that records are what their transitions say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from crmkit.model.fault import Fault, in_order
from crmkit.model.records import Record, fields
from crmkit.model.transition import Transition


def check_history(records: Iterable[Record], transitions: Iterable[Transition]) -> tuple[Fault, ...]:
    """Return a fault for every state that contradicts its transitions, and for transitions that do not follow each other.

    Of each field, a transition begins with the label that the one before ended with, and the last ends with the
    record's present label; the record's category is one that the latest transitions with categories end with. So a
    closed deal that has transitions was closed by one. Changes at the same instant count in the order of their ids.

    Only fields that hold a text or a choice and are not personal are looked at, and no field `category`, because the
    events of a message become known in any order. A record without transitions contradicts nothing, and transitions
    without their record are left out.

    >>> deal = Deal(id="d1", pipeline_id="gym", stage="Won", category="won")
    >>> noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    >>> moved = Transition(subject="Deal", subject_id="d1", field="stage", before="Trial", after="Offer", at=noon)
    >>> check_history([deal], [moved])[0].what
    "it is 'Won', but the last transition ended with 'Offer'"
    """
    histories: defaultdict[tuple[str, str], list[Transition]] = defaultdict(list)
    for each in sorted(transitions, key=lambda transition: (transition.at, transition.id)):
        histories[each.subject, each.subject_id].append(each)
    return in_order(
        Fault(type(each).__name__, each.id, field, what)
        for each in records
        for field, what in _contradictions(each, histories.get((type(each).__name__, each.id), []))
    )


def _contradictions(record: Record, history: list[Transition]) -> Iterator[tuple[str, str]]:
    """The fields that contradict the transitions of a record, oldest first, and how."""
    labels = _labels(type(record)) if history else frozenset()
    moves = [each for each in history if each.field in labels]
    for field in {each.field for each in moves}:
        moves_of_field = [each for each in moves if each.field == field]
        yield from ((field, what) for what in _breaks(moves_of_field))
        present, last = getattr(record, field), moves_of_field[-1].after
        if present != last:
            yield field, f"it is {present!r}, but the last transition ended with {last!r}"
    yield from _wrong_category(record, moves)


def _labels(cls: type[Record]) -> frozenset[str]:
    """The fields of a class whose changes follow each other."""
    labels = {info.name for info in fields(cls) if info.shape.kind in ("text", "choice") and not info.personal}
    return frozenset(labels - {"category"})


def _breaks(moves: list[Transition]) -> Iterator[str]:
    for earlier, later in pairwise(moves):
        if later.before != earlier.after:
            yield f"a transition began with {later.before!r}, but the one before it ended with {earlier.after!r}"


def _wrong_category(record: Record, moves: list[Transition]) -> Iterator[tuple[str, str]]:
    meant = [each for each in moves if each.category_after is not None]
    latest = {each.category_after for each in meant if each.at == meant[-1].at}
    present = getattr(record, "category", None)
    if latest and present not in latest:
        ended = " or ".join(sorted(map(repr, latest)))
        yield "category", f"it is {present!r}, but the last transition ended with {ended}"
