"""Several stores on one server, as several processes have it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import anyio
import pytest

from oncue.stores import (
    Added,
    AlreadyKnown,
    ByIds,
    Fired,
    FireOutcome,
    Overtaken,
    PurgeExpired,
    UniqueTaken,
    clock,
)
from oncue.testing._store_kit import Claimer, done, make_row, view_of
from oncue.testing._suite_schedules import fire, make_run, make_schedule, planned, runs_of
from tests import servers
from tests.stores.redis.kit import opened
from tests.stores.sql.test_sharing import NAMES

pytestmark = pytest.mark.real_time


async def test_claimers_at_once_never_share_a_task() -> None:
    claimed: list[int] = []
    name = servers.redis_name()

    async def work(number: int) -> None:
        async with opened(jobs_key=name) as store:
            claimer = await Claimer.join(store, f"node-{number}")
            exchanged = await claimer.exchange(limit=7)
            while exchanged.claimed or exchanged.more:
                claimed.extend(int(task.row.trace or "") for task in exchanged.claimed)
                exchanged = await claimer.exchange(*map(done, exchanged.claimed), limit=7)
                assert exchanged.refused == []

    async with opened(jobs_key=name) as store:
        rows = [make_row(f"t{number % 3}", priority=(5, 10)[number % 2]) for number in range(300)]
        await store.add([replace(row, trace=str(n)) for n, row in enumerate(rows)])
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(work, number)
        assert sorted(claimed) == list(range(300))
        assert (await store.count()).live == 0


async def test_the_same_tasks_added_at_once_are_added_once() -> None:
    rows = [make_row(unique_key=f"k{number % 40}") for number in range(80)]
    outcomes: list[object] = []
    name = servers.redis_name()

    async def add() -> None:
        async with opened(jobs_key=name) as store:
            outcomes.extend(await store.add(rows))

    async with opened(jobs_key=name) as store:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(add)
        assert outcomes.count(Added()) == 40
        assert outcomes.count(AlreadyKnown()) == 120
        assert (await store.count()).live == 40


async def test_names_are_told_apart_byte_by_byte() -> None:
    async with opened() as store:
        rows = [make_row(name, queue_name=name, unique_key=name) for name in NAMES]
        assert await store.add(rows) == [Added()] * len(NAMES)
        claimer = await Claimer.join(store)
        assert set((await claimer.survey()).queues) == set(NAMES)
        assert await store.queues() == sorted(NAMES)
        for row in rows:
            again = make_row(queue_name=row.queue_name, unique_key=row.unique_key)
            assert await store.add([again]) == [UniqueTaken(live_task_id=row.task_id)]
            handled = frozenset({row.task_type})
            [task] = await claimer.claim(row.queue_name, task_types=handled)
            assert task.row == row


async def test_the_time_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock says of the machine that asks."""
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(UTC) + timedelta(hours=1))
    async with opened() as store:
        row = make_row(delay=60)
        await store.add([row])
        run_at = (await view_of(store, row.task_id)).run_at
        assert run_at is not None
        moments = [run_at - timedelta(seconds=60), *[(await store.due(1)).now for _ in range(9)]]
        assert all(abs(now - datetime.now(UTC)) < timedelta(seconds=5) for now in moments)
        assert any(now.microsecond % 1000 for now in moments)  # it is exact to a microsecond


async def test_without_a_time_to_live_no_result_is_written() -> None:
    async with opened(result_ttl_s=0) as store:
        row = make_row(task_id=(task_id := uuid4()))
        claimer = await Claimer.join(store)
        for _ in range(2):
            assert await store.add([row]) == [Added()]
            [task] = await claimer.claim()
            await claimer.settle(done(task))
            assert await store.find(ByIds(task_ids=[task_id])) == []


async def test_a_result_goes_by_itself_also_where_nobody_prunes() -> None:
    async with opened(result_ttl_s=0.2) as store:
        row = make_row()
        await store.add([row])
        claimer = await Claimer.join(store)
        [task] = await claimer.claim()
        await claimer.settle(done(task))
        assert len(await store.find(ByIds(task_ids=[row.task_id]))) == 1
        with anyio.fail_after(5):
            while await store.find(ByIds(task_ids=[row.task_id])):  # noqa: ASYNC110 - the server's
                await anyio.sleep(0.02)
        assert await store.add([row]) == [Added()]
        assert await store.purge(PurgeExpired()) == 1  # what was left of it: its place in the order


async def test_of_all_who_fire_a_version_at_once_one_does() -> None:
    outcomes: dict[UUID, list[FireOutcome]] = {}
    name = servers.redis_name()

    async def node(number: int) -> None:
        async with opened(jobs_key=name) as store:
            for start in range(0, len(views), 10):
                fires = [fire(view, make_run(view.row.job_id)) for view in views[start:][:10]]
                fires = fires[number:] + fires[:number]  # each in an order of its own
                for each, outcome in zip(fires, await store.fire(fires), strict=True):
                    outcomes.setdefault(each.job_id, []).append(outcome)

    async with opened(jobs_key=name) as store:
        views = await planned(store, *(make_schedule() for _ in range(100)))
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(node, number)
        for view in await store.schedules():
            mine = outcomes[view.row.job_id]
            assert mine.count(Fired(outcomes=[Added()])) == 1
            assert mine.count(Overtaken()) == 3
            assert await runs_of(store, view) == 1


async def test_two_stores_under_other_names_have_nothing_in_common() -> None:
    async with opened() as one, opened() as two:
        row = make_row()
        assert await one.add([row]) == [Added()]
        assert await two.add([row]) == [Added()]
        assert (await two.count()).live == 1
