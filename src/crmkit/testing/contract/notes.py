"""The contract of "notes": short texts, in the same units of work as the records."""

from functools import partial
from time import sleep

from crmkit.errors import Conflict
from crmkit.io.stores.port import Store
from crmkit.model import Employee
from crmkit.testing.contract.base import StoreTests, again_until_kept, in_threads, promise, raises, undone
from crmkit.testing.contract.examples import ANN, TEXTS

_THREADS, _ROUNDS = 4, 20


class NotesContract(StoreTests):
    """What a store with the capability "notes" does."""

    @promise("notes")
    def test_a_note_is_kept_under_its_key(self, store: Store) -> None:
        """There is None before, and the last text afterwards."""
        assert store.note("k") is None
        store.set_note("k", "one", was=None)
        store.set_note("other", "", was=None)
        store.set_note("k", "two", was="one")
        assert (store.note("k"), store.note("other"), store.note("K")) == ("two", "", None)

    @promise("notes")
    def test_a_note_that_is_no_longer_what_it_was_is_a_conflict(self, store: Store) -> None:
        """And stays as it is."""
        store.set_note("k", "one", was=None)
        for was in (None, "two", ""):
            with raises(Conflict):
                store.set_note("k", "three", was=was)
        with raises(Conflict):
            store.set_note("new", "three", was="one")
        assert (store.note("k"), store.note("new")) == ("one", None)

    @promise("notes")
    def test_notes_and_records_are_one_unit_of_work(self, store: Store) -> None:
        """Both are kept, or both are undone."""
        with undone(store):
            store.add([ANN])
            store.set_note("k", "one", was=None)
            assert store.note("k") == "one"
        assert (store.note("k"), store.count(Employee)) == (None, 0)
        with store.transaction():
            store.add([ANN])
            store.set_note("k", "one", was=None)
            with undone(store):
                store.set_note("k", "two", was="one")
        assert (store.note("k"), store.count(Employee)) == ("one", 1)

    @promise("notes")
    def test_keys_and_texts_are_any_text(self, store: Store) -> None:
        """They come back as they were."""
        for place, text in enumerate(TEXTS[:-1]):
            store.set_note(text, f"{place} {TEXTS[-1]} {text}", was=None)
        assert [store.note(text) for text in TEXTS[:-1]] == [f"{n} {TEXTS[-1]} {t}" for n, t in enumerate(TEXTS[:-1])]

    @promise("notes")
    def test_of_several_threads_none_overwrites_another(self, store: Store) -> None:
        """Who comes too late gets a `Conflict` and looks again."""
        store.set_note("n", "0", was=None)
        in_threads([partial(again_until_kept, store, partial(_count_up, store))] * _THREADS, rounds=_ROUNDS)
        assert store.note("n") == str(_THREADS * _ROUNDS)


def _count_up(store: Store) -> None:
    was = store.note("n")
    sleep(0.0005)
    store.set_note("n", str(int(was or 0) + 1), was=was)
