"""The facade for async hosts: one whole unit of work in one hop to a thread.

    async with await AsyncCRM.open("sqlite:///club.db", by="anna") as crm:
        ann = await crm.run(lambda crm: crm.customers.add(Customer(kind="person", name="Ann")))

The work is a plain function of the `CRM`, so everything that a CRM can do is there, and a connection never leaves its thread in
the middle of a transaction. What takes long and makes its units of work itself, as imports and synchronising do, has methods of its own
with the names of the facade.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from crmkit.crm import CRM, RETRIES
from crmkit.errors import InvalidInput, StoreError
from crmkit.io.importing import Applied, ImportPlan
from crmkit.model import Record

if TYPE_CHECKING:
    from crmkit.io.sync import MessageReport, MessageSource, Remote, SyncConsent, SyncPlan, SyncReport

R = TypeVar("R", bound=Record)
T = TypeVar("T")
InThread = Callable[[Callable[[], T]], Awaitable[T]]

THREADS = 8
"""How many units of work run at a time, each in a thread with a connection of its own."""


class AsyncCRM:
    """A `CRM` for an event loop.

    A task that is cancelled does not stop the unit of work that it waits for: the thread brings it to its end, and keeps or
    undoes it as a whole. Whoever must know what became of it runs it again under the same key.

    >>> import asyncio
    >>> async def main() -> int:
    ...     async with await AsyncCRM.open("memory://") as crm:
    ...         await crm.run(lambda crm: crm.customers.add(Customer(kind="person", name="Ann")))
    ...         return await crm.read(lambda crm: len(crm.customers))
    >>> asyncio.run(main())
    1
    """

    def __init__(self, crm: CRM, *, threads: int = THREADS) -> None:
        """Use a CRM; at most so many `threads` work at a time, and others wait for their turn."""
        self._crm = crm
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="crmkit")
        self.imports = AsyncImports(crm, self._in_thread)

    @classmethod
    async def open(cls, url: str, *, threads: int = THREADS, **options: Any) -> Self:
        """Open the store that a URL names; takes the `options` of `CRM.open` and raises its errors."""
        return cls(await asyncio.to_thread(CRM.open, url, **options), threads=threads)

    async def run(
        self,
        work: Callable[[CRM], T],
        *,
        retries: int = RETRIES,
        key: str | None = None,
        by: str | None = None,
        at: datetime | None = None,
    ) -> T:
        """Do work in one unit of work, and again where others wrote meanwhile; return what it returns. See `CRM.run`.

        Raises what `CRM.run` raises, and `InvalidInput` for an async function: inside, every call is a plain one.
        """
        _check_plain(work)
        return await self._in_thread(partial(self._crm.run, work, retries=retries, key=key, by=by, at=at))

    async def read(self, work: Callable[[CRM], T]) -> T:
        """Do work that only reads, each call by itself, and return what it returns: a value, not an iterator over a store.

        Nothing is locked, and what is written meanwhile may be seen; use `run` for numbers that must belong together. Raises
        `InvalidInput` for an async function.
        """
        _check_plain(work)
        return await self._in_thread(partial(work, self._crm))

    async def synchronise(self, remote: "Remote", plan: "SyncPlan[R]") -> "SyncReport":
        """Bring what is stored and another system in step, as `CRM.synchronise` does. The `remote` is asked in the thread."""
        return await self._in_thread(partial(self._crm.synchronise, remote, plan))

    async def receive_messages(
        self, source: "MessageSource", name: str, *, consent: "SyncConsent | None" = None
    ) -> "MessageReport":
        """Keep what became of the mailings of another system, as `CRM.receive_messages` does. The `source` is asked in the thread."""
        return await self._in_thread(partial(self._crm.receive_messages, source, name, consent=consent))

    async def close(self) -> None:
        """Wait for the work that is under way, cancelled or not, and close the store; may be called twice."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._crm.close)

    async def __aenter__(self) -> Self:
        """Return the CRM itself, for `async with`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        await self.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        run = copy_context().run  # so that what the host logs and traces knows the task
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, run, work)
        except RuntimeError:
            raise StoreError("this CRM is closed; open it again to use it") from None
        return await future


class AsyncImports:
    r"""Imports into an `AsyncCRM`: each call a hop to a thread, as long as it takes.

    >>> import asyncio, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = path.write_text("Record ID,First Name,Last Name,Email,Lifecycle Stage\n7,Ann,Lee,ann@example.com,lead\n")
    >>> async def main() -> None:
    ...     async with await AsyncCRM.open("memory://") as crm:
    ...         with await crm.imports.plan(path) as plan:
    ...             print(plan, await crm.imports.apply(plan), sep="; ")
    >>> asyncio.run(main())
    Customer: 1 create; 1 created, 0 updated, 0 unchanged
    """

    def __init__(self, crm: CRM, in_thread: InThread[Any]) -> None:
        """Import into the store of a CRM, by what does work in a thread."""
        self._crm, self._in_thread = crm, in_thread

    async def plan(self, path: Path | str, **options: Any) -> ImportPlan:
        """Find out what importing a file or a folder would do; takes the `options` of `crm.imports.plan` and raises its errors.

        `progress` is called in the thread, so it must only do what a thread may, such as `loop.call_soon_threadsafe`. A task that is
        cancelled gets no plan, and what is left of it removes itself.
        """
        plan: ImportPlan = await self._in_thread(partial(self._crm.imports.plan, path, **options))
        return plan

    async def apply(self, plan: ImportPlan, **options: Any) -> Applied:
        """Carry a plan out in one unit of work; takes the `options` of `crm.imports.apply` and raises its errors.

        A task that is cancelled does not stop the import, which is brought to its end or undone as a whole. To import in somebody's
        name: `crm.run(lambda crm: crm.imports.apply(plan), by="eva")`.
        """
        done: Applied = await self._in_thread(partial(self._crm.imports.apply, plan, **options))
        return done


def _check_plain(work: Callable[..., object]) -> None:
    if iscoroutinefunction(work):
        raise InvalidInput("work is an async function; give a plain one, which runs as a whole in a thread")
