"""A fair lock is handed on in the order in which threads came for it."""

from threading import Event, Thread
from time import sleep

import pytest

from crmkit.errors import StoreBusy
from crmkit.io.stores.turns import FairLock


def test_threads_get_the_lock_in_the_order_in_which_they_came() -> None:
    lock = FairLock()
    came: list[int] = []

    def take(number: int) -> None:
        with lock:
            came.append(number)

    threads = [Thread(target=take, args=(number,)) for number in range(5)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            while len(lock._waiting) <= number:
                sleep(0.001)
    for thread in threads:
        thread.join()

    assert came == [0, 1, 2, 3, 4]


def test_who_has_waited_for_too_long_is_told_so_and_leaves_no_turn_behind() -> None:
    lock = FairLock(wait_seconds=0.02)
    is_held, is_done = Event(), Event()

    def hold() -> None:
        with lock:
            is_held.set()
            is_done.wait()

    holder = Thread(target=hold)
    holder.start()
    is_held.wait()
    with pytest.raises(StoreBusy, match="0.02 seconds; try again when it is done"), lock:
        raise AssertionError("the lock was handed out twice")
    is_done.set()
    holder.join()

    with lock:
        assert not lock._waiting


def test_an_error_inside_hands_the_lock_on() -> None:
    lock = FairLock(wait_seconds=0.02)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock:
            raise ZeroDivisionError
