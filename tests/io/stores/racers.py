"""Threads and processes that write the same records at the same time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from threading import Barrier, Thread
from time import monotonic
from typing import Any

import attrs

from crmkit import CRM
from crmkit.errors import CrmError
from crmkit.io.stores import schema_of
from crmkit.model import Customer, Employee
from tests.io.stores import processes

TALLY = Customer(id="tally", kind="person", name="Ann", custom={"visits": 0})
_PATIENCE_SECONDS = 120.0


@attrs.frozen
class Run:
    """What one racer did: how often it counted one more, the longest that it took, and the error that ended it."""

    counted: int
    longest_seconds: float
    error: str | None = None


def visits(crm: CRM) -> Any:
    """Return what was counted."""
    return crm.customers.get(TALLY.id).custom["visits"]


def _visit(crm: CRM) -> None:
    tally: Any = crm.customers.get(TALLY.id)
    crm.customers.update(tally.replace(custom={"visits": tally.custom["visits"] + 1}))


def count_visits(crm: CRM, seconds: float) -> Run:
    """Count one more visit, again and again for so many seconds."""
    counted, longest, end = 0, 0.0, monotonic() + seconds
    while (began := monotonic()) < end:
        try:
            crm.run(_visit)
        except Exception as error:  # noqa: BLE001 - whatever a caller sees is what is counted
            return Run(counted, longest, repr(error))
        counted, longest = counted + 1, max(longest, monotonic() - began)
    return Run(counted, longest)


def in_threads(url: str, n: int, seconds: float) -> list[Run]:
    """Return what so many threads of this process did on one CRM."""
    runs: list[Run] = []
    start = Barrier(n)
    with CRM.open(url) as crm:

        def race() -> None:
            start.wait()
            runs.append(count_visits(crm, seconds))

        _together([Thread(target=race) for _ in range(n)])
    return runs


def in_processes(url: str, n: int, seconds: float) -> list[Run]:
    """Return what so many processes did, each on a CRM of its own."""
    with racers(n, _race, url, seconds) as answers:
        return [each.recv() for each in answers]


def _race(start: Any, answer: Connection, url: str, seconds: float) -> None:
    with CRM.open(url) as crm:
        crm.customers.get(TALLY.id)
        start.wait()
        answer.send(count_visits(crm, seconds))


@contextmanager
def racers(n: int, race: Callable[..., None], *arguments: object) -> Iterator[list[Connection]]:
    """Run a function in so many processes, and lend what they answer; each gets a barrier at which all can begin together."""
    context = processes.context()
    start = context.Barrier(n, timeout=_PATIENCE_SECONDS)
    pipes = [context.Pipe(duplex=False) for _ in range(n)]
    started = [context.Process(target=race, args=(start, answer, *arguments)) for _, answer in pipes]
    for each in started:
        each.start()
    for _, answer in pipes:
        answer.close()
    try:
        yield [answers for answers, _ in pipes]
    finally:
        for each in started:
            each.join(_PATIENCE_SECONDS)


def first_starts(urls: Sequence[str], n: int) -> list[str]:
    """Bring places without tables up to date, each in so many processes at once; return the errors of those that failed."""
    with racers(n, _start_first, urls) as answers:
        return [error for each in answers for error in each.recv()]


def _start_first(start: Any, answer: Connection, urls: Sequence[str]) -> None:
    errors = []
    for url in urls:
        start.wait()
        try:
            schema_of(url).apply()
            with CRM.open(url) as crm:
                crm.load([Employee(name="Ann")])
        except CrmError as error:
            errors.append(repr(error))
    answer.send(errors)


def _together(threads: list[Thread]) -> None:
    for each in threads:
        each.start()
    for each in threads:
        each.join()
