"""The facade for async hosts."""

import asyncio
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from threading import Event, current_thread

import pytest

from crmkit import CRM
from crmkit.aio import AsyncCRM
from crmkit.errors import Conflict, ImportFailed, InvalidInput, NotFound, StoreError
from crmkit.io.sync import MemoryRemote, RemoteEvent, SyncField, SyncPlan
from crmkit.model import Customer, PointsEntry
from tests.crm.club import NOON, OWN, Visit, people


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/club.db"


def _ann(crm: CRM) -> Customer:
    return crm.customers.add(people("ann")[0])


def test_a_unit_of_work_is_one_hop_to_a_thread(url: str) -> None:
    async def main() -> None:
        async with await AsyncCRM.open(url, by="anna", clock=lambda: NOON) as crm:

            def work(crm: CRM) -> str:
                _ann(crm)
                crm.load(people("bob"))
                return current_thread().name

            assert (await crm.run(work, by="eve")).startswith("crmkit")
            stamps = await crm.read(lambda crm: [(each.stamp.by, each.stamp.at) for each in crm.changes()])
            assert stamps == [("eve", NOON), ("eve", NOON)]

    asyncio.run(main())


def test_work_that_fails_is_undone_and_its_error_is_raised(url: str) -> None:
    async def main() -> None:
        async with await AsyncCRM.open(url) as crm:

            def work(crm: CRM) -> None:
                _ann(crm)
                crm.customers.get("bob")

            with pytest.raises(NotFound, match="'bob'"):
                await crm.run(work)
            assert await crm.read(lambda crm: len(crm.customers)) == 0

    asyncio.run(main())


def test_a_key_and_retries_are_those_of_the_facade(url: str) -> None:
    async def main() -> None:
        async with await AsyncCRM.open(url) as crm:
            first, second = [await crm.run(_ann, key="form-17") for _ in range(2)]
            assert first == second
            with pytest.raises(Conflict, match="'ann'"):
                await crm.run(_ann, retries=0)

    asyncio.run(main())


def test_records_of_a_vertical_are_there_too(url: str) -> None:
    async def main() -> None:
        async with await AsyncCRM.open(url, records=OWN) as crm:
            visit = await crm.run(lambda crm: crm[Visit].add(Visit(member_id="ann", at=NOON)))
            assert await crm.read(lambda crm: crm[Visit].get(visit.id)) == visit

    asyncio.run(main())


def test_many_tasks_lose_no_update(url: str) -> None:
    def earn(crm: CRM) -> PointsEntry:
        entry = crm.points_entries.get("p")
        return crm.points_entries.update(entry.replace(points=entry.points + 1))

    async def main() -> None:
        async with await AsyncCRM.open(url, threads=4) as crm:
            await crm.run(
                lambda crm: crm.points_entries.add(
                    PointsEntry(id="p", customer_id="ann", at=NOON, points=0, kind="adjusted")
                )
            )
            await asyncio.gather(*(crm.run(earn) for _ in range(32)))
            assert (await crm.read(lambda crm: crm.points_entries.get("p"))).points == 32

    asyncio.run(main())


def test_a_cancelled_task_leaves_its_unit_of_work_whole(url: str) -> None:
    async def main() -> None:
        crm = await AsyncCRM.open(url)
        began, goes_on = Event(), Event()

        def work(crm: CRM) -> None:
            crm.load(people("ann"))
            began.set()
            assert goes_on.wait(60)
            crm.load(people("bob"))

        task = asyncio.create_task(crm.run(work))
        await asyncio.to_thread(began.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await crm.read(lambda crm: len(crm.customers)) == 0
        closing = asyncio.create_task(crm.close())
        await asyncio.sleep(0)
        goes_on.set()
        await closing
        if url != "memory://":
            with CRM.open(url) as again:
                assert [each.id for each in again.customers] == ["ann", "bob"]

    asyncio.run(main())


def test_a_task_that_is_cancelled_before_its_turn_does_nothing(url: str) -> None:
    async def main() -> None:
        async with await AsyncCRM.open(url, threads=1) as crm:
            began, goes_on = Event(), Event()

            def wait(crm: CRM) -> None:
                began.set()
                assert goes_on.wait(60)

            first = asyncio.create_task(crm.read(wait))
            await asyncio.to_thread(began.wait, 60)
            second = asyncio.create_task(crm.run(_ann))
            await asyncio.sleep(0)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            goes_on.set()
            await first
            assert await crm.read(lambda crm: len(crm.customers)) == 0

    asyncio.run(main())


def test_an_async_function_is_refused(url: str) -> None:
    async def work(crm: CRM) -> None:
        """Do nothing."""

    async def main() -> None:
        async with await AsyncCRM.open(url) as crm:
            for hop in (crm.run, crm.read):
                with pytest.raises(InvalidInput, match="work is an async function; give a plain one"):
                    _ = await hop(work)

    asyncio.run(main())


def test_a_closed_crm_says_so_and_may_be_closed_again(url: str) -> None:
    async def main() -> None:
        crm = await AsyncCRM.open(url)
        await crm.close()
        await crm.close()
        with pytest.raises(StoreError, match="closed; open it again"):
            await crm.run(_ann)

    asyncio.run(main())


def test_a_url_that_cannot_be_opened_is_refused_as_by_the_facade() -> None:
    with pytest.raises(InvalidInput, match="is no store URL"):
        asyncio.run(AsyncCRM.open("club.db"))


TRACE: ContextVar[str] = ContextVar("TRACE")


def test_work_knows_the_context_of_its_task(url: str) -> None:
    async def main() -> None:
        async with await AsyncCRM.open(url) as crm:
            TRACE.set("request 17")
            assert await crm.read(lambda _: TRACE.get()) == "request 17"

    asyncio.run(main())


PEOPLE = "Record ID,First Name,Last Name,Email,Lifecycle Stage\n7,Ann,Lee,ann@example.com,lead\n"


def test_an_import_runs_beside_the_loop_and_is_done_once(url: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    threads = set[str]()

    async def main() -> None:
        async with await AsyncCRM.open(url, by="anna", clock=lambda: NOON) as crm:

            def progress(*_: object) -> None:
                threads.add(current_thread().name.partition("_")[0])

            with await crm.imports.plan(path, progress=progress) as plan:
                assert str(await crm.imports.apply(plan, progress=progress)) == "1 created, 0 updated, 0 unchanged"
            with await crm.imports.plan(str(path), exported_on=NOON.date()) as plan:
                assert plan.counts["skip"] == 1
            assert await crm.read(lambda crm: [(each.stamp.by, each.stamp.at) for each in crm.changes()]) == [
                ("anna", NOON)
            ]

    asyncio.run(main())
    assert threads == {"crmkit"}


def test_an_import_in_somebodys_name_is_a_unit_of_work(url: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)

    async def main() -> None:
        async with await AsyncCRM.open(url) as crm:
            with await crm.imports.plan(path) as plan:
                await crm.run(lambda crm: crm.imports.apply(plan), by="eva")
            assert await crm.read(lambda crm: {each.stamp.by for each in crm.changes()}) == {"eva"}

    asyncio.run(main())


def test_a_file_that_cannot_be_imported_is_refused_as_by_the_facade(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("a,b\n1,2\n")

    async def main() -> None:
        async with await AsyncCRM.open("memory://") as crm:
            with pytest.raises(ImportFailed, match="nothing says what the columns mean"):
                await crm.imports.plan(tmp_path / "people.csv")

    asyncio.run(main())


class _Mailer:
    def events(self, since: datetime | None) -> Iterator[RemoteEvent]:
        yield RemoteEvent(campaign_id="7", campaign="Spring", address="ann@example.com", event="sent", at=NOON)


def test_another_system_is_kept_in_step_and_its_mailings_are_received(url: str) -> None:
    async def main() -> None:
        async with await AsyncCRM.open(url, by="anna") as crm:
            await crm.run(_ann)
            remote = MemoryRemote()
            plan = SyncPlan(name="mailer", cls=Customer, fields=[SyncField("name")])
            assert str(await crm.synchronise(remote, plan)) == "1 created there"
            assert str(await crm.synchronise(remote, plan)) == "nothing to do"
            assert (await crm.receive_messages(_Mailer(), "mailer")).messages == 1

    asyncio.run(main())
