"""Memory stores with one fault each, which the contract must find."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import attrs
import polars as pl

from crmkit.codec import to_plain
from crmkit.errors import Conflict
from crmkit.io.stores import MemoryStore
from crmkit.io.stores.layers import Memory
from crmkit.io.stores.parts import NotePart, Part
from crmkit.io.stores.port import UNSTAMPED, Change, Changes, Page, SortBy, Stamp, Stored, Version
from crmkit.io.stores.queries import Order
from crmkit.io.stores.reaching import keys_of
from crmkit.model import Customer, Record
from crmkit.rules import EVERYTHING, Rule, predicate, related_classes

R = TypeVar("R", bound=Record)
FAULTS: dict[type[MemoryStore], str] = {}
"""Each faulty store, and a test of the contract that must find its fault."""


def found_by(test: str) -> Callable[[type[MemoryStore]], type[MemoryStore]]:
    def remember(store: type[MemoryStore]) -> type[MemoryStore]:
        FAULTS[store] = test
        return store

    return remember


@found_by("test_an_error_undoes_all_of_it_and_goes_on")
class RollbackThatCommits(MemoryStore):
    @contextmanager
    def transaction(self, stamp: Stamp = UNSTAMPED, *, connection: Any = None, lock: bool = False) -> Iterator[None]:
        error: BaseException | None = None
        with super().transaction(stamp, connection=connection, lock=lock):
            try:
                yield
            except BaseException as raised:  # noqa: BLE001 - whatever it is, this store keeps what was done
                error = raised
        if error is not None:
            raise error


@found_by("test_an_interruption_undoes_it_too")
class InterruptionThatCommits(MemoryStore):
    @contextmanager
    def transaction(self, stamp: Stamp = UNSTAMPED, *, connection: Any = None, lock: bool = False) -> Iterator[None]:
        interruption: BaseException | None = None
        with super().transaction(stamp, connection=connection, lock=lock):
            try:
                yield
            except Exception:
                raise
            except BaseException as raised:  # noqa: BLE001
                interruption = raised
        if interruption is not None:
            raise interruption


@found_by("test_a_failed_inner_transaction_is_undone_alone")
class InnerTransactionWithoutSavepoint(MemoryStore):
    @contextmanager
    def transaction(self, stamp: Stamp = UNSTAMPED, *, connection: Any = None, lock: bool = False) -> Iterator[None]:
        if self._memory._layers():
            yield
        else:
            with super().transaction(stamp, connection=connection, lock=lock):
                yield


@found_by("test_an_inner_transaction_has_the_stamp_of_the_outermost")
class StampOfTheInnermost(MemoryStore):
    @contextmanager
    def transaction(self, stamp: Stamp = UNSTAMPED, *, connection: Any = None, lock: bool = False) -> Iterator[None]:
        with super().transaction(stamp, connection=connection, lock=lock):
            self._memory._thread.mark = stamp
            yield


@found_by("test_no_update_is_lost")
class NobodyWaits(MemoryStore):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._memory._turn = nullcontext()  # type: ignore[assignment]


@found_by("test_other_threads_never_see_what_is_undone")
class DirtyReads(MemoryStore):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._memory = _DirtyMemory()


class _DirtyMemory(Memory):
    """Shows all threads the layers of the one that writes."""

    def __init__(self) -> None:
        super().__init__()
        self._shared: list[Any] = []

    def _layers(self) -> list[Any]:
        return self._shared


@found_by("test_the_feed_tells_every_change_in_order")
class MissingEvent(MemoryStore):
    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        told = super().changes(after, limit=limit)
        return Changes(tuple(each for each in told if each.kind != "changed"), told.cursor)


@found_by("test_a_cursor_goes_on_where_one_stopped")
class FeedThatMisses(MemoryStore):
    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        return Changes(super().changes(after, limit=limit).entries, super().changes(after, limit=limit + 1).cursor)


@found_by("test_following_misses_nothing_that_several_writers_write")
class FeedThatRepeats(MemoryStore):
    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        told = super().changes(after, limit=limit)
        behind = super().changes(after, limit=limit - 1) if len(told) == limit > 1 else told
        return Changes(told.entries, behind.cursor)


@found_by("test_what_is_undone_is_not_told")
class FeedOfUndoneChanges(MemoryStore):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._all: list[Change] = []

    def _keep(self, kind: Any, record: Record, before: Stored[Record] | None) -> int:
        version = super()._keep(kind, record, before)
        self._all.append(Change(kind, type(record).__name__, record.id, version, UNSTAMPED))
        return version

    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        return Changes(tuple(self._all), super().changes(after, limit=limit).cursor)


@found_by("test_a_cursor_of_another_store_is_refused")
class FeedThatAcceptsAnything(MemoryStore):
    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        try:
            return super().changes(after, limit=limit)
        except ValueError:
            return super().changes(None, limit=limit)


@found_by("test_put_with_another_version_is_a_conflict_with_both")
class IgnoredVersion(MemoryStore):
    def put(self, record: Record, *, version: int | None = None) -> int:
        return super().put(record)


@found_by("test_every_kind_of_field_comes_back_equal_after_a_change")
class PutThatLosesAField(MemoryStore):
    def put(self, record: Record, *, version: int | None = None) -> int:
        kept: Record = record.replace(maybe_coins=None) if hasattr(record, "maybe_coins") else record
        return super().put(kept, version=version)


@found_by("test_every_kind_of_field_comes_back_equal")
class MicrosecondsCutOff(MemoryStore):
    def _keep(self, kind: Any, record: Record, before: Stored[Record] | None) -> int:
        instant = getattr(record, "instant", None)
        return super()._keep(
            kind, record.replace(instant=instant.replace(microsecond=0)) if instant else record, before
        )


@found_by("test_an_id_that_is_taken_is_a_conflict_and_nothing_is_kept")
class BatchKeptInPart(MemoryStore):
    def add(self, records: Any) -> int:
        n = 0
        for each in records:
            n += super().add([each])
        return n


@found_by("test_a_unique_value_is_kept_once")
class NothingIsUnique(MemoryStore):
    def _claim(self, record: Record) -> None:
        pass


@found_by("test_deleting_frees_a_value_and_restoring_checks_it_again")
class UniqueValueNotFreed(MemoryStore):
    def _free(self, record: Record) -> None:
        pass


@found_by("test_deleting_frees_a_value_and_restoring_checks_it_again")
class RestoredWithoutACheck(MemoryStore):
    def restore(self, cls: type[Record], record_id: str) -> None:
        with self.transaction():
            stored = self._deleted(cls, record_id)
            self._keep("restored", stored.record, stored)


@found_by("test_what_is_deleted_is_hidden")
class DeletedAreCounted(MemoryStore):
    def count(self, cls: type[Record], where: Rule = EVERYTHING) -> int:
        rows = self._memory.items(self._rows(cls)).values()
        return super().count(cls, where) + len([each for each in rows if each.is_deleted])


@found_by("test_nothing_of_what_is_purged_stays_in_the_ledger")
class PurgedStaysInTheLedger(MemoryStore):
    def purge(self, cls: type[Record], record_id: str) -> None:
        with self.transaction():
            stored = self._deleted(cls, record_id)
            self._memory.set(self._rows(cls), record_id, None)
            self._ledger().log("purged", stored.record, stored.version + 1, None)


@found_by("test_a_history_tells_of_deleting_and_restoring")
class HistoryWithoutDeletions(MemoryStore):
    def history(self, cls: type[R], record_id: str) -> tuple[Version[R], ...]:
        return tuple(each for each in super().history(cls, record_id) if each.kind != "deleted")


@found_by("test_many_records_are_gone_through_once_each_in_the_order_of_ids")
class EveryInAnyOrder(MemoryStore):
    def every(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        return iter(sorted(super().every(cls, where), key=lambda each: each.id[::-1]))


@found_by("test_ids_are_any_text_and_in_the_order_of_code_points")
class EveryByLowerCase(MemoryStore):
    def every(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        return iter(sorted(super().every(cls, where), key=lambda each: (each.id.lower(), each.id)))


class _FaultyPages(MemoryStore):
    """Makes its pages of all records in order by `_after`."""

    def find(
        self,
        cls: type[R],
        where: Rule = EVERYTHING,
        *,
        sort: Sequence[SortBy] = (),
        limit: int = 100,
        after: str | None = None,
    ) -> Page[R]:
        order = Order(cls, tuple(sort), self._declared())
        every = super().find(cls, where, sort=sort, limit=1_000_000).records
        rest = every if after is None else [each for each in every if self._is_after(order, each, order.decode(after))]
        rest = self._in_order(rest)
        shown = rest[:limit]
        return Page(tuple(shown), order.encode(shown[-1]) if self._goes_on(rest, limit) else None)

    def _is_after(self, order: Order, record: Record, reached: Any) -> bool:
        return bool(reached < order.place(record))

    def _in_order(self, records: Any) -> Any:
        return records

    def _goes_on(self, rest: Sequence[Any], limit: int) -> bool:
        return len(rest) > limit


@found_by("test_ties_are_neither_missed_nor_repeated")
class CursorWithoutTieBreak(_FaultyPages):
    def _is_after(self, order: Order, record: Record, reached: Any) -> bool:
        return bool(reached[:-1] < order.place(record)[:-1])


@found_by("test_pages_of_any_size_give_every_record_once_in_order")
class CursorThatRepeats(_FaultyPages):
    def _is_after(self, order: Order, record: Record, reached: Any) -> bool:
        return bool(reached <= order.place(record))


@found_by("test_the_last_page_has_no_next_one")
class FullPageAlwaysGoesOn(_FaultyPages):
    def _goes_on(self, rest: Sequence[Any], limit: int) -> bool:
        return len(rest) >= limit


@found_by("test_records_are_sorted_by_every_kind_of_field_both_ways")
class EmptyValuesFirst(_FaultyPages):
    def _in_order(self, records: Any) -> Any:
        return sorted(records, key=lambda each: getattr(each, "maybe_text", "") is not None)


@found_by("test_a_cursor_of_another_query_is_refused")
class CursorOfAnyQuery(MemoryStore):
    def find(self, cls: type[R], where: Rule = EVERYTHING, **asked: Any) -> Page[R]:
        try:
            return super().find(cls, where, **asked)
        except ValueError:
            return super().find(cls, where, **asked | {"after": None})


@found_by("test_a_note_that_is_no_longer_what_it_was_is_a_conflict")
class NoteThatIsOverwritten(MemoryStore):
    def set_note(self, key: str, text: str, *, was: str | None) -> None:
        super().set_note(key, text, was=self.note(key))


@found_by("test_a_frame_is_what_the_records_are_in_columns")
class FrameWithoutEmptyLists(MemoryStore):
    def frame(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        lists = pl.selectors.list()
        return super().frame(cls, where, columns=columns).with_columns(pl.when(lists.list.len() > 0).then(lists))


@found_by("test_rules_ask_of_related_records")
class DeletedRecordsThatAreRelated(MemoryStore):
    def _holds(self, cls: type[Record], where: Rule) -> Callable[[Record], bool]:
        related = {
            each: [stored.record for stored in self._memory.items(self._rows(each)).values()]
            for each in related_classes(where, cls, self.classes)
        }
        return predicate(where, cls, self._declared(), related=related)


@found_by("test_nothing_of_another_tenant_is_read")
class OneForAllTenants(MemoryStore):
    def for_tenant(self, tenant: str) -> MemoryStore:
        return self


@found_by("test_a_record_of_the_class_above_is_not_found")
class FamilyWithoutClasses(MemoryStore):
    def read(self, cls: type[R], record_id: str) -> Stored[R]:
        stored = self._memory.get(self._rows(cls), record_id)
        return stored if stored is not None else super().read(cls, record_id)


@found_by("test_a_class_includes_those_that_extend_it")
class ClassesForThemselves(MemoryStore):
    def every(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        return (each for each in super().every(cls, where) if type(each) is cls)


@found_by("test_errors_hold_no_personal_data")
class TalkativeConflict(MemoryStore):
    def _add(self, record: Record) -> None:
        try:
            super()._add(record)
        except Conflict as error:
            raise Conflict(f"{error}: {to_plain(record)}") from None


@found_by("test_errors_hold_no_personal_data")
class TalkativeCause(MemoryStore):
    def _add(self, record: Record) -> None:
        try:
            super()._add(record)
        except Conflict as error:
            raise error from KeyError(getattr(record, "name", ""))


@found_by("test_a_closed_store_says_so")
class NeverClosed(MemoryStore):
    def close(self) -> None:
        pass


@found_by("test_a_number_is_found_however_it_was_written")
class ReachingInTheOrderOfAdding(MemoryStore):
    def reached_by(self, cls: type[R], keys: Iterable[str], *, limit: int | None = None) -> tuple[R, ...]:
        return tuple(reversed(super().reached_by(cls, keys, limit=limit)))


@found_by("test_it_follows_every_change")
class ReachingByWhatWas(MemoryStore):
    def reached_by(self, cls: type[R], keys: Iterable[str], *, limit: int | None = None) -> tuple[R, ...]:
        wanted = {*keys}
        had = [each for each in self.every(cls) if any(wanted & keys_of(was.record.contact_points) for was in self.history(cls, each.id))]  # type: ignore[union-attr]  # fmt: skip
        return tuple(had[:limit])


@found_by("test_the_class_decides_who_is_found")
class ReachingThatLimitsTooEarly(MemoryStore):
    def reached_by(self, cls: type[R], keys: Iterable[str], *, limit: int | None = None) -> tuple[R, ...]:
        found = super().reached_by(Customer, keys, limit=limit)
        return tuple(each for each in found if isinstance(each, cls))


@found_by("test_what_was_rewritten_is_so_in_all_of_its_history")
class RewriteThatForgetsHistory(MemoryStore):
    def rewrite(self, cls: type[R], record_id: str, change: Callable[[Record], Record]) -> bool:
        self.put(change(self.get(cls, record_id)))
        return True


@found_by("test_a_filled_store_is_the_same")
class CopyWithoutNotes(MemoryStore):
    def contents(self) -> Generator[Part, None, None]:
        parts = super().contents()
        yield from (each for each in parts if not isinstance(each, NotePart))


@found_by("test_a_filled_store_goes_on")
class CopyThatLosesThePlaceOfFollowers(MemoryStore):
    def fill(self, parts: Iterable[Part]) -> int:
        return super().fill(
            attrs.evolve(each, after=0) if isinstance(each, NotePart) and each.after else each for each in parts
        )
