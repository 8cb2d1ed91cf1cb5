"""The contract of privacy: no personal value is in an error, a traceback, a repr or a log."""

from collections.abc import Callable, Iterator
from traceback import format_exception

from crmkit.errors import CrmError
from crmkit.io.stores.port import SortBy, Store
from crmkit.model import Customer, Record, record
from crmkit.model import field as field_of
from crmkit.rules import field
from crmkit.testing.contract.base import StoreTests, logged, promise, raises
from crmkit.testing.contract.examples import Member

CANARY = "Zofia C4N4RY"


@record
class _Unknown(Record):
    """A record that no store was opened for."""

    secret: str = field_of(personal=True)


def _member(record_id: str, card: str | None = None) -> Member:
    secrets = {"phone": CANARY}
    return Member(
        id=record_id, kind="person", name=CANARY, city=CANARY, card=card, custom=secrets, external_ids=secrets
    )


class PrivacyContract(StoreTests):
    """What stores do not say."""

    @promise()
    def test_errors_hold_no_personal_data(self, store: Store) -> None:
        """Neither their text nor their causes nor what is logged meanwhile."""
        store.add([_member("m1", card=CANARY), _member("m2")])
        with logged() as lines:
            for fails in self._failing(store):
                with raises(CrmError) as caught:
                    fails()
                _check_silent(caught.error)
        assert not any(CANARY in line for line in lines), "a log holds personal data"

    @promise("queries")
    def test_errors_of_queries_hold_no_personal_data(self, store: Store) -> None:
        """Neither the value that was compared nor the one in a cursor."""
        store.add([_member("m1"), _member("m2")])
        cursor = store.find(Member, sort=[SortBy("name")], limit=1).next
        failing: tuple[Callable[[], object], ...] = (
            lambda: store.find(Member, field("birth_on") == CANARY),
            lambda: store.find(Member, field("custom.phone") == CANARY),
            lambda: store.find(Member, sort=[SortBy("city")], after=cursor),
            lambda: store.find(Member, after=CANARY),
        )
        for fails in failing:
            with raises(CrmError) as caught:
                fails()
            _check_silent(caught.error)

    @promise("queries", "deletion", "history", "feed")
    def test_what_a_store_returns_shows_no_personal_data(self, store: Store) -> None:
        """Pages, stored records, versions and changes are printed in logs."""
        store.add([_member("m1"), _member("m2")])
        store.put(_member("m1").replace(country="PL"))
        store.delete(Member, "m2")
        shown = [
            store.find(Customer, sort=[SortBy("name")], limit=1),
            store.read(Customer, "m1"),
            store.history(Customer, "m2"),
            store.changes(),
            store,
        ]
        assert not any(CANARY in f"{each!r}{each}" for each in shown)

    @promise("notes")
    def test_errors_of_notes_hold_no_texts(self, store: Store) -> None:
        """They are the host's, and may be about anybody."""
        store.set_note("k", CANARY, was=None)
        with raises(CrmError) as caught:
            store.set_note("k", f"{CANARY} again", was=f"not {CANARY}")
        _check_silent(caught.error)

    def _failing(self, store: Store) -> Iterator[Callable[[], object]]:
        """What fails although every value is one that the classes accept."""
        yield lambda: store.add([_member("m1")])
        yield lambda: store.add([_member("m3"), _member("m3")])
        yield lambda: store.add([_member("m3", card=CANARY)])
        yield lambda: store.put(_member("m2", card=CANARY))
        yield lambda: store.put(_member("m2"), version=7)
        yield lambda: store.put(_member("m3"))
        yield lambda: store.put(Customer(id="m1", kind="person", name=CANARY))
        yield lambda: store.add([_Unknown(id="u1", secret=CANARY)])
        yield lambda: list(store.every(Member, field("birth_on") == CANARY))
        yield lambda: store.count(Member, field("is_active") == CANARY)
        if "deletion" in store.capabilities:
            store.delete(Member, "m1")
            store.put(_member("m2", card=CANARY))
            yield lambda: store.restore(Member, "m1")
            yield lambda: store.add([_member("m1")])


def _check_silent(error: BaseException) -> None:
    told = [str(error), repr(error), "".join(format_exception(error))]
    assert not any(CANARY in each for each in told), f"a {type(error).__name__} holds personal data"
