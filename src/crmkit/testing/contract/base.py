"""What all parts of the contract share: opening a store, and saying what is expected."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread
from types import TracebackType
from typing import Any, Self
from unittest import SkipTest

from crmkit.errors import Conflict, StoreBusy
from crmkit.io.stores.port import Capability, Store
from crmkit.model import Record
from crmkit.testing.contract.examples import CLASSES

PATIENCE_SECONDS = 60
"""How long threads of the contract may take before they count as stuck."""


class StoreTests:
    """What the author of a store says about it."""

    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> Store:
        """Return a new, empty store for these classes of records."""
        raise NotImplementedError("open_store(self, records, tenant='') returns the store to be tested, new and empty")

    def reopen(self, store: Store) -> Store:  # noqa: ARG002 - who overrides it needs it
        """Close a store that is "durable", and return the same one, opened again."""
        raise SkipTest(
            f"{type(self).__name__} has no reopen(self, store), so nobody knows whether the store is durable"
        )

    def for_tenant(self, store: Store, tenant: str) -> Store:
        """Return the store of another tenant in the place where this one keeps its records."""
        other: Store = store.for_tenant(tenant)  # type: ignore[attr-defined]  # a store of ours has it, another may not
        return other


def promise(*needs: Capability) -> Callable[[Callable[[Any, Store], None]], Callable[[Any], None]]:
    """Make a method with a store into a test that opens one; without the capabilities that it needs, it is skipped."""

    def test_of(keeps: Callable[[Any, Store], None]) -> Callable[[Any], None]:
        def test(self: StoreTests) -> None:
            store = self.open_store(CLASSES)
            try:
                skip_without(store, *needs)
                keeps(self, store)
            finally:
                store.close()

        # Not functools.wraps: pytest would see the argument `store` and look for a fixture.
        test.__name__, test.__qualname__, test.__doc__ = keeps.__name__, keeps.__qualname__, keeps.__doc__
        return test

    return test_of


def skip_without(store: Store, *needs: Capability) -> None:
    """Skip a test, saying why, on a store that lacks one of the capabilities."""
    missing = [need for need in needs if need not in store.capabilities]
    if missing:
        raise SkipTest(f"the store has no capability {' and '.join(map(repr, missing))}")


class raises:  # noqa: N801 - it reads as a part of the sentence `with raises(Conflict)`
    """Expect an error, and keep it as `error`.

    >>> with raises(ValueError) as caught:
    ...     int("seven")
    >>> type(caught.error).__name__
    'ValueError'
    """

    error: Any

    def __init__(self, expected: type[BaseException]) -> None:
        """Expect an error of this class."""
        self._expected = expected

    def __enter__(self) -> Self:
        """Begin to expect it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Accept the error; raise `AssertionError` where there was none."""
        if kind is None:
            raise AssertionError(f"{self._expected.__name__} was expected, and nothing was raised")
        self.error = error
        return issubclass(kind, self._expected)


def in_threads(works: Iterable[Callable[[], object]], *, rounds: int = 1) -> None:
    """Do all this at the same time, each so many times; raise the first error of any."""
    errors: list[BaseException] = []
    threads = [Thread(target=partial(_noting_errors, work, rounds, errors), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), f"a thread was still waiting after {PATIENCE_SECONDS} seconds"
    if errors:
        raise errors[0]


def _noting_errors(work: Callable[[], object], rounds: int, errors: list[BaseException]) -> None:
    try:
        for _ in range(rounds):
            work()
    except BaseException as error:  # noqa: BLE001 - it is raised in the thread of the test
        errors.append(error)


def again_until_kept(store: Store, work: Callable[[], object], *, lock: bool = False) -> None:
    """Do a unit of work, and again where another was faster or the store was busy."""
    for _ in range(1000):
        try:
            with store.transaction(lock=lock):
                work()
        except (Conflict, StoreBusy):
            continue
        return
    raise AssertionError("a unit of work met others a thousand times, and was never kept")


class Undone(Exception):
    """What the tests raise to undo a unit of work."""


@contextmanager
def undone(store: Store) -> Iterator[None]:
    """Make everything inside a unit of work that is undone."""
    with raises(Undone), store.transaction():
        yield
        raise Undone


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect everything that is logged inside."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.getMessage()} {record.exc_text}")  # type: ignore[method-assign]
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
