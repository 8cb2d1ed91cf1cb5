"""A lock that is fair: those who wait get it in the order in which they came."""

import os
from collections import deque
from threading import Lock
from types import TracebackType
from weakref import WeakSet

from crmkit.errors import StoreBusy


class FairLock:
    """A lock that is handed to who waits longest, so that no thread starves beside busy ones.

    >>> with FairLock():
    ...     print("mine")
    mine
    """

    def __init__(self, wait_seconds: float | None = None) -> None:
        """Make a lock that nobody holds; who has waited for so many seconds gets `StoreBusy`."""
        self._wait_seconds = -1 if wait_seconds is None else wait_seconds
        self._free()
        _LOCKS.add(self)

    def _free(self) -> None:
        self._gate = Lock()
        self._waiting: deque[Lock] = deque()
        self._is_held = False

    def __enter__(self) -> None:
        """Wait for the lock."""
        turn = Lock()
        with self._gate:
            if not self._is_held:
                self._is_held = True
                return
            turn.acquire()
            self._waiting.append(turn)
        try:
            is_ours = turn.acquire(timeout=self._wait_seconds)
        except BaseException:  # an interruption must not leave a turn behind that nobody takes
            self._give_up(turn)
            raise
        if not is_ours:
            self._give_up(turn)
            raise StoreBusy(
                f"another thread has been inside a transaction for {self._wait_seconds:g} seconds; try again when it is done"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand the lock on."""
        with self._gate:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._is_held = False

    def _give_up(self, turn: Lock) -> None:
        with self._gate:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._hand_on()


def _free_all() -> None:
    for lock in _LOCKS:
        lock._free()  # noqa: SLF001 - its own module


_LOCKS: WeakSet[FairLock] = WeakSet()
if hasattr(os, "register_at_fork"):
    # A thread that holds a lock is not there in a forked process, and would never hand it on.
    os.register_at_fork(after_in_child=_free_all)
